//! Beginning to sign in: the way to the issuer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::canonical::Target;
use countersign_contract::header::OWN_PATH;
use form_urlencoded::Serializer;
use sha2::{Digest as _, Sha256};

use super::attempt::{self, Attempt, Prompt};
use super::{CALLBACK_PATH, Desk, delete_cookie};
use crate::answer::OwnAnswer;
use crate::platform::Platform;
use crate::provider::Metadata;
use crate::refusal::Refusal;
use crate::sealed::SessionKeys;

/// Sends the browser to the issuer, and has it remember what for.
pub(super) fn start<P: Platform>(
    desk: &Desk<'_, P>,
    return_to: &str,
    prompt: Prompt,
) -> Result<OwnAnswer, Refusal> {
    let keys = SessionKeys::load(desk.platform, desk.settings.session_key.as_ref())?;
    let metadata = Metadata::of(desk.platform, desk.issuer).map_err(Refusal::LoginUnavailable)?;
    let random = desk.platform.random().ok_or(Refusal::RandomUnavailable)?;
    let attempt = Attempt::new(random, desk.host, &desk.issuer.name, return_to, prompt, desk.now);
    let secrets = attempt.secrets(&keys, keys.current()).ok_or(Refusal::RandomUnavailable)?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&secrets.verifier));
    let mut query = Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &desk.login.client_id)
        .append_pair("redirect_uri", &desk.own_url(CALLBACK_PATH))
        .append_pair("scope", &desk.login.scopes.join(" "))
        .append_pair("state", &secrets.state)
        .append_pair("nonce", &secrets.nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if prompt == Prompt::Silent {
        query.append_pair("prompt", "none");
    }
    let location = with_query(metadata.authorization_endpoint.as_str(), &query.finish());
    let mut answer = OwnAnswer::see_other(location);
    for name in attempt::too_many(desk.received) {
        answer = answer.with_cookie(delete_cookie(&name));
    }
    Ok(answer.with_cookie(attempt.set_cookie(&keys, &secrets.state)))
}

/// The page that is returned to: one of this host, whatever the query says.
pub(super) fn return_to(query: &str) -> String {
    let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "return_to");
    let page = said.map(|(_, value)| value.into_owned()).unwrap_or_default();
    // Canonical: begins with one `/`, no `\`, no empty or dot segments, so no browser reads a host in it.
    let is_page = Target::parse(page.as_bytes()).is_ok() && !page.starts_with(OWN_PATH);
    if is_page { page } else { "/".to_owned() }
}

pub(super) fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}
