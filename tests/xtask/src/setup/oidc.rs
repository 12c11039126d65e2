//! The packages of `tests/oidc`: a real OpenID provider, what drives the browser, and clients.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::npm;
use crate::fault::Fault;
use crate::folders;
use crate::shell;

/// Installs them into the cache unless these versions are there.
pub(super) fn bring() -> Result<(), Fault> {
    let project = folders::repository().join("tests/oidc");
    let root = root(&project.join("package-lock.json"))?;
    if root.exists() {
        return Ok(());
    }
    shell::say(&format!(
        "setup: installing the identity provider, the browser's driver and clients by npm into {}\n       a download of some 15 MB; 70 MB when done",
        root.display()
    ));
    npm::install_locked(&project, &root)
}

/// Named after what is in it, so that two checkouts with other versions don't share it. The harness
/// makes up the same name.
fn root(lock: &Path) -> Result<PathBuf, Fault> {
    let bytes =
        fs::read(lock).map_err(|source| Fault::Io { doing: format!("read `{}`", lock.display()), source })?;
    let mut name = "oidc-".to_owned();
    for byte in Sha256::digest(&bytes).iter().take(8) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(folders::cache().join(name))
}
