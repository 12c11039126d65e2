//! HAPROXY-HELLO, AGENT-HELLO and what the two agree on (SPOE.txt sections 3.2.4 and 3.2.5).

use super::disconnect::DecodeErrorAt;
use super::error::{DecodeError, Expected, TooLarge};
use super::frame::{self, Frame, FrameId, FrameType, MaxFrameSize};
use super::notify::put_text;
use super::parse;
use super::status::Status;
use super::value::Value;
use bytes::BytesMut;

/// The one version that is spoken.
pub const VERSION: &str = "2.0";

const MAJOR: u32 = 2;
const SUPPORTED_VERSIONS: &str = "supported-versions";
const VERSION_KEY: &str = "version";
const MAX_FRAME_SIZE: &str = "max-frame-size";
const CAPABILITIES: &str = "capabilities";
const HEALTHCHECK: &str = "healthcheck";
const ENGINE_ID: &str = "engine-id";
const PIPELINING: &str = "pipelining";

/// Why a HELLO is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The frame is malformed, or one of its entries has the wrong type or stands twice.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The mandatory version entry is missing.
    #[error("hello has no version: expected `supported-versions` from haproxy, `version` from an agent")]
    NoVersion,
    /// The mandatory frame size is missing.
    #[error("hello has no `max-frame-size`")]
    NoMaxFrameSize,
    /// The mandatory capabilities are missing; they may be empty.
    #[error("hello has no `capabilities`")]
    NoCapabilities,
    /// HAProxy supports no version 2.x.
    #[error("hello offers no supported version: expected 2.0")]
    BadVersion,
    /// The frame size is below the protocol's floor.
    #[error("max-frame-size of {0} is too small: expected 256 or more")]
    BadFrameSize(u32),
}

impl HelloError {
    /// The status that tells the peer.
    pub fn status(&self) -> Status {
        match self {
            Self::Decode(error) => error.status(),
            Self::NoVersion => Status::NoVersion,
            Self::NoMaxFrameSize => Status::NoMaxFrameSize,
            Self::NoCapabilities => Status::NoCapabilities,
            Self::BadVersion => Status::BadVersion,
            Self::BadFrameSize(_) => Status::BadFrameSize,
        }
    }
}

impl DecodeError {
    /// The status that tells the peer.
    pub fn status(&self) -> Status {
        match self {
            Self::TooLarge { .. } => Status::TooBig,
            Self::Invalid { expected: Expected::Unfragmented, .. } => Status::FragmentationNotSupported,
            Self::Invalid { .. } | Self::Incomplete { .. } => Status::Invalid,
        }
    }
}

/// Why HAProxy opened the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To send NOTIFY frames.
    #[default]
    Session,
    /// To see whether the agent is well; closed after HELLO.
    HealthCheck,
}

/// May NOTIFY frames follow each other before they are answered, and be answered in any order?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipelining {
    /// Both sides can.
    Agreed,
    /// One NOTIFY at a time.
    Off,
}

/// What a HELLO exchange settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Largest frame on this connection.
    pub max_frame_size: MaxFrameSize,
    /// Whether frames may be pipelined.
    pub pipelining: Pipelining,
}

impl Agreement {
    /// The AGENT-HELLO that states it; never `async`, never `fragmentation`.
    pub const fn hello(&self) -> AgentHello<'static> {
        AgentHello {
            version: VERSION.as_bytes(),
            max_frame_size: self.max_frame_size.bytes(),
            capabilities: match self.pipelining {
                Pipelining::Agreed => PIPELINING.as_bytes(),
                Pipelining::Off => b"",
            },
        }
    }
}

/// HAProxy's HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HaproxyHello<'a> {
    /// Comma-separated versions, each `Major.Minor`.
    pub supported_versions: &'a [u8],
    /// Largest frame HAProxy accepts, in bytes.
    pub max_frame_size: u32,
    /// Comma-separated capabilities; empty in a health check.
    pub capabilities: &'a [u8],
    /// Why the connection was opened.
    pub purpose: Purpose,
    /// The engine, the same on all its connections; absent in a health check.
    pub engine_id: Option<&'a [u8]>,
}

impl<'a> HaproxyHello<'a> {
    /// Parses a HAPROXY-HELLO from the bytes after its length prefix.
    pub fn parse(payload: &'a [u8]) -> Result<Self, HelloError> {
        Self::from_frame(&Frame::parse(payload)?)
    }

    /// Checks the payload of a frame whose header was parsed. Unknown keys are skipped.
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, HelloError> {
        let mut entries = Entries::default();
        entries.read(frame, FrameType::HaproxyHello)?;
        Ok(Self {
            supported_versions: entries.versions.ok_or(HelloError::NoVersion)?,
            max_frame_size: entries.max_frame_size.ok_or(HelloError::NoMaxFrameSize)?,
            capabilities: entries.capabilities.ok_or(HelloError::NoCapabilities)?,
            purpose: entries.purpose.unwrap_or_default(),
            engine_id: entries.engine_id,
        })
    }

    /// Appends the frame, prefix included, to `out`.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), TooLarge> {
        let mut payload = Vec::new();
        let mut put = |key: &str, value: Value<'_>| {
            put_text(key.as_bytes(), &mut payload);
            value.encode(&mut payload);
        };
        put(SUPPORTED_VERSIONS, Value::Str(self.supported_versions));
        put(MAX_FRAME_SIZE, Value::Uint32(self.max_frame_size));
        put(CAPABILITIES, Value::Str(self.capabilities));
        if self.purpose == Purpose::HealthCheck {
            put(HEALTHCHECK, Value::Bool(true));
        }
        if let Some(id) = self.engine_id {
            put(ENGINE_ID, Value::Str(id));
        }
        frame::encode(FrameType::HaproxyHello, FrameId::ZERO, &payload, MaxFrameSize::DEFAULT, out)
    }

    /// What an agent that accepts frames of `ours` agrees to.
    ///
    /// A version 2.x includes 2.0, since a major version stands for all its minor ones up to that.
    pub fn negotiate(&self, ours: MaxFrameSize) -> Result<Agreement, HelloError> {
        if !items(self.supported_versions).any(|version| major(version) == Some(MAJOR)) {
            return Err(HelloError::BadVersion);
        }
        let theirs = MaxFrameSize::new(self.max_frame_size);
        let theirs = theirs.ok_or(HelloError::BadFrameSize(self.max_frame_size))?;
        let offered = items(self.capabilities).any(|capability| capability == PIPELINING.as_bytes());
        Ok(Agreement {
            max_frame_size: ours.min(theirs),
            pipelining: if offered { Pipelining::Agreed } else { Pipelining::Off },
        })
    }
}

/// The agent's HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentHello<'a> {
    /// The version that is spoken on this connection.
    pub version: &'a [u8],
    /// Largest frame on this connection, in bytes.
    pub max_frame_size: u32,
    /// Comma-separated capabilities.
    pub capabilities: &'a [u8],
}

impl<'a> AgentHello<'a> {
    /// Parses an AGENT-HELLO from the bytes after its length prefix.
    pub fn parse(payload: &'a [u8]) -> Result<Self, HelloError> {
        Self::from_frame(&Frame::parse(payload)?)
    }

    /// Checks the payload of a frame whose header was parsed. Unknown keys are skipped.
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, HelloError> {
        let mut entries = Entries::default();
        entries.read(frame, FrameType::AgentHello)?;
        Ok(Self {
            version: entries.versions.ok_or(HelloError::NoVersion)?,
            max_frame_size: entries.max_frame_size.ok_or(HelloError::NoMaxFrameSize)?,
            capabilities: entries.capabilities.ok_or(HelloError::NoCapabilities)?,
        })
    }

    /// Appends the frame, prefix included, to `out`.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), TooLarge> {
        let mut payload = Vec::new();
        put_text(VERSION_KEY.as_bytes(), &mut payload);
        Value::Str(self.version).encode(&mut payload);
        put_text(MAX_FRAME_SIZE.as_bytes(), &mut payload);
        Value::Uint32(self.max_frame_size).encode(&mut payload);
        put_text(CAPABILITIES.as_bytes(), &mut payload);
        Value::Str(self.capabilities).encode(&mut payload);
        frame::encode(FrameType::AgentHello, FrameId::ZERO, &payload, MaxFrameSize::FLOOR, out)
    }

    /// Does the list of capabilities name this one?
    pub fn has_capability(&self, name: &str) -> bool {
        items(self.capabilities).any(|capability| capability == name.as_bytes())
    }
}

/// The entries that either HELLO may have.
#[derive(Default)]
struct Entries<'a> {
    versions: Option<&'a [u8]>,
    max_frame_size: Option<u32>,
    capabilities: Option<&'a [u8]>,
    purpose: Option<Purpose>,
    engine_id: Option<&'a [u8]>,
}

impl<'a> Entries<'a> {
    fn read(&mut self, frame: &Frame<'a>, kind: FrameType) -> Result<(), DecodeError> {
        frame.expect(kind)?;
        frame.expect_zero_ids()?;
        let version_key = if kind == FrameType::AgentHello { VERSION_KEY } else { SUPPORTED_VERSIONS };
        let mut rest = frame.payload;
        while !rest.is_empty() {
            let here = DecodeErrorAt(frame.length() - rest.len());
            let (after, (key, value)) = parse::pair(rest).map_err(|error| frame.invalid(error))?;
            rest = after;
            let text = |key| match value {
                Value::Str(text) => Ok(text),
                _ => Err(here.expected(Expected::TypeOf(key))),
            };
            if key == version_key.as_bytes() {
                here.once(&mut self.versions, text(version_key)?, version_key)?;
            } else if key == MAX_FRAME_SIZE.as_bytes() {
                // HAProxy itself takes any integer type here.
                let size = value.as_i64().and_then(|size| u32::try_from(size).ok());
                let size = size.ok_or_else(|| here.expected(Expected::TypeOf(MAX_FRAME_SIZE)))?;
                here.once(&mut self.max_frame_size, size, MAX_FRAME_SIZE)?;
            } else if key == CAPABILITIES.as_bytes() {
                here.once(&mut self.capabilities, text(CAPABILITIES)?, CAPABILITIES)?;
            } else if key == HEALTHCHECK.as_bytes() {
                let purpose = match value {
                    Value::Bool(true) => Purpose::HealthCheck,
                    Value::Bool(false) => Purpose::Session,
                    _ => return Err(here.expected(Expected::TypeOf(HEALTHCHECK))),
                };
                here.once(&mut self.purpose, purpose, HEALTHCHECK)?;
            } else if key == ENGINE_ID.as_bytes() {
                here.once(&mut self.engine_id, text(ENGINE_ID)?, ENGINE_ID)?;
            }
        }
        Ok(())
    }
}

/// The items of a comma-separated list without the spaces around them.
fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The major number of a version, when both its numbers are numbers.
fn major(version: &[u8]) -> Option<u32> {
    let (major, minor) = std::str::from_utf8(version).ok()?.split_once('.')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    number(minor)?;
    number(major)
}
