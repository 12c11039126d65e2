//! What comes through npm, each in a folder of its own in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::haproxy::install as install_debians;
use crate::fault::Fault;
use crate::shell;

/// Nothing that npm brings runs code while it is installed.
const QUIETLY: [&str; 3] = ["--no-audit", "--no-fund", "--ignore-scripts"];

/// Installs one package into `root`.
pub(super) fn install(package: &str, root: &Path) -> Result<(), Fault> {
    into(root, |fresh| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save"]).args(QUIETLY).arg("--prefix").arg(fresh).arg(package);
        shell::run(&mut npm)
    })
}

/// Installs into `root` exactly what the lock file in `project` names.
pub(super) fn install_locked(project: &Path, root: &Path) -> Result<(), Fault> {
    into(root, |fresh| {
        for file in ["package.json", "package-lock.json"] {
            let doing = || format!("copy `{file}` from `{}` to `{}`", project.display(), fresh.display());
            fs::copy(project.join(file), fresh.join(file))
                .map_err(|source| Fault::Io { doing: doing(), source })?;
        }
        let mut npm = Command::new("npm");
        npm.arg("ci").args(QUIETLY).current_dir(fresh);
        shell::run(&mut npm)
    })
}

/// Installs npm itself, which brings Debian's Node.js along.
pub(super) fn bring() -> Result<(), Fault> {
    if shell::has("npm") {
        return Ok(());
    }
    shell::say("setup: installing npm by apt-get; some 100 MB");
    install_debians("npm")
}

/// The folder gets its name last: an installation that was broken off must not be taken for a whole one.
fn into(root: &Path, install: impl FnOnce(&Path) -> Result<(), Fault>) -> Result<(), Fault> {
    bring()?;
    let mut fresh = root.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let io = |doing: String| move |source| Fault::Io { doing, source };
    fs::create_dir_all(&fresh).map_err(io(format!("make the folder `{}`", fresh.display())))?;
    install(&fresh)?;
    fs::rename(&fresh, root).map_err(io(format!("name the folder `{}`", root.display())))
}
