//! Settings of assertions: whose word counts.

use std::path::{Path, PathBuf};

use countersign_contract::name::{Audience, Environment};
use serde::Deserialize;

use super::{SettingsError, refuse};
use crate::trust::Service;

/// `[assertion]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// JWKS of the edge's public keys; relative to the settings file.
    pub keys: PathBuf,
    /// JWKS of shared secrets for HS256, on purpose only: whoever reads it can mint assertions.
    #[serde(default)]
    pub shared_secrets: Option<PathBuf>,
    /// The data centre that this is.
    pub audience: Audience,
    /// The environment that this is.
    pub environment: Environment,
    /// The edge services whose word counts, and for what.
    #[serde(default)]
    pub services: Vec<Service>,
    /// How far the clocks of edge and origin may be apart.
    #[serde(default = "Assertion::clock_skew_seconds")]
    pub clock_skew_seconds: u64,
    /// The longest life of an assertion that is accepted; at most 60.
    #[serde(default = "Assertion::max_lifetime_seconds")]
    pub max_lifetime_seconds: u64,
}

impl Assertion {
    /// Hosts that run NTP are far closer.
    const fn clock_skew_seconds() -> u64 {
        5
    }

    const fn max_lifetime_seconds() -> u64 {
        60
    }

    /// For how long after it was first seen an assertion can still be accepted, in seconds: its
    /// life, begun up to one skew ahead of our clock and ended one skew behind it.
    #[must_use]
    pub const fn acceptance_window(&self) -> u64 {
        self.max_lifetime_seconds.saturating_add(2 * self.clock_skew_seconds).saturating_add(1)
    }

    pub(super) fn check(&self, file: &Path) -> Result<(), SettingsError> {
        // The contract's bounds: a longer life is a longer time to replay in.
        if !(1..=60).contains(&self.max_lifetime_seconds) {
            let lifetime = self.max_lifetime_seconds.to_string();
            return refuse(file, "assertion.max_lifetime_seconds", lifetime, "1 to 60");
        }
        if self.clock_skew_seconds > 60 {
            let skew = self.clock_skew_seconds.to_string();
            return refuse(file, "assertion.clock_skew_seconds", skew, "0 to 60");
        }
        Ok(())
    }
}
