//! What puts load on HAProxy, and what makes the keys of its own checks.

use super::haproxy::install;
use crate::fault::Fault;
use crate::shell;

/// `wrk` and `openssl`, by the system's package manager.
pub(super) fn bring() -> Result<(), Fault> {
    for program in ["wrk", "openssl"] {
        if !shell::has(program) {
            shell::say(&format!("setup: installing {program} by apt-get, a download of 1 MB at most"));
            install(program)?;
        }
    }
    Ok(())
}
