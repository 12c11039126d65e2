//! The life of a request at the edge.

use countersign_contract::assertion::{Claims, VERSION};
use countersign_contract::binding::RequestBinding;
use countersign_contract::client_key::ClientKey;
use countersign_contract::decision_id::DecisionId;
use countersign_contract::header;
use countersign_contract::list::ListMode;
use countersign_contract::route::{Class, Mode, Route};
use countersign_contract::time::UnixSeconds;

use crate::answer::{self, Answer, OriginChanges, RefusalAnswer};
use crate::credential::{self, CookieChange};
use crate::forward::{Caching, Forward};
use crate::identify::{self, Identified};
use crate::list::{List, Standing};
use crate::platform::{OriginHead, Platform, Received};
use crate::policy::Policy;
use crate::record::{Journal, Passage};
use crate::refusal::Refusal;
use crate::scrub::{self, Canonical};
use crate::settings::Settings;
use crate::shielding;
use crate::signing::SigningKey;

/// Answers one request: lets it on to HAProxy under an assertion, or refuses it. Writes one record
/// either way.
pub fn handle(platform: &impl Platform, received: &Received) -> Answer {
    let id = platform.random().map(DecisionId::from_random);
    handle_as(platform, received, id)
}

/// [`handle`] under a decision id that the caller has drawn; `None` where there was no randomness.
pub fn handle_as(platform: &impl Platform, received: &Received, id: Option<DecisionId>) -> Answer {
    let mut journal = Journal::begin(id.unwrap_or(DecisionId::from_random([0; 16])), received);
    let outcome = match id {
        Some(_) => pass(platform, received, &mut journal),
        None => Err(Refusal::RandomUnavailable),
    };
    let (answer, outcome) = match outcome {
        Ok((passage, origin)) => {
            journal.origin_status(origin.status);
            if let Some(theirs) = answer::origin_decision(&origin) {
                journal.detail(format!("the origin found no valid assertion and decided as `{theirs}`"));
            }
            (Answer::FromOrigin(OriginChanges::of(&origin, journal.id())), Ok(passage))
        }
        Err(refusal) => (Answer::Refused(RefusalAnswer::of(&refusal, journal.id())), Err(refusal)),
    };
    platform.log(&journal.line(platform.now(), platform.elapsed(), &outcome));
    answer
}

/// The steps in their order; the first refusal ends them.
fn pass(
    platform: &impl Platform,
    received: &Received,
    journal: &mut Journal,
) -> Result<(Passage, OriginHead), Refusal> {
    let now = platform.now().seconds();

    // Scrub: one reading of the request, or none.
    let settings = Settings::load(platform);
    settings.iter().for_each(|settings| journal.settings(settings));
    let request = read(received)?;
    journal.request(&request);
    let settings = settings?;
    let key = SigningKey::load(platform)?;
    let client = received.client.ok_or(Refusal::ClientUnknown)?.to_canonical();

    // Another of our own locations has done all that follows.
    if let Some(earlier) = shielding::earlier_hop(received, &request, &settings, &key, now) {
        let claims = earlier.claims();
        journal.continues(claims.txn);
        journal.key(earlier.key());
        note_identity(journal, claims);
        let handling = shielded(platform, &request, journal);
        let assertion = received.assertion.first().cloned().unwrap_or_default();
        let forward = forward(received, &request, &settings, handling, assertion);
        return Ok((Passage::ShieldingHop, send(platform, &forward)?));
    }

    // List: offenders cost nothing more than this.
    let mut list = List::open(platform, now);
    list.look_up(&ClientKey::of_address(client));
    journal.list(list.standing());
    turn_away(list.standing(), now, journal)?;

    // Route: one policy, read by both tiers.
    let policy = Policy::load(platform)?;
    journal.policy(&policy.digest);
    let route = policy.route(&request)?;
    journal.route(route);

    // Identify: nothing personal on a public route, unless the list asks for it.
    let must_sign_in = list.standing().wants_identity();
    let identified = if route.class == Class::Private || must_sign_in {
        identify::identify(platform, received, &settings, &policy.groups, now)
    } else {
        Identified::Nobody
    };
    if let Identified::Somebody(who) = &identified {
        who.client_keys().for_each(|key| list.look_up(&key));
        journal.list(list.standing());
        turn_away(list.standing(), now, journal).inspect_err(|_| {
            if route.class == Class::Private {
                journal.identity(&who.subject, &who.groups);
            }
        })?;
    } else if must_sign_in {
        note_unproven(journal, &identified);
        refuse(Refusal::ListedRequireIdentity, list.standing().mode, journal)?;
    }
    // It was for the list alone, and the origin has the same list.
    let known = route.class == Class::Public && matches!(identified, Identified::Somebody(_));
    let identified = match route.class {
        Class::Private => identified,
        Class::Public => Identified::Nobody,
    };
    judge(route, &identified, journal)?;
    let identity = match identified {
        Identified::Somebody(identity) => Some(identity),
        Identified::Nobody | Identified::Unproven(_) => None,
    };

    // Forward, with our word for it.
    let (subject, groups) = identity.map(|who| (who.subject, who.groups)).unzip();
    let claims = Claims {
        v: VERSION,
        iss: settings.service.clone(),
        aud: settings.audience.clone(),
        iat: now,
        exp: now.plus(settings.assertion_lifetime_seconds),
        txn: journal.id(),
        req: RequestBinding::of(request.method, &request.authority, &request.target),
        ip: client,
        sub: subject,
        groups: groups.unwrap_or_default(),
        sid: None,
        known,
        ends: None,
        env: settings.environment.clone(),
        sv: platform.service_version(),
        pol: Some(policy.digest.clone()),
        rep: list.standing().generation,
    };
    let assertion = vouch(&key, claims, route, journal)?;
    journal.key(key.signer().id());
    let forward = forward(received, &request, &settings, Handling::of(route), assertion.into_bytes());
    let passage = match route.mode {
        _ if journal.would_have_refused() => Passage::Observed,
        Mode::Off => Passage::NotJudged,
        Mode::Observe | Mode::Enforce => Passage::Forwarded,
    };
    Ok((passage, send(platform, &forward)?))
}

/// Reads the request's head, and refuses what no route can open.
fn read(received: &Received) -> Result<Canonical<'_>, Refusal> {
    if let Some(what) = &received.too_large {
        return Err(Refusal::HeadTooLarge(what.clone()));
    }
    let request = Canonical::read(received)?;
    if request.is_refused_method() {
        return Err(Refusal::MethodRefused(request.method.as_str().to_owned()));
    }
    if scrub::asks_for_websocket(received) {
        return Err(Refusal::UpgradeRefused);
    }
    Ok(request)
}

/// Acts on what the list says, as far as that doesn't depend on whether somebody is signed in.
fn turn_away(standing: &Standing, now: UnixSeconds, journal: &mut Journal) -> Result<(), Refusal> {
    standing.refusal(now).map_or(Ok(()), |refusal| refuse(refusal, standing.mode, journal))
}

/// Refuses for the list, or only notes it.
fn refuse(refusal: Refusal, mode: ListMode, journal: &mut Journal) -> Result<(), Refusal> {
    match mode {
        ListMode::Enforce => Err(refusal),
        ListMode::Observe => {
            journal.would(refusal);
            Ok(())
        }
    }
}

/// Judges, as far as the route's mode says.
fn judge(route: &Route, identified: &Identified, journal: &mut Journal) -> Result<(), Refusal> {
    match (route.mode, identify::judge(route, identified)) {
        (Mode::Off, _) | (Mode::Observe | Mode::Enforce, Ok(())) => note_unproven(journal, identified),
        (Mode::Observe, Err(refusal)) => journal.would(refusal),
        (Mode::Enforce, Err(refusal)) => return Err(refusal),
    }
    Ok(())
}

/// Signs what is vouched for. Where nothing is enforced, somebody who doesn't fit into an assertion
/// becomes nobody: never a part of their groups.
fn vouch(key: &SigningKey, claims: Claims, route: &Route, journal: &mut Journal) -> Result<String, Refusal> {
    let refusal = match key.signer().mint(&claims) {
        Ok(assertion) => {
            note_identity(journal, &claims);
            return Ok(assertion);
        }
        Err(fault) => Refusal::from(fault),
    };
    match route.mode {
        Mode::Enforce => {
            note_identity(journal, &claims);
            return Err(refusal);
        }
        Mode::Observe => journal.would(refusal),
        Mode::Off => journal.detail(format!("nobody is vouched for: {refusal}")),
    }
    let nobody = Claims { sub: None, groups: Vec::new(), ..claims };
    Ok(key.signer().mint(&nobody)?)
}

fn note_identity(journal: &mut Journal, claims: &Claims) {
    if let Some(subject) = &claims.sub {
        journal.identity(subject, &claims.groups);
    }
}

/// A credential that isn't good is noted where it isn't the refusal itself.
fn note_unproven(journal: &mut Journal, identified: &Identified) {
    if let Identified::Unproven(fault) = identified {
        journal.detail(format!("the credential counts for nothing ({}): {fault}", fault.code()));
    }
}

/// What a route means for the request that is sent on.
#[derive(Clone, Copy)]
struct Handling {
    class: Class,
    credentials: Credentials,
}

/// What becomes of the session cookie and the bearer token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Credentials {
    /// They end here: the assertion says who is asking.
    Removed,
    /// The application goes on reading them, until the route is enforced.
    Kept,
}

impl Handling {
    /// What is done where no route is known.
    const STRICTEST: Self = Self { class: Class::Private, credentials: Credentials::Removed };

    const fn of(route: &Route) -> Self {
        let credentials = match (route.class, route.mode) {
            (Class::Private, Mode::Off | Mode::Observe) => Credentials::Kept,
            (Class::Public, _) | (_, Mode::Enforce) => Credentials::Removed,
        };
        Self { class: route.class, credentials }
    }
}

/// How a request is handled that comes from an earlier hop: nothing is judged here any more.
fn shielded(platform: &impl Platform, request: &Canonical<'_>, journal: &mut Journal) -> Handling {
    let Ok(policy) = Policy::load(platform) else { return Handling::STRICTEST };
    journal.policy(&policy.digest);
    let Ok(route) = policy.route(request) else { return Handling::STRICTEST };
    journal.route(route);
    Handling::of(route)
}

/// What goes to HAProxy: the request as sent, without what only we may say and without what proves
/// who is asking, under exactly one assertion.
fn forward(
    received: &Received,
    request: &Canonical<'_>,
    settings: &Settings,
    handling: Handling,
    assertion: Vec<u8>,
) -> Forward {
    let mut remove: Vec<String> =
        received.header_names.iter().filter(|name| scrub::is_dropped(name)).cloned().collect();
    let mut set = vec![(header::ASSERTION, assertion)];
    if received.host.is_empty() {
        // HTTP/1.1 towards HAProxy wants one, and it has to be the one that is bound.
        set.push(("host", request.host.to_vec()));
    }
    let Handling { class, credentials } = handling;
    if class == Class::Public {
        remove.extend(["authorization".to_owned(), "cookie".to_owned()]);
    } else if credentials == Credentials::Removed {
        if credential::has_bearer(received) {
            remove.push("authorization".to_owned());
        }
        match credential::without_session(received, settings.session_cookie.as_ref()) {
            CookieChange::Removed => remove.push("cookie".to_owned()),
            CookieChange::Replaced(others) => set.push(("cookie", others)),
            CookieChange::Kept => {}
        }
    }
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
    let caching = if class == Class::Public && is_read { Caching::Allowed } else { Caching::Pass };
    Forward { backend: settings.backend.clone(), remove, set, caching }
}

fn send(platform: &impl Platform, forward: &Forward) -> Result<OriginHead, Refusal> {
    let origin = platform.send(forward)?;
    if (200..600).contains(&origin.status) { Ok(origin) } else { Err(Refusal::OriginStatus(origin.status)) }
}
