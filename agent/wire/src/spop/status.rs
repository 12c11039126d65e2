//! The status codes of a disconnect (SPOE.txt section 3.5).

use std::fmt;

/// Why a side closes the connection: all codes that the document assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0: no error.
    Normal,
    /// 1: I/O error.
    Io,
    /// 2: a timeout occurred.
    Timeout,
    /// 3: a frame is too big.
    TooBig,
    /// 4: an invalid frame was received.
    Invalid,
    /// 5: the version was not found in HELLO.
    NoVersion,
    /// 6: max-frame-size was not found in HELLO.
    NoMaxFrameSize,
    /// 7: the capabilities were not found in HELLO.
    NoCapabilities,
    /// 8: unsupported version.
    BadVersion,
    /// 9: max-frame-size is too big or too small.
    BadFrameSize,
    /// 10: fragmentation of a payload is not supported.
    FragmentationNotSupported,
    /// 11: invalid interlaced frames.
    InterlacedFrames,
    /// 12: the frame identifier matches no referenced frame.
    FrameIdNotFound,
    /// 13: a resource could not be allocated.
    Resource,
    /// 99: an unknown error.
    Unknown,
}

impl Status {
    /// Every status, in the order of codes.
    pub const ALL: [Self; 15] = [
        Self::Normal,
        Self::Io,
        Self::Timeout,
        Self::TooBig,
        Self::Invalid,
        Self::NoVersion,
        Self::NoMaxFrameSize,
        Self::NoCapabilities,
        Self::BadVersion,
        Self::BadFrameSize,
        Self::FragmentationNotSupported,
        Self::InterlacedFrames,
        Self::FrameIdNotFound,
        Self::Resource,
        Self::Unknown,
    ];

    /// The code on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Normal => 0,
            Self::Io => 1,
            Self::Timeout => 2,
            Self::TooBig => 3,
            Self::Invalid => 4,
            Self::NoVersion => 5,
            Self::NoMaxFrameSize => 6,
            Self::NoCapabilities => 7,
            Self::BadVersion => 8,
            Self::BadFrameSize => 9,
            Self::FragmentationNotSupported => 10,
            Self::InterlacedFrames => 11,
            Self::FrameIdNotFound => 12,
            Self::Resource => 13,
            Self::Unknown => 99,
        }
    }

    /// The status of a code; nothing for a code that the document leaves to agents.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// What the code means, in our words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Normal => "normal end",
            Self::Io => "i/o error",
            Self::Timeout => "timed out",
            Self::TooBig => "frame is too big",
            Self::Invalid => "frame is invalid",
            Self::NoVersion => "no version in hello",
            Self::NoMaxFrameSize => "no max-frame-size in hello",
            Self::NoCapabilities => "no capabilities in hello",
            Self::BadVersion => "version is not supported",
            Self::BadFrameSize => "max-frame-size is out of range",
            Self::FragmentationNotSupported => "fragmentation is not supported",
            Self::InterlacedFrames => "frames are interlaced",
            Self::FrameIdNotFound => "frame identifier matches no frame",
            Self::Resource => "out of resources or not ready",
            Self::Unknown => "unknown error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_map_both_ways_and_the_rest_is_unassigned() {
        for code in 0..=300 {
            let status = Status::from_code(code);
            assert_eq!(status.is_some(), code <= 13 || code == 99, "{code}");
            assert!(status.is_none_or(|status| status.code() == code));
        }
    }
}
