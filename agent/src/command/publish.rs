//! `countersign publish`

use std::path::PathBuf;

use clap::Args;

use super::{Failure, log};
use crate::serve::{Writing, publish_once};

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/publish.toml")]
    settings: PathBuf,
    /// Write what the state file holds to the edge's store, and end: without any peer
    #[arg(long)]
    once: bool,
    /// With `--once`: say what would be written, and write nothing
    #[arg(long, requires = "once")]
    dry_run: bool,
}

impl Publish {
    pub(super) fn run(self) -> Result<(), Failure> {
        log::begin()?;
        if !self.once {
            return Ok(crate::serve::publish(&self.settings)?);
        }
        let writing = if self.dry_run { Writing::Shown } else { Writing::Done };
        Ok(publish_once(&self.settings, writing, &mut |line| println!("{line}"))?)
    }
}
