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
    let on_wasm =
        ["clippy", "-p", "countersign-edge", "-p", "countersign-bench-wasm", "--target", "wasm32-wasip1"];
    shell::run(build::cargo().args(on_wasm).args(DENY_WARNINGS))?;
    dependencies()
}

/// Licences, sources and banned crates are checked always; advisories where their database, which
/// is fetched over the network, can be reached.
fn dependencies() -> Result<(), Fault> {
    let deny = setup::cargo_deny()?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&deny);
        command.arg("--all-features").args(arguments).current_dir(folders::repository());
        shell::run(&mut command)
    };
    deny(&["check", "bans", "licenses", "sources"])?;
    if deny(&["fetch", "db"]).is_err() {
        shell::say("\nNOT CHECKED: security advisories, whose database cannot be fetched from here\n");
        return Ok(());
    }
    deny(&["check", "advisories"])
}
