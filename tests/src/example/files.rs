//! What an example's folder holds, as an operator would copy it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::pieces;
use crate::trouble::Trouble;

/// Where the shipped HAProxy listens, as the examples' backends name it.
pub const SHIPPED_BIND: &str = "127.0.0.1:8000";
/// The second file of HAProxy's configuration.
const CONFIGURATION: &str = "haproxy.cfg";
/// How a pool's backend begins.
const POOL: &str = "backend pool_";

/// An example's folder.
#[derive(Debug, Clone)]
pub struct ExampleFiles {
    folder: PathBuf,
}

/// A pool of an example, and the variable that its server's address is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPool {
    /// The pool.
    pub pool: String,
    /// The variable.
    pub variable: String,
}

impl ExampleFiles {
    /// Opens an example.
    ///
    /// # Errors
    /// [`Trouble::Missing`] when there is none of the name.
    pub fn open(name: &str) -> Result<Self, Trouble> {
        Ok(Self { folder: pieces::example(name)? })
    }

    /// The names of all examples, in order.
    ///
    /// # Errors
    /// [`Trouble::Missing`] or [`Trouble::Io`] when the folder of all can't be read.
    pub fn names() -> Result<Vec<String>, Trouble> {
        let folder = pieces::example("")?;
        let entries = fs::read_dir(&folder).map_err(Trouble::io("list the examples"))?;
        let folders = entries.flatten().filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> =
            folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The example's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of it.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it can't be read.
    pub fn read(&self, name: &str) -> Result<String, Trouble> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).map_err(Trouble::io(format!("read `{}`", path.display())))
    }

    /// HAProxy's second file; an example may need none.
    #[must_use]
    pub fn configuration(&self) -> Option<PathBuf> {
        Some(self.folder.join(CONFIGURATION)).filter(|path| path.exists())
    }

    /// The pools that HAProxy's second file adds.
    ///
    /// # Errors
    /// [`Trouble::Io`], or [`Trouble::Unexpected`] for a pool whose server has no variable for its address.
    pub fn pools(&self) -> Result<Vec<OwnPool>, Trouble> {
        if self.configuration().is_none() {
            return Ok(Vec::new());
        }
        let text = self.read(CONFIGURATION)?;
        let mut pools = Vec::new();
        for section in text.split(POOL).skip(1) {
            let pool = section.split_whitespace().next().unwrap_or_default().to_owned();
            let servers = section.lines().filter_map(|line| line.trim().strip_prefix("server "));
            let variable = servers
                .filter_map(|server| server.split_once("\"${"))
                .next()
                .and_then(|(_, rest)| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next())
                .ok_or_else(|| Trouble::unexpected(format!("an address by variable in `{pool}`"), section))?
                .to_owned();
            pools.push(OwnPool { pool, variable });
        }
        Ok(pools)
    }

    /// A file with backends of Fastly's local server, with the addresses of a stage in the place of its own.
    ///
    /// # Errors
    /// [`Trouble::Io`], or [`Trouble::Unexpected`] where it names an address that the stage doesn't have.
    pub fn backends(&self, name: &str, places: &[(&str, SocketAddr)]) -> Result<String, Trouble> {
        let mut text = String::new();
        for line in self.read(name)?.lines() {
            let Some(url) = line.strip_prefix("url = \"http://").and_then(|rest| rest.strip_suffix('"'))
            else {
                text.push_str(line);
                text.push('\n');
                continue;
            };
            let place = places.iter().find(|(written, _)| *written == url);
            let (_, address) = place
                .ok_or_else(|| Trouble::unexpected("an address of the stage", format!("{name}: {line}")))?;
            text.push_str(&format!("url = \"http://{address}\"\n"));
        }
        Ok(text)
    }
}
