//! ACK and its actions (SPOE.txt sections 3.2.7 and 3.4).

use super::error::{DecodeError, Expected, TooLarge};
use super::frame::{self, Frame, FrameId, FrameType, LONGEST_HEADER, MaxFrameSize};
use super::parse::{self, Fault, Parsed};
use super::value::Value;
use crate::varint;
use bytes::BytesMut;

const SET_VAR: u8 = 1;
const UNSET_VAR: u8 = 2;

/// How long a variable of HAProxy lives, and where it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `proc`: the whole process.
    Process,
    /// `sess`: the client's session.
    Session,
    /// `txn`: one request with its response.
    Transaction,
    /// `req`: the request alone.
    Request,
    /// `res`: the response alone.
    Response,
}

impl Scope {
    /// The byte on the wire.
    #[inline]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Process => 0,
            Self::Session => 1,
            Self::Transaction => 2,
            Self::Request => 3,
            Self::Response => 4,
        }
    }

    /// The scope of a byte on the wire.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Process),
            1 => Some(Self::Session),
            2 => Some(Self::Transaction),
            3 => Some(Self::Request),
            4 => Some(Self::Response),
            _ => None,
        }
    }
}

/// The actions of one ACK, encoded as they are added; reusable and bounded.
///
/// HAProxy keeps the actions that stand before a fault, so put last what must only hold when all else does.
#[derive(Clone, Debug)]
pub struct Actions {
    payload: Vec<u8>,
    count: usize,
    limit: usize,
}

impl Actions {
    /// No actions, bounded so that the ACK fits HAProxy's default frame size.
    pub fn new() -> Self {
        Self::fitting(MaxFrameSize::DEFAULT)
    }

    /// No actions, bounded so that the ACK fits a frame of `limit` whatever its identifiers.
    pub fn fitting(limit: MaxFrameSize) -> Self {
        Self { payload: Vec::new(), count: 0, limit: limit.length() - LONGEST_HEADER }
    }

    /// Forgets all actions, keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.payload.clear();
        self.count = 0;
    }

    /// Sets a variable; `name` is without the scope and HAProxy puts its prefix before it.
    ///
    /// When the ACK would not fit, the action is left out whole.
    // Inlined, since the name and the type of the value are nearly always constants.
    #[inline(always)]
    pub fn set_var(&mut self, scope: Scope, name: &str, value: Value<'_>) -> Result<(), TooLarge> {
        self.action(SET_VAR, 3, scope, name, value.encoded_len())?;
        value.encode(&mut self.payload);
        Ok(())
    }

    /// Removes a variable. When the ACK would not fit, the action is left out whole.
    #[inline]
    pub fn unset_var(&mut self, scope: Scope, name: &str) -> Result<(), TooLarge> {
        self.action(UNSET_VAR, 2, scope, name, 0)
    }

    /// How many actions there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Are there no actions?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The actions as they stand.
    pub fn iter(&self) -> AckActions<'_> {
        AckActions { rest: &self.payload }
    }

    /// Appends an ACK, prefix included, to `out`, or nothing when it is larger than `limit`.
    #[inline]
    pub fn encode(&self, id: FrameId, limit: MaxFrameSize, out: &mut BytesMut) -> Result<(), TooLarge> {
        frame::encode(FrameType::Ack, id, &self.payload, limit, out)
    }

    #[inline(always)]
    fn action(&mut self, kind: u8, args: u8, scope: Scope, name: &str, value: usize) -> Result<(), TooLarge> {
        let name_length = varint::encoded_len(name.len() as u64).saturating_add(name.len());
        let length = self.payload.len().saturating_add(3).saturating_add(name_length).saturating_add(value);
        if length > self.limit {
            return Err(TooLarge { length, limit: self.limit });
        }
        match u8::try_from(name.len()) {
            // In one go, as nearly all are.
            Ok(short @ 0..240) => self.payload.extend_from_slice(&[kind, args, scope.byte(), short]),
            _ => {
                self.payload.extend_from_slice(&[kind, args, scope.byte()]);
                varint::encode(name.len() as u64, &mut self.payload);
            }
        }
        self.payload.extend_from_slice(name.as_bytes());
        self.count += 1;
        Ok(())
    }
}

impl Default for Actions {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal when they tell HAProxy the same, whatever their bounds.
impl PartialEq for Actions {
    fn eq(&self, other: &Self) -> bool {
        self.payload == other.payload
    }
}

impl Eq for Actions {}

/// One action of an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Set a variable.
    SetVar {
        /// Where the variable lives.
        scope: Scope,
        /// Its name without scope and prefix.
        name: &'a [u8],
        /// Its value.
        value: Value<'a>,
    },
    /// Remove a variable.
    UnsetVar {
        /// Where the variable lives.
        scope: Scope,
        /// Its name without scope and prefix.
        name: &'a [u8],
    },
}

/// An ACK that was checked whole, to play HAProxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    id: FrameId,
    payload: &'a [u8],
}

impl<'a> Ack<'a> {
    /// Parses an ACK from the bytes after its length prefix.
    pub fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        Self::from_frame(&Frame::parse(payload)?)
    }

    /// Checks the payload of a frame whose header was parsed.
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(FrameType::Ack)?;
        let mut rest = frame.payload;
        while !rest.is_empty() {
            (rest, _) = action(rest).map_err(|error| frame.invalid(error))?;
        }
        Ok(Self { id: frame.id, payload: frame.payload })
    }

    /// Identifiers of the NOTIFY that is answered.
    pub fn id(&self) -> FrameId {
        self.id
    }

    /// The actions in the agent's order.
    pub fn actions(&self) -> AckActions<'a> {
        AckActions { rest: self.payload }
    }
}

/// Iterator over actions.
#[derive(Clone, Copy, Debug)]
pub struct AckActions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for AckActions<'a> {
    type Item = Action<'a>;

    fn next(&mut self) -> Option<Action<'a>> {
        let (rest, action) = action(self.rest).ok()?;
        self.rest = rest;
        Some(action)
    }
}

fn action(input: &[u8]) -> Parsed<'_, Action<'_>> {
    let (after_kind, kind) = parse::byte(input)?;
    let expected_args = match kind {
        SET_VAR => 3,
        UNSET_VAR => 2,
        _ => return Err(Fault::at(input, Expected::ActionType)),
    };
    let (after_args, args) = parse::byte(after_kind)?;
    if args != expected_args {
        return Err(Fault::at(after_kind, Expected::ActionArguments));
    }
    let (rest, scope) = parse::byte(after_args)?;
    let scope = Scope::from_byte(scope).ok_or_else(|| Fault::at(after_args, Expected::Scope))?;
    let (rest, name) = parse::text(rest)?;
    if kind == UNSET_VAR {
        return Ok((rest, Action::UnsetVar { scope, name }));
    }
    let (rest, value) = parse::value(rest)?;
    Ok((rest, Action::SetVar { scope, name, value }))
}
