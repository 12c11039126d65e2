//! The HAProxy versions that are tested, and where each comes from.

use std::str::FromStr;

use crate::fault::Fault;

/// One HAProxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Debian 12's.
    V2_6,
    /// Debian 13's.
    V3_0,
    /// Debian sid's; its SPOP engine was rewritten in 3.1.
    V3_2,
}

impl Version {
    /// As the harness and the command line name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V2_6 => "2.6",
            Self::V3_0 => "3.0",
            Self::V3_2 => "3.2",
        }
    }

    /// The Debian release that has it.
    pub(crate) fn release(self) -> &'static str {
        match self {
            Self::V2_6 => "bookworm",
            Self::V3_0 => "trixie",
            Self::V3_2 => "sid",
        }
    }
}

impl FromStr for Version {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        match name {
            "2.6" => Ok(Self::V2_6),
            "3.0" => Ok(Self::V3_0),
            "3.2" => Ok(Self::V3_2),
            other => Err(Fault::UnknownVersion(other.to_owned())),
        }
    }
}
