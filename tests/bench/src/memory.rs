//! Resident memory of `countersign serve`: idle, under load, and with a full log of used assertions.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use countersign_contract::assertion::{AssertionSigner, Claims};
use countersign_contract::decision_id::DecisionId;
use countersign_tests::pieces;
use countersign_tests::trouble::Trouble;
use haproxy_wire::spop::{Ack, Action, DecodeError, Frame, FrameId, MaxFrameSize, TooLarge, Value};

use crate::Pace;
use crate::edge::{Edge, EdgeError, ONCE_TARGET, SECRET_ID, binding};
use crate::process_costs::{mebibytes, resident};
use crate::question;
use crate::report::{Line, Report};
use crate::rivals::shared_secret;
use crate::stage::{AgentSettings, Stage};
use crate::verdict::{VerdictError, policy};
use crate::wrk::{self, Load};

/// Connections of the load.
const CONNECTIONS: u32 = 32;
/// Questions that are sent before the answers are awaited: as many as HAProxy's threads together have open.
const TOGETHER: u64 = 64;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    /// A program or file is missing, or didn't do as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The policy is refused.
    #[error(transparent)]
    Policy(#[from] VerdictError),
    /// No assertion.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The agent's socket fails.
    #[error("the agent's socket: {0}")]
    Socket(#[from] io::Error),
    /// A frame can't be written.
    #[error(transparent)]
    Encode(#[from] TooLarge),
    /// A frame can't be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The log was full too early or too late.
    #[error("expected every assertion of {0} to be used up, and then a full log; {1} were")]
    NotFull(u64, u64),
}

/// Measures; takes a minute at most.
pub(crate) fn run(pace: Pace) -> Result<Report, MemoryError> {
    let (entries, load_time) = match pace {
        Pace::Full => (1_000_000_u64, Duration::from_secs(10)),
        Pace::Quick => (100_000, Duration::from_secs(2)),
    };
    let stage = Stage::new()?;
    let edge = Edge::new(&policy()?)?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(EdgeError::Randomness)?;
    let jwk = shared_secret(SECRET_ID, &secret);
    let jwks = format!("{{\"keys\":[{jwk}]}}");
    let agent = stage.countersign(
        &edge,
        AgentSettings {
            records: Path::new("/dev/null"),
            replay_capacity: usize::try_from(entries).unwrap_or(usize::MAX),
            shared_secrets: Some(&jwks),
        },
    )?;
    std::thread::sleep(Duration::from_secs(1));
    let idle = resident(agent.id())?;

    let spoe = pieces::haproxy_file("countersign.spoe.conf")?;
    let rules = format!(
        "    unique-id-format %[uuid()]\n    filter spoe engine countersign config {}\n    \
         http-request set-var(txn.cs_host) req.fhdr(host)\n    http-request set-var(txn.cs_target) pathq\n    \
         http-request send-spoe-group countersign verify\n    \
         http-request return status 503 unless {{ var(txn.cs.verdict) -m str allow }}",
        spoe.display()
    );
    let haproxy = stage.haproxy("haproxy", "", &rules, Some(&agent))?;
    let load = Load { connections: CONNECTIONS, time: load_time };
    let over = AtomicBool::new(false);
    let (outcome, loaded) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| most_until(agent.id(), &over));
        let outcome = edge.mint().map(|it| wrk::run(haproxy.address, &it, load, stage.folder()));
        over.store(true, Ordering::Relaxed);
        (outcome, watch.join().unwrap_or(Ok(f64::NAN)))
    });
    let (outcome, loaded) = (outcome??, loaded?);
    drop(haproxy);

    let signer = AssertionSigner::from_jwk(jwk.as_bytes()).map_err(EdgeError::from)?;
    let before = resident(agent.id())?;
    let began = Instant::now();
    Filler::new(&agent.socket, signer, edge.fresh_claims()?)?.fill(entries)?;
    let took = began.elapsed();
    let full = resident(agent.id())?;
    let each = (full - before) / entries as f64;
    Ok(Report {
        title: "memory: resident memory of `countersign serve`".to_owned(),
        notes: vec![
            "VmRSS of /proc/PID/status; the policy of the scenes, records to /dev/null".to_owned(),
            format!(
                "the log is filled on the agent's socket with assertions under a shared secret, which are fast \
                 to make; {entries} entries took {:.0} s, and the next one was refused",
                took.as_secs_f64()
            ),
        ],
        lines: vec![
            Line::new("idle", mebibytes(idle)),
            Line::new(
                format!(
                    "the most under load, {CONNECTIONS} connections, {:.0} requests a second",
                    outcome.rate
                ),
                mebibytes(loaded),
            ),
            Line::new(
                format!("log of used assertions full, {entries} entries"),
                format!("{}, {each:.0} bytes an entry", mebibytes(full)),
            ),
        ],
    })
}

/// The most resident memory that is seen until `over`.
fn most_until(process: u32, over: &AtomicBool) -> Result<f64, Trouble> {
    let mut most = 0.0_f64;
    while !over.load(Ordering::Relaxed) {
        most = most.max(resident(process)?);
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(most)
}

/// Asks the agent directly, with one new assertion after the other.
struct Filler {
    stream: UnixStream,
    signer: AssertionSigner,
    claims: Claims,
    input: BytesMut,
    out: BytesMut,
}

/// How the agent answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Allowed,
    LogFull,
    Other,
}

impl Filler {
    fn new(socket: &Path, signer: AssertionSigner, claims: Claims) -> Result<Self, MemoryError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let claims = Claims { req: binding("POST", ONCE_TARGET)?, ..claims };
        let mut filler = Self { stream, signer, claims, input: BytesMut::new(), out: BytesMut::new() };
        question::hello(&mut filler.out)?;
        filler.send()?;
        filler.frame(|_| Ok(()))?;
        Ok(filler)
    }

    /// Uses up `entries` assertions, and one more that must be refused.
    fn fill(&mut self, entries: u64) -> Result<(), MemoryError> {
        let mut used = 0;
        while used < entries {
            let together = TOGETHER.min(entries - used);
            for number in used..used + together {
                self.question(number)?;
            }
            self.send()?;
            for _ in 0..together {
                if self.answer()? != Answer::Allowed {
                    return Err(MemoryError::NotFull(entries, used));
                }
                used += 1;
            }
        }
        self.question(entries)?;
        self.send()?;
        match self.answer()? {
            Answer::LogFull => Ok(()),
            Answer::Allowed | Answer::Other => Err(MemoryError::NotFull(entries, used)),
        }
    }

    fn question(&mut self, number: u64) -> Result<(), MemoryError> {
        let now = countersign::serve::now().seconds();
        self.claims.iat = now;
        self.claims.exp = now.plus(30);
        // Spread over all 16 bytes, as the edge's random ids are.
        let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.claims.txn = DecisionId::from_random(spread.to_be_bytes());
        let assertion = self.signer.mint(&self.claims).map_err(EdgeError::from)?;
        let id = FrameId { stream: number + 1, frame: 1 };
        Ok(question::notify(id, "POST", ONCE_TARGET, &assertion, &mut self.out)?)
    }

    fn answer(&mut self) -> Result<Answer, MemoryError> {
        self.frame(|frame| {
            let ack = Ack::from_frame(frame)?;
            let says = |wanted: &[u8], value: &[u8]| {
                ack.actions().any(|action| {
                    matches!(action, Action::SetVar { name, value: Value::Str(text), .. }
                        if name == wanted && text == value)
                })
            };
            Ok(if says(b"verdict", b"allow") {
                Answer::Allowed
            } else if says(b"reason", b"replay-log-full") {
                Answer::LogFull
            } else {
                Answer::Other
            })
        })
    }

    fn send(&mut self) -> Result<(), MemoryError> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Waits for one frame.
    fn frame<T>(
        &mut self,
        read: impl FnOnce(&Frame<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, MemoryError> {
        let mut buffer = [0; 16 << 10];
        loop {
            match Frame::decode(&self.input, MaxFrameSize::DEFAULT) {
                Ok((frame, rest)) => {
                    let length = self.input.len() - rest.len();
                    let read = read(&frame)?;
                    bytes::Buf::advance(&mut self.input, length);
                    return Ok(read);
                }
                Err(DecodeError::Incomplete { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let length = self.stream.read(&mut buffer)?;
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
    }
}
