//! The three lines that open a session (peers.txt, "Handshake").

use super::error::{DecodeError, Expected, HelloError, Item};
use super::line;
use super::version::{Version, number};
use bytes::{BufMut, BytesMut};
use std::borrow::Borrow;
use std::fmt::{self, Write};

/// Longest name of a peer in bytes; HAProxy's default is the host's name.
pub const MAX_PEER_NAME: usize = 255;
/// What every hello begins with.
const PROTOCOL: &[u8] = b"HAProxyS ";
/// Longest line in bytes with its end: a name and two numbers.
const MAX_LINE: usize = MAX_PEER_NAME + 24;

/// The name of a peer as a `peers` section has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Box<str>);

impl PeerName {
    /// Takes a name of 1 to [`MAX_PEER_NAME`] bytes without blanks and control bytes.
    pub fn new(name: &str) -> Result<Self, BadPeerName> {
        if is_name(name) { Ok(Self(name.into())) } else { Err(BadPeerName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for PeerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that no peer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer name is not usable: expected 1 to {MAX_PEER_NAME} bytes without blanks and control bytes")]
pub struct BadPeerName;

fn is_name(name: &str) -> bool {
    let clean = |character: char| !character.is_whitespace() && !character.is_control();
    (1..=MAX_PEER_NAME).contains(&name.len()) && name.chars().all(clean)
}

/// Who opens a session with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The name of the peer that is spoken to.
    pub to: &'a str,
    /// The name of the peer that speaks.
    pub from: &'a str,
    /// The process that speaks.
    pub process: u32,
    /// Its number among the processes of one HAProxy.
    pub relative_process: u32,
}

impl<'a> Hello<'a> {
    /// Decodes a hello of [`Version::CURRENT`]; gives it and the bytes after it.
    ///
    /// Another version is told as soon as the first line is whole, since what follows may differ.
    pub fn decode(input: &'a [u8]) -> Result<(Self, &'a [u8]), HelloError> {
        let same = input.iter().zip(PROTOCOL).take_while(|(byte, expected)| byte == expected).count();
        if same < PROTOCOL.len().min(input.len()) {
            return Err(invalid(same, Expected::Protocol).into());
        }
        let (first, rest) = line::split(input, MAX_LINE, Item::Line)?;
        let version = first.get(PROTOCOL.len()..).and_then(|text| std::str::from_utf8(text).ok());
        let version =
            version.and_then(Version::parse).ok_or_else(|| invalid(PROTOCOL.len(), Expected::Version))?;
        if version != Version::CURRENT {
            return Err(HelloError::Version(version));
        }
        let at = input.len() - rest.len();
        let (to, rest) = line::split(rest, MAX_LINE, Item::Line)?;
        let to = name(to).ok_or_else(|| invalid(at, Expected::PeerName))?;
        let at = input.len() - rest.len();
        let (last, rest) = line::split(rest, MAX_LINE, Item::Line)?;
        let mut words = last.split(|byte| *byte == b' ');
        let from = words.next().and_then(name).ok_or_else(|| invalid(at, Expected::PeerName))?;
        let mut process = || {
            let text = words.next().and_then(|word| std::str::from_utf8(word).ok());
            let number = text.filter(|text| !text.is_empty()).and_then(number);
            number.ok_or_else(|| invalid(at + from.len(), Expected::ProcessNumber))
        };
        let (process, relative_process) = (process()?, process()?);
        if words.next().is_some() {
            return Err(invalid(at + from.len(), Expected::LineEnd).into());
        }
        Ok((Self { to, from, process, relative_process }, rest))
    }

    /// Appends the hello.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(PROTOCOL);
        let Self { to, from, process, relative_process } = self;
        let lines = write!(out, "{}\n{to}\n{from} {process} {relative_process}\n", Version::CURRENT);
        // A growing buffer takes everything.
        debug_assert!(lines.is_ok());
    }
}

fn name(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|name| is_name(name))
}

fn invalid(offset: usize, expected: Expected) -> DecodeError {
    DecodeError::Invalid { offset, expected }
}
