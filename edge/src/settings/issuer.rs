//! An identity provider in the settings.

use std::collections::BTreeSet;
use std::str::FromStr;

use countersign_contract::name::{BOT_SUBJECTS, GroupName, NotAName};
use serde::Deserialize;
use thiserror::Error;

use super::text::{BackendName, HttpUrl, IssuerName, SubjectPrefix};

/// A day: whoever is taken out of an issuer's keys must not be believed for longer than that.
const LONGEST_KEPT_SECONDS: u64 = 86_400;

/// An OpenID Connect issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What we call it.
    pub name: IssuerName,
    /// The exact `iss` of its tokens.
    pub issuer: HttpUrl,
    /// What has to be among the `aud` of a bearer token; without it none of its tokens is one.
    #[serde(default)]
    pub audience: Option<String>,
    /// Which of its tokens are taken as bearer tokens.
    #[serde(default)]
    pub bearer_tokens: BearerTokens,
    /// The hosts that its bearer tokens count on, lower case; left out, every host.
    #[serde(default)]
    pub hosts: Option<BTreeSet<String>>,
    /// The backend that its discovery document, keys and endpoints are had from.
    pub backend: BackendName,
    /// The backend of its keys, where that is another one.
    #[serde(default)]
    pub jwks_backend: Option<BackendName>,
    /// The backend of its token endpoint, where that is another one.
    #[serde(default)]
    pub token_backend: Option<BackendName>,
    /// Where its keys are; found by discovery if left out.
    #[serde(default)]
    pub jwks_uri: Option<HttpUrl>,
    /// The claim that lists a person's groups.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// The groups that it may speak of; needed where there are several issuers.
    #[serde(default)]
    pub groups: Option<BTreeSet<GroupName>>,
    /// What stands before its subjects, so that those of two issuers can't be taken for each other.
    #[serde(default)]
    pub subject_prefix: Option<SubjectPrefix>,
    /// The algorithms that it signs with.
    pub algorithms: Vec<SigningAlgorithm>,
    /// How long its discovery document is fresh, in seconds.
    #[serde(default = "default_discovery_max_age")]
    pub discovery_max_age_seconds: u64,
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

/// Which tokens of an issuer are bearer tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum BearerTokens {
    /// Access tokens that say so (`typ` is `at+jwt`, RFC 9068).
    #[default]
    #[serde(rename = "at+jwt")]
    AccessTokens,
    /// Any JWT for the audience that doesn't look like an ID token: of issuers that don't follow RFC 9068.
    #[serde(rename = "jwt")]
    AnyJwt,
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

/// Why a subject or a log-in can't be named.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotTheirs {
    /// It can't be a name.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// It begins as another issuer's names do.
    #[error("it begins with `{0}:`, as those of another issuer do")]
    Another(SubjectPrefix),
    /// It begins as a bot's name does.
    #[error("it begins with `{BOT_SUBJECTS}`, as the subjects of bots do")]
    Bot,
}

const fn default_discovery_max_age() -> u64 {
    3600
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

impl Issuer {
    /// The subject or log-in that it means by a text, as everybody behind the edge names it.
    ///
    /// # Errors
    /// [`NotTheirs`] where there can be no such name, or where it would be another issuer's.
    pub fn qualify<T: FromStr<Err = NotAName>>(&self, issuers: &[Self], text: &str) -> Result<T, NotTheirs> {
        let Some(prefix) = &self.subject_prefix else {
            if text.starts_with(BOT_SUBJECTS) {
                return Err(NotTheirs::Bot);
            }
            let is_of = |prefix: &SubjectPrefix| {
                text.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with(':'))
            };
            return match issuers.iter().filter_map(|other| other.subject_prefix.as_ref()).find(|p| is_of(p)) {
                Some(prefix) => Err(NotTheirs::Another(prefix.clone())),
                None => Ok(text.parse()?),
            };
        };
        Ok(format!("{prefix}:{text}").parse()?)
    }

    /// Whether it may speak of a group.
    #[must_use]
    pub fn may_speak_of(&self, group: &GroupName) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if self.audience.as_ref().is_some_and(String::is_empty) || self.groups_claim.is_empty() {
            return Err(format!("issuer `{name}`: `audience` or `groups_claim` is empty"));
        }
        if self.algorithms.is_empty() {
            return Err(format!(
                "issuer `{name}`: `algorithms` is empty, expected `RS256`, `ES256` or `EdDSA`"
            ));
        }
        if self
            .subject_prefix
            .as_ref()
            .is_some_and(|prefix| BOT_SUBJECTS.strip_suffix(':') == Some(prefix.as_str()))
        {
            return Err(format!("issuer `{name}`: `subject_prefix` is `bot`, which is what bots have"));
        }
        for (key, seconds) in [
            ("discovery_max_age_seconds", self.discovery_max_age_seconds),
            ("jwks_max_age_seconds", self.jwks_max_age_seconds),
            ("refetch_cooldown_seconds", self.refetch_cooldown_seconds),
        ] {
            if !(1..=LONGEST_KEPT_SECONDS).contains(&seconds) {
                return Err(format!(
                    "issuer `{name}`: `{key}` is {seconds}, expected 1 to {LONGEST_KEPT_SECONDS}"
                ));
            }
        }
        if self.jwks_stale_seconds > LONGEST_KEPT_SECONDS {
            let seconds = self.jwks_stale_seconds;
            return Err(format!(
                "issuer `{name}`: `jwks_stale_seconds` is {seconds}, expected at most {LONGEST_KEPT_SECONDS}"
            ));
        }
        Ok(())
    }
}

/// Issuers side by side must not be able to speak for each other.
pub(super) fn check_side_by_side(issuers: &[Issuer]) -> Result<(), String> {
    for (index, issuer) in issuers.iter().enumerate() {
        let others = || issuers.iter().take(index);
        let name = &issuer.name;
        if others().any(|other| other.name == *name || other.issuer == issuer.issuer) {
            return Err(format!("issuer `{name}`: its `name` or `issuer` stands there twice"));
        }
        if others().any(|other| other.subject_prefix == issuer.subject_prefix) {
            return Err(format!(
                "issuer `{name}`: its `subject_prefix` is another's too: its `alice` would be the other's"
            ));
        }
    }
    if issuers.len() > 1
        && let Some(issuer) = issuers.iter().find(|issuer| issuer.groups.is_none())
    {
        return Err(format!(
            "issuer `{}`: `groups` is missing: with several issuers each has to list those that it may speak of",
            issuer.name
        ));
    }
    Ok(())
}
