//! Which arm of a route's experiment somebody is in.

use countersign_contract::experiment::{Participant, VisitorId};
use countersign_contract::name::{ArmName, Subject};
use countersign_contract::route::{Class, Route};

use crate::answer::Additions;
use crate::credential;
use crate::platform::{Platform, Received};
use crate::policy::Policy;

/// The cookie of a browser in which nobody is signed in: only so that it stays in one arm. Whoever writes it by hand
/// chooses an arm, which any browser that throws its cookies away does too.
pub const COOKIE: &str = "__Host-countersign-visitor";

/// A year.
const COOKIE_SECONDS: u32 = 31_536_000;

/// The arm of whoever asks, the same one each time; a browser that nobody knows gets an id for that with its answer.
/// None without an experiment, on a public route, or without randomness for an id.
pub fn assign(
    platform: &impl Platform,
    received: &Received,
    policy: &Policy,
    route: &Route,
    who: Option<&Subject>,
    additions: &mut Additions,
) -> Option<ArmName> {
    let (name, experiment) = policy.experiment(route).filter(|_| route.class == Class::Private)?;
    if let Some(subject) = who {
        return experiment.arm_of(name, Participant::Subject(subject)).cloned();
    }
    let shown = credential::cookie(received, COOKIE).ok().flatten().and_then(VisitorId::parse);
    let visitor = match shown {
        Some(visitor) => visitor,
        None => {
            let visitor = VisitorId::from_random(platform.random()?);
            additions.append("set-cookie", cookie(visitor));
            visitor
        }
    };
    experiment.arm_of(name, Participant::Visitor(visitor)).cloned()
}

fn cookie(visitor: VisitorId) -> String {
    format!("{COOKIE}={visitor}; Max-Age={COOKIE_SECONDS}; Path=/; Secure; HttpOnly; SameSite=Lax")
}
