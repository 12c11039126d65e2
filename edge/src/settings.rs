//! The edge's settings: the item `settings` of its config store.

use std::fmt;

use countersign_contract::name::{Audience, Environment, ServiceName};
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
    /// The data centre that is vouched to: `aud` of the assertions.
    pub audience: Audience,
    /// The environment: `env` of the assertions.
    pub environment: Environment,
    /// The backend that is HAProxy.
    pub backend: BackendName,
    /// How long an assertion lives, in seconds: 1 to 60.
    #[serde(default = "default_lifetime")]
    pub assertion_lifetime_seconds: u64,
    /// The cookie that holds a session's token; without one only bearer tokens count.
    #[serde(default)]
    pub session_cookie: Option<CookieName>,
    /// How far the clocks of issuers may be off, in seconds: at most 300.
    #[serde(default = "default_skew")]
    pub clock_skew_seconds: u64,
    /// The identity providers whose tokens count.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
}

/// An OpenID Connect issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// What has to be among the `aud` of a token.
    pub audience: String,
    /// Where its keys are.
    pub jwks_uri: KeySetUrl,
    /// The backend that they are fetched from.
    pub jwks_backend: BackendName,
    /// The claim that lists a person's groups.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// The algorithms that it signs with.
    pub algorithms: Vec<SigningAlgorithm>,
    /// How long its keys are fresh, in seconds.
    #[serde(default = "default_max_age")]
    pub jwks_max_age_seconds: u64,
    /// How long after that they are used if no newer ones can be had, in seconds.
    #[serde(default = "default_stale")]
    pub jwks_stale_seconds: u64,
    /// How often at most a key that isn't known makes us fetch again, in seconds.
    #[serde(default = "default_cooldown")]
    pub refetch_cooldown_seconds: u64,
}

const fn default_lifetime() -> u64 {
    DEFAULT_LIFETIME_SECONDS
}

const fn default_skew() -> u64 {
    DEFAULT_SKEW_SECONDS
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}

const fn default_max_age() -> u64 {
    300
}

const fn default_stale() -> u64 {
    3600
}

const fn default_cooldown() -> u64 {
    10
}

/// The algorithms that an issuer may sign with (RFC 7518, RFC 8037): asymmetric ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// The name in a JOSE header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name, if it is one of these.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// Why a text is not what a setting asks for.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{text}` is not a {kind}: expected {expected}")]
pub struct NotASetting {
    kind: &'static str,
    expected: &'static str,
    text: String,
}

macro_rules! setting {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotASetting;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) {
                    Ok(Self(text))
                } else {
                    Err(NotASetting { kind: $kind, expected: $expected, text: text.chars().take(64).collect() })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

setting!(
    /// The name of a backend of the service.
    BackendName, "backend name", "1 to 255 of `A-Za-z0-9-_. `",
    |t| !t.is_empty() && t.len() <= 255
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b' '))
);
setting!(
    /// The name of a cookie (RFC 6265 section 4.1.1).
    CookieName, "cookie name", "1 to 64 of `A-Za-z0-9-_.`",
    |t| !t.is_empty() && t.len() <= 64
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
);
setting!(
    /// Where an issuer publishes its keys.
    KeySetUrl, "URL of a key set", "`https://` or `http://`, a host and a path, without spaces",
    |t| {
        let rest = t.strip_prefix("https://").or_else(|| t.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            && t.len() <= 2000
            && t.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>' | b'\\'))
    }
);

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
        // An assertion says who, not who said so: with two issuers one could speak for the other's people.
        if self.issuers.len() > 1 {
            return Err(format!("`issuers` has {} items, expected at most one", self.issuers.len()));
        }
        self.issuers.iter().try_for_each(Issuer::check)
    }
}

impl Issuer {
    fn check(&self) -> Result<(), String> {
        let name = &self.issuer;
        if name.is_empty() || self.audience.is_empty() || self.groups_claim.is_empty() {
            return Err(format!("issuer `{name}`: `issuer`, `audience` or `groups_claim` is empty"));
        }
        if self.algorithms.is_empty() {
            return Err(format!(
                "issuer `{name}`: `algorithms` is empty, expected `RS256`, `ES256` or `EdDSA`"
            ));
        }
        if self.jwks_max_age_seconds == 0 || self.refetch_cooldown_seconds == 0 {
            return Err(format!(
                "issuer `{name}`: `jwks_max_age_seconds` or `refetch_cooldown_seconds` is 0, expected at least 1"
            ));
        }
        Ok(())
    }
}
