//! NOTIFY: HAProxy's messages to the agent (SPOE.txt section 3.2.6).

use super::error::{DecodeError, TooLarge};
use super::frame::{self, Frame, FrameId, FrameType, LONGEST_HEADER, MaxFrameSize};
use super::parse::{self, Parsed};
use super::value::Value;
use crate::varint;
use bytes::BytesMut;
use nom::Parser;
use nom::multi::fold;

/// A NOTIFY that was checked whole: its messages can be walked without errors and without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify<'a> {
    id: FrameId,
    payload: &'a [u8],
}

impl<'a> Notify<'a> {
    /// Parses a NOTIFY from the bytes after its length prefix: type, flags, identifiers and messages.
    ///
    /// ```
    /// use haproxy_wire::spop::{Notify, Value};
    /// let frame = b"\x03\0\0\0\x01\x07\x01\x05check\x01\x02ip\x06\x7f\0\0\x01";
    /// let notify = Notify::parse(frame)?;
    /// let message = notify.messages().next().ok_or("no message")?;
    /// assert_eq!(message.name(), b"check");
    /// assert_eq!(message.args().next(), Some((&b"ip"[..], Value::Ipv4([127, 0, 0, 1].into()))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        Self::from_frame(&Frame::parse(payload)?)
    }

    /// Checks the payload of a frame whose header was parsed. ABORT is ignored, as the document allows for a
    /// payload in one frame.
    #[inline]
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(FrameType::Notify)?;
        let mut rest = frame.payload;
        while !rest.is_empty() {
            rest = match skip_message(rest) {
                Ok((rest, ())) => rest,
                Err(error) => return Err(frame.invalid(error)),
            };
        }
        Ok(Self { id: frame.id, payload: frame.payload })
    }

    /// The messages, in HAProxy's order; there may be none.
    #[inline]
    pub fn messages(&self) -> Messages<'a> {
        Messages { rest: self.payload }
    }

    /// Identifiers that the ACK must repeat.
    #[inline]
    pub fn id(&self) -> FrameId {
        self.id
    }

    /// Identifier of HAProxy's stream.
    #[inline]
    pub fn stream_id(&self) -> u64 {
        self.id.stream
    }

    /// Identifier of the frame within the stream.
    #[inline]
    pub fn frame_id(&self) -> u64 {
        self.id.frame
    }
}

/// One message: a name and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    name: &'a [u8],
    args: Args<'a>,
}

impl<'a> Message<'a> {
    /// The name of HAProxy's `spoe-message` section.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Its arguments in HAProxy's order; an argument without a name has an empty one, names may repeat.
    #[inline]
    pub fn args(&self) -> Args<'a> {
        self.args
    }
}

/// Iterator over the messages of a [`Notify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    #[inline]
    fn next(&mut self) -> Option<Message<'a>> {
        let (after, (name, count)) = message_head(self.rest).ok()?;
        let (rest, ()) = skip_pairs(after, count).ok()?;
        self.rest = rest;
        Some(Message { name, args: Args { rest: after, count } })
    }
}

/// Iterator over the arguments of a [`Message`]: name and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args<'a> {
    rest: &'a [u8],
    count: u8,
}

impl<'a> Iterator for Args<'a> {
    type Item = (&'a [u8], Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let (rest, pair) = parse::pair(self.rest).ok()?;
        self.rest = rest;
        Some(pair)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.count), Some(usize::from(self.count)))
    }
}

impl ExactSizeIterator for Args<'_> {}

/// Writes NOTIFY frames, to play HAProxy; reusable, so that a bench measures the agent alone.
#[derive(Clone, Debug, Default)]
pub struct NotifyWriter {
    payload: Vec<u8>,
    count_at: Option<usize>,
}

impl NotifyWriter {
    /// A writer without messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all messages, keeps the memory.
    pub fn clear(&mut self) {
        self.payload.clear();
        self.count_at = None;
    }

    /// Begins a message; its arguments follow.
    pub fn message(&mut self, name: &str) -> &mut Self {
        put_text(name.as_bytes(), &mut self.payload);
        self.count_at = Some(self.payload.len());
        self.payload.push(0);
        self
    }

    /// Adds an argument to the message begun last.
    ///
    /// An argument before any message or beyond the 255th of a message cannot be written.
    pub fn arg(&mut self, name: &str, value: Value<'_>) -> Result<&mut Self, TooLarge> {
        let count = self.count_at.and_then(|at| self.payload.get_mut(at));
        let Some(more) = count.as_ref().and_then(|count| count.checked_add(1)) else {
            return Err(TooLarge { length: 256, limit: 255 });
        };
        if let Some(count) = count {
            *count = more;
        }
        put_text(name.as_bytes(), &mut self.payload);
        value.encode(&mut self.payload);
        Ok(self)
    }

    /// Appends the frame, prefix included, to `out`, or nothing when it is larger than `limit`.
    pub fn encode(&self, id: FrameId, limit: MaxFrameSize, out: &mut BytesMut) -> Result<(), TooLarge> {
        frame::encode(FrameType::Notify, id, &self.payload, limit, out)
    }

    /// Largest payload in bytes that fits a frame of `limit` whatever its identifiers.
    pub fn payload_limit(limit: MaxFrameSize) -> usize {
        limit.length() - LONGEST_HEADER
    }
}

/// Appends a length and the bytes.
#[inline]
pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    varint::encode(text.len() as u64, out);
    out.extend_from_slice(text);
}

#[inline]
fn message_head(input: &[u8]) -> Parsed<'_, (&[u8], u8)> {
    (parse::text, parse::byte).parse(input)
}

#[inline]
fn skip_message(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, (_, count)) = message_head(input)?;
    skip_pairs(rest, count)
}

#[inline]
fn skip_pairs(input: &[u8], count: u8) -> Parsed<'_, ()> {
    fold(usize::from(count), parse::pair, || (), |(), _| ()).parse(input)
}
