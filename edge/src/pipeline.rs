//! The life of a request at the edge.

use countersign_contract::assertion::Claims;
use countersign_contract::client_key::ClientKey;
use countersign_contract::decision_id::DecisionId;
use countersign_contract::list::ListMode;
use countersign_contract::route::{Class, Mode, Route, Upgrade};
use countersign_contract::time::UnixSeconds;

use crate::answer::{self, Additions, Answer, OriginChanges, OwnAnswer};
use crate::arm;
use crate::bots;
use crate::cors::{self, Preflight};
use crate::forward::Handling;
use crate::identify::{self, Identified};
use crate::list::{List, Standing};
use crate::login::{self, Desk, Done, OwnPath, SignedIn};
use crate::platform::{OriginHead, Platform, Received};
use crate::policy::Policy;
use crate::rate::Counting;
use crate::receipt;
use crate::record::{Journal, Passage};
use crate::refusal::Refusal;
use crate::scrub::Canonical;
use crate::send::Outgoing;
use crate::settings::{Origin, Settings};
use crate::shielding;
use crate::signing::SigningKeys;
use crate::vouch::{Vouching, Whom};
use crate::websocket::{self, Ambient};

/// Answers one request: lets it on to HAProxy under an assertion, or refuses it. Writes one record
/// either way.
pub fn handle(platform: &impl Platform, received: &Received) -> Answer {
    let id = platform.random().map(DecisionId::from_random);
    handle_as(platform, received, id)
}

/// [`handle`] under a decision id that the caller has drawn; `None` where there was no randomness.
pub fn handle_as(platform: &impl Platform, received: &Received, id: Option<DecisionId>) -> Answer {
    let mut journal = Journal::begin(id.unwrap_or(DecisionId::from_random([0; 16])), received);
    let mut additions = Additions::default();
    let ending = match id {
        Some(_) => pass(platform, received, &mut journal, &mut additions),
        None => Err(Refusal::RandomUnavailable),
    };
    let (answer, outcome, status) = match ending {
        Ok(Ending::Forwarded(passage, origin)) => {
            journal.origin_status(origin.status);
            receipt::note(platform, &origin, &mut journal);
            if let Some(theirs) = answer::origin_decision(&origin) {
                journal.detail(format!("the origin found no valid assertion and decided as `{theirs}`"));
            }
            let changes = OriginChanges::of(received, &origin, journal.id(), additions);
            (Answer::FromOrigin(changes), Ok(passage), None)
        }
        Ok(Ending::HandedOver(passage)) => (Answer::HandedOver, Ok(passage), None),
        Ok(Ending::Answered(outcome, answer)) => {
            let status = answer.status;
            (Answer::Own(answer.with(additions)), outcome, Some(status))
        }
        Err(refusal) => {
            let answer = OwnAnswer::refusal_to(received, &refusal, journal.id());
            let status = refusal.status().code();
            (Answer::Own(answer.with(additions)), Err(refusal), Some(status))
        }
    };
    platform.log(&journal.line(platform.now(), platform.elapsed(), &outcome, status));
    match answer {
        Answer::Own(answer) => Answer::Own(answer.with_decision(journal.id())),
        from_elsewhere => from_elsewhere,
    }
}

/// How a request ended that was not simply refused.
enum Ending {
    /// The origin has answered.
    Forwarded(Passage, OriginHead),
    /// The origin will, and nobody here sees it.
    HandedOver(Passage),
    /// We have, otherwise than by problem details.
    Answered(Result<Passage, Refusal>, OwnAnswer),
}

/// The steps in their order; the first refusal ends them.
fn pass(
    platform: &impl Platform,
    received: &Received,
    journal: &mut Journal,
    additions: &mut Additions,
) -> Result<Ending, Refusal> {
    let now = platform.now().seconds();

    // Scrub: one reading of the request, or none.
    let settings = Settings::load(platform);
    settings.iter().for_each(|settings| journal.settings(settings));
    let request = read(received)?;
    journal.request(&request);
    let settings = settings?;
    let keys = SigningKeys::load(platform)?;
    let client = received.client.ok_or(Refusal::ClientUnknown)?.to_canonical();
    let upgrade = websocket::asked_for(received);
    let outgoing = Outgoing { platform, received, request: &request, settings: &settings };

    // Another of our own locations has done all that follows; the platform hands no WebSocket from one to the next.
    if let (Upgrade::None, Some((earlier, origin))) =
        (upgrade, shielding::earlier_hop(received, &request, &settings, &keys, now))
    {
        let claims = earlier.claims();
        journal.continues(claims.txn);
        journal.key(earlier.key());
        note_identity(journal, claims);
        let handling = shielded(platform, &request, claims, journal);
        let answered = outgoing.pass_through(handling, origin)?;
        return Ok(Ending::Forwarded(Passage::ShieldingHop, answered));
    }

    // List: offenders cost nothing more than this.
    let mut list = List::open(platform, now);
    list.look_up(&ClientKey::of_address(client));
    journal.list(list.standing());
    turn_away(list.standing(), now, journal)?;

    // Route: one policy, read by both tiers. Our own paths are nobody else's.
    let own_path = OwnPath::of(&request)?;
    let policy = Policy::load(platform)?;
    journal.policy(&policy.digest);
    let mut vouching = Vouching {
        settings: &settings,
        request: &request,
        keys: &keys,
        policy: &policy.digest,
        list_generation: list.standing().generation,
        client,
        arm: None,
        service_version: platform.service_version(),
        now,
    };
    let desk = Desk::of(platform, received, &settings, request.authority.as_str(), now);
    match (own_path, &desk) {
        (None, _) => {}
        (Some(_), _) if upgrade == Upgrade::Websocket => {
            return Err(Refusal::UpgradeRefused("a path of our own".to_owned()));
        }
        (Some(_), None) => return Err(Refusal::LoginUnconfigured),
        (Some(OwnPath::BackchannelLogout), Some(desk)) => {
            return end_log_in(desk, &outgoing, &vouching, journal);
        }
        (Some(path), Some(desk)) => {
            let query = request.target.as_str().split_once('?').map_or("", |(_, query)| query);
            return Ok(at_desk(desk, path, query, &policy, &mut list, journal));
        }
    }
    if let Some(preflight) = Preflight::of(received, &request)
        && let Some((route, rule)) = preflight.route(&policy, &request)
    {
        journal.route(route);
        cors::apply(received, route, additions);
        return Ok(Ending::Answered(Ok(Passage::Preflight), preflight.answer(rule)?));
    }
    let route = policy.route(&request)?;
    journal.route(route);
    cors::apply(received, route, additions);
    websocket::check_route(upgrade, route, journal)?;
    let counting = Counting::of(platform, received, route, client);
    counting.first(journal)?;

    // Identify: nothing personal on a public route, unless the list asks for it.
    let must_sign_in = list.standing().wants_identity();
    let is_asked_for = route.class == Class::Private || must_sign_in;
    let claim = if is_asked_for || !route.bots.is_any() {
        bots::recognise(platform, received, &request, &settings, now)
    } else {
        bots::Claim::Absent
    };
    counting.bots(&claim, journal)?;
    let identified = if is_asked_for {
        let host = request.authority.as_str();
        identify::identify(platform, received, &settings, host, &claim, &policy.groups, now)
    } else {
        Identified::Nobody
    };
    if let Identified::Somebody(who) = &identified {
        journal.proof(&who.by);
        who.client_keys().for_each(|key| list.look_up(&key));
        journal.list(list.standing());
        if let Err(refusal) = turn_away(list.standing(), now, journal) {
            if route.class == Class::Private {
                journal.identity(&who.subject, who.session.as_ref(), &who.groups);
            }
            return sign_in_instead(desk.as_ref(), refusal, &request);
        }
    } else if must_sign_in {
        note_unproven(journal, &identified);
        if let Err(refusal) = refuse(Refusal::ListedRequireIdentity, list.standing().mode, journal) {
            return sign_in_instead(desk.as_ref(), refusal, &request);
        }
    }
    bots::judge(route, &claim, journal)?;
    // Nothing about a person decides on a public route.
    let judged = if route.class == Class::Private { &identified } else { &Identified::Nobody };
    // A WebSocket is opened by a page, and no cookie says by which.
    let ambient = match upgrade {
        Upgrade::Websocket => {
            websocket::check_page(received, request.authority.as_str(), route, judged, journal)?
        }
        Upgrade::None => Ambient::Kept,
    };
    counting.identified(&claim, &identified, journal)?;
    if let Err(refusal) = judge(route, judged, journal) {
        return sign_in_instead(desk.as_ref(), refusal, &request);
    }
    if let (Mode::Enforce, Class::Private, Some(desk)) = (route.mode, route.class, &desk)
        && let Some(answer) = desk.renewal(&identified, &request, journal)?
    {
        return Ok(Ending::Answered(Ok(Passage::Renewal), answer));
    }

    // Forward, with our word for it: another one for each attempt.
    let whom = match (identified, route.class) {
        (Identified::Somebody(who), Class::Private) => Whom::Somebody(who),
        // It was for the list alone, and the origin has the same list.
        (Identified::Somebody(_), Class::Public) => Whom::Known,
        (Identified::Nobody | Identified::Unproven(_), _) => Whom::Nobody,
    };
    vouching.list_generation = list.standing().generation;
    let who = if let Whom::Somebody(who) = &whom { Some(&who.subject) } else { None };
    vouching.arm = arm::assign(platform, received, &policy, route, who, additions);
    let handling = Handling::of(route);
    let vouch = |origin: &Origin, journal: &mut Journal| vouching.vouch(&whom, origin, route, journal);
    let answered = match upgrade {
        Upgrade::None => Some(outgoing.send(handling, journal, vouch)?),
        Upgrade::Websocket => {
            websocket::hand_over(&outgoing, handling, ambient, journal, vouch)?;
            None
        }
    };
    let passage = match route.mode {
        _ if journal.would_have_refused() => Passage::Observed,
        Mode::Off => Passage::NotJudged,
        Mode::Observe | Mode::Enforce if answered.is_none() => Passage::HandedOver,
        Mode::Observe | Mode::Enforce => Passage::Forwarded,
    };
    Ok(answered.map_or(Ending::HandedOver(passage), |answered| Ending::Forwarded(passage, answered)))
}

/// Answers somebody who signs in or out; what doesn't work out is said in a page.
fn at_desk<P: Platform>(
    desk: &Desk<'_, P>,
    path: OwnPath,
    query: &str,
    policy: &Policy,
    list: &mut List<'_, P>,
    journal: &mut Journal,
) -> Ending {
    let done = desk.answer(path, query, &policy.groups).and_then(|done| {
        let Some(SignedIn { subject, session }) = &done.who else { return Ok(done) };
        journal.identity(subject, session.as_ref(), &[]);
        // An issuer that goes on vouching for who is revoked here would send them to and fro for ever.
        identify::client_keys(subject, session.as_ref()).for_each(|key| list.look_up(&key));
        journal.list(list.standing());
        turn_away(list.standing(), desk.now(), journal)?;
        Ok(done)
    });
    match done {
        Ok(Done { outcome, answer, .. }) => Ending::Answered(outcome, answer),
        Err(refusal) => {
            let page = OwnAnswer::page(&refusal, journal.id());
            Ending::Answered(Err(refusal), page)
        }
    }
}

/// Tells the origin of a log-in that is over; the issuer learns whether it knows.
fn end_log_in<P: Platform>(
    desk: &Desk<'_, P>,
    outgoing: &Outgoing<'_, P>,
    vouching: &Vouching<'_>,
    journal: &mut Journal,
) -> Result<Ending, Refusal> {
    let whom = Whom::Ended(login::read_ended(desk)?);
    let answered = outgoing
        .send(Handling::WITHOUT_BODY, journal, |origin, journal| vouching.sign(&whom, origin, journal))?;
    journal.origin_status(answered.status);
    receipt::note(outgoing.platform, &answered, journal);
    // Anything on the way could answer 204; only an agent can say that it has heard.
    match answered.status {
        204 if !journal.receipt_failed() => Ok(Ending::Answered(Ok(Passage::LogInEnded), login::ended())),
        status => Err(Refusal::LogoutUntold(status)),
    }
}

/// A browser that opens a page is sent to sign in, where that would help; everybody else is refused.
fn sign_in_instead<P: Platform>(
    desk: Option<&Desk<'_, P>>,
    refusal: Refusal,
    request: &Canonical<'_>,
) -> Result<Ending, Refusal> {
    let Some(desk) = desk else { return Err(refusal) };
    match desk.instead_of(&refusal, request)? {
        Some(answer) => Ok(Ending::Answered(Err(refusal), answer)),
        None => Err(refusal),
    }
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
        (Mode::Observe | Mode::Enforce, Err(refusal)) => journal.refuse(refusal, route.mode),
        (Mode::Off, _) | (Mode::Observe | Mode::Enforce, Ok(())) => {
            note_unproven(journal, identified);
            Ok(())
        }
    }
}

fn note_identity(journal: &mut Journal, claims: &Claims) {
    if let Some(subject) = &claims.sub {
        journal.identity(subject, claims.sid.as_ref(), &claims.groups);
    }
}

/// A credential that isn't good is noted where it isn't the refusal itself.
fn note_unproven(journal: &mut Journal, identified: &Identified) {
    if let Identified::Unproven(fault) = identified {
        journal.detail(format!("the credential counts for nothing ({}): {fault}", fault.code()));
    }
}

/// How a request is handled that comes from an earlier hop: nothing is judged here any more. By another policy than
/// that hop's it may be public here and somebody's own there, so only the same one counts.
fn shielded(
    platform: &impl Platform,
    request: &Canonical<'_>,
    claims: &Claims,
    journal: &mut Journal,
) -> Handling {
    let Ok(policy) = Policy::load(platform) else { return Handling::STRICTEST };
    journal.policy(&policy.digest);
    let Ok(route) = policy.route(request) else { return Handling::STRICTEST };
    journal.route(route);
    let is_same = claims.pol.as_ref() == Some(&policy.digest);
    match (is_same, route.class, &claims.sub) {
        (true, Class::Private, _) | (true, Class::Public, None) => Handling::of(route),
        (false, ..) | (true, Class::Public, Some(_)) => Handling::STRICTEST,
    }
}
