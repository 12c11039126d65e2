//! `cargo xtask check`: format, lints and dependencies.

use std::process::Command;

use crate::build;
use crate::fault::Fault;
use crate::folders;
use crate::setup;
use crate::shell;

/// Lints are errors here and warnings while somebody works.
const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

pub(crate) fn run() -> Result<(), Fault> {
    setup::for_the_edge()?;
    shell::run(build::cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(
        build::cargo().args(["clippy", "--workspace", "--all-targets", "--all-features"]).args(DENY_WARNINGS),
    )?;
    shell::run(
        build::cargo()
            .args(["clippy", "-p", "countersign-edge", "--target", "wasm32-wasip1"])
            .args(DENY_WARNINGS),
    )?;
    let deny = setup::cargo_deny()?;
    shell::run(Command::new(deny).args(["--all-features", "check"]).current_dir(folders::repository()))
}
