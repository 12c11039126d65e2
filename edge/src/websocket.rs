//! WebSockets (RFC 6455): whether a route is for one, whose page may open it, and handing it over.
//!
//! The platform joins client and HAProxy and this program is done: nothing of the answer is seen.

use countersign_contract::route::{Cors, CorsCredentials, Mode, Route, Upgrade};

use crate::forward::Handling;
use crate::identify::{Identified, Identity, Proof};
use crate::platform::{Platform, Received};
use crate::record::Journal;
use crate::refusal::Refusal;
use crate::scrub::printable;
use crate::send::Outgoing;
use crate::settings::Origin;

/// What the request asks to become (RFC 6455 section 4.1). Other upgrades may be ignored (RFC 9110
/// section 7.8), and are.
#[must_use]
pub fn asked_for(received: &Received) -> Upgrade {
    let names_it = |value: &Vec<u8>| {
        let mut protocols = value.split(|byte| *byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    };
    if received.method == b"GET" && received.upgrade.iter().any(names_it) {
        Upgrade::Websocket
    } else {
        Upgrade::None
    }
}

/// Whether the route is for one, as far as its mode says.
///
/// # Errors
/// [`Refusal::UpgradeRefused`].
pub fn check_route(asked: Upgrade, route: &Route, journal: &mut Journal) -> Result<(), Refusal> {
    match (asked, route.upgrade) {
        (Upgrade::None, _) | (Upgrade::Websocket, Upgrade::Websocket) => Ok(()),
        (Upgrade::Websocket, Upgrade::None) => {
            journal.refuse(Refusal::UpgradeRefused(format!("route `{}`", route.name)), route.mode)
        }
    }
}

/// What becomes of what a browser sends by itself and the application knows people by: its cookies, and what it
/// remembers of HTTP authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambient {
    /// They go on.
    Kept,
    /// They end here: the page that opens it may not send any.
    Removed,
}

/// Whether the page that opens it may, as far as the route's mode says. Browsers let every page open a WebSocket to
/// anywhere and send cookies along, so whose page it is has to be asked here: this host's own, or one of the
/// route's `cors`.
///
/// # Errors
/// [`Refusal::CrossSiteWebsocket`].
pub fn check_page(
    received: &Received,
    host: &str,
    route: &Route,
    identified: &Identified,
    journal: &mut Journal,
) -> Result<Ambient, Refusal> {
    let has_session = matches!(identified, Identified::Somebody(Identity { by: Proof::Session { .. }, .. }));
    let fault = match received.origin.as_slice() {
        // A program's; every browser says whose page it is.
        [] if !has_session => return Ok(Ambient::Kept),
        [] => "it comes with a session and without `Origin`".to_owned(),
        [origin] if is_own(origin, received, host) => return Ok(Ambient::Kept),
        [origin] => match route.cors.as_ref().filter(|cors| cors.allows(origin)) {
            Some(Cors { credentials: CorsCredentials::Include, .. }) => return Ok(Ambient::Kept),
            Some(_) if !has_session && route.mode == Mode::Enforce => return Ok(Ambient::Removed),
            Some(_) if !has_session => return Ok(Ambient::Kept),
            Some(_) => format!("a page of `{}` opens it with a session", printable(origin)),
            None => format!("a page of `{}` opens it", printable(origin)),
        },
        several => format!("it has {} `Origin` headers", several.len()),
    };
    journal.refuse(Refusal::CrossSiteWebsocket(fault), route.mode).map(|()| Ambient::Kept)
}

/// Hands it over under what `vouch` signs. The platform names the backend's own host to HAProxy in place of the
/// client's, so only a backend that is for this very host will do: else what is signed would not be what arrives.
///
/// # Errors
/// [`Refusal`] of `vouch`, or where no origin has such a backend, or the platform doesn't take it.
pub fn hand_over<P: Platform>(
    outgoing: &Outgoing<'_, P>,
    handling: Handling,
    ambient: Ambient,
    journal: &mut Journal,
    vouch: impl FnOnce(&Origin, &mut Journal) -> Result<String, Refusal>,
) -> Result<(), Refusal> {
    let host = outgoing.request.authority.as_str();
    let mut origins = outgoing.settings.origins.iter();
    let found = origins.find_map(|origin| Some((origin, origin.websockets.get(host)?)));
    let (origin, backend) = found.ok_or_else(|| Refusal::UpgradeUnconfigured(host.to_owned()))?;
    let assertion = vouch(origin, journal)?;
    let mut forward = outgoing.forward(handling, backend, assertion.into_bytes());
    if ambient == Ambient::Removed {
        forward.set.retain(|(name, _)| *name != "cookie");
        forward.remove.extend(["cookie".to_owned(), "authorization".to_owned()]);
    }
    forward.set.extend([("connection", b"Upgrade".to_vec()), ("upgrade", b"websocket".to_vec())]);
    Ok(outgoing.platform.hand_over(&forward)?)
}

/// Whether a page of this origin is one of the host's own. Whoever is on the way can make pages of `http`, so they
/// are where the request came by `http` itself.
fn is_own(origin: &[u8], received: &Received, host: &str) -> bool {
    let is_of = |scheme: &[u8]| origin.strip_prefix(scheme) == Some(host.as_bytes());
    is_of(b"https://") || received.url.starts_with(b"http://") && is_of(b"http://")
}
