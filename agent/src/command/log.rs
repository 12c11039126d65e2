//! What a daemon logs, and how much.

use std::io::IsTerminal as _;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The variable that says how much is logged.
const LOG: &str = "COUNTERSIGN_LOG";

/// A level that can't be read.
#[derive(Debug, Error)]
#[error("{LOG}: {source}: expected a level such as `info` or `debug`, or `target=level` items")]
pub(super) struct LogError {
    source: ParseError,
}

/// Logs to standard error from now on.
pub(super) fn begin() -> Result<(), LogError> {
    let filter = EnvFilter::try_new(std::env::var(LOG).unwrap_or_else(|_| "info".to_owned()))
        .map_err(|source| LogError { source })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
