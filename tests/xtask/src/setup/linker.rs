//! Rust needs a linker for this machine, and rustup brings none.

use crate::fault::Fault;
use crate::shell;

/// Checks that there is one. This program was linked, so that it is there but for a cache that
/// came from another machine; the README names the command for those who have none.
pub(super) fn check() -> Result<(), Fault> {
    if shell::has("cc") {
        return Ok(());
    }
    Err(Fault::Missing {
        what: "a linker (`cc`)".into(),
        remedy: "sudo apt-get install --yes gcc libc6-dev".into(),
    })
}
