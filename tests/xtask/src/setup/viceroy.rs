//! Fastly's local Compute runtime.

use std::path::PathBuf;
use std::process::Command;

use crate::fault::Fault;
use crate::folders;
use crate::shell;

/// The version that the scenes were written against; the harness has the same.
const VERSION: &str = "0.22.0";

/// Installs it into the cache unless it is there.
pub(super) fn bring() -> Result<(), Fault> {
    let root = root();
    if root.join("bin/viceroy").exists() {
        return Ok(());
    }
    shell::say(&format!(
        "setup: building Viceroy {VERSION}, Fastly's local Compute runtime, into {}\n       \
         about 10 minutes on two cores, once for all checkouts; about 60 MB when done",
        root.display()
    ));
    // Not into this checkout's target folder: it would be rebuilt after every `cargo clean`.
    shell::run(
        Command::new(folders::cargo())
            .args(["install", "--locked", "viceroy", "--version", VERSION, "--root"])
            .arg(&root)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS"),
    )
}

fn root() -> PathBuf {
    folders::cache().join(format!("viceroy-{VERSION}"))
}
