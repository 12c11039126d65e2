//! Fastly's real command line, which the stand-in of Fastly's API is held against.

use super::npm;
use crate::fault::Fault;
use crate::folders;
use crate::shell;

/// The version that the tests were written against; the harness has the same.
const VERSION: &str = "16.1.0";

/// Installs it into the cache unless it is there.
pub(super) fn bring() -> Result<(), Fault> {
    let root = folders::cache().join(format!("fastly-cli-{VERSION}"));
    if root.exists() {
        return Ok(());
    }
    shell::say(&format!(
        "setup: installing Fastly's command line {VERSION} by npm into {}\n       a download of some 10 MB; 30 MB when done",
        root.display()
    ));
    npm::install(&format!("@fastly/cli@{VERSION}"), &root)
}
