//! One verdict in memory, NOTIFY bytes to ACK bytes, beside the bare signature that it rests on.

use std::cell::RefCell;
use std::convert::Infallible;
use std::hint::black_box;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;
use countersign::audit::{RecordSink, SinkError, decision_id, record_of};
use countersign::policy::{Policy, PolicyFaults};
use countersign::reputation::list::{List, Teaching};
use countersign::reputation::table::Taught;
use countersign::request::{QuestionFault, Request};
use countersign::serve::{Verdicts, now};
use countersign::snapshot::{CurrentSnapshot, Snapshot};
use countersign::trust::{LogOuts, ReplayLog, Service, Services, ServicesFault};
use countersign::verdict::{Word, decide};
use countersign_contract::assertion::{AssertionKeys, Claims, KeyFault, SharedSecrets};
use countersign_contract::binding::RequestBinding;
use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::name::NotAName;
use countersign_contract::route::HostPattern;
use countersign_tests::pieces;
use countersign_tests::trouble::Trouble;
use countersign_tests::world::{AUDIENCE, ENVIRONMENT, HOST, SERVICE};
use ed25519_dalek::{Signature, Verifier as _};
use haproxy_wire::spop::server::Agent as _;
use haproxy_wire::spop::{
    Action as Answered, Actions, Connection, DecodeError, Event, Frame, FrameId, MaxFrameSize, Notify,
    TooLarge, Value,
};

use crate::Pace;
use crate::edge::{Edge, EdgeError, KEY_ID, TARGET};
use crate::interleaved::{Call, Effort, Times, interleaved};
use crate::question;
use crate::report::{Line, Report, Target as Bound};

/// What a verdict may cost, as a multiple of its signature.
const MOST: Bound = Bound::AtMost(1.15);

/// What it may cost with a full list, as a multiple of itself with an empty one.
const MOST_LISTED: Bound = Bound::AtMost(1.02);

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerdictError {
    /// A file of the harness is missing.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// A file can't be used.
    #[error("a file of the bench: {0}")]
    Io(#[from] io::Error),
    /// The policy is refused.
    #[error("the policy of the scenes has faults: {0:?}")]
    Policy(PolicyFaults),
    /// No assertion.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The keys are refused.
    #[error(transparent)]
    Keys(#[from] KeyFault),
    /// The services are refused.
    #[error(transparent)]
    Services(ServicesFault),
    /// A name of the settings is none.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// Records can't be written.
    #[error(transparent)]
    Records(#[from] SinkError),
    /// A frame can't be written.
    #[error(transparent)]
    Encode(#[from] TooLarge),
    /// A frame can't be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The question isn't one.
    #[error(transparent)]
    Question(#[from] QuestionFault),
    /// The agent did something else than to allow the request.
    #[error("expected a verdict `allow` and {0}")]
    NotAllowed(&'static str),
}

/// Measures; takes a few seconds.
pub(crate) fn run(pace: Pace) -> Result<Report, VerdictError> {
    let (effort, clients) = match pace {
        Pace::Full => (Effort { rounds: 1_500, batch: 20 }, 1_000_000),
        Pace::Quick => (Effort { rounds: 150, batch: 20 }, 100_000),
    };
    let folder = tempfile::tempdir()?;
    let policy = policy()?;
    let edge = Edge::new(&policy)?;
    let assertion = edge.mint()?;
    let (signed, signature) = parts(&assertion)?;
    let mut notify = BytesMut::new();
    question::notify(FrameId { stream: 1207, frame: 1 }, "GET", TARGET, &assertion, &mut notify)?;

    let to_file = RefCell::new(Asked::new(&edge, &folder.path().join("records.jsonl"), List::default())?);
    let to_nothing = RefCell::new(Asked::new(&edge, Path::new("/dev/null"), List::default())?);
    let listed = RefCell::new(Asked::new(&edge, Path::new("/dev/null"), full_list(clients))?);
    for asked in [&to_file, &listed] {
        asked.borrow_mut().ask(&notify)?;
        allows(&asked.borrow().out)?;
    }
    let mut calls: [Call<'_, VerdictError>; 4] = [
        Box::new(|| {
            let verified = edge.public().verify(black_box(signed.as_bytes()), black_box(&signature));
            verified.map_err(|_| VerdictError::NotAllowed("a signature that verifies"))
        }),
        Box::new(|| to_file.borrow_mut().ask(black_box(&notify))),
        Box::new(|| to_nothing.borrow_mut().ask(black_box(&notify))),
        Box::new(|| listed.borrow_mut().ask(black_box(&notify))),
    ];
    let times = interleaved(effort, &mut calls)?;
    let [bare, filed, dropped, listed] = times.as_slice() else {
        return Err(VerdictError::NotAllowed("its times"));
    };

    let against = "the bare signature";
    let mut lines = vec![
        Line::new("bare Ed25519 signature, key parsed once", figure(bare)),
        Line::new("verdict, records to a file", figure(filed)).beside(
            against,
            filed.ratio_to(bare),
            Some(MOST),
        ),
        Line::new("verdict, records to /dev/null", figure(dropped)).beside(
            against,
            dropped.ratio_to(bare),
            None,
        ),
        Line::new("the two fastest, records to a file", "").beside(
            against,
            filed.fastest() / bare.fastest(),
            Some(MOST),
        ),
        Line::new(format!("verdict to /dev/null, {clients} others are listed"), figure(listed)).beside(
            "the empty list",
            listed.ratio_to(dropped),
            Some(MOST_LISTED),
        ),
        Line::new("the two fastest, full and empty list", "").beside(
            "the empty list",
            listed.fastest() / dropped.fastest(),
            Some(MOST_LISTED),
        ),
    ];
    lines.extend(parts_of_a_verdict(effort, &edge, &assertion, &notify, folder.path())?);
    Ok(Report {
        title: "verdict: NOTIFY bytes to ACK bytes in memory".to_owned(),
        notes: vec![
            format!("NOTIFY of {} bytes, assertion of {} bytes", notify.len(), assertion.len()),
            format!(
                "{} rounds in turn, {} calls a round, at 16 depths of the stack; median, fastest; the ratio is the \
                 median of the rounds' ratios, on a busy machine that of the two fastest says more",
                effort.rounds, effort.batch
            ),
        ],
        lines,
    })
}

/// So many clients that are blocked for a day; the one of the bench is none of them.
fn full_list(clients: u32) -> List {
    let list = List::default();
    let taught = Taught { action: Some(Action::Block), until: now().seconds().plus(86_400) };
    for number in 0..clients {
        // From the top down: addresses that no client has.
        let address = Ipv4Addr::from(!number);
        list.set(ClientKey::of_address(address.into()), taught, Teaching::default());
    }
    list
}

/// The policy of the scenes.
pub(crate) fn policy() -> Result<Policy, VerdictError> {
    let text = std::fs::read_to_string(pieces::policy("www.toml")?)?;
    Policy::parse(&text).map_err(VerdictError::Policy)
}

fn figure(times: &Times) -> String {
    format!("{:.2} us, {:.2} us", times.median() / 1e3, times.fastest() / 1e3)
}

/// What is signed, and the signature.
pub(crate) fn parts(assertion: &str) -> Result<(&str, Signature), VerdictError> {
    let refuse = || VerdictError::NotAllowed("an assertion of three parts");
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(refuse)?;
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refuse())?;
    Ok((signed, Signature::from_slice(&bytes).map_err(|_| refuse())?))
}

/// What the agent keeps of a connection, and the agent.
struct Asked {
    verdicts: Verdicts,
    connection: Connection,
    actions: Actions,
    out: BytesMut,
}

impl Asked {
    fn new(edge: &Edge, records: &Path, list: List) -> Result<Self, VerdictError> {
        let mut connection = Connection::new(MaxFrameSize::DEFAULT);
        let mut out = BytesMut::new();
        question::hello(&mut out)?;
        connection.feed(&out);
        if !matches!(connection.next_event(&mut out), Some(Event::Ready(_))) {
            return Err(VerdictError::NotAllowed("HELLO"));
        }
        let used = ReplayLog::new(1_000_000, 71, now().seconds());
        let snapshot = Arc::new(CurrentSnapshot::new(snapshot(edge)?));
        let verdicts = Verdicts::new(snapshot, used, Arc::new(list), Arc::new(RecordSink::open(records)?));
        Ok(Self { verdicts, connection, actions: Actions::new(), out })
    }

    /// NOTIFY bytes in, ACK bytes in `out`.
    fn ask(&mut self, notify: &[u8]) -> Result<(), VerdictError> {
        self.out.clear();
        self.connection.feed(notify);
        let Some(Event::Notify(notify)) = self.connection.next_event(&mut self.out) else {
            return Err(VerdictError::NotAllowed("a NOTIFY"));
        };
        let id = notify.id();
        self.actions.clear();
        self.verdicts.notify(&notify, &mut self.actions);
        self.connection.acknowledge(id, &self.actions, &mut self.out)?;
        black_box(&self.out);
        Ok(())
    }
}

fn snapshot(edge: &Edge) -> Result<Snapshot, VerdictError> {
    let service = Service {
        name: SERVICE.parse()?,
        keys: vec![KEY_ID.parse()?],
        hosts: vec![HostPattern::Exact(HOST.to_owned())],
        groups: None,
        subject_prefixes: None,
        log_outs: LogOuts::Refused,
        environments: None,
    };
    Ok(Snapshot {
        policy: policy()?,
        keys: AssertionKeys::from_jwks(edge.jwks().as_bytes(), SharedSecrets::Refused)?,
        audience: AUDIENCE.parse()?,
        services: Services::new(vec![service], &ENVIRONMENT.parse()?).map_err(VerdictError::Services)?,
        receipts: None,
        clock_skew: 5,
        longest_lifetime: 60,
    })
}

/// A bench of refusals would be fast and worth nothing.
fn allows(ack: &[u8]) -> Result<(), VerdictError> {
    let (frame, _) = Frame::decode(ack, MaxFrameSize::DEFAULT)?;
    let allows = haproxy_wire::spop::Ack::from_frame(&frame)?.actions().any(|action| {
        matches!(action, Answered::SetVar { name: b"verdict", value: Value::Str(b"allow"), .. })
    });
    if allows { Ok(()) } else { Err(VerdictError::NotAllowed("another one")) }
}

/// Where the time of a verdict goes, as far as its parts can be called by themselves.
fn parts_of_a_verdict(
    effort: Effort,
    edge: &Edge,
    assertion: &str,
    notify: &[u8],
    folder: &Path,
) -> Result<Vec<Line>, VerdictError> {
    let snapshot = snapshot(edge)?;
    let used = ReplayLog::new(10, 71, now().seconds());
    let list = List::default();
    let sink = RecordSink::open(&folder.join("parts.jsonl"))?;
    let (frame, _) = Frame::decode(notify, MaxFrameSize::DEFAULT)?;
    let notify = Notify::from_frame(&frame)?;
    let request = Request::from_notify(&notify)?;
    let routes = snapshot.policy.routes();
    let claims = assertion.split('.').nth(1).ok_or(VerdictError::NotAllowed("claims"))?;
    let method = Method::parse(b"GET").map_err(EdgeError::from)?;
    let authority = Authority::parse(HOST.as_bytes()).map_err(EdgeError::from)?;
    let target = Target::parse(TARGET.as_bytes()).map_err(EdgeError::from)?;
    let verdict = decide(&request, &snapshot, &used, &list, now().seconds());
    let (id, id_from) = decision_id(&verdict, &request);
    let (Some(route), Some(proof)) = (verdict.route, verdict.word.as_ref().and_then(Word::vouched)) else {
        return Err(VerdictError::NotAllowed("a route and an assertion"));
    };
    let named: [(&str, Call<'_, Infallible>); 7] = [
        (
            "arguments of the NOTIFY",
            Box::new(|| {
                let _ = black_box(Request::from_notify(black_box(&notify)));
                Ok(())
            }),
        ),
        (
            "canonical method, host and target",
            Box::new(|| {
                let _ = black_box(Method::parse(black_box(b"GET")));
                let _ = black_box(Authority::parse(black_box(HOST.as_bytes())));
                let _ = black_box(Target::parse(black_box(TARGET.as_bytes())));
                Ok(())
            }),
        ),
        (
            "route",
            Box::new(|| {
                let _ = black_box(routes.find(black_box(method), &authority, black_box(&target)));
                Ok(())
            }),
        ),
        (
            "claims from base64url and JSON",
            Box::new(|| {
                let mut json = [0; 4096];
                let length = URL_SAFE_NO_PAD.decode_slice(black_box(claims), &mut json).unwrap_or_default();
                let json = json.get(..length).unwrap_or_default();
                let _ = black_box(serde_json::from_slice::<Claims>(json));
                Ok(())
            }),
        ),
        (
            "binding, SHA-256",
            Box::new(|| {
                black_box(RequestBinding::of(black_box(method), &authority, black_box(&target)));
                Ok(())
            }),
        ),
        (
            "RBAC",
            Box::new(|| {
                let _ = black_box(snapshot.policy.evaluate(black_box(route), proof));
                Ok(())
            }),
        ),
        (
            "record",
            Box::new(|| {
                sink.write(&record_of(&verdict, &request, &snapshot, (&id, id_from), now(), 50));
                Ok(())
            }),
        ),
    ];
    let (names, mut calls): (Vec<_>, Vec<_>) = named.into_iter().unzip();
    // Parts of a hundred nanoseconds need longer turns than a verdict.
    let effort = Effort { rounds: effort.rounds / 3, batch: effort.batch * 10 };
    let Ok(times) = interleaved(effort, &mut calls);
    Ok(names
        .iter()
        .zip(&times)
        .map(|(name, times)| Line::new(format!("  of it: {name}"), figure(times)))
        .collect())
}
