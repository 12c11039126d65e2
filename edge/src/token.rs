//! Tokens of OpenID Connect issuers: JWTs (RFC 7519), signed (RFC 7515), read with RFC 8725 in mind.
//!
//! The signature is checked by `jsonwebtoken`; everything that it leaves open is done here: which
//! header parameters may be there at all, whose key and which algorithm counts, and every claim.
//! Nothing that a token says picks a key outside its issuer's set, or an algorithm outside the
//! issuer's settings.

mod claims;
mod fault;
mod keys;
pub(crate) mod presented;

pub use fault::TokenFault;
pub use keys::{KeySet, KeySetFault, LONGEST_KEY_SET, NoKey, VerifyingKey, Wanted};

use countersign_contract::name::{SessionId, Subject};
use countersign_contract::time::UnixSeconds;

use crate::certificate::ClientCertificate;
use crate::settings::{BearerTokens, Issuer, IssuerName};
use claims::Claims;
use presented::{Kind, Presented};

/// The longest token that is read, in bytes: no header of HAProxy's would hold more.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// How long after it was issued a log-out token may come, in seconds: issuers tell at once.
const MOST_LOGOUT_AGE: u64 = 300;

/// Who a token that passed every check speaks of: only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    issuer: IssuerName,
    key: Option<String>,
    subject: Subject,
    session: Option<SessionId>,
    groups: Vec<String>,
}

impl VerifiedToken {
    /// Whose it is.
    #[must_use]
    pub const fn issuer(&self) -> &IssuerName {
        &self.issuer
    }

    /// The id of the key that signed it, where it has one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

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

/// What tokens are held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuers of the settings.
    pub issuers: &'a [Issuer],
    /// The host that is asked.
    pub host: &'a str,
    /// The time now.
    pub now: UnixSeconds,
    /// How far the clocks of issuers may be off, in seconds.
    pub skew_seconds: u64,
}

/// What only an ID token has to be held against.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedParty<'a> {
    /// Whose ID token it has to be.
    pub issuer: &'a Issuer,
    /// The client's id.
    pub client_id: &'a str,
    /// The nonce of the log-in.
    pub nonce: &'a str,
}

/// Verifies a bearer token, cheap checks before dear ones: `find` may fetch keys and is asked only about
/// a token whose every claim is in order. `certificate`, that of the client, is asked for only where the
/// token is bound to one.
///
/// # Errors
/// The first fault. Each has a code of its own.
pub fn verify(
    token: &[u8],
    expected: &Expected<'_>,
    certificate: impl FnOnce() -> Option<ClientCertificate>,
    find: impl FnOnce(&Issuer, Wanted<'_>) -> Result<VerifyingKey, TokenFault>,
) -> Result<VerifiedToken, TokenFault> {
    let presented = Presented::parse(token)?;
    if !matches!(presented.kind(), Kind::AccessToken | Kind::Jwt) {
        return Err(presented.kind().refuse("`at+jwt`"));
    }
    let claims = presented.claims()?;
    let issuer = claims.issuer(expected.issuers)?;
    if issuer.hosts.as_ref().is_some_and(|hosts| !hosts.contains(expected.host)) {
        return Err(TokenFault::WrongHost(expected.host.to_owned()));
    }
    let audience = issuer.audience.as_deref();
    let audience = audience.ok_or_else(|| TokenFault::NoBearerTokens(issuer.name.to_string()))?;
    match (presented.kind(), issuer.bearer_tokens) {
        (Kind::AccessToken, _) => {}
        (_, BearerTokens::AnyJwt) => claims.refuse_other_kinds()?,
        (kind, BearerTokens::AccessTokens) => {
            return Err(kind.refuse("`at+jwt`, or `bearer_tokens` of the issuer set to `jwt`"));
        }
    }
    check_algorithm(&presented, issuer)?;
    claims.check_times(expected.now, expected.skew_seconds)?;
    claims.check_audience(audience)?;
    claims.check_confirmation(certificate)?;
    let session = claims.session(issuer, expected.issuers);
    Ok(VerifiedToken { session, ..believe(&presented, &claims, issuer, expected, find)? })
}

/// Verifies an ID token as the end of a log-in (OpenID Connect Core section 3.1.3.7).
///
/// # Errors
/// The first fault. Each has a code of its own.
pub fn verify_id_token(
    token: &[u8],
    expected: &Expected<'_>,
    party: &ExpectedParty<'_>,
    find: impl FnOnce(&Issuer, Wanted<'_>) -> Result<VerifyingKey, TokenFault>,
) -> Result<VerifiedToken, TokenFault> {
    let presented = Presented::parse(token)?;
    if *presented.kind() != Kind::Jwt {
        return Err(presented.kind().refuse("`JWT` or none: an ID token"));
    }
    let claims = presented.claims()?;
    let issuer = claims.issuer(std::slice::from_ref(party.issuer))?;
    check_algorithm(&presented, issuer)?;
    claims.check_issued()?;
    claims.check_times(expected.now, expected.skew_seconds)?;
    claims.check_audience(party.client_id)?;
    claims.check_party(party.client_id)?;
    claims.check_nonce(party.nonce)?;
    let session = claims.log_in(issuer, expected.issuers);
    Ok(VerifiedToken { session, ..believe(&presented, &claims, issuer, expected, find)? })
}

/// Verifies a log-out token, and gives the log-in that is over (OpenID Connect Back-Channel Logout 1.0
/// section 2.6).
///
/// # Errors
/// The first fault. Each has a code of its own.
pub fn verify_logout_token(
    token: &[u8],
    expected: &Expected<'_>,
    (issuer, client_id): (&Issuer, &str),
    find: impl FnOnce(&Issuer, Wanted<'_>) -> Result<VerifyingKey, TokenFault>,
) -> Result<SessionId, TokenFault> {
    let presented = Presented::parse(token)?;
    // The name is recommended, not required.
    if !matches!(presented.kind(), Kind::LogoutToken | Kind::Jwt) {
        return Err(presented.kind().refuse("`logout+jwt`"));
    }
    let claims = presented.claims()?;
    let issuer = claims.issuer(std::slice::from_ref(issuer))?;
    check_algorithm(&presented, issuer)?;
    claims.check_times(expected.now, expected.skew_seconds)?;
    claims.check_recent(expected.now, MOST_LOGOUT_AGE.saturating_add(expected.skew_seconds))?;
    claims.check_audience(client_id)?;
    claims.check_logout()?;
    let ended = claims.ended(issuer, expected.issuers)?;
    let key = find(issuer, Wanted { id: presented.key_id(), algorithm: presented.algorithm() })?;
    presented.check_signature(&key)?;
    Ok(ended)
}

fn check_algorithm(presented: &Presented<'_>, issuer: &Issuer) -> Result<(), TokenFault> {
    let algorithm = presented.algorithm();
    if issuer.algorithms.contains(&algorithm) {
        return Ok(());
    }
    Err(TokenFault::AlgorithmRefused(algorithm.as_str().to_owned()))
}

/// Who it is, and the signature after everything else; which log-in it is of is left to the caller.
fn believe(
    presented: &Presented<'_>,
    claims: &Claims,
    issuer: &Issuer,
    expected: &Expected<'_>,
    find: impl FnOnce(&Issuer, Wanted<'_>) -> Result<VerifyingKey, TokenFault>,
) -> Result<VerifiedToken, TokenFault> {
    let subject = claims.subject(issuer, expected.issuers)?;
    let groups = claims.groups(issuer)?;
    let key = find(issuer, Wanted { id: presented.key_id(), algorithm: presented.algorithm() })?;
    presented.check_signature(&key)?;
    Ok(VerifiedToken {
        issuer: issuer.name.clone(),
        key: presented.key_id().map(str::to_owned),
        subject,
        session: None,
        groups,
    })
}
