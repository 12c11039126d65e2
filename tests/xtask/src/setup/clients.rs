//! The clients that scenes send by: curl, and nghttp for HTTP/2.

use super::haproxy::install;
use crate::fault::Fault;
use crate::shell;

/// Each program with the package that it comes in.
const CLIENTS: [(&str, &str); 2] = [("curl", "curl"), ("nghttp", "nghttp2-client")];

/// Both, by the system's package manager.
pub(super) fn bring() -> Result<(), Fault> {
    for (program, package) in CLIENTS {
        if !shell::has(program) {
            shell::say(&format!("setup: installing {program} by apt-get, a download of 1 MB at most"));
            install(package)?;
        }
    }
    Ok(())
}
