//! Cross-origin requests by the route's rule (the Fetch standard's CORS protocol).
//!
//! Where a route has a rule and is enforced, it is the only one: what the application says of other origins gives
//! way. It keeps no request back but a preflight, as CORS doesn't: it says whose pages may read the answer.

use std::fmt;

use countersign_contract::canonical::Method;
use countersign_contract::route::{Cors, CorsCredentials, CorsOrigins, Mode, Route};

use crate::answer::{Additions, OwnAnswer};
use crate::platform::Received;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::scrub::{Canonical, printable};

/// The headers of an answer that say what pages of other origins may do.
const RESPONSE_HEADERS: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
];

/// A browser's question whether a page may send a request (Fetch section 3.2.2): it brings no credentials, so that
/// no route that asks for somebody could let it pass.
#[derive(Clone, Copy, Debug)]
pub struct Preflight<'r> {
    origin: &'r [u8],
    method: Method<'r>,
    headers: &'r [Vec<u8>],
}

impl<'r> Preflight<'r> {
    /// The question of a request; none where it is no preflight.
    #[must_use]
    pub fn of(received: &'r Received, request: &Canonical<'_>) -> Option<Self> {
        let ([origin], [method]) = (received.origin.as_slice(), received.asks_for_method.as_slice()) else {
            return None;
        };
        let method = Method::parse(method).ok().filter(|_| request.method.as_str() == "OPTIONS")?;
        Some(Self { origin, method, headers: &received.asks_for_headers })
    }

    /// The route that decides about the request that would follow, if it is enforced and has a rule. Without one
    /// the application answers.
    #[must_use]
    pub fn route<'p>(&self, policy: &'p Policy, request: &Canonical<'_>) -> Option<(&'p Route, &'p Cors)> {
        let route = policy.route_of(self.method, request).ok().filter(|route| route.mode == Mode::Enforce)?;
        Some((route, route.cors.as_ref()?))
    }

    /// The answer of a rule.
    ///
    /// # Errors
    /// [`Refusal::CorsRefused`] for an origin or a header that it doesn't name.
    pub fn answer(&self, rule: &Cors) -> Result<OwnAnswer, Refusal> {
        if !rule.allows(self.origin) {
            return Err(Refusal::CorsRefused(format!("no page of `{}` may", printable(self.origin))));
        }
        let names = self.headers.iter().flat_map(|line| line.split(|byte| *byte == b','));
        for name in names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
            if !rule.headers.iter().any(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name)) {
                return Err(Refusal::CorsRefused(format!("no page may send `{}`", printable(name))));
            }
        }
        let mut answer = OwnAnswer::empty(204);
        answer.headers.push(("access-control-allow-methods", self.method.as_str().to_owned()));
        if !rule.headers.is_empty() {
            answer.headers.push(("access-control-allow-headers", joined(&rule.headers)));
        }
        answer.headers.push(("access-control-max-age", rule.max_age_seconds.to_string()));
        answer
            .headers
            .push(("vary", "Access-Control-Request-Method, Access-Control-Request-Headers".to_owned()));
        Ok(answer)
    }
}

/// What the route's rule makes of the answer, whoever gives it: a refusal is to be read too.
pub fn apply(received: &Received, route: &Route, additions: &mut Additions) {
    let Some(rule) = route.cors.as_ref().filter(|_| route.mode == Mode::Enforce) else { return };
    RESPONSE_HEADERS.iter().for_each(|name| additions.remove(name));
    // What is said to one is what a cache in between gives to the next: to everybody the same, or told apart by origin.
    let allowed = match &rule.origins {
        CorsOrigins::Any => Some("*"),
        CorsOrigins::These(_) => {
            additions.append("vary", "Origin".to_owned());
            match received.origin.as_slice() {
                [origin] if rule.allows(origin) => std::str::from_utf8(origin).ok(),
                _ => None,
            }
        }
    };
    let Some(origin) = allowed else { return };
    additions.append("access-control-allow-origin", origin.to_owned());
    if rule.credentials == CorsCredentials::Include {
        additions.append("access-control-allow-credentials", "true".to_owned());
    }
    if !rule.expose.is_empty() {
        additions.append("access-control-expose-headers", joined(&rule.expose));
    }
}

fn joined(names: impl IntoIterator<Item: fmt::Display>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}
