//! `countersign serve`

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Failure;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/countersign.toml")]
    settings: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let filter = EnvFilter::try_from_env("COUNTERSIGN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .init();
        Ok(crate::serve::serve(&self.settings)?)
    }
}
