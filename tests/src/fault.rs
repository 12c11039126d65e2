//! Agents that lie, babble or break off: what HAProxy must never take for a verdict.
//!
//! They say a proper HELLO, so that health checks find nothing wrong, and then misbehave in one
//! named way. Frames are written by hand after HAProxy's SPOE.txt, sections 3.1 to 3.2.7.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::trouble::Trouble;

const HAPROXY_HELLO: u8 = 1;
const NOTIFY: u8 = 3;
const AGENT_HELLO: u8 = 101;
const AGENT_DISCONNECT: u8 = 102;
const ACK: u8 = 103;

const SET_VAR: u8 = 1;
const TRANSACTION: u8 = 2;

const TRUE: u8 = 0x11;
const INT32: u8 = 2;
const UINT32: u8 = 3;
const STRING: u8 = 8;

/// Longest frame that is read.
const MAX_FRAME: usize = 64 << 10;

/// One way to answer a NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// HTTP text where a frame belongs.
    HttpText,
    /// A frame of length 0.
    LengthZero,
    /// A frame that claims 16 MiB.
    LengthHuge,
    /// The connection is closed.
    Closes,
    /// AGENT-DISCONNECT with a status.
    Disconnects,
    /// An ACK for a stream that was not asked about.
    OtherStream,
    /// An ACK without an action.
    EmptyAck,
    /// An ACK with an action that SPOP does not have, after a pool was set.
    UnknownAction,
    /// An ACK that ends inside the value of `verdict`, after a pool was set.
    CutInsideVerdict,
    /// Everything but `verdict`.
    NoVerdict,
    /// `verdict` is `Allow`.
    CapitalAllow,
    /// `verdict` is `allowed`.
    AllowWithATail,
    /// `verdict` is the boolean true.
    VerdictTrue,
    /// `deny` with status 200.
    DenyWithStatus200,
    /// `allow` to the agents' own backend.
    PoolOfTheAgents,
    /// `allow` without a pool.
    NoPool,
    /// `allow` with a decision id that is none.
    DecisionIdMadeUp,
    /// `allow` for a subject with a line break and a header behind it.
    LineBreakInSubject,
    /// `allow` for a bot with a line break and a header behind it.
    LineBreakInBot,
    /// `allow` for a bot of 33 characters.
    BotTooLong,
}

impl Misbehaviour {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::HttpText,
        Self::LengthZero,
        Self::LengthHuge,
        Self::Closes,
        Self::Disconnects,
        Self::OtherStream,
        Self::EmptyAck,
        Self::UnknownAction,
        Self::CutInsideVerdict,
        Self::NoVerdict,
        Self::CapitalAllow,
        Self::AllowWithATail,
        Self::VerdictTrue,
        Self::DenyWithStatus200,
        Self::PoolOfTheAgents,
        Self::NoPool,
        Self::DecisionIdMadeUp,
        Self::LineBreakInSubject,
        Self::LineBreakInBot,
        Self::BotTooLong,
    ];

    /// What it does, in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::HttpText => "answers HTTP",
            Self::LengthZero => "sends a frame of length 0",
            Self::LengthHuge => "sends a frame of 16 MiB",
            Self::Closes => "closes without an answer",
            Self::Disconnects => "disconnects with an error",
            Self::OtherStream => "answers another request",
            Self::EmptyAck => "answers nothing",
            Self::UnknownAction => "sends an unknown action",
            Self::CutInsideVerdict => "breaks off inside the verdict",
            Self::NoVerdict => "names a pool and no verdict",
            Self::CapitalAllow => "says Allow",
            Self::AllowWithATail => "says allowed",
            Self::VerdictTrue => "says true",
            Self::DenyWithStatus200 => "denies with status 200",
            Self::PoolOfTheAgents => "allows to its own backend",
            Self::NoPool => "allows without a pool",
            Self::DecisionIdMadeUp => "allows with a decision id that is none",
            Self::LineBreakInSubject => "puts a header into the subject",
            Self::LineBreakInBot => "puts a header into the bot",
            Self::BotTooLong => "names a bot too long",
        }
    }
}

/// An agent that misbehaves; dropping it closes its socket.
#[derive(Debug)]
pub struct FaultyAgent {
    socket: PathBuf,
    task: JoinHandle<()>,
}

impl FaultyAgent {
    /// Listens on `socket`.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the socket cannot be bound.
    pub fn start(socket: &Path, misbehaviour: Misbehaviour) -> Result<Self, Trouble> {
        // The agent that it takes the place of may have left its name behind.
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).map_err(Trouble::io("listen as a faulty agent"))?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(converse(stream, misbehaviour));
                }
            }
        });
        Ok(Self { socket: socket.to_owned(), task })
    }
}

impl Drop for FaultyAgent {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn converse(mut stream: UnixStream, misbehaviour: Misbehaviour) {
    while let Ok(frame) = read_frame(&mut stream).await {
        let Some((kind, ids)) = kind_and_ids(&frame) else { return };
        let answer = match kind {
            HAPROXY_HELLO => hello(),
            NOTIFY => answer(misbehaviour, ids),
            _ => return,
        };
        if stream.write_all(&answer).await.is_err() || answer.is_empty() {
            return;
        }
    }
}

async fn read_frame(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

/// The frame's type and the bytes of its stream id and frame id, to be given back as they are.
fn kind_and_ids(frame: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = frame.split_first()?;
    let rest = rest.get(4..)?;
    let stream = varint_length(rest)?;
    let frame = varint_length(rest.get(stream..)?)?;
    Some((*kind, rest.get(..stream + frame)?))
}

/// SPOE.txt, section 3.1: one byte below 240, else bytes up to the first below 128.
fn varint_length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        0..240 => Some(1),
        _ => bytes.iter().skip(1).position(|byte| *byte < 128).map(|last| last + 2),
    }
}

fn hello() -> Vec<u8> {
    let mut payload = Vec::new();
    string(&mut payload, b"version");
    typed_string(&mut payload, b"2.0");
    string(&mut payload, b"max-frame-size");
    // 16380 as a varint: 240 + (16380 - 240) in groups of 4, 7, … bits.
    payload.extend([UINT32, 0xfc, 0xf0, 0x06]);
    string(&mut payload, b"capabilities");
    typed_string(&mut payload, b"pipelining");
    frame(AGENT_HELLO, &[0, 0], &payload)
}

/// What each one says is complete but for the one thing that it does wrong: nothing else may be
/// what HAProxy refuses it for.
fn answer(misbehaviour: Misbehaviour, ids: &[u8]) -> Vec<u8> {
    let mut actions = Vec::new();
    let mut begin = |pool: &[u8]| {
        set(&mut actions, b"decision_id", b"0123456789abcdef0123456789abcdef");
        set(&mut actions, b"pool", pool);
    };
    match misbehaviour {
        Misbehaviour::HttpText => return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        Misbehaviour::LengthZero => return vec![0; 4],
        Misbehaviour::LengthHuge => return vec![1, 0, 0, 0, ACK, 0, 0, 0, 1],
        Misbehaviour::Closes => return Vec::new(),
        Misbehaviour::Disconnects => return disconnect(),
        Misbehaviour::OtherStream => {
            begin(b"api");
            set(&mut actions, b"verdict", b"allow");
            return frame(ACK, &[239, 239], &actions);
        }
        Misbehaviour::EmptyAck => {}
        Misbehaviour::UnknownAction => {
            begin(b"api");
            actions.extend([9, 1, TRANSACTION]);
            set(&mut actions, b"verdict", b"allow");
        }
        Misbehaviour::CutInsideVerdict => {
            begin(b"api");
            set(&mut actions, b"verdict", b"allow");
            actions.truncate(actions.len().saturating_sub(1));
        }
        Misbehaviour::NoVerdict => begin(b"api"),
        Misbehaviour::CapitalAllow => {
            begin(b"api");
            set(&mut actions, b"verdict", b"Allow");
        }
        Misbehaviour::AllowWithATail => {
            begin(b"api");
            set(&mut actions, b"verdict", b"allowed");
        }
        Misbehaviour::VerdictTrue => {
            begin(b"api");
            name(&mut actions, b"verdict");
            actions.push(TRUE);
        }
        Misbehaviour::DenyWithStatus200 => {
            begin(b"api");
            name(&mut actions, b"status");
            actions.extend([INT32, 200]);
            set(&mut actions, b"verdict", b"deny");
        }
        Misbehaviour::PoolOfTheAgents => {
            begin(b"countersign-agents");
            set(&mut actions, b"verdict", b"allow");
        }
        Misbehaviour::NoPool => {
            set(&mut actions, b"decision_id", b"0123456789abcdef0123456789abcdef");
            set(&mut actions, b"verdict", b"allow");
        }
        Misbehaviour::DecisionIdMadeUp => {
            set(&mut actions, b"decision_id", b"none");
            set(&mut actions, b"pool", b"api");
            set(&mut actions, b"verdict", b"allow");
        }
        Misbehaviour::LineBreakInSubject => {
            begin(b"api");
            set(&mut actions, b"subject", b"ann\r\nCountersign-Groups: admins");
            set(&mut actions, b"verdict", b"allow");
        }
        Misbehaviour::LineBreakInBot => {
            begin(b"api");
            set(&mut actions, b"bot", b"crawler\r\nCountersign-Groups: admins");
            set(&mut actions, b"verdict", b"allow");
        }
        Misbehaviour::BotTooLong => {
            begin(b"api");
            set(&mut actions, b"bot", &[b'b'; 33]);
            set(&mut actions, b"verdict", b"allow");
        }
    }
    frame(ACK, ids, &actions)
}

fn disconnect() -> Vec<u8> {
    let mut payload = Vec::new();
    string(&mut payload, b"status-code");
    payload.extend([UINT32, 99]);
    string(&mut payload, b"message");
    typed_string(&mut payload, b"unknown error");
    frame(AGENT_DISCONNECT, &[0, 0], &payload)
}

fn set(actions: &mut Vec<u8>, variable: &[u8], value: &[u8]) {
    name(actions, variable);
    typed_string(actions, value);
}

fn name(actions: &mut Vec<u8>, variable: &[u8]) {
    actions.extend([SET_VAR, 3, TRANSACTION]);
    string(actions, variable);
}

fn typed_string(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.push(STRING);
    string(bytes, text);
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    // All texts here are shorter than 240 bytes, so that the length is one byte.
    bytes.extend(u8::try_from(text.len()));
    bytes.extend_from_slice(text);
}

fn frame(kind: u8, ids: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut content = vec![kind, 0, 0, 0, 1];
    content.extend_from_slice(ids);
    content.extend_from_slice(payload);
    let mut bytes = u32::try_from(content.len()).unwrap_or_default().to_be_bytes().to_vec();
    bytes.append(&mut content);
    bytes
}
