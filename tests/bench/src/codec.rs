//! SPOP decoding and answering in memory: `haproxy-wire` beside the released crate `spop`, same bytes.

use bytes::BytesMut;
use haproxy_wire::spop::{
    Actions, Connection, DecodeError, Event, Frame, FrameId, HaproxyHello, MaxFrameSize, Notify,
    NotifyWriter, Purpose, Scope, TooLarge, Value,
};
use spop::SpopFrame;
use spop::actions::VarScope;
use spop::frame::FramePayload;
use spop::frames::Ack;
use spop::types::TypedData;
use std::fmt;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

/// Length in bytes of the assertion, so that the NOTIFY has 831 bytes with its prefix.
const ASSERTION: usize = 642;
/// Calls timed as one sample: short beside the scheduler's turns.
const BATCH: u32 = 1_000;
/// Samples of which the fastest counts, since other work on the machine only ever adds.
const SAMPLES: usize = 400;
/// A client's address, from the block for documentation.
const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// Why a bench could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Our own codec refused the bytes.
    #[error("haproxy-wire does not decode the bench's frame")]
    Decode(#[from] DecodeError),
    /// Our own codec found an answer too large.
    #[error("haproxy-wire does not encode the bench's frame")]
    Encode(#[from] TooLarge),
    /// The other crate refused the bytes, or the two do not agree on what was said.
    #[error("crate spop disagrees on `{0}`")]
    Spop(&'static str),
}

/// Times of one call in nanoseconds, fastest sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// Crate `haproxy-wire`.
    pub(crate) ours: f64,
    /// Crate `spop`.
    pub(crate) spop: f64,
}

impl Pair {
    /// How many times as fast we are.
    pub(crate) fn ratio(&self) -> f64 {
        self.spop / self.ours
    }
}

/// What the bench found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec {
    /// Length of the NOTIFY in bytes, prefix included.
    pub(crate) notify_bytes: usize,
    /// NOTIFY decoded and checked whole.
    pub(crate) decode: Pair,
    /// The same, and all its arguments read.
    pub(crate) read: Pair,
    /// NOTIFY to an ACK with one constant variable, as a constant agent answers.
    pub(crate) constant: Pair,
    /// NOTIFY, all its arguments read, to an ACK with one variable.
    pub(crate) verdict: Pair,
    /// NOTIFY, all its arguments read, to an ACK with all ten variables of an allowed request.
    pub(crate) allow: Pair,
    /// NOTIFY through the connection state machine, bytes copied in, to an ACK with the verdict; ours alone.
    pub(crate) connection: f64,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "codec, one NOTIFY of {} bytes, fastest of {SAMPLES} samples, ns", self.notify_bytes)?;
        writeln!(f, "{:<34} {:>12} {:>8} {:>7}", "", "haproxy-wire", "spop", "ratio")?;
        let rows = [
            ("NOTIFY decoded and checked", self.decode),
            ("  and all arguments read", self.read),
            ("NOTIFY to ACK, constant agent", self.constant),
            ("  and all arguments read", self.verdict),
            ("  and ten variables", self.allow),
        ];
        for (name, pair) in rows {
            writeln!(f, "{name:<34} {:>12.1} {:>8.1} {:>6.1}x", pair.ours, pair.spop, pair.ratio())?;
        }
        write!(f, "{:<34} {:>12.1}", "  the same through Connection", self.connection)
    }
}

/// Measures all of it; takes about a second.
pub(crate) fn run() -> Result<Codec, CodecError> {
    let notify = notify()?;
    agree(&notify)?;
    let mut bench = Bench::default();
    Ok(Codec {
        notify_bytes: notify.len(),
        decode: Pair {
            ours: fastest(|| ours_frame(black_box(&notify)).map(|notify| _ = black_box(notify)))?,
            spop: fastest(|| spop_frame(black_box(&notify)).map(|frame| _ = black_box(frame)))?,
        },
        read: Pair {
            ours: fastest(|| decode(black_box(&notify)).map(|sum| _ = black_box(sum)))?,
            spop: fastest(|| spop_decode(black_box(&notify)).map(|sum| _ = black_box(sum)))?,
        },
        constant: Pair {
            ours: fastest(|| bench.answer(black_box(&notify), Reply::Constant))?,
            spop: fastest(|| bench.spop_answer(black_box(&notify), Reply::Constant))?,
        },
        verdict: Pair {
            ours: fastest(|| bench.answer(black_box(&notify), Reply::Verdict))?,
            spop: fastest(|| bench.spop_answer(black_box(&notify), Reply::Verdict))?,
        },
        allow: Pair {
            ours: fastest(|| bench.answer(black_box(&notify), Reply::Allow))?,
            spop: fastest(|| bench.spop_answer(black_box(&notify), Reply::Allow))?,
        },
        connection: connection(&notify)?,
    })
}

/// The question that HAProxy asks for one request.
fn notify() -> Result<Vec<u8>, CodecError> {
    let assertion = "e".repeat(ASSERTION);
    let mut writer = NotifyWriter::new();
    writer
        .message("request")
        .arg("id", Value::text("0b2b2c1e-6d50-4c2e-9f0e-3a1f5f2d7c11"))?
        .arg("method", Value::text("GET"))?
        .arg("host", Value::text("www.example.test"))?
        .arg("hosts", Value::Int64(1))?
        .arg("target", Value::text("/api/v1/orders/12345?expand=items&page=2"))?
        .arg("src", Value::Ipv4(Ipv4Addr::new(192, 0, 2, 10)))?
        .arg("assertions", Value::Int64(1))?
        .arg("assertion", Value::text(&assertion))?;
    let mut out = BytesMut::new();
    writer.encode(FrameId { stream: 1207, frame: 1 }, MaxFrameSize::DEFAULT, &mut out)?;
    Ok(out.to_vec())
}

/// Reads the question, writes the answer; buffers are kept between calls as a server keeps them.
#[derive(Default)]
struct Bench {
    actions: Actions,
    out: BytesMut,
    spop_out: Vec<u8>,
}

/// How much is answered.
#[derive(Clone, Copy)]
enum Reply {
    Constant,
    Verdict,
    Allow,
}

impl Bench {
    fn answer(&mut self, notify: &[u8], reply: Reply) -> Result<(), CodecError> {
        let notify = ours_frame(notify)?;
        if !matches!(reply, Reply::Constant) {
            black_box(walk(&notify));
        }
        self.actions.clear();
        if matches!(reply, Reply::Allow) {
            allow(&mut self.actions)?;
        }
        self.actions.set_var(Scope::Transaction, "verdict", Value::text(black_box("allow")))?;
        self.out.clear();
        self.actions.encode(notify.id(), MaxFrameSize::DEFAULT, &mut self.out)?;
        black_box(&self.out);
        Ok(())
    }

    fn spop_answer(&mut self, notify: &[u8], reply: Reply) -> Result<(), CodecError> {
        let frame = spop_frame(notify)?;
        if !matches!(reply, Reply::Constant) {
            black_box(spop_walk(&*frame)?);
        }
        let metadata = frame.metadata();
        let mut ack = Ack::new(metadata.stream_id, metadata.frame_id);
        if matches!(reply, Reply::Allow) {
            ack = spop_allow(ack);
        }
        ack = ack.set_var(VarScope::Transaction, "verdict", black_box("allow"));
        self.spop_out.clear();
        ack.serialize_into(&mut self.spop_out).map_err(|_| CodecError::Spop("ack"))?;
        black_box(&self.spop_out);
        Ok(())
    }
}

/// The variables of an allowed request but the last.
fn allow(actions: &mut Actions) -> Result<(), TooLarge> {
    let text = |text: &'static str| Value::text(black_box(text));
    actions.set_var(Scope::Transaction, "decision_id", text("9f86d081884c7d659a2feaa0c55ad015"))?;
    actions.set_var(Scope::Transaction, "reason", text("allowed"))?;
    actions.set_var(Scope::Transaction, "route", text("api"))?;
    actions.set_var(Scope::Transaction, "mode", text("enforce"))?;
    actions.set_var(Scope::Transaction, "pool", text("api"))?;
    actions.set_var(Scope::Transaction, "subject", text("alice@example.test"))?;
    actions.set_var(Scope::Transaction, "groups", text("engineering,everyone"))?;
    actions.set_var(Scope::Transaction, "client_ip", Value::Ipv4(black_box(CLIENT)))?;
    actions.set_var(Scope::Transaction, "once", text("3b5d5c3712955042212316173ccf37be"))
}

/// The same by crate `spop`.
fn spop_allow(ack: Ack) -> Ack {
    let scope = VarScope::Transaction;
    ack.set_var(scope, "decision_id", black_box("9f86d081884c7d659a2feaa0c55ad015"))
        .set_var(scope, "reason", black_box("allowed"))
        .set_var(scope, "route", black_box("api"))
        .set_var(scope, "mode", black_box("enforce"))
        .set_var(scope, "pool", black_box("api"))
        .set_var(scope, "subject", black_box("alice@example.test"))
        .set_var(scope, "groups", black_box("engineering,everyone"))
        .set_var(scope, "client_ip", TypedData::IPv4(black_box(CLIENT)))
        .set_var(scope, "once", black_box("3b5d5c3712955042212316173ccf37be"))
}

fn ours_frame(notify: &[u8]) -> Result<Notify<'_>, CodecError> {
    let (frame, _) = Frame::decode(notify, MaxFrameSize::DEFAULT)?;
    Ok(Notify::from_frame(&frame)?)
}

fn decode(notify: &[u8]) -> Result<usize, CodecError> {
    Ok(walk(&ours_frame(notify)?))
}

/// Touches every argument as an agent does.
fn walk(notify: &Notify<'_>) -> usize {
    let mut sum = 0_usize;
    for message in notify.messages() {
        for (name, value) in message.args() {
            sum = sum.wrapping_add(name.len()).wrapping_add(match value {
                Value::Str(text) => text.len(),
                Value::Int64(number) => number.unsigned_abs() as usize,
                _ => 1,
            });
        }
    }
    sum
}

fn spop_frame(notify: &[u8]) -> Result<Box<dyn SpopFrame>, CodecError> {
    spop::parser::parse_frame(notify).map(|(_, frame)| frame).map_err(|_| CodecError::Spop("notify"))
}

fn spop_decode(notify: &[u8]) -> Result<usize, CodecError> {
    spop_walk(&*spop_frame(notify)?)
}

fn spop_walk(frame: &dyn SpopFrame) -> Result<usize, CodecError> {
    let FramePayload::ListOfMessages(messages) = frame.payload() else {
        return Err(CodecError::Spop("payload"));
    };
    let mut sum = 0_usize;
    for message in messages {
        for (name, value) in &message.args {
            sum = sum.wrapping_add(name.len()).wrapping_add(match value {
                TypedData::String(text) => text.len(),
                TypedData::Int64(number) => number.unsigned_abs() as usize,
                _ => 1,
            });
        }
    }
    Ok(sum)
}

/// Both must read and write the same before their times are compared.
fn agree(notify: &[u8]) -> Result<(), CodecError> {
    if decode(notify)? != spop_decode(notify)? {
        return Err(CodecError::Spop("arguments"));
    }
    let mut bench = Bench::default();
    bench.answer(notify, Reply::Allow)?;
    bench.spop_answer(notify, Reply::Allow)?;
    if bench.out == bench.spop_out { Ok(()) } else { Err(CodecError::Spop("ack")) }
}

fn connection(notify: &[u8]) -> Result<f64, CodecError> {
    let mut connection = Connection::new(MaxFrameSize::DEFAULT);
    let (mut actions, mut out) = (Actions::new(), BytesMut::new());
    HaproxyHello {
        supported_versions: b"2.0",
        max_frame_size: MaxFrameSize::DEFAULT.bytes(),
        capabilities: b"pipelining",
        purpose: Purpose::Session,
        engine_id: None,
    }
    .encode(&mut out)?;
    connection.feed(&out);
    out.clear();
    if !matches!(connection.next_event(&mut out), Some(Event::Ready(_))) {
        return Err(CodecError::Spop("hello"));
    }
    fastest(|| {
        out.clear();
        connection.feed(black_box(notify));
        if let Some(Event::Notify(notify)) = connection.next_event(&mut out) {
            black_box(walk(&notify));
            let id = notify.id();
            actions.clear();
            actions.set_var(Scope::Transaction, "verdict", Value::text("allow"))?;
            connection.acknowledge(id, &actions, &mut out)?;
        }
        if out.is_empty() { Err(CodecError::Spop("connection")) } else { Ok(()) }
    })
}

/// Time of one call in the fastest sample, in nanoseconds.
fn fastest(mut call: impl FnMut() -> Result<(), CodecError>) -> Result<f64, CodecError> {
    let mut fastest = f64::INFINITY;
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        for _ in 0..BATCH {
            call()?;
        }
        fastest = fastest.min(begun.elapsed().as_nanos() as f64 / f64::from(BATCH));
    }
    Ok(fastest)
}
