//! Signing out: here, and at the issuer.

use form_urlencoded::Serializer;

use super::{Desk, delete_cookie, start};
use crate::answer::OwnAnswer;
use crate::platform::Platform;
use crate::provider::Metadata;
use crate::refusal::Refusal;
use crate::session;

/// Forgets the session and sends the browser to the issuer, to end that one too (OpenID Connect
/// RP-Initiated Logout 1.0 section 2).
pub(super) fn sign_out<P: Platform>(desk: &Desk<'_, P>) -> Result<OwnAnswer, Refusal> {
    // Another site's page could sign people out, by an image or a form.
    if desk.received.fetch_site.iter().any(|site| site.trim_ascii() == b"cross-site") {
        return Err(Refusal::CrossSite);
    }
    let page = desk.login.signed_out_path.clone();
    // An issuer that doesn't answer must not keep anybody signed in here.
    let end_session = Metadata::of(desk.platform, desk.issuer).ok().and_then(|it| it.end_session_endpoint);
    let location = match end_session {
        Some(endpoint) => {
            let mut query = Serializer::new(String::new());
            query
                .append_pair("client_id", &desk.login.client_id)
                .append_pair("post_logout_redirect_uri", &desk.own_url(&page));
            start::with_query(endpoint.as_str(), &query.finish())
        }
        None => page,
    };
    Ok(OwnAnswer::see_other(location).with_cookie(delete_cookie(session::COOKIE)))
}
