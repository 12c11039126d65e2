//! The verdict: a request, a snapshot and the time go in, a verdict comes out. No socket, no clock.

mod own;
mod word;

pub use own::Ends;
pub use word::Word;

use countersign_contract::assertion::VerifiedAssertion;
use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::header::OWN_PATH;
use countersign_contract::list::Action;
use countersign_contract::route::{Mode, Replay, Route, Upgrade};
use countersign_contract::time::UnixSeconds;

use crate::policy::Permit;
use crate::reason::Refusal;
use crate::reputation::list::{List, Listed};
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trust::{ReplayFault, ReplayLog, Vouched};

/// What was decided about one request.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// What is done with it.
    pub outcome: Outcome,
    /// What an observing route would have refused it for.
    pub would: Option<Refusal>,
    /// The route that decided, if one was found.
    pub route: Option<&'a Route>,
    /// What the edge's word about it is worth; `None` where nobody looked.
    pub word: Option<Word>,
    /// What the list says of the client, where it was looked at.
    pub listed: Option<Action>,
    /// Whether the assertion may be used only this once.
    pub once: Option<Once>,
}

/// What is done with a request.
#[derive(Debug)]
pub enum Outcome {
    /// It passes, to the permit's pool.
    Permit(Permit),
    /// It goes to no pool: a log-in is over, and HAProxy tells the publisher.
    Ends(Ends),
    /// It ends here.
    Refusal(Refusal),
}

/// The assertion of this verdict counts once: HAProxy is to remember it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once;

impl Verdict<'_> {
    /// A refusal of what no route was found for.
    #[must_use]
    pub const fn without_route(refusal: Refusal) -> Self {
        let outcome = Outcome::Refusal(refusal);
        Self { outcome, would: None, route: None, word: None, listed: None, once: None }
    }

    /// The assertion, if it was verified.
    #[must_use]
    pub fn assertion(&self) -> Option<&VerifiedAssertion> {
        self.word.as_ref().and_then(Word::assertion)
    }
}

/// Decides about one request.
///
/// The order of checks: canonical request, our own paths, route, assertion (see
/// [`verify`](countersign_contract::assertion::verify)), once-only, what its service may say, list, RBAC.
/// Cheap before dear.
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
    if asked.target.path().starts_with(OWN_PATH) {
        return own::decide(request, &asked, snapshot, used, now);
    }
    let route = match snapshot.policy.routes().find(asked.method, &asked.authority, &asked.target) {
        Ok(route) => route,
        Err(none) => return Verdict::without_route(Refusal::NoRoute(none)),
    };
    let word = Word::of(request, &asked, snapshot, now);
    let verdict = |outcome, would, word, listed, once| Verdict {
        outcome,
        would,
        route: Some(route),
        word: Some(word),
        listed,
        once,
    };
    if route.mode == Mode::Off {
        // Nobody is refused, but the decision keeps the edge's id, and the application the client's address.
        let permit = Permit::unjudged(route, word.vouched());
        return verdict(Outcome::Permit(permit), None, word, None, None);
    }
    let listed = word.vouched().and_then(|vouched| list.find(vouched.claims(), request.listed, now));
    let judged = judge(&word, route.replay_of(asked.method), used, now, |vouched| {
        if vouched.claims().ends.is_some() {
            return Err(Refusal::EndsMisplaced);
        }
        turn_away(listed, vouched)?;
        check_upgrade(request.upgrade, route)?;
        snapshot.policy.evaluate(route, vouched)
    });
    let listed = listed.map(|listed| listed.action);
    match (judged, route.mode) {
        (Ok((permit, once)), mode) => {
            // Whoever else counts an assertion refuses it the second time, and an observing route refuses none.
            let once = once.filter(|_| mode == Mode::Enforce);
            verdict(Outcome::Permit(permit), None, word, listed, once)
        }
        (Err(refusal), Mode::Observe) => {
            let permit = Permit::observed(route, word.vouched());
            verdict(Outcome::Permit(permit), Some(refusal), word, listed, None)
        }
        (Err(refusal), Mode::Enforce | Mode::Off) => {
            verdict(Outcome::Refusal(refusal), None, word, listed, None)
        }
    }
}

/// Acts on the list; whoever is signed in has met `require-identity`.
fn turn_away(listed: Option<Listed>, vouched: &Vouched) -> Result<(), Refusal> {
    let Some(Listed { action, of, seconds }) = listed else { return Ok(()) };
    let claims = vouched.claims();
    match action {
        Action::Observe => Ok(()),
        // Who it is stands in no assertion for a public route.
        Action::RequireIdentity if claims.sub.is_some() || claims.known => Ok(()),
        Action::RequireIdentity | Action::Throttle | Action::Block => {
            Err(Refusal::Listed { action, of, seconds })
        }
    }
}

/// A WebSocket is open for longer than anything that is judged here, so a route has to ask for it.
fn check_upgrade(asked: Upgrade, route: &Route) -> Result<(), Refusal> {
    match (asked, route.upgrade) {
        (Upgrade::None, _) | (Upgrade::Websocket, Upgrade::Websocket) => Ok(()),
        (Upgrade::Websocket, Upgrade::None) => Err(Refusal::UpgradeRefused { route: route.name.clone() }),
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
        if method.is_refused() {
            return Err(Refusal::MethodRefused(method.as_str().to_owned()));
        }
        // Two equal ones are still two: another parser may take another one.
        let host = if request.hosts == 1 { request.host } else { &[] };
        let authority = Authority::parse(host).map_err(Refusal::Host)?;
        let target = Target::parse(request.target).map_err(Refusal::NotCanonical)?;
        Ok(Self { method, authority, target })
    }
}

/// Uses up an assertion where each one counts once, then has what all of it says judged.
fn judge<T>(
    word: &Word,
    replay: Replay,
    used: &ReplayLog,
    now: UnixSeconds,
    evaluate: impl FnOnce(&Vouched) -> Result<T, Refusal>,
) -> Result<(T, Option<Once>), Refusal> {
    let use_up = |assertion| use_up(assertion, replay, used, now);
    match word {
        Word::Unverified(fault) => Err(Refusal::Assertion(fault.clone())),
        Word::Overstated(overstated) => {
            use_up(overstated.assertion())?;
            Err(Refusal::Service(overstated.fault().clone()))
        }
        Word::Vouched(vouched) => {
            let once = use_up(vouched.assertion())?;
            Ok((evaluate(vouched)?, once))
        }
    }
}

fn use_up(
    assertion: &VerifiedAssertion,
    replay: Replay,
    used: &ReplayLog,
    now: UnixSeconds,
) -> Result<Option<Once>, Refusal> {
    match replay {
        Replay::Window => Ok(None),
        Replay::Once => match used.use_up(assertion, now) {
            Ok(()) => Ok(Some(Once)),
            Err(ReplayFault::Replayed) => Err(Refusal::Replayed),
            Err(ReplayFault::Full) => Err(Refusal::ReplayLogFull),
        },
    }
}
