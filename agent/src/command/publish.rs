//! `countersign publish`

use std::path::PathBuf;

use clap::Args;

use super::{Failure, log};

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/publish.toml")]
    settings: PathBuf,
}

impl Publish {
    pub(super) fn run(self) -> Result<(), Failure> {
        log::begin()?;
        Ok(crate::serve::publish(&self.settings)?)
    }
}
