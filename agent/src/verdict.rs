//! The verdict: a request, a snapshot and the time go in, a verdict comes out. No socket, no clock.

use countersign_contract::assertion::{Expected, Presented, VerifiedAssertion, verify};
use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::list::Action;
use countersign_contract::route::{Mode, Replay, Route};
use countersign_contract::time::UnixSeconds;

use crate::policy::Permit;
use crate::reason::Refusal;
use crate::reputation::list::{List, Listed};
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trust::{ReplayFault, ReplayLog};

/// What was decided about one request.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// Whether it may pass, and to which pool.
    pub outcome: Result<Permit, Refusal>,
    /// What an observing route would have refused it for.
    pub would: Option<Refusal>,
    /// The route that decided, if one was found.
    pub route: Option<&'a Route>,
    /// The assertion, if it holds.
    pub assertion: Option<VerifiedAssertion>,
    /// What the list says of the client, where it was looked at.
    pub listed: Option<Action>,
    /// Whether the assertion may be used only this once.
    pub once: Option<Once>,
}

/// The assertion of this verdict counts once: HAProxy is to remember it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once;

impl Verdict<'_> {
    /// A refusal of what no route was found for.
    #[must_use]
    pub const fn without_route(refusal: Refusal) -> Self {
        Self { outcome: Err(refusal), would: None, route: None, assertion: None, listed: None, once: None }
    }
}

/// Decides about one request.
///
/// The order of checks: canonical request, route, assertion (see
/// [`verify`](countersign_contract::assertion::verify)), once-only, list, RBAC. Cheap before dear.
#[must_use]
pub fn decide<'a>(
    request: &Request<'_>,
    snapshot: &'a Snapshot,
    used: &ReplayLog,
    list: &List,
    now: UnixSeconds,
) -> Verdict<'a> {
    let asked = match Asked::parse(request) {
        Ok(asked) => asked,
        Err(refusal) => return Verdict::without_route(refusal),
    };
    let route = match snapshot.policy.routes().find(asked.method, &asked.authority, &asked.target) {
        Ok(route) => route,
        Err(none) => return Verdict::without_route(Refusal::NoRoute(none)),
    };
    let assertion = verify_assertion(request, &asked, snapshot, now);
    let verdict = |outcome, would, assertion, listed, once| Verdict {
        outcome,
        would,
        route: Some(route),
        assertion,
        listed,
        once,
    };
    if route.mode == Mode::Off {
        // Nobody is refused, but the decision keeps the edge's id, and the application the client's address.
        return verdict(Ok(Permit::unjudged(route)), None, assertion.ok(), None, None);
    }
    let listed =
        assertion.as_ref().ok().and_then(|assertion| list.find(assertion.claims(), request.listed, now));
    let judged = assertion.as_ref().map_err(Clone::clone).and_then(|assertion| {
        let once = use_up(assertion, route, asked.method, used, now)?;
        turn_away(listed, assertion)?;
        let permit = snapshot.policy.evaluate(route, assertion)?;
        Ok((permit, once))
    });
    let (assertion, listed) = (assertion.ok(), listed.map(|listed| listed.action));
    match (judged, route.mode) {
        (Ok((permit, once)), mode) => {
            // Whoever else counts an assertion refuses it the second time, and an observing route refuses none.
            let once = once.filter(|_| mode == Mode::Enforce);
            verdict(Ok(permit), None, assertion, listed, once)
        }
        (Err(refusal), Mode::Observe) => {
            verdict(Ok(Permit::observed(route)), Some(refusal), assertion, listed, None)
        }
        (Err(refusal), Mode::Enforce | Mode::Off) => verdict(Err(refusal), None, assertion, listed, None),
    }
}

/// Acts on the list; whoever is signed in has met `require-identity`.
fn turn_away(listed: Option<Listed>, assertion: &VerifiedAssertion) -> Result<(), Refusal> {
    let Some(Listed { action, seconds }) = listed else { return Ok(()) };
    match action {
        Action::Observe => Ok(()),
        // Who it is stands in no assertion for a public route.
        Action::RequireIdentity if assertion.claims().sub.is_some() || assertion.claims().known => Ok(()),
        Action::RequireIdentity | Action::Throttle | Action::Block => {
            Err(Refusal::Listed { action, seconds })
        }
    }
}

/// A request whose method, host and target are canonical.
struct Asked<'a> {
    method: Method<'a>,
    authority: Authority<'a>,
    target: Target<'a>,
}

impl<'a> Asked<'a> {
    fn parse(request: &Request<'a>) -> Result<Self, Refusal> {
        let method = Method::parse(request.method).map_err(Refusal::Method)?;
        // Two equal ones are still two: another parser may take another one.
        let host = if request.hosts == 1 { request.host } else { &[] };
        let authority = Authority::parse(host).map_err(Refusal::Host)?;
        let target = Target::parse(request.target).map_err(Refusal::NotCanonical)?;
        Ok(Self { method, authority, target })
    }
}

fn verify_assertion(
    request: &Request<'_>,
    asked: &Asked<'_>,
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<VerifiedAssertion, Refusal> {
    let expected = Expected {
        audience: &snapshot.audience,
        environments: std::slice::from_ref(&snapshot.environment),
        now,
        clock_skew: snapshot.clock_skew,
        longest_lifetime: snapshot.longest_lifetime,
        method: asked.method,
        authority: &asked.authority,
        target: &asked.target,
        known_hosts: snapshot.policy.routes().hosts(),
    };
    Presented::from_headers(request.assertions, request.assertion)
        .and_then(|presented| verify(&presented, &snapshot.keys, &expected))
        .map_err(Refusal::Assertion)
}

fn use_up(
    assertion: &VerifiedAssertion,
    route: &Route,
    method: Method<'_>,
    used: &ReplayLog,
    now: UnixSeconds,
) -> Result<Option<Once>, Refusal> {
    match route.replay_of(method) {
        Replay::Window => Ok(None),
        Replay::Once => match used.use_up(assertion, now) {
            Ok(()) => Ok(Some(Once)),
            Err(ReplayFault::Replayed) => Err(Refusal::Replayed),
            Err(ReplayFault::Full) => Err(Refusal::ReplayLogFull),
        },
    }
}
