//! Fastly's real command line, pointed at the stand-in: the client that the stand-in is held against.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::{FastlyApi, TOKEN};
use crate::pieces::cache_folder;
use crate::trouble::Trouble;

/// The version that the tests were written against; `cargo xtask` brings the same.
const VERSION: &str = "16.1.0";
/// Names another binary.
const VARIABLE: &str = "COUNTERSIGN_FASTLY_CLI";
/// Longest run of one command.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command line, with a home of its own.
#[derive(Debug)]
pub struct FastlyCli {
    binary: PathBuf,
    url: String,
    home: TempDir,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Said {
    /// Whether it ended well.
    pub succeeded: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl FastlyCli {
    /// Finds it, for use on `api`.
    ///
    /// # Errors
    /// [`Trouble::Missing`] when it has not been installed, [`Trouble::Io`] without a temporary folder.
    pub fn find(api: &FastlyApi) -> Result<Self, Trouble> {
        let binary = env::var_os(VARIABLE).map_or_else(cached, PathBuf::from);
        if !binary.exists() {
            return Err(Trouble::Missing {
                what: "Fastly's command line",
                looked_at: binary.display().to_string(),
            });
        }
        let home = tempfile::tempdir().map_err(Trouble::io("make a home for Fastly's command line"))?;
        Ok(Self { binary, url: api.url(), home })
    }

    /// Runs one command, with nothing to read and nobody to ask.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it cannot be started, [`Trouble::NoAnswer`] when it does not end.
    pub async fn run(&self, words: &[&str]) -> Result<Said, Trouble> {
        let mut command = Command::new(&self.binary);
        command
            .args(words)
            // Nothing of the user's: neither settings nor a service that a folder names.
            .env_clear()
            .env("HOME", self.home.path())
            .env("FASTLY_API_ENDPOINT", &self.url)
            .env("FASTLY_ACCOUNT_ENDPOINT", &self.url)
            .env("FASTLY_API_TOKEN", TOKEN)
            .current_dir(self.home.path())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output())
            .await
            .map_err(|_| Trouble::NoAnswer {
                peer: "Fastly's command line".into(),
                why: format!("still running after {PATIENCE:?}"),
            })?
            .map_err(Trouble::io("run Fastly's command line"))?;
        Ok(Said {
            succeeded: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn cached() -> PathBuf {
    let architecture = match env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    cache_folder()
        .join(format!("fastly-cli-{VERSION}/node_modules/@fastly/cli-linux-{architecture}"))
        .join("fastly")
}
