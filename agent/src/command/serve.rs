//! `countersign serve`

use std::path::PathBuf;

use clap::Args;

use super::{Failure, log};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/countersign.toml")]
    settings: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        log::begin()?;
        Ok(crate::serve::serve(&self.settings)?)
    }
}
