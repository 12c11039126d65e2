//! `countersign compile`

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde::Serializer as _;

use super::Failure;
use crate::serve::load_policy;

#[derive(Debug, Args)]
pub(super) struct Compile {
    /// The policy file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/policy.toml")]
    policy: PathBuf,
}

impl Compile {
    /// Prints one JSON object: the items of the config store `countersign_config` that hold the
    /// policy, in the order in which they are to be written.
    pub(super) fn run(self) -> Result<(), Failure> {
        let items = load_policy(&self.policy)?.for_edge().to_items()?;
        let mut out = io::stdout().lock();
        serde_json::Serializer::pretty(&mut out).collect_map(items)?;
        Ok(writeln!(out)?)
    }
}
