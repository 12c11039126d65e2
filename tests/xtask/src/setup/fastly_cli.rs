//! Fastly's real command line, which the stand-in of Fastly's API is held against.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::haproxy::install;
use crate::fault::Fault;
use crate::folders;
use crate::shell;

/// The version that the tests were written against; the harness has the same.
const VERSION: &str = "16.1.0";

/// Installs it into the cache unless it is there.
pub(super) fn bring() -> Result<(), Fault> {
    let root = root("");
    if root.exists() {
        return Ok(());
    }
    if !shell::has("npm") {
        shell::say("setup: installing npm by apt-get, which brings Fastly's command line; some 100 MB");
        install("npm")?;
    }
    shell::say(&format!(
        "setup: installing Fastly's command line {VERSION} by npm into {}\n       a download of some 10 MB; 30 MB when done",
        root.display()
    ));
    // It gets its name last: an installation that was broken off must not be taken for a whole one.
    let fresh = self::root(".new");
    let io = |doing: String| move |source| Fault::Io { doing, source };
    fs::create_dir_all(&fresh).map_err(io(format!("make the folder `{}`", fresh.display())))?;
    shell::run(
        Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&fresh)
            .arg(format!("@fastly/cli@{VERSION}")),
    )?;
    fs::rename(&fresh, &root).map_err(io(format!("name the folder `{}`", root.display())))
}

fn root(end: &str) -> PathBuf {
    folders::cache().join(format!("fastly-cli-{VERSION}{end}"))
}
