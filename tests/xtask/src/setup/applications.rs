//! nginx and PHP, which the tests ask how they read a request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::haproxy::install;
use crate::fault::Fault;
use crate::folders;
use crate::shell;

/// nginx from its package, unpacked into the cache, and PHP's FastCGI program by the package manager.
///
/// An installed nginx would listen on port 80 from then on.
pub(super) fn bring() -> Result<(), Fault> {
    nginx()?;
    if Path::new("/usr/bin/php-cgi").exists() {
        return Ok(());
    }
    shell::say("setup: installing PHP's FastCGI program by apt-get, a download of some 5 MB");
    install("php-cgi")
}

fn nginx() -> Result<(), Fault> {
    let tree = folders::cache().join("nginx");
    if Path::new("/usr/sbin/nginx").exists() || tree.exists() {
        return Ok(());
    }
    if !shell::has("apt-get") {
        let remedy = "install nginx by the system's package manager".into();
        return Err(Fault::Missing { what: "nginx".into(), remedy });
    }
    shell::say(&format!("setup: unpacking Debian's nginx into {}, a download of 1 MB", tree.display()));
    let download = folders::cache().join("nginx.download");
    remove(&download)?;
    fs::create_dir_all(&download).map_err(io("make a folder for nginx"))?;
    shell::run(Command::new("apt-get").args(["download", "nginx"]).current_dir(&download))?;
    let fresh = download.join("tree");
    shell::run(Command::new("dpkg-deb").arg("--extract").arg(package(&download)?).arg(&fresh))?;
    // A tree that was broken off half way must not be taken for a whole one: it gets its name last.
    fs::rename(&fresh, &tree).map_err(io("name the folder of nginx"))?;
    remove(&download)
}

/// The only file of the folder.
fn package(folder: &Path) -> Result<PathBuf, Fault> {
    let mut files = fs::read_dir(folder).map_err(io("look for nginx's package"))?;
    let file = files.next().transpose().map_err(io("look for nginx's package"))?;
    file.map(|file| file.path()).ok_or_else(|| Fault::Missing {
        what: "nginx's package".into(),
        remedy: "sudo apt-get update".into(),
    })
}

fn remove(folder: &Path) -> Result<(), Fault> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(io("remove a folder of nginx")) } else { Ok(()) }
}

fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Fault {
    move |source| Fault::Io { doing: doing.into(), source }
}
