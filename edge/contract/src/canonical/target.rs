//! The request target in origin form, accepted only in its canonical spelling.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::readings::readings;

/// The longest target that is read, in bytes: HAProxy's default buffer holds no more beside a head.
const LONGEST_TARGET: usize = 8000;

/// A canonical request target: `path [ "?" query ]` of RFC 9112 section 3.2.1, as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    raw: &'a str,
    path_len: usize,
    encoded_slash: bool,
    semicolon: bool,
    encoded_end: bool,
}

/// What a route may accept although servers read it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowance {
    /// `%2F` inside a segment: an identifier that holds a slash.
    EncodedSlash,
    /// `;` or `%3B` in a segment: path parameters.
    Semicolon,
}

/// Why a target is not canonical. Offsets count bytes from the start of the target.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum NotCanonical {
    /// Nothing was sent, or HAProxy shows no path (`OPTIONS *`, `CONNECT`).
    #[error("the request has no path")]
    Missing,
    /// Absolute form, authority form or asterisk form.
    #[error("the target does not start with `/`: expected origin form")]
    NotOriginForm,
    /// Longer than 8000 bytes.
    #[error("the target is longer than {LONGEST_TARGET} bytes")]
    TooLong,
    /// A control byte or a space.
    #[error("control byte 0x{byte:02x} at offset {offset}")]
    ControlByte {
        /// The byte.
        byte: u8,
        /// Where it stands.
        offset: usize,
    },
    /// A byte above 0x7f that is not percent-encoded.
    #[error("raw 8-bit byte at offset {0}: expected it percent-encoded")]
    RawEightBit(usize),
    /// A backslash in the path, which some servers read as a slash.
    #[error("backslash at offset {0}")]
    Backslash(usize),
    /// `%5C` in the path.
    #[error("encoded backslash at offset {0}")]
    EncodedBackslash(usize),
    /// `#`, which ends the target for some parsers only.
    #[error("`#` at offset {0}")]
    Fragment(usize),
    /// One of `"<>` and, in the path, `` `{} ``: parsers disagree on whether to encode it.
    #[error("`{}` at offset {offset}: expected it percent-encoded", char::from(*byte))]
    Unencoded {
        /// The byte.
        byte: u8,
        /// Where it stands.
        offset: usize,
    },
    /// `%` without two hexadecimal digits behind it.
    #[error("`%` without two hexadecimal digits at offset {0}")]
    BadPercent(usize),
    /// `%00`.
    #[error("encoded NUL byte at offset {0}")]
    EncodedNul(usize),
    /// An encoded control byte in the path.
    #[error("encoded control byte at offset {0}")]
    EncodedControl(usize),
    /// `%25` before two hexadecimal digits in the path: it decodes to another escape.
    #[error("double percent-encoding at offset {0}")]
    DoubleEncoding(usize),
    /// A letter, digit, `-`, `_` or `~` in the path that needs no encoding.
    #[error("needless percent-encoding at offset {0}: expected the plain character")]
    NeedlessEncoding(usize),
    /// Percent-encoded bytes of the path that aren't UTF-8, overlong forms included.
    #[error("the path does not decode to UTF-8")]
    NotUtf8,
    /// A `.` or `..` segment, however encoded, also before a `;`.
    #[error("dot segment at offset {0}")]
    DotSegment(usize),
    /// `//`.
    #[error("empty segment at offset {0}")]
    EmptySegment(usize),
    /// `%2F` on a route that doesn't allow it.
    #[error("encoded slash: the route does not allow `encoded-slash`")]
    EncodedSlash,
    /// `;` or `%3B` on a route that doesn't allow it.
    #[error("`;` in the path: the route does not allow `semicolon`")]
    Semicolon,
    /// A spelling that some servers read as the path of another route.
    #[error(
        "another route decides once `%2F`, `;`, `%3F`, `%23` or the case of letters is read as some servers do"
    )]
    OtherRoute,
}

impl NotCanonical {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "path-missing",
            Self::NotOriginForm => "not-origin-form",
            Self::TooLong => "target-too-long",
            Self::ControlByte { .. } => "control-byte",
            Self::RawEightBit(_) => "raw-8-bit",
            Self::Backslash(_) => "backslash",
            Self::EncodedBackslash(_) => "encoded-backslash",
            Self::Fragment(_) => "fragment",
            Self::Unencoded { .. } => "unencoded",
            Self::BadPercent(_) => "bad-percent",
            Self::EncodedNul(_) => "encoded-nul",
            Self::EncodedControl(_) => "encoded-control",
            Self::DoubleEncoding(_) => "double-encoding",
            Self::NeedlessEncoding(_) => "needless-encoding",
            Self::NotUtf8 => "not-utf8",
            Self::DotSegment(_) => "dot-segment",
            Self::EmptySegment(_) => "empty-segment",
            Self::EncodedSlash => "encoded-slash",
            Self::Semicolon => "semicolon",
            Self::OtherRoute => "other-route",
        }
    }
}

impl<'a> Target<'a> {
    /// Reads a target as received, never rewriting it.
    ///
    /// `%2F` and `;` are let through to [`Target::permitted_by`], since a route may allow them.
    ///
    /// # Errors
    /// [`NotCanonical`] with the first thing that three parsers could read in three ways.
    pub fn parse(raw: &'a [u8]) -> Result<Self, NotCanonical> {
        match raw.first() {
            None => return Err(NotCanonical::Missing),
            Some(b'/') => {}
            Some(_) => return Err(NotCanonical::NotOriginForm),
        }
        if raw.len() > LONGEST_TARGET {
            return Err(NotCanonical::TooLong);
        }
        let path_len = raw.iter().position(|&b| b == b'?').unwrap_or(raw.len());
        let (path, query) = raw.split_at_checked(path_len).unwrap_or((raw, &[]));
        let found = check_path(path)?;
        check_query(query, path_len)?;
        // Both checks refused every byte above 0x7e, so this is the cheap way to a `str`.
        let raw = std::str::from_utf8(raw).map_err(|e| NotCanonical::RawEightBit(e.valid_up_to()))?;
        let Found { encoded_slash, semicolon, encoded_end } = found;
        Ok(Self { raw, path_len, encoded_slash, semicolon, encoded_end })
    }

    /// The whole target, as received.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The path, as received: starts with `/`, ends before `?`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.raw.get(..self.path_len).unwrap_or(self.raw)
    }

    /// The segments of the path; a trailing slash gives an empty last one, `/` a single empty one.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        self.path().split('/').skip(1).map(Segment)
    }

    /// Checks what only some routes accept.
    ///
    /// # Errors
    /// [`NotCanonical::EncodedSlash`] or [`NotCanonical::Semicolon`] where it stands in the path
    /// and isn't among `allowed`.
    pub fn permitted_by(&self, allowed: &[Allowance]) -> Result<(), NotCanonical> {
        if self.encoded_slash && !allowed.contains(&Allowance::EncodedSlash) {
            return Err(NotCanonical::EncodedSlash);
        }
        if self.semicolon && !allowed.contains(&Allowance::Semicolon) {
            return Err(NotCanonical::Semicolon);
        }
        Ok(())
    }

    /// The path as servers read it that undo `%2F`, `;`, `%3F` or `%23` before they look for segments,
    /// or merge the empty ones that come of it. None where nothing of that kind stands in the path, 47
    /// at most.
    #[must_use]
    pub fn other_readings(&self) -> Vec<Reading> {
        if !(self.encoded_slash || self.semicolon || self.encoded_end) {
            return Vec::new();
        }
        readings(self.path()).into_iter().map(Reading).collect()
    }
}

/// A path as some server may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading(String);

impl Reading {
    /// Its segments.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.0.split('/').skip(1).map(Segment)
    }
}

/// One segment of a canonical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a>(&'a str);

impl<'a> Segment<'a> {
    /// The segment as received.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// What the segment means: its percent-encoding undone. Canonical segments decode in one way.
    #[must_use]
    pub fn decoded(&self) -> Cow<'a, str> {
        if !self.0.contains('%') {
            return Cow::Borrowed(self.0);
        }
        let mut decoded = Vec::with_capacity(self.0.len());
        let mut bytes = self.0.bytes();
        while let Some(byte) = bytes.next() {
            let escape = (byte == b'%').then(|| (bytes.next(), bytes.next()));
            match escape {
                Some((Some(high), Some(low))) => {
                    decoded.extend(hex(high).zip(hex(low)).map(|(h, l)| h << 4 | l))
                }
                _ => decoded.push(byte),
            }
        }
        Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
    }
}

/// What was seen in a path that only some routes accept.
#[derive(Default)]
struct Found {
    encoded_slash: bool,
    semicolon: bool,
    /// `%3F` or `%23`.
    encoded_end: bool,
}

fn check_path(path: &[u8]) -> Result<Found, NotCanonical> {
    let mut found = Found::default();
    let mut encoded_eight_bit = false;
    let mut rest = path;
    let mut segment_start = 1;
    while let Some((&byte, after)) = rest.split_first() {
        let offset = path.len() - rest.len();
        rest = after;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {}
            b'/' if offset == 0 => {}
            b'/' => {
                check_segment(path, segment_start, offset)?;
                if segment_start == offset {
                    return Err(NotCanonical::EmptySegment(offset));
                }
                segment_start = offset + 1;
            }
            b'%' => {
                let decoded = escape(after).ok_or(NotCanonical::BadPercent(offset))?;
                match decoded {
                    0 => return Err(NotCanonical::EncodedNul(offset)),
                    b'.' => {
                        // Named as a dot segment where it is one: that is the attack to report.
                        let end = segment_end(path, offset);
                        check_segment(path, segment_start, end)?;
                        return Err(NotCanonical::NeedlessEncoding(offset));
                    }
                    1..=0x1f | 0x7f => return Err(NotCanonical::EncodedControl(offset)),
                    b'/' => found.encoded_slash = true,
                    // nginx sends it on decoded, and the next server reads a path parameter.
                    b';' => found.semicolon = true,
                    b'?' | b'#' => found.encoded_end = true,
                    b'\\' => return Err(NotCanonical::EncodedBackslash(offset)),
                    b'%' if escape_at_start(after.get(2..)) => {
                        return Err(NotCanonical::DoubleEncoding(offset));
                    }
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                        return Err(NotCanonical::NeedlessEncoding(offset));
                    }
                    0x80.. => encoded_eight_bit = true,
                    _ => {}
                }
                rest = after.get(2..).unwrap_or_default();
            }
            b';' => found.semicolon = true,
            b'\\' => return Err(NotCanonical::Backslash(offset)),
            b'#' => return Err(NotCanonical::Fragment(offset)),
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' => return Err(NotCanonical::Unencoded { byte, offset }),
            0..=0x20 | 0x7f => return Err(NotCanonical::ControlByte { byte, offset }),
            0x80.. => return Err(NotCanonical::RawEightBit(offset)),
            _ => {}
        }
    }
    check_segment(path, segment_start, path.len())?;
    if encoded_eight_bit && !decodes_to_utf8(path) {
        return Err(NotCanonical::NotUtf8);
    }
    Ok(found)
}

fn check_query(query: &[u8], path_len: usize) -> Result<(), NotCanonical> {
    for (index, &byte) in query.iter().enumerate() {
        let offset = path_len + index;
        match byte {
            b'%' => match escape(query.get(index + 1..).unwrap_or_default()) {
                None => return Err(NotCanonical::BadPercent(offset)),
                Some(0) => return Err(NotCanonical::EncodedNul(offset)),
                Some(_) => {}
            },
            b'#' => return Err(NotCanonical::Fragment(offset)),
            b'"' | b'<' | b'>' => return Err(NotCanonical::Unencoded { byte, offset }),
            0..=0x20 | 0x7f => return Err(NotCanonical::ControlByte { byte, offset }),
            0x80.. => return Err(NotCanonical::RawEightBit(offset)),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a segment that some server reads as `.` or `..`: dots plain or encoded, spaces around
/// them trimmed, cut at `;`, `%2F`, `%3F` or `%23`, as servers cut it that drop path parameters or
/// decode early.
fn check_segment(path: &[u8], start: usize, end: usize) -> Result<(), NotCanonical> {
    let mut rest = path.get(start..end).unwrap_or_default();
    let mut piece = Piece::Dots(0);
    loop {
        let (unit, after) = match rest {
            [b'%', after @ ..] if escape(after).is_some() => {
                (escape(after).unwrap_or(b'%'), after.get(2..).unwrap_or_default())
            }
            [byte, after @ ..] => (*byte, after),
            [] => break,
        };
        match unit {
            // Each ends a piece; only behind `%2F` another name begins.
            b'/' | b';' | b'?' | b'#' => {
                if piece.is_dots() {
                    return Err(NotCanonical::DotSegment(start));
                }
                piece = if unit == b'/' { Piece::Dots(0) } else { Piece::Other };
            }
            b'.' => piece = piece.with_dot(),
            b' ' => {}
            _ => piece = Piece::Other,
        }
        rest = after;
    }
    if piece.is_dots() { Err(NotCanonical::DotSegment(start)) } else { Ok(()) }
}

/// What a piece of a segment has consisted of so far.
#[derive(Clone, Copy)]
enum Piece {
    Dots(u8),
    Other,
}

impl Piece {
    const fn with_dot(self) -> Self {
        match self {
            Self::Dots(n) if n < 2 => Self::Dots(n + 1),
            Self::Dots(_) | Self::Other => Self::Other,
        }
    }

    const fn is_dots(self) -> bool {
        matches!(self, Self::Dots(1 | 2))
    }
}

fn segment_end(path: &[u8], from: usize) -> usize {
    path.iter().skip(from).position(|&b| b == b'/').map_or(path.len(), |n| from + n)
}

fn escape_at_start(bytes: Option<&[u8]>) -> bool {
    bytes.is_some_and(|b| escape(b).is_some())
}

/// The byte that the two hexadecimal digits at the start of `bytes` stand for.
fn escape(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [high, low, ..] => hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l),
        _ => None,
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn decodes_to_utf8(path: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape(after)) {
            (b'%', Some(unit)) => {
                decoded.push(unit);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => decoded.push(byte),
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}
