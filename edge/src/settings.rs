//! The edge's settings: the item `settings` of its config store.

mod bot;
mod issuer;
mod login;
mod text;

pub use bot::Bot;
pub use issuer::{BearerTokens, Issuer, NotTheirs, SigningAlgorithm};
pub use login::{ClientAuthentication, Login};
pub use text::{BackendName, HttpUrl, IssuerName, NotASetting, SubjectPrefix};

use std::collections::BTreeMap;

use countersign_contract::canonical::Authority;
use countersign_contract::name::{Audience, Environment, KeyId, ServiceName};
use serde::Deserialize;
use thiserror::Error;

use crate::platform::{Platform, Store, StoreFault};

/// The item of the config store that holds the settings.
pub const ITEM: &str = "settings";

/// The version of the settings described here, the only one there is.
const VERSION: u32 = 1;
/// An assertion only has to live for the way to HAProxy.
const DEFAULT_LIFETIME_SECONDS: u64 = 30;
/// The longest life that agents accept, see the contract.
const LONGEST_LIFETIME_SECONDS: u64 = 60;
/// Clocks of identity providers are seldom further off.
const DEFAULT_SKEW_SECONDS: u64 = 30;
/// Beyond that a clock is wrong, not skewed.
const LONGEST_SKEW_SECONDS: u64 = 300;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    version: u32,
    /// Who vouches: `iss` of the assertions.
    pub service: ServiceName,
    /// The environment: `env` of the assertions.
    pub environment: Environment,
    /// Where requests go, the first that can be reached.
    pub origins: Origins,
    /// The key of the secret `assertion-key` that signs; its first if left out.
    #[serde(default)]
    pub assertion_key: Option<KeyId>,
    /// How long an assertion lives, in seconds: 1 to 60.
    #[serde(default = "default_lifetime")]
    pub assertion_lifetime_seconds: u64,
    /// The key of the secret `session-key` that new sessions are made with; its first if left out.
    #[serde(default)]
    pub session_key: Option<KeyId>,
    /// How far the clocks of issuers may be off, in seconds: at most 300.
    #[serde(default = "default_skew")]
    pub clock_skew_seconds: u64,
    /// The identity providers whose tokens count.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// How people sign in, by host; without one only bearer tokens count.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// The bots that are known by their signature.
    #[serde(default)]
    pub bots: Vec<Bot>,
}

/// A data centre.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The backend that is its HAProxy.
    pub backend: BackendName,
    /// The data centre that is vouched to: `aud` of the assertions.
    pub audience: Audience,
    /// The backends for WebSockets by host: that of a host has it as its host override.
    #[serde(default)]
    pub websockets: BTreeMap<String, BackendName>,
    /// The backend for gRPC: the platform speaks HTTP/2 to it.
    #[serde(default)]
    pub grpc_backend: Option<BackendName>,
}

impl Origin {
    fn check(&self) -> Result<(), String> {
        let is_host = |text: &String| {
            let canonical = Authority::parse(text.as_bytes());
            canonical.is_ok_and(|canonical| canonical.host() == text)
        };
        self.websockets.keys().find(|host| !is_host(host)).map_or(Ok(()), |host| {
            let backend = &self.backend;
            Err(format!(
                "origin `{backend}`: `{host}` in `websockets` is no host in lower case without a port"
            ))
        })
    }
}

/// One data centre or more, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Origin>")]
pub struct Origins {
    /// The first.
    pub first: Origin,
    /// Where a request goes that the ones before could not be reached for.
    pub others: Vec<Origin>,
}

impl Origins {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl TryFrom<Vec<Origin>> for Origins {
    type Error = &'static str;

    fn try_from(all: Vec<Origin>) -> Result<Self, &'static str> {
        let mut all = all.into_iter();
        let first = all.next().ok_or("`origins` is empty, expected at least one")?;
        Ok(Self { first, others: all.collect() })
    }
}

const fn default_lifetime() -> u64 {
    DEFAULT_LIFETIME_SECONDS
}

const fn default_skew() -> u64 {
    DEFAULT_SKEW_SECONDS
}

/// Why the settings can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingsFault {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The item is missing.
    #[error("item `{ITEM}` is missing from store `{store}`", store = Store::Config.name())]
    Missing,
    /// Not the JSON that is expected.
    #[error("item `{ITEM}` can't be read: {0}")]
    Json(String),
    /// A value that makes no sense.
    #[error("item `{ITEM}`: {0}")]
    Value(String),
}

impl Settings {
    /// Reads the item of the config store.
    ///
    /// # Errors
    /// [`SettingsFault`]: nothing is guessed, and an unknown key is an error.
    pub fn load(platform: &impl Platform) -> Result<Self, SettingsFault> {
        let item = platform.item(Store::Config, ITEM)?.ok_or(SettingsFault::Missing)?;
        Self::from_json(&item)
    }

    /// Reads the settings' JSON.
    ///
    /// # Errors
    /// [`SettingsFault`] says where it differs from what is expected.
    pub fn from_json(json: &str) -> Result<Self, SettingsFault> {
        let settings: Self = serde_json::from_str(json).map_err(|e| SettingsFault::Json(e.to_string()))?;
        settings.check().map_err(SettingsFault::Value)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("`version` is {}, expected {VERSION}", self.version));
        }
        let lifetime = self.assertion_lifetime_seconds;
        if !(1..=LONGEST_LIFETIME_SECONDS).contains(&lifetime) {
            return Err(format!(
                "`assertion_lifetime_seconds` is {lifetime}, expected 1 to {LONGEST_LIFETIME_SECONDS}"
            ));
        }
        if self.clock_skew_seconds > LONGEST_SKEW_SECONDS {
            let skew = self.clock_skew_seconds;
            return Err(format!("`clock_skew_seconds` is {skew}, expected at most {LONGEST_SKEW_SECONDS}"));
        }
        self.origins.iter().try_for_each(Origin::check)?;
        self.issuers.iter().try_for_each(Issuer::check)?;
        issuer::check_side_by_side(&self.issuers)?;
        self.logins.iter().try_for_each(|login| login.check(&self.issuers))?;
        login::check_side_by_side(&self.logins)?;
        self.bots.iter().try_for_each(Bot::check)?;
        bot::check_side_by_side(&self.bots)
    }

    /// How people sign in to a host.
    #[must_use]
    pub fn login(&self, host: &str) -> Option<(&Login, &Issuer)> {
        let login = self.logins.iter().find(|login| login.hosts.contains(host))?;
        Some((login, self.issuer(&login.issuer)?))
    }

    /// The issuer of a name.
    #[must_use]
    pub fn issuer(&self, name: &IssuerName) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.name == *name)
    }
}
