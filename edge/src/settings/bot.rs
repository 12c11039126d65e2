//! A bot in the settings.

use std::collections::BTreeSet;

use countersign_contract::name::{BotName, GroupName};
use serde::Deserialize;

use super::text::{BackendName, HttpUrl};

/// A day: a key that was taken out of a directory must not be believed for longer than that.
const LONGEST_KEPT_SECONDS: u64 = 86_400;

/// A bot that is known by its signature (Web Bot Auth).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bot {
    /// What we call it; its subject is `bot:NAME`.
    pub name: BotName,
    /// What it calls itself in `Signature-Agent`, byte for byte.
    pub signature_agent: HttpUrl,
    /// Where its keys are: a JWKS.
    pub directory: HttpUrl,
    /// The backend that they are had from.
    pub backend: BackendName,
    /// The groups that it is in, of which those count that the policy names.
    #[serde(default)]
    pub groups: BTreeSet<GroupName>,
    /// How long its keys are fresh, in seconds.
    #[serde(default = "default_max_age")]
    pub max_age_seconds: u64,
    /// How long after that they are used if no newer ones can be had, in seconds.
    #[serde(default = "default_stale")]
    pub stale_seconds: u64,
    /// How often at most a key that isn't known makes us fetch again, in seconds.
    #[serde(default = "default_cooldown")]
    pub refetch_cooldown_seconds: u64,
}

const fn default_max_age() -> u64 {
    3600
}

const fn default_stale() -> u64 {
    3600
}

const fn default_cooldown() -> u64 {
    60
}

impl Bot {
    pub(super) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        for (key, seconds) in [
            ("max_age_seconds", self.max_age_seconds),
            ("refetch_cooldown_seconds", self.refetch_cooldown_seconds),
        ] {
            if !(1..=LONGEST_KEPT_SECONDS).contains(&seconds) {
                return Err(format!(
                    "bot `{name}`: `{key}` is {seconds}, expected 1 to {LONGEST_KEPT_SECONDS}"
                ));
            }
        }
        if self.stale_seconds > LONGEST_KEPT_SECONDS {
            let seconds = self.stale_seconds;
            return Err(format!(
                "bot `{name}`: `stale_seconds` is {seconds}, expected at most {LONGEST_KEPT_SECONDS}"
            ));
        }
        if self.signature_agent.is_secure() && !self.directory.is_secure() {
            return Err(format!("bot `{name}`: `directory` is not `https://`, as its `signature_agent` is"));
        }
        Ok(())
    }
}

/// No bot may be taken for another.
pub(super) fn check_side_by_side(bots: &[Bot]) -> Result<(), String> {
    for (index, bot) in bots.iter().enumerate() {
        let mut others = bots.iter().take(index);
        if others.any(|other| other.name == bot.name || other.signature_agent == bot.signature_agent) {
            return Err(format!("bot `{}`: its `name` or `signature_agent` stands there twice", bot.name));
        }
    }
    Ok(())
}
