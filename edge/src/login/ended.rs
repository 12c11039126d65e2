//! The issuer tells that a log-in is over (OpenID Connect Back-Channel Logout 1.0). Who believes it is the
//! publisher, by way of HAProxy: here it is only verified and vouched for.

use countersign_contract::name::SessionId;

use super::Desk;
use crate::answer::OwnAnswer;
use crate::platform::Platform;
use crate::provider;
use crate::refusal::Refusal;
use crate::token::{self, Expected};

/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

/// The log-in that the request's log-out token says is over.
///
/// # Errors
/// [`Refusal`] for anything but one good log-out token.
pub fn read<P: Platform>(desk: &Desk<'_, P>) -> Result<SessionId, Refusal> {
    let malformed = |what: String| Refusal::LogoutMalformed(what);
    let body = desk.platform.body(LONGEST_BODY).map_err(|fault| malformed(fault.to_string()))?;
    let mut tokens = form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token");
    let (Some((_, token)), None) = (tokens.next(), tokens.next()) else {
        return Err(malformed("expected one `logout_token` in a form".to_owned()));
    };
    let expected = Expected {
        issuers: &desk.settings.issuers,
        host: desk.host,
        now: desk.now,
        skew_seconds: desk.settings.clock_skew_seconds,
    };
    let party = (desk.issuer, desk.login.client_id.as_str());
    token::verify_logout_token(token.as_bytes(), &expected, party, |issuer, wanted| {
        provider::find_key(desk.platform, issuer, wanted)
    })
    .map_err(Refusal::LogoutToken)
}

/// The answer that the issuer waits for, when the origin has taken it.
#[must_use]
pub fn ended() -> OwnAnswer {
    OwnAnswer::empty(200)
}
