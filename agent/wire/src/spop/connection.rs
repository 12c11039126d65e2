//! The agent's side of one connection as a state machine: bytes in, events and bytes out.

use super::action::Actions;
use super::disconnect::{Disconnect, Sender};
use super::error::{DecodeError, TooLarge};
use super::frame::{self, Frame, FrameId, FrameType, LENGTH_PREFIX, MaxFrameSize};
use super::hello::{Agreement, HaproxyHello, HelloError, Pipelining, Purpose};
use super::input::Input;
use super::notify::Notify;
use super::status::Status;
use bytes::BytesMut;
use std::fmt;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing but HAPROXY-HELLO is accepted.
    Hello,
    /// NOTIFY frames are accepted.
    Open,
    /// AGENT-DISCONNECT was written; HAProxy may not have read it yet.
    Closing,
    /// Over: send what is written, then close.
    Closed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "before hello",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}

/// Are valid HELLO frames accepted?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    #[default]
    Open,
    /// No: health checks as well, so that HAProxy takes the agent for down.
    Refuse(Status),
}

/// What happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// HAProxy checked the agent's health; the answer is written, the connection is over.
    HealthCheck,
    /// HELLO was exchanged; NOTIFY frames follow.
    Ready(Agreement),
    /// HAProxy asks; answer with [`Connection::acknowledge`], in any order.
    Notify(Notify<'a>),
    /// HAProxy closes the connection; AGENT-DISCONNECT is written, the connection is over.
    Disconnected(Disconnect<'a>),
    /// A NOTIFY came after our AGENT-DISCONNECT; it cannot be answered any more.
    Crossed(FrameId),
    /// A valid HELLO was refused as [`Admission`] says; AGENT-DISCONNECT is written, the connection is over.
    Refused(Status),
    /// HAProxy broke the protocol; AGENT-DISCONNECT is written, the connection is over.
    Failed(ProtocolError),
}

/// How the peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Bytes that are not a frame, or a frame whose payload is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A HELLO that cannot be agreed to.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A frame that does not belong here.
    #[error("frame of type {kind} is unexpected while the connection is {phase}")]
    Unexpected {
        /// Its type.
        kind: FrameType,
        /// Where it came.
        phase: Phase,
    },
}

impl ProtocolError {
    /// The status that tells HAProxy.
    pub fn status(&self) -> Status {
        match self {
            Self::Decode(error) => error.status(),
            Self::Hello(error) => error.status(),
            Self::Unexpected { kind: FrameType::Unset, .. } => Status::FragmentationNotSupported,
            Self::Unexpected { .. } => Status::Invalid,
        }
    }
}

/// The agent's side of one connection.
///
/// Read into [`read_space`](Self::read_space), tell [`filled`](Self::filled), then call
/// [`next_event`](Self::next_event) until it gives none. Whatever is to be sent is appended to the buffer
/// that the caller passes. Memory is bounded by one frame, and nothing is allocated for a NOTIFY once the
/// buffers have grown.
///
/// ```
/// use bytes::BytesMut;
/// use haproxy_wire::spop::{Actions, Connection, Event, MaxFrameSize, Scope, Value};
///
/// fn on_bytes(connection: &mut Connection, mut bytes: &[u8], out: &mut BytesMut) {
///     let mut actions = Actions::new();
///     while !bytes.is_empty() {
///         let taken = connection.feed(bytes);
///         bytes = bytes.get(taken..).unwrap_or_default();
///         while let Some(event) = connection.next_event(out) {
///             if let Event::Notify(notify) = event {
///                 let id = notify.id();
///                 actions.clear();
///                 let fits = actions.set_var(Scope::Transaction, "verdict", Value::text("allow"));
///                 if fits.and_then(|()| connection.acknowledge(id, &actions, out)).is_err() {
///                     actions.clear();
///                 }
///             }
///         }
///     }
/// }
/// # on_bytes(&mut Connection::new(MaxFrameSize::DEFAULT), b"", &mut BytesMut::new());
/// ```
#[derive(Debug)]
pub struct Connection {
    input: Input,
    phase: Phase,
    admission: Admission,
    agreement: Agreement,
    unanswered: usize,
}

impl Connection {
    /// A connection that was just accepted; frames beyond `limit` are refused, pipelining is agreed to.
    pub const fn new(limit: MaxFrameSize) -> Self {
        Self::agreeing_to(Pipelining::Agreed, limit)
    }

    /// The same, agreeing to pipelining or not.
    pub const fn agreeing_to(pipelining: Pipelining, limit: MaxFrameSize) -> Self {
        Self {
            input: Input::new(limit),
            phase: Phase::Hello,
            admission: Admission::Open,
            agreement: Agreement { max_frame_size: limit, pipelining },
            unanswered: 0,
        }
    }

    /// Says what is to be done with a HELLO that comes from now on.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Room to read bytes into. It is empty only when a whole frame waits: call `next_event` first.
    #[inline]
    pub fn read_space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Tells how many bytes were read to the front of the room.
    #[inline]
    pub fn filled(&mut self, length: usize) {
        self.input.filled(length);
    }

    /// Copies bytes in, as many as there is room for; gives how many.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let space = self.input.space();
        let length = space.len().min(bytes.len());
        for (to, from) in space.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.input.filled(length);
        length
    }

    /// The next thing that happened, or nothing until more bytes are read.
    ///
    /// Answers of the protocol itself (AGENT-HELLO, AGENT-DISCONNECT) are appended to `out`.
    #[inline]
    pub fn next_event(&mut self, out: &mut BytesMut) -> Option<Event<'_>> {
        let Self { input, phase, admission, agreement, unanswered } = self;
        let body = loop {
            if *phase == Phase::Closed {
                input.discard();
                return None;
            }
            let (kind, length) = match frame::body(input.unread(), agreement.max_frame_size) {
                Ok((_, body)) => (body.first().copied().map(FrameType::from_byte), body.len()),
                Err(DecodeError::Incomplete { .. }) => return None,
                Err(error) => return Some(fail(error.into(), phase, out)),
            };
            // The document lets unknown frames be skipped; the first frame must be HELLO all the same.
            match (kind, &phase) {
                (Some(FrameType::Other(_)), Phase::Open | Phase::Closing) => {
                    input.take(LENGTH_PREFIX + length);
                }
                _ => {
                    input.take(LENGTH_PREFIX);
                    break input.take(length);
                }
            }
        };
        let frame = match Frame::parse(body) {
            Ok(frame) => frame,
            Err(error) => return Some(fail(error.into(), phase, out)),
        };
        Some(match (frame.kind, *phase) {
            (FrameType::Notify, Phase::Open) => match Notify::from_frame(&frame) {
                Ok(notify) => {
                    *unanswered = unanswered.saturating_add(1);
                    Event::Notify(notify)
                }
                Err(error) => fail(error.into(), phase, out),
            },
            (FrameType::HaproxyHello, Phase::Hello) => {
                match greet(&frame, *admission, agreement, phase, out) {
                    Ok(event) => event,
                    Err(error) => fail(error.into(), phase, out),
                }
            }
            // Also before HELLO: HAProxy may give up at any time.
            (FrameType::HaproxyDisconnect, _) => match Disconnect::from_frame(&frame, Sender::Haproxy) {
                Ok(disconnect) => {
                    close(Status::Normal, Status::Normal.meaning(), phase, out);
                    *phase = Phase::Closed;
                    Event::Disconnected(disconnect)
                }
                Err(error) => fail(error.into(), phase, out),
            },
            (FrameType::Notify, Phase::Closing) => Event::Crossed(frame.id),
            (kind, at) => fail(ProtocolError::Unexpected { kind, phase: at }, phase, out),
        })
    }

    /// Answers a NOTIFY: appends an ACK with the actions to `out`, or nothing when it would be too large.
    ///
    /// Once the connection is closing nothing is appended, since HAProxy does not read it any more.
    #[inline]
    pub fn acknowledge(
        &mut self,
        id: FrameId,
        actions: &Actions,
        out: &mut BytesMut,
    ) -> Result<(), TooLarge> {
        if self.phase == Phase::Open {
            actions.encode(id, self.agreement.max_frame_size, out)?;
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        Ok(())
    }

    /// Closes the connection from our side: appends AGENT-DISCONNECT to `out`, unless that was done before.
    ///
    /// Send it, keep reading for a moment until HAProxy closes, then close.
    pub fn disconnect(&mut self, status: Status, message: &str, out: &mut BytesMut) {
        close(status, message, &mut self.phase, out);
    }

    /// How far the connection is.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What was agreed by HELLO; before that, what we would accept.
    #[inline]
    pub fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// NOTIFY frames that were given out and not yet acknowledged.
    #[inline]
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Bytes that were read and not yet decoded: a part of a frame once `next_event` gave nothing.
    #[inline]
    pub fn undecoded(&self) -> usize {
        self.input.unread().len()
    }
}

fn greet(
    frame: &Frame<'_>,
    admission: Admission,
    agreement: &mut Agreement,
    phase: &mut Phase,
    out: &mut BytesMut,
) -> Result<Event<'static>, HelloError> {
    let hello = HaproxyHello::from_frame(frame)?;
    let mut agreed = hello.negotiate(agreement.max_frame_size)?;
    if agreement.pipelining == Pipelining::Off {
        agreed.pipelining = Pipelining::Off;
    }
    if let Admission::Refuse(status) = admission {
        close(status, "not ready", phase, out);
        *phase = Phase::Closed;
        return Ok(Event::Refused(status));
    }
    *agreement = agreed;
    // An AGENT-HELLO of ours always fits the floor of 256 bytes.
    let _fits = agreed.hello().encode(out);
    Ok(match hello.purpose {
        Purpose::HealthCheck => {
            *phase = Phase::Closed;
            Event::HealthCheck
        }
        Purpose::Session => {
            *phase = Phase::Open;
            Event::Ready(agreed)
        }
    })
}

#[cold]
fn fail(error: ProtocolError, phase: &mut Phase, out: &mut BytesMut) -> Event<'static> {
    let status = error.status();
    close(status, status.meaning(), phase, out);
    *phase = Phase::Closed;
    Event::Failed(error)
}

/// Writes AGENT-DISCONNECT once.
fn close(status: Status, message: &str, phase: &mut Phase, out: &mut BytesMut) {
    if matches!(phase, Phase::Hello | Phase::Open) {
        // A disconnect of ours always fits the floor of 256 bytes.
        let _fits = Disconnect::new(status, message).encode(Sender::Agent, out);
        *phase = Phase::Closing;
    }
}
