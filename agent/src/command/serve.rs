//! `countersign serve`

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::Failure;

/// The variable that says how much is logged.
const LOG: &str = "COUNTERSIGN_LOG";

/// A level that can't be read.
#[derive(Debug, Error)]
#[error("{LOG}: {source}: expected a level such as `info` or `debug`, or `target=level` items")]
struct LogError {
    source: ParseError,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/countersign.toml")]
    settings: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let filter = EnvFilter::try_new(std::env::var(LOG).unwrap_or_else(|_| "info".to_owned()))
            .map_err(|source| LogError { source })?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .init();
        Ok(crate::serve::serve(&self.settings)?)
    }
}
