//! `countersign compile`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::serve::load_policy;

#[derive(Debug, Args)]
pub(super) struct Compile {
    /// The policy file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/policy.toml")]
    policy: PathBuf,
}

impl Compile {
    /// Prints one JSON object: the items of the config store `countersign_config` that hold the policy.
    pub(super) fn run(self) -> Result<(), Failure> {
        let policy = load_policy(&self.policy)?;
        let items: BTreeMap<String, String> = policy.for_edge().to_items()?.into_iter().collect();
        println!("{}", serde_json::to_string_pretty(&items)?);
        Ok(())
    }
}
