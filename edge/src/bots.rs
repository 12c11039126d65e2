//! Bots that say who they are by a signature: Web Bot Auth (draft-ietf-webbotauth-httpsig-protocol), a profile
//! of HTTP Message Signatures (RFC 9421).
//!
//! Keys come from the directories of the settings alone. All but `keys` is pure: bytes and values go in,
//! values come out.

pub mod base;
pub mod directory;
mod fault;
mod keys;
pub mod signature_agent;
pub mod signature_input;
pub mod verify;

pub use fault::BotFault;

use countersign_contract::route::{Bots, Route};
use countersign_contract::time::UnixSeconds;

use crate::platform::{Platform, Received};
use crate::record::Journal;
use crate::refusal::Refusal;
use crate::scrub::Canonical;
use crate::settings::{Bot, Settings};
use base::Message;
use verify::{Expected, Headers, LONGEST_LIFETIME_SECONDS, VerifiedBot};

/// What became of a request's claim to be a bot's.
#[derive(Clone, Debug)]
pub enum Claim<'s> {
    /// It makes none.
    Absent,
    /// It is.
    Verified(VerifiedBot<'s>),
    /// That can't be said.
    Unverified(BotFault),
}

/// Finds out whether a request is a bot's.
#[must_use]
pub fn recognise<'s>(
    platform: &impl Platform,
    received: &Received,
    request: &Canonical<'_>,
    settings: &'s Settings,
    now: UnixSeconds,
) -> Claim<'s> {
    let headers = Headers {
        signature: &received.signature,
        signature_input: &received.signature_input,
        signature_agent: &received.signature_agent,
    };
    let message = Message {
        method: request.method,
        scheme: if received.url.starts_with(b"https://") { "https" } else { "http" },
        authority: &request.authority,
        target: &request.target,
        fields: &|name| field(received, name),
    };
    let expected = Expected {
        bots: &settings.bots,
        now,
        skew_seconds: settings.clock_skew_seconds,
        longest_lifetime_seconds: LONGEST_LIFETIME_SECONDS,
    };
    let find = |bot: &Bot, thumbprint: &str, search| keys::find(platform, bot, thumbprint, search);
    match verify::verify(&headers, &message, &expected, &find) {
        Ok(None) => Claim::Absent,
        Ok(Some(bot)) => Claim::Verified(bot),
        Err(fault) => Claim::Unverified(fault),
    }
}

/// The lines of a field that the edge looks at; the values of others stay with the platform.
fn field<'r>(received: &'r Received, name: &str) -> Option<&'r [Vec<u8>]> {
    let lines = match name {
        "host" => &received.host,
        "accept" => &received.accept,
        "content-length" => &received.content_length,
        "signature" => &received.signature,
        "signature-input" => &received.signature_input,
        "signature-agent" => &received.signature_agent,
        _ => return None,
    };
    Some(lines)
}

/// Judges a claim by what the route asks for, as far as its mode says. One that isn't verified and isn't
/// refused is noted.
///
/// # Errors
/// [`Refusal`] where the route is enforced.
pub fn judge(route: &Route, claim: &Claim<'_>, journal: &mut Journal) -> Result<(), Refusal> {
    let refusal = match (claim, route.bots) {
        (Claim::Absent, _) | (_, Bots::Any) | (Claim::Verified(_), Bots::Verified) => None,
        (Claim::Unverified(fault), Bots::Verified) => Some(Refusal::Bot(fault.clone())),
        (Claim::Unverified(fault), Bots::None) => {
            Some(Refusal::BotRefused(format!("not verified, {}", fault.code())))
        }
        (Claim::Verified(bot), Bots::None) => Some(Refusal::BotRefused(format!("`{}`", bot.bot().name))),
    };
    refusal.map_or(Ok(()), |refusal| journal.refuse(refusal, route.mode))?;
    if let Claim::Unverified(fault) = claim {
        journal.detail(format!("the claim to be a bot counts for nothing ({}): {fault}", fault.code()));
    }
    Ok(())
}
