//! The check of dependencies: licences, advisories, sources, duplicates.

use std::path::PathBuf;
use std::process::Command;

use crate::fault::Fault;
use crate::folders;
use crate::shell;

const VERSION: &str = "0.20";

/// The binary; built into the cache unless it is there.
pub(crate) fn cargo_deny() -> Result<PathBuf, Fault> {
    let root = folders::cache().join(format!("cargo-deny-{VERSION}"));
    let binary = root.join("bin/cargo-deny");
    if !binary.exists() {
        shell::say(&format!(
            "setup: building cargo-deny {VERSION} into {}\n       about 5 minutes on two cores, once for all checkouts",
            root.display()
        ));
        shell::run(
            Command::new(folders::cargo())
                .args(["install", "--locked", "cargo-deny", "--version", &format!("~{VERSION}"), "--root"])
                .arg(&root)
                .env_remove("CARGO_TARGET_DIR"),
        )?;
    }
    Ok(binary)
}
