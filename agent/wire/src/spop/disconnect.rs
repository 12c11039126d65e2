//! HAPROXY-DISCONNECT and AGENT-DISCONNECT (SPOE.txt sections 3.2.8 and 3.2.9).

use super::error::{DecodeError, Expected, TooLarge};
use super::frame::{self, Frame, FrameId, FrameType, MaxFrameSize};
use super::notify::put_text;
use super::parse;
use super::status::Status;
use super::value::Value;
use bytes::BytesMut;

const STATUS_CODE: &str = "status-code";
const MESSAGE: &str = "message";

/// Longest message that is sent, in bytes, so that the frame fits the protocol's smallest limit.
const LONGEST_MESSAGE: usize = 160;

/// Which side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// HAProxy.
    Haproxy,
    /// The agent.
    Agent,
}

/// The end of a connection and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// The code on the wire; agents may use codes that the document does not assign.
    pub code: u32,
    /// Text for people; bytes that need not be UTF-8.
    pub message: &'a [u8],
}

impl<'a> Disconnect<'a> {
    /// A disconnect with one of the document's statuses.
    pub const fn new(status: Status, message: &'a str) -> Self {
        Self { code: status.code(), message: message.as_bytes() }
    }

    /// The document's status for the code, if it assigns one.
    pub fn status(&self) -> Option<Status> {
        Status::from_code(self.code)
    }

    /// Parses a disconnect from the bytes after its length prefix.
    pub fn parse(payload: &'a [u8], sender: Sender) -> Result<Self, DecodeError> {
        Self::from_frame(&Frame::parse(payload)?, sender)
    }

    /// Checks the payload of a frame whose header was parsed. Unknown keys are skipped.
    pub fn from_frame(frame: &Frame<'a>, sender: Sender) -> Result<Self, DecodeError> {
        frame.expect(sender.kind())?;
        frame.expect_zero_ids()?;
        let (mut code, mut message) = (None, None);
        let mut rest = frame.payload;
        while !rest.is_empty() {
            let here = DecodeErrorAt(frame.length() - rest.len());
            let (after, (key, value)) = parse::pair(rest).map_err(|error| frame.invalid(error))?;
            if key == STATUS_CODE.as_bytes() {
                let number = value.as_i64().and_then(|number| u32::try_from(number).ok());
                let number = number.ok_or_else(|| here.expected(Expected::TypeOf(STATUS_CODE)))?;
                here.once(&mut code, number, STATUS_CODE)?;
            } else if key == MESSAGE.as_bytes() {
                let Value::Str(text) = value else {
                    return Err(here.expected(Expected::TypeOf(MESSAGE)));
                };
                here.once(&mut message, text, MESSAGE)?;
            }
            rest = after;
        }
        let end = DecodeErrorAt(frame.length());
        Ok(Self {
            code: code.ok_or_else(|| end.expected(Expected::Key(STATUS_CODE)))?,
            message: message.ok_or_else(|| end.expected(Expected::Key(MESSAGE)))?,
        })
    }

    /// Appends the frame, prefix included, to `out`; a message beyond 160 bytes is cut.
    pub fn encode(&self, sender: Sender, out: &mut BytesMut) -> Result<(), TooLarge> {
        let message = self.message.get(..LONGEST_MESSAGE).unwrap_or(self.message);
        let mut payload = Vec::with_capacity(MaxFrameSize::FLOOR.length());
        put_text(STATUS_CODE.as_bytes(), &mut payload);
        Value::Uint32(self.code).encode(&mut payload);
        put_text(MESSAGE.as_bytes(), &mut payload);
        Value::Str(message).encode(&mut payload);
        frame::encode(sender.kind(), FrameId::ZERO, &payload, MaxFrameSize::FLOOR, out)
    }
}

impl Sender {
    const fn kind(self) -> FrameType {
        match self {
            Self::Haproxy => FrameType::HaproxyDisconnect,
            Self::Agent => FrameType::AgentDisconnect,
        }
    }
}

/// An offset at which an entry of a key-value list may be refused.
#[derive(Clone, Copy)]
pub(super) struct DecodeErrorAt(pub(super) usize);

impl DecodeErrorAt {
    #[cold]
    pub(super) fn expected(self, expected: Expected) -> DecodeError {
        DecodeError::Invalid { offset: self.0, expected }
    }

    /// Fills a slot that must be empty still.
    pub(super) fn once<T>(
        self,
        slot: &mut Option<T>,
        value: T,
        key: &'static str,
    ) -> Result<(), DecodeError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.expected(Expected::KeyOnce(key))),
        }
    }
}
