//! Tokens of OpenID Connect issuers: JWTs (RFC 7519), signed (RFC 7515), read with RFC 8725 in mind.
//!
//! The signature is checked by `jsonwebtoken`; everything that it leaves open is done here: which
//! header parameters may be there at all, whose key and which algorithm counts, and every claim.
//! Nothing that a token says picks a key outside its issuer's set, or an algorithm outside the
//! issuer's settings.

mod claims;
mod fault;
mod keys;
mod presented;

pub use fault::TokenFault;
pub use keys::{KeySet, KeySetFault, LONGEST_KEY_SET, NoKey, VerifyingKey, Wanted};

use countersign_contract::name::{SessionId, Subject};
use countersign_contract::time::UnixSeconds;

use crate::settings::Issuer;
use presented::Presented;

/// The longest token that is read, in bytes: no header of HAProxy's would hold more.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// Who a token that passed every check speaks of: only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    subject: Subject,
    session: Option<SessionId>,
    groups: Vec<String>,
}

impl VerifiedToken {
    /// Who it is.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The log-in that it is of, where the token says.
    #[must_use]
    pub const fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Their groups, all that the issuer names.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }
}

/// Verifies a token, cheap checks before dear ones: `find` may fetch keys and is asked only about
/// a token whose every claim is in order.
///
/// # Errors
/// The first fault. Each has a code of its own.
pub fn verify(
    token: &[u8],
    issuers: &[Issuer],
    now: UnixSeconds,
    skew_seconds: u64,
    find: impl FnOnce(&Issuer, Wanted<'_>) -> Result<VerifyingKey, TokenFault>,
) -> Result<VerifiedToken, TokenFault> {
    let presented = Presented::parse(token)?;
    let claims = presented.claims()?;
    let issuer = claims.issuer(issuers)?;
    let algorithm = presented.algorithm();
    if !issuer.algorithms.contains(&algorithm) {
        return Err(TokenFault::AlgorithmRefused(algorithm.as_str().to_owned()));
    }
    claims.check_times(now, skew_seconds)?;
    claims.check_audience(&issuer.audience)?;
    let subject = claims.subject()?;
    let groups = claims.groups(&issuer.groups_claim)?;
    let key = find(issuer, Wanted { id: presented.key_id(), algorithm })?;
    presented.check_signature(&key)?;
    Ok(VerifiedToken { subject, session: claims.session(), groups })
}
