//! HAProxy: the system's by its package manager, others as unpacked Debian trees in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fault::Fault;
use crate::folders;
use crate::shell::{self, Rights};
use crate::version::Version;

/// What of a Debian tree HAProxy needs to run: itself, the loader and the libraries.
const KEPT: [&str; 5] = ["usr/sbin/haproxy", "usr/lib", "usr/lib64", "lib", "lib64"];

/// The system's HAProxy, whatever version that is.
pub(super) fn bring_the_systems() -> Result<(), Fault> {
    if let Some(version) = systems_version() {
        shell::say(&format!("setup: HAProxy {version} is installed"));
        return Ok(());
    }
    shell::say("setup: installing HAProxy by apt-get, a download of some 3 MB");
    install("haproxy")
}

/// The given version: the system's where it is that one, else a tree in the cache.
pub(super) fn bring(version: Version) -> Result<(), Fault> {
    if systems_version().is_some_and(|found| found.starts_with(version.name())) {
        return Ok(());
    }
    let tree = folders::cache().join(format!("haproxy-{}", version.name()));
    if tree.join("usr/sbin/haproxy").exists() {
        return Ok(());
    }
    unpack(version, &tree)
}

fn unpack(version: Version, tree: &Path) -> Result<(), Fault> {
    let command_line = format!(
        "sudo debootstrap --variant=minbase --include=haproxy {} {}",
        version.release(),
        tree.display()
    );
    let missing =
        || Fault::Missing { what: format!("HAProxy {}", version.name()), remedy: command_line.clone() };
    let rights = Rights::of_this_user();
    if rights == Rights::None {
        return Err(missing());
    }
    if !has_debootstrap() {
        install("debootstrap")?;
    }
    shell::say(&format!(
        "setup: fetching HAProxy {} from Debian {} into {}\n       half a minute to two; some 50 MB when done",
        version.name(),
        version.release(),
        tree.display()
    ));
    let whole = beside(tree, "whole");
    remove(&whole, rights)?;
    make_folder(&folders::cache())?;
    let mut debootstrap = rights.command("debootstrap").ok_or_else(missing)?;
    debootstrap.args(["--variant=minbase", "--include=haproxy", version.release()]).arg(&whole);
    shell::run(&mut debootstrap)?;
    keep_what_is_needed(&whole, tree, rights)?;
    remove(&whole, rights)
}

/// A tree that was broken off half way must not be taken for a whole one: it gets its name last.
fn keep_what_is_needed(whole: &Path, tree: &Path, rights: Rights) -> Result<(), Fault> {
    let fresh = beside(tree, "new");
    remove(&fresh, rights)?;
    make_folder(&fresh)?;
    let mut archive = rights
        .command("sh")
        .ok_or_else(|| Fault::Missing { what: "root".into(), remedy: "sudo cargo xtask setup".into() })?;
    // Not every architecture has a `lib64`.
    let script = r#"cd "$1" && to="$2" && shift 2 && for part; do if [ -e "$part" ]; then echo "$part"; fi; done |
        tar cf - --files-from - | tar xf - -C "$to""#;
    archive.arg("-c").arg(script).arg("keep").arg(whole).arg(&fresh).args(KEPT);
    shell::run(&mut archive)?;
    fs::rename(&fresh, tree)
        .map_err(|source| Fault::Io { doing: format!("name the tree `{}`", tree.display()), source })
}

/// The folder's name with a word after it; `with_extension` would take the `.2` of a version away.
fn beside(tree: &Path, word: &str) -> PathBuf {
    let mut name = tree.as_os_str().to_owned();
    name.push(format!(".{word}"));
    name.into()
}

fn systems_version() -> Option<String> {
    let usual = PathBuf::from("/usr/sbin/haproxy");
    let program = if usual.exists() { usual } else { "haproxy".into() };
    let printed = shell::output(&program.to_string_lossy(), &["-v"])?;
    printed.split_whitespace().nth(2).map(str::to_owned)
}

fn has_debootstrap() -> bool {
    shell::has("debootstrap") || Path::new("/usr/sbin/debootstrap").exists()
}

/// Installs a package of the system.
pub(super) fn install(package: &str) -> Result<(), Fault> {
    let missing = || Fault::Missing {
        what: format!("`{package}`"),
        remedy: format!("sudo apt-get install --yes --no-install-recommends {package}"),
    };
    let rights = Rights::of_this_user();
    let mut update = rights.command("apt-get").ok_or_else(missing)?;
    let mut install = rights.command("apt-get").ok_or_else(missing)?;
    if !shell::has("apt-get") {
        return Err(missing());
    }
    update.args(["update", "--quiet"]);
    install
        .args(["install", "--yes", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive");
    // Lists may be old but good enough; what counts is whether the installation works.
    let _ = shell::run(&mut update);
    shell::run(&mut install)
}

fn make_folder(folder: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder)
        .map_err(|source| Fault::Io { doing: format!("make the folder `{}`", folder.display()), source })
}

fn remove(folder: &Path, rights: Rights) -> Result<(), Fault> {
    if !folder.exists() {
        return Ok(());
    }
    match rights.command("rm") {
        Some(mut rm) => shell::run(rm.args(["-rf", "--one-file-system"]).arg(folder)),
        None => Ok(()),
    }
}
