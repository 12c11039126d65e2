//! The way back from the issuer: a code becomes a session.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_contract::name::GroupName;
use form_urlencoded::{Serializer, byte_serialize};
use serde::Deserialize;

use super::attempt::{self, Attempt, Prompt, Secrets};
use super::{CALLBACK_PATH, Desk, Done, SignedIn, delete_cookie, set_cookie, start};
use crate::answer::OwnAnswer;
use crate::credential::{self, Shown};
use crate::identify;
use crate::platform::{Fetch, FetchFault, Form, Platform};
use crate::provider::{self, Metadata};
use crate::record::Passage;
use crate::refusal::Refusal;
use crate::sealed::{self, Kind, SessionKeys};
use crate::session::{self, NewSession, Session};
use crate::settings::ClientAuthentication;
use crate::token::{self, Expected, ExpectedParty, TokenFault, VerifiedToken};

/// The longest answer of a token endpoint that is read, in bytes.
const LONGEST_TOKENS: usize = 64 * 1024;
/// Errors of a silent attempt that mean no more than that people have to be asked (OpenID Connect Core
/// section 3.1.2.6).
const HAS_TO_ASK: [&str; 4] =
    ["login_required", "interaction_required", "consent_required", "account_selection_required"];
/// Errors of an issuer that is out of order (RFC 6749 section 4.1.2.1).
const OUT_OF_ORDER: [&str; 2] = ["server_error", "temporarily_unavailable"];

/// What the issuer sends back with the browser.
#[derive(Default)]
struct Answered {
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// The answer of a token endpoint (OpenID Connect Core section 3.1.3.3).
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// The same where it refuses (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct TokenError {
    error: String,
}

pub(super) fn callback<P: Platform>(
    desk: &Desk<'_, P>,
    query: &str,
    named: &BTreeSet<GroupName>,
) -> Result<Done, Refusal> {
    let answered = Answered::read(query)?;
    let keys = SessionKeys::load(desk.platform, desk.settings.session_key.as_ref())?;
    let found = Attempt::find(desk.received, &keys, desk.host, &answered.state, desk.now);
    let Some((attempt, secrets)) = found.filter(|(attempt, _)| attempt.iss == desk.issuer.name) else {
        // Such as one gone back to: where somebody is signed in all the same, there is nothing left to do.
        let who = signed_in(desk, &keys).ok_or(Refusal::LoginUnknown)?;
        let answer = OwnAnswer::see_other("/".to_owned());
        return Ok(Done { outcome: Ok(Passage::SignedIn), answer, who: Some(who) });
    };
    match end(desk, &keys, answered, &attempt, &secrets, named) {
        // People have not asked for it: an outage of the issuer ends nobody's session early.
        Err(outage) if attempt.prompt == Prompt::Silent && is_outage(&outage) => {
            let Some(who) = signed_in(desk, &keys) else { return Err(outage) };
            let done = delete_cookie(&attempt::cookie_name(&secrets.state));
            let answer = OwnAnswer::see_other(attempt.return_to).with_cookie(done);
            Ok(Done { outcome: Err(outage), answer, who: Some(who) })
        }
        ended => ended,
    }
}

/// Ends an attempt by what the issuer answered.
fn end<P: Platform>(
    desk: &Desk<'_, P>,
    keys: &SessionKeys,
    answered: Answered,
    attempt: &Attempt,
    secrets: &Secrets,
    named: &BTreeSet<GroupName>,
) -> Result<Done, Refusal> {
    let done = delete_cookie(&attempt::cookie_name(&secrets.state));
    let metadata = Metadata::of(desk.platform, desk.issuer).map_err(Refusal::LoginUnavailable)?;
    answered.check_issuer(desk, &metadata)?;
    let code = match (answered.code, answered.error) {
        (Some(code), None) => code,
        (_, Some(error)) if attempt.prompt == Prompt::Silent && HAS_TO_ASK.contains(&error.as_str()) => {
            let answer = start::start(desk, &attempt.return_to, Prompt::Asked)?;
            let outcome = Ok(Passage::LoginStarted);
            return Ok(Done { outcome, answer: answer.with_cookie(done), who: None });
        }
        (_, Some(error)) if OUT_OF_ORDER.contains(&error.as_str()) => {
            return Err(Refusal::LoginUnavailable(FetchFault::Unusable(format!("it answers `{error}`"))));
        }
        (_, error) => {
            return Err(Refusal::LoginRefused(error.map_or("no code".to_owned(), |error| shorten(&error))));
        }
    };
    if !attempt.is_first(desk.platform) {
        return Err(Refusal::LoginUnknown);
    }
    let token = redeem(desk, &metadata, &code, secrets)?;
    // A renewal makes nobody somebody: who has signed out in between, or become another, signs in again.
    if attempt.prompt == Prompt::Silent
        && signed_in(desk, keys).is_none_or(|who| who.subject != *token.subject())
    {
        let answer = start::start(desk, &attempt.return_to, Prompt::Asked)?;
        return Ok(Done { outcome: Ok(Passage::LoginStarted), answer: answer.with_cookie(done), who: None });
    }
    let session = seal(desk, keys, &token, named)?;
    let cookie = set_cookie(session::COOKIE, &session, desk.login.session_lifetime_seconds);
    let answer = OwnAnswer::see_other(attempt.return_to.clone()).with_cookie(cookie).with_cookie(done);
    let who = SignedIn { subject: token.subject().clone(), session: token.session().cloned() };
    Ok(Done { outcome: Ok(Passage::SignedIn), answer, who: Some(who) })
}

impl Answered {
    /// Each parameter at most once: of two nobody could tell which one counts.
    fn read(query: &str) -> Result<Self, Refusal> {
        let (mut answered, mut state) = (Self::default(), None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "state" => &mut state,
                "code" => &mut answered.code,
                "error" => &mut answered.error,
                "iss" => &mut answered.iss,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(Refusal::LoginUnknown);
            }
        }
        answered.state = state.ok_or(Refusal::LoginUnknown)?;
        Ok(answered)
    }

    /// RFC 9207: a code of another issuer must not be sent to this one.
    fn check_issuer<P>(&self, desk: &Desk<'_, P>, metadata: &Metadata) -> Result<(), Refusal> {
        match &self.iss {
            Some(said) if said == desk.issuer.issuer.as_str() => Ok(()),
            None if !metadata.authorization_response_iss_parameter_supported => Ok(()),
            said => Err(Refusal::LoginRefused(format!(
                "the answer is of issuer `{}`",
                said.as_deref().unwrap_or("none").chars().take(128).collect::<String>()
            ))),
        }
    }
}

/// Whether it is the issuer that can't go on, not the person.
const fn is_outage(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::LoginUnavailable(_) | Refusal::LoginToken(TokenFault::KeysUnavailable { .. }))
}

/// Who is signed in by a session, whatever becomes of this attempt.
fn signed_in<P: Platform>(desk: &Desk<'_, P>, keys: &SessionKeys) -> Option<SignedIn> {
    let Ok(Shown::Session(cookie)) = credential::shown(desk.received) else { return None };
    let (session, _) = Session::open(cookie, keys, desk.settings, desk.host, desk.now).ok()?;
    Some(SignedIn { subject: session.sub, session: session.sid })
}

/// Makes tokens of a code, and verifies the one that says who it is.
fn redeem<P: Platform>(
    desk: &Desk<'_, P>,
    metadata: &Metadata,
    code: &str,
    secrets: &Secrets,
) -> Result<VerifiedToken, Refusal> {
    let form = form(desk, code, &secrets.verifier)?;
    let backend = desk.issuer.token_backend.as_ref().unwrap_or(&desk.issuer.backend);
    let fetch = Fetch { backend, url: &metadata.token_endpoint, form: Some(&form), most: LONGEST_TOKENS };
    let fetched = desk.platform.fetch(&fetch).map_err(Refusal::LoginUnavailable)?;
    match fetched.status {
        200 => {}
        400 | 401 => {
            let error = serde_json::from_slice(&fetched.body).map(|TokenError { error }| error);
            let error = error.unwrap_or_else(|_| format!("status {}", fetched.status));
            return Err(Refusal::LoginCode(shorten(&error)));
        }
        status => return Err(Refusal::LoginUnavailable(FetchFault::Status(status))),
    }
    let tokens: Tokens = serde_json::from_slice(&fetched.body)
        .map_err(|_| Refusal::LoginUnavailable(FetchFault::Unusable("no `id_token` in it".to_owned())))?;
    let expected = Expected {
        issuers: &desk.settings.issuers,
        host: desk.host,
        now: desk.now,
        skew_seconds: desk.settings.clock_skew_seconds,
    };
    let party =
        ExpectedParty { issuer: desk.issuer, client_id: &desk.login.client_id, nonce: &secrets.nonce };
    token::verify_id_token(tokens.id_token.as_bytes(), &expected, &party, |issuer, wanted| {
        provider::find_key(desk.platform, issuer, wanted)
    })
    .map_err(Refusal::LoginToken)
}

/// At most 64 characters of an error code, for the log.
fn shorten(error: &str) -> String {
    error.chars().take(64).collect()
}

fn form<P: Platform>(desk: &Desk<'_, P>, code: &str, verifier: &str) -> Result<Form, Refusal> {
    let client_id = desk.login.client_id.as_str();
    let mut body = Serializer::new(String::new());
    body.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &desk.own_url(CALLBACK_PATH))
        .append_pair("code_verifier", verifier);
    let authorization = match desk.login.client_authentication {
        ClientAuthentication::ClientSecretBasic => {
            // RFC 6749 section 2.3.1: both are form-encoded first.
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(client_id), encoded(&client_secret(desk)?));
            Some(format!("Basic {}", STANDARD.encode(pair)))
        }
        ClientAuthentication::ClientSecretPost => {
            body.append_pair("client_id", client_id).append_pair("client_secret", &client_secret(desk)?);
            None
        }
        ClientAuthentication::None => {
            body.append_pair("client_id", client_id);
            None
        }
    };
    Ok(Form { authorization, body: body.finish() })
}

fn client_secret<P: Platform>(desk: &Desk<'_, P>) -> Result<String, Refusal> {
    let name = desk.login.client_secret.as_str();
    let unreadable = |what: &str| Refusal::ClientSecretUnreadable(format!("secret `{name}` {what}"));
    let secret = desk.platform.secret(name).map_err(|fault| unreadable(&fault.to_string()))?;
    let secret = secret.ok_or_else(|| unreadable("is missing: expected the client's secret"))?;
    let text = String::from_utf8(secret).map_err(|_| unreadable("is not UTF-8"))?;
    Ok(text.trim().to_owned())
}

fn seal<P: Platform>(
    desk: &Desk<'_, P>,
    keys: &SessionKeys,
    token: &VerifiedToken,
    named: &BTreeSet<GroupName>,
) -> Result<String, Refusal> {
    let session = Session::new(NewSession {
        host: desk.host,
        issuer: desk.issuer.name.clone(),
        subject: token.subject().clone(),
        session: token.session().cloned(),
        groups: identify::groups_of(token, desk.settings, named),
        now: desk.now,
        renew_after: desk.login.renew_after_seconds,
        lifetime: desk.login.session_lifetime_seconds,
    });
    let sealed = keys.seal(Kind::Session, &session);
    // A browser would drop a longer cookie without a word.
    if sealed.len() + session::COOKIE.len() < sealed::LONGEST {
        Ok(sealed)
    } else {
        Err(Refusal::IdentityTooLarge(format!(
            "the session would be {} bytes long, browsers keep {} at most: fewer groups",
            sealed.len(),
            sealed::LONGEST
        )))
    }
}
