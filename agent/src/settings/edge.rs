//! `[edge]` of the publisher: the store that the list is written to.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use countersign_contract::list::ListMode;
use countersign_contract::name::KeyId;
use serde::Deserialize;

use super::{SettingsError, refuse};
use crate::publish::api::Target;

/// `[edge]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Fastly's API.
    #[serde(default = "Edge::api")]
    pub api: String,
    /// What kind of store it is.
    #[serde(default)]
    pub target: TargetKind,
    /// The config store's id.
    #[serde(default)]
    pub store: Option<String>,
    /// The dictionary's service.
    #[serde(default)]
    pub service: Option<String>,
    /// The dictionary's id.
    #[serde(default)]
    pub dictionary: Option<String>,
    /// Whether the store's items can be read back.
    #[serde(default)]
    pub access: Access,
    /// File of the API token; relative to the settings file.
    pub token: PathBuf,
    /// File of the list keys, the same text as the edge's secret `list-key`; relative to the settings file.
    pub list_keys: PathBuf,
    /// The id of the list key that the list is made with.
    pub list_key: KeyId,
    /// How many buckets.
    #[serde(default = "Edge::buckets")]
    pub buckets: NonZeroU32,
    /// Whether the edge acts on the list.
    #[serde(default)]
    pub mode: ListMode,
    /// The most calls an hour that write.
    #[serde(default = "Edge::flushes_per_hour")]
    pub flushes_per_hour: usize,
    /// How many of them are kept for lifts.
    #[serde(default = "Edge::flushes_for_lifts")]
    pub flushes_for_lifts: usize,
    /// How long changes are gathered.
    #[serde(default = "Edge::gather_millis")]
    pub gather_millis: u64,
    /// How long a write takes to be seen everywhere, at most.
    #[serde(default = "Edge::propagation_seconds")]
    pub propagation_seconds: u64,
    /// How often the store is compared with what it should hold.
    #[serde(default = "Edge::reconcile_seconds")]
    pub reconcile_seconds: u64,
}

/// A kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// What Compute services read.
    #[default]
    ConfigStore,
    /// What VCL services read.
    Dictionary,
}

/// Whether a store can be read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It can.
    #[default]
    ReadWrite,
    /// It is a write-only dictionary.
    WriteOnly,
}

impl Edge {
    fn api() -> String {
        "https://api.fastly.com".to_owned()
    }

    /// Two sets of them and the head fit into a config store of 500 items: the number of buckets or the list
    /// key can then change without a gap.
    const fn buckets() -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add(248)
    }

    const fn flushes_per_hour() -> usize {
        60
    }

    const fn flushes_for_lifts() -> usize {
        10
    }

    const fn gather_millis() -> u64 {
        1000
    }

    /// Twice what Fastly's stores usually take.
    const fn propagation_seconds() -> u64 {
        60
    }

    const fn reconcile_seconds() -> u64 {
        300
    }

    /// The most items of the store: Fastly's limits.
    const fn most_items(&self) -> u32 {
        match self.target {
            TargetKind::ConfigStore => 500,
            TargetKind::Dictionary => 1000,
        }
    }

    /// Where the list is written to.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match self.target {
            TargetKind::ConfigStore => Some(Target::ConfigStore { store: self.store.clone()? }),
            TargetKind::Dictionary => Some(Target::Dictionary {
                service: self.service.clone()?,
                dictionary: self.dictionary.clone()?,
            }),
        }
    }

    pub(super) fn check(&self, file: &Path) -> Result<(), SettingsError> {
        if self.target().is_none() {
            let (key, expected) = match self.target {
                TargetKind::ConfigStore => ("edge.store", "the config store's id"),
                TargetKind::Dictionary => ("edge.dictionary", "`service` and `dictionary`, their ids"),
            };
            return refuse(file, key, "missing".to_owned(), expected);
        }
        let ids = [&self.store, &self.service, &self.dictionary];
        let odd = |id: &&String| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let Some(id) = ids.into_iter().flatten().find(odd) {
            return refuse(file, "edge.store", id.clone(), "an id of letters and digits");
        }
        if self.buckets.get() >= self.most_items() {
            let expected =
                "fewer buckets than the store has items: 499 of a config store, 999 of a dictionary";
            return refuse(file, "edge.buckets", self.buckets.to_string(), expected);
        }
        if self.access == Access::WriteOnly && self.target == TargetKind::ConfigStore {
            return refuse(
                file,
                "edge.access",
                "write-only".to_owned(),
                "`read-write`: only a dictionary can be write-only",
            );
        }
        if self.flushes_for_lifts >= self.flushes_per_hour {
            let expected = "fewer than `flushes_per_hour`";
            return refuse(file, "edge.flushes_for_lifts", self.flushes_for_lifts.to_string(), expected);
        }
        let loopback = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
        let safe =
            self.api.starts_with("https://") || loopback.iter().any(|start| self.api.starts_with(start));
        if !safe {
            return refuse(
                file,
                "edge.api",
                self.api.clone(),
                "an address with `https://`: the token goes there",
            );
        }
        Ok(())
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.token, &mut self.list_keys] {
            *path = folder.join(&*path);
        }
    }
}
