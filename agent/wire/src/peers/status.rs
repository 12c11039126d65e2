//! The answer to a hello (peers.txt, "Handshake").

use super::error::{DecodeError, Expected, Item};
use super::line;
use bytes::{BufMut, BytesMut};
use std::fmt;

/// Longest status line in bytes, with its end.
const MAX_LINE: usize = 5;

/// How a hello was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200: the session is open.
    Success,
    /// 300: try again later.
    TryAgain,
    /// 501: not a hello.
    ProtocolError,
    /// 502: a version that is not spoken.
    BadVersion,
    /// 503: the hello names somebody else as its receiver.
    LocalNameMismatch,
    /// 504: the hello's sender is not known.
    RemoteNameMismatch,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::TryAgain,
        Self::ProtocolError,
        Self::BadVersion,
        Self::LocalNameMismatch,
        Self::RemoteNameMismatch,
    ];

    /// The code on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::TryAgain => 300,
            Self::ProtocolError => 501,
            Self::BadVersion => 502,
            Self::LocalNameMismatch => 503,
            Self::RemoteNameMismatch => 504,
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "handshake succeeded",
            Self::TryAgain => "try again later",
            Self::ProtocolError => "protocol error",
            Self::BadVersion => "bad version",
            Self::LocalNameMismatch => "local peer name mismatch",
            Self::RemoteNameMismatch => "remote peer name mismatch",
        }
    }

    /// Decodes a status line; gives the status and the bytes after it.
    pub fn decode(input: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count().min(3);
        let known = Self::ALL.into_iter().find(|status| {
            let code = status.code().to_string();
            input.get(..digits).is_some_and(|digits| code.as_bytes().starts_with(digits))
        });
        let Some(status) = known.filter(|_| digits == 3 || digits == input.len()) else {
            return Err(DecodeError::Invalid { offset: 0, expected: Expected::StatusCode });
        };
        let (line, rest) = line::split(input, MAX_LINE, Item::Line)?;
        if line.len() > 3 {
            return Err(DecodeError::Invalid { offset: 3, expected: Expected::LineEnd });
        }
        Ok((status, rest))
    }

    /// Appends the status line.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_slice(self.code().to_string().as_bytes());
        out.put_u8(b'\n');
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.meaning())
    }
}
