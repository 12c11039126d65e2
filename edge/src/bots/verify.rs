//! Verifying a claim to be a bot: the order of its checks on one screen.

use countersign_contract::time::UnixSeconds;

use super::base::{Message, signature_base};
use super::directory::Key;
use super::fault::{BotFault, shorten};
use super::signature_agent::SignatureAgent;
use super::signature_input::{self, SignatureInput, SignatureInputs};
use crate::settings::Bot;

/// The longest life of a signature that is taken, in seconds: a day, as the draft recommends.
pub const LONGEST_LIFETIME_SECONDS: u64 = 86_400;

/// The `tag` of the signatures of bots.
const TAG: &str = "web-bot-auth";

/// The three headers of a claim, each with its lines.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// `Signature`.
    pub signature: &'a [Vec<u8>],
    /// `Signature-Input`.
    pub signature_input: &'a [Vec<u8>],
    /// `Signature-Agent`.
    pub signature_agent: &'a [Vec<u8>],
}

/// What a claim is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The bots of the settings.
    pub bots: &'a [Bot],
    /// The time now.
    pub now: UnixSeconds,
    /// How far the clocks of bots may be off, in seconds.
    pub skew_seconds: u64,
    /// The longest life of a signature, in seconds.
    pub longest_lifetime_seconds: u64,
}

/// How hard a key is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// The bot is named: a directory that doesn't have the key is fetched anew, within its cool-down.
    Anew,
    /// Only the key is named, so it is looked for in every directory that is at hand.
    AtHand,
}

/// A bot whose signature passed every check: only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedBot<'a> {
    bot: &'a Bot,
    key: String,
}

impl<'a> VerifiedBot<'a> {
    /// The bot.
    #[must_use]
    pub const fn bot(&self) -> &'a Bot {
        self.bot
    }

    /// The thumbprint of the key that it signed with.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Verifies the claim of a request's headers; `None` where it makes none. Cheap checks come before dear ones:
/// `find`, which may fetch, is asked only about a signature that is in order but for its key. It gives the key
/// of a thumbprint in a bot's own directory, [`BotFault::UnknownKey`] where that has none.
///
/// # Errors
/// The first fault. Each has a code of its own.
pub fn verify<'a>(
    headers: &Headers<'_>,
    message: &Message<'_>,
    expected: &Expected<'a>,
    find: &dyn Fn(&Bot, &str, Search) -> Result<Key, BotFault>,
) -> Result<Option<VerifiedBot<'a>>, BotFault> {
    let Some(signature) = claimed(headers)? else { return Ok(None) };
    check_algorithm(&signature)?;
    check_times(&signature, expected)?;
    let covers = |name: &str| signature.components.iter().any(|component| component.name == name);
    if !covers("@authority") && !covers("@target-uri") {
        return Err(BotFault::AuthorityUnsigned);
    }
    let agent = SignatureAgent::parse(headers.signature_agent)?;
    let name = agent.as_ref().map(|agent| agent.signed_by(&signature)).transpose()?;
    let thumbprint = signature.text("keyid")?.ok_or(BotFault::ParameterMissing("keyid"))?;
    let base = signature_base(&signature, message)?;
    let bytes = signature_input::signature(headers.signature, &signature.label)?;
    let (bot, key) = match name {
        Some(name) => {
            let is_meant = |bot: &&Bot| bot.signature_agent.as_str() == name;
            let bot = expected.bots.iter().find(is_meant);
            let bot = bot.ok_or_else(|| BotFault::UnknownAgent(shorten(name)))?;
            (bot, find(bot, thumbprint, Search::Anew)?)
        }
        None => find_by_key(expected.bots, thumbprint, find)?,
    };
    if !key.verifies(&bytes, base.as_bytes()) {
        return Err(BotFault::SignatureInvalid);
    }
    Ok(Some(VerifiedBot { bot, key: key.thumbprint().to_owned() }))
}

/// The one signature that is a bot's, if the request claims to be one.
fn claimed(headers: &Headers<'_>) -> Result<Option<SignatureInput>, BotFault> {
    let names_itself = !headers.signature_agent.is_empty();
    let inputs = match SignatureInputs::parse(headers.signature_input) {
        Ok(inputs) => inputs,
        Err(fault) if names_itself || mentions_the_tag(headers.signature_input) => return Err(fault),
        // Signatures of other kinds are none of our business.
        Err(_) => return Ok(None),
    };
    let mut labels = inputs.tagged(TAG);
    match (labels.next(), labels.count()) {
        (Some(one), 0) => inputs.read(one).map(Some),
        (Some(_), more) => Err(BotFault::SeveralSignatures(more + 1)),
        (None, _) if names_itself => Err(BotFault::Unsigned),
        (None, _) => Ok(None),
    }
}

fn mentions_the_tag(lines: &[Vec<u8>]) -> bool {
    lines.iter().any(|line| line.windows(TAG.len()).any(|window| window == TAG.as_bytes()))
}

fn check_algorithm(signature: &SignatureInput) -> Result<(), BotFault> {
    match signature.text("alg")? {
        None | Some("ed25519") => Ok(()),
        Some(other) => Err(BotFault::AlgorithmRefused(shorten(other))),
    }
}

fn check_times(signature: &SignatureInput, expected: &Expected<'_>) -> Result<(), BotFault> {
    let Expected { now, skew_seconds, longest_lifetime_seconds: longest, .. } = *expected;
    let (created, expires) = (signature.time("created")?, signature.time("expires")?);
    if expires <= created {
        return Err(BotFault::EndsBeforeItBegins);
    }
    let lifetime = expires.since(created);
    if lifetime > longest {
        return Err(BotFault::LivesTooLong { lifetime, longest });
    }
    if created > now.plus(skew_seconds) {
        return Err(BotFault::FromTheFuture(created.since(now)));
    }
    if expires.plus(skew_seconds) <= now {
        return Err(BotFault::Expired(now.since(expires)));
    }
    Ok(())
}

/// Whose key it is, where the request doesn't say: the one bot's whose directory has it.
fn find_by_key<'a>(
    bots: &'a [Bot],
    thumbprint: &str,
    find: &dyn Fn(&Bot, &str, Search) -> Result<Key, BotFault>,
) -> Result<(&'a Bot, Key), BotFault> {
    let mut found: Option<(&Bot, Key)> = None;
    let mut unavailable = None;
    for bot in bots {
        match (find(bot, thumbprint, Search::AtHand), &found) {
            (Ok(_), Some((other, _))) => {
                return Err(BotFault::AgentMissing(other.name.clone(), bot.name.clone()));
            }
            (Ok(key), None) => found = Some((bot, key)),
            (Err(BotFault::UnknownKey(_)), _) => {}
            (Err(fault), _) => unavailable = Some(fault),
        }
    }
    found.ok_or_else(|| unavailable.unwrap_or_else(|| BotFault::UnknownKey(shorten(thumbprint))))
}
