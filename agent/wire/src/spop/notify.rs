//! NOTIFY: HAProxy's messages to the agent (SPOE.txt section 3.2.6).

use super::error::{DecodeError, TooLarge};
use super::frame::{self, Frame, FrameId, FrameType, LONGEST_HEADER, MaxFrameSize};
use super::parse::{self, Parsed};
use super::value::Value;
use crate::varint;
use bytes::BytesMut;
use nom::Parser;
use nom::multi::fold;
use std::net::Ipv4Addr;

/// What follows, and a name with its value.
type Pair<'a> = (&'a [u8], (&'a [u8], Value<'a>));

// Types of the values that make up nearly all arguments.
const INT64: u8 = 4;
const IPV4: u8 = 6;

/// A NOTIFY that was checked whole: its messages can be walked without errors and without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify<'a> {
    id: FrameId,
    payload: &'a [u8],
    messages: usize,
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
    #[inline(always)]
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(FrameType::Notify)?;
        let messages = match count_usual(frame.payload) {
            Some(messages) => messages,
            None => count_any(frame.payload, frame.length())?,
        };
        Ok(Self { id: frame.id, payload: frame.payload, messages })
    }

    /// The messages, in HAProxy's order; there may be none.
    #[inline]
    pub fn messages(&self) -> Messages<'a> {
        Messages { rest: self.payload, passed: 0, left: self.messages }
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
    /// Arguments at the front of `rest` that belong to the message given out last.
    passed: u8,
    left: usize,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Message<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Arguments are passed over only when a message follows, which is seldom.
        let start = if self.passed == 0 { self.rest } else { after_pairs(self.rest, self.passed)? };
        let (rest, (name, count)) = message_head(start).ok()?;
        (self.rest, self.passed) = (rest, count);
        Some(Message { name, args: Args { rest, count } })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Messages<'_> {}

/// Iterator over the arguments of a [`Message`]: name and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args<'a> {
    rest: &'a [u8],
    count: u8,
}

impl<'a> Iterator for Args<'a> {
    type Item = (&'a [u8], Value<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let (rest, pair) = match usual_pair(self.rest) {
            Some(parsed) => parsed,
            None => any_pair(self.rest)?,
        };
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
#[inline(always)]
pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    varint::encode(text.len() as u64, out);
    out.extend_from_slice(text);
}

#[inline]
fn message_head(input: &[u8]) -> Parsed<'_, (&[u8], u8)> {
    (parse::text, parse::byte).parse(input)
}

#[inline]
fn skip_pairs(input: &[u8], count: u8) -> Parsed<'_, ()> {
    fold(usize::from(count), parse::pair, || (), |(), _| ()).parse(input)
}

#[cold]
#[inline(never)]
fn after_pairs(input: &[u8], count: u8) -> Option<&[u8]> {
    skip_pairs(input, count).ok().map(|(rest, ())| rest)
}

/// Checks any payload and counts its messages; tells what is wrong, in a frame of this length.
#[cold]
#[inline(never)]
fn count_any(payload: &[u8], length: usize) -> Result<usize, DecodeError> {
    let (mut rest, mut messages) = (payload, 0);
    while !rest.is_empty() {
        let (after, (_, count)) = message_head(rest).map_err(|error| parse::invalid(length, error))?;
        (rest, ()) = skip_pairs(after, count).map_err(|error| parse::invalid(length, error))?;
        messages += 1;
    }
    Ok(messages)
}

/// Counts the messages of a valid payload; nothing when [`count_any`] must decide.
///
/// This runs for every request, so it is written for few instructions on what nearly all arguments are: short
/// names, texts, small integers and IPv4 addresses. Text and binary are told by three bits, since two
/// comparisons of the same bits become a slower table.
#[inline(always)]
fn count_usual(payload: &[u8]) -> Option<usize> {
    let (mut rest, mut messages) = (payload, 0_usize);
    while !rest.is_empty() {
        let (count, after) = after_text(rest)?.split_first()?;
        rest = after;
        for _ in 0..*count {
            let value = after_text(rest)?;
            rest = match value {
                [head, length, after @ ..] if is_text(*head) && *length < 240 => {
                    after.get(usize::from(*length)..)?
                }
                [head, number, after @ ..] if head & 0x0f == INT64 && *number < 240 => after,
                [head, _, _, _, _, after @ ..] if head & 0x0f == IPV4 => after,
                [head, first, second, after @ ..] if is_text(*head) && *second < 128 => {
                    after.get(long_length(*first, *second)..)?
                }
                _ => after_value(value)?,
            };
        }
        messages = messages.wrapping_add(1);
    }
    Some(messages)
}

/// Is this the type of a text (8) or of binary data (9)?
#[inline(always)]
fn is_text(head: u8) -> bool {
    head & 0x0e == 8
}

/// What follows a text whose length has one byte.
#[inline(always)]
fn after_text(input: &[u8]) -> Option<&[u8]> {
    let (length, rest) = input.split_first()?;
    if *length < 240 { rest.get(usize::from(*length)..) } else { None }
}

/// A length of two bytes, of which the first is 240 or more and the second below 128.
#[inline(always)]
fn long_length(first: u8, second: u8) -> usize {
    usize::from(first).wrapping_add(usize::from(second) << 4)
}

#[inline(never)]
fn after_value(input: &[u8]) -> Option<&[u8]> {
    parse::value(input).ok().map(|(rest, _)| rest)
}

/// One argument, quick for what nearly all are; nothing when [`any_pair`] must decide.
#[inline(always)]
fn usual_pair(input: &[u8]) -> Option<Pair<'_>> {
    let (length, rest) = input.split_first()?;
    if *length >= 240 {
        return None;
    }
    let (name, value) = rest.split_at_checked(usize::from(*length))?;
    match value {
        [head, length, rest @ ..] if is_text(*head) && *length < 240 => {
            let (text, rest) = rest.split_at_checked(usize::from(*length))?;
            Some((rest, (name, text_value(*head, text))))
        }
        [head, number, rest @ ..] if head & 0x0f == INT64 && *number < 240 => {
            Some((rest, (name, Value::Int64(i64::from(*number)))))
        }
        [head, a, b, c, d, rest @ ..] if head & 0x0f == IPV4 => {
            Some((rest, (name, Value::Ipv4(Ipv4Addr::new(*a, *b, *c, *d)))))
        }
        [head, first, second, rest @ ..] if is_text(*head) && *second < 128 => {
            let (text, rest) = rest.split_at_checked(long_length(*first, *second))?;
            Some((rest, (name, text_value(*head, text))))
        }
        _ => None,
    }
}

#[inline(always)]
fn text_value(head: u8, text: &[u8]) -> Value<'_> {
    if head & 1 == 0 { Value::Str(text) } else { Value::Binary(text) }
}

/// One argument of any form. Takes and gives values, so that the iterator stays in registers.
#[inline(never)]
fn any_pair(input: &[u8]) -> Option<Pair<'_>> {
    parse::pair(input).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that are likely to be a message: small lengths, few arguments, types that exist.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let arg = (0_u8..3, any::<[u8; 3]>(), 0_u8..12, proptest::collection::vec(any::<u8>(), 0..6));
        let args = proptest::collection::vec(arg, 0..4);
        (args, 0_u8..5).prop_map(|(args, count)| {
            let mut bytes = vec![1, b'm', count];
            for (length, name, kind, data) in args {
                bytes.push(length);
                bytes.extend_from_slice(name.get(..usize::from(length)).unwrap_or_default());
                bytes.push(kind);
                bytes.extend_from_slice(&data);
            }
            bytes
        })
    }

    proptest! {
        // The quick check never takes what the full one refuses, nor counts otherwise.
        #[test]
        fn quick_and_full_checks_agree(payload in prop_oneof![likely(), proptest::collection::vec(any::<u8>(), 0..40)]) {
            let mut body = b"\x03\0\0\0\x01\x01\x01".to_vec();
            body.extend_from_slice(&payload);
            let full = count_any(&body[7..], body.len());
            if let Some(messages) = count_usual(&payload) {
                prop_assert_eq!(full, Ok(messages));
            }
        }

        #[test]
        fn quick_and_full_arguments_agree(input in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(pair) = usual_pair(&input) {
                prop_assert_eq!(Some(pair), any_pair(&input));
            }
        }
    }
}
