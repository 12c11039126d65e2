//! The scripts of `tests/oidc`, run by Node.js on the packages in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pieces;
use crate::trouble::Trouble;

/// A copy of the scripts with their packages beside them, which is where Node.js looks for what a
/// script imports: it follows no variable of the environment to them.
#[derive(Debug, Clone)]
pub struct Scripts {
    node: PathBuf,
    folder: PathBuf,
}

impl Scripts {
    /// Copies them into `folder`; copies that are there already are replaced by the same.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Node.js or the packages, [`Trouble::Io`] when a file cannot be written.
    pub fn lay_out(folder: &Path) -> Result<Self, Trouble> {
        let (node, packages, source) = (pieces::node()?, pieces::oidc_packages()?, pieces::oidc_scripts()?);
        let folder = folder.join("oidc");
        let doing = || format!("copy the scripts of `{}` to `{}`", source.display(), folder.display());
        fs::create_dir_all(&folder).map_err(Trouble::io(doing()))?;
        for entry in fs::read_dir(&source).map_err(Trouble::io(doing()))? {
            let path = entry.map_err(Trouble::io(doing()))?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "mjs"))
            {
                fs::copy(&path, folder.join(name)).map_err(Trouble::io(doing()))?;
            }
        }
        let link = folder.join("node_modules");
        if !link.exists() {
            std::os::unix::fs::symlink(packages, link).map_err(Trouble::io(doing()))?;
        }
        Ok(Self { node, folder })
    }

    /// A command that runs one of them, in the folder of the copies, and still wants its arguments.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.folder.join(name)).current_dir(&self.folder).env_remove("NODE_OPTIONS");
        command
    }

    /// The folder of the copies, for files beside them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
