//! Whom the list speaks of: a client, made canonical in one place.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::{NotAName, SessionId, Subject, shown};

/// What stands before a subject in text, so that no subject can be taken for an address.
const SUBJECT: &str = "subject:";
/// The same of a session.
const SESSION: &str = "session:";

/// A typed key of one client. The same client has the same key at the agent, in every HAProxy and
/// at the edge.
///
/// As text: `192.0.2.7`, `2001:db8:1:2::/64`, `subject:ann`, `session:08a5`. Any address of a /64 is read as that
/// /64, an IPv4-mapped one as the IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ClientKey {
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// One IPv6 /64: what one customer is given, and may roam in.
    Ipv6Network([u8; 8]),
    /// Who is signed in, whatever their address.
    Subject(Subject),
    /// One log-in of somebody.
    Session(SessionId),
}

impl ClientKey {
    /// The key of an address: IPv4 as it is, IPv6 by /64, IPv4-mapped IPv6 (`::ffff:a.b.c.d`,
    /// RFC 4291 section 2.5.5.2) as the IPv4 address that it is.
    #[must_use]
    pub const fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::Ipv4(v4),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::Ipv6Network([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// The key as bytes: a tag of its type, then its content. Keys of two types never collide.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let tagged = |tag: u8, content: &[u8]| {
            let mut bytes = Vec::with_capacity(content.len() + 1);
            bytes.push(tag);
            bytes.extend_from_slice(content);
            bytes
        };
        match self {
            Self::Ipv4(v4) => tagged(b'4', &v4.octets()),
            Self::Ipv6Network(network) => tagged(b'6', network),
            Self::Subject(subject) => tagged(b's', subject.as_str().as_bytes()),
            Self::Session(session) => tagged(b't', session.as_str().as_bytes()),
        }
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(v4) => v4.fmt(f),
            Self::Ipv6Network([a, b, c, d, e, g, h, i]) => {
                let v6 = Ipv6Addr::from([*a, *b, *c, *d, *e, *g, *h, *i, 0, 0, 0, 0, 0, 0, 0, 0]);
                write!(f, "{v6}/64")
            }
            Self::Subject(subject) => write!(f, "{SUBJECT}{subject}"),
            Self::Session(session) => write!(f, "{SESSION}{session}"),
        }
    }
}

/// Text that names no client.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotAClient {
    /// Neither an address nor a subject.
    #[error("`{0}` is not a client: expected an address, an IPv6 /64, `subject:NAME` or `session:ID`")]
    Unknown(String),
    /// A prefix that is not what one client has.
    #[error("`{0}` is not one client: expected one IPv4 address, or an IPv6 prefix of /64")]
    Prefix(String),
    /// A subject or a session that can't be.
    #[error(transparent)]
    Name(#[from] NotAName),
}

impl FromStr for ClientKey {
    type Err = NotAClient;

    fn from_str(text: &str) -> Result<Self, NotAClient> {
        if let Some(subject) = text.strip_prefix(SUBJECT) {
            return Ok(Self::Subject(subject.parse()?));
        }
        if let Some(session) = text.strip_prefix(SESSION) {
            return Ok(Self::Session(session.parse()?));
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let key = address.parse().map(Self::of_address).map_err(|_| NotAClient::Unknown(shown(text)))?;
        match (&key, length) {
            (_, None) | (Self::Ipv4(_), Some("32")) | (Self::Ipv6Network(_), Some("64")) => Ok(key),
            _ => Err(NotAClient::Prefix(shown(text))),
        }
    }
}

impl TryFrom<String> for ClientKey {
    type Error = NotAClient;

    fn try_from(text: String) -> Result<Self, NotAClient> {
        text.parse()
    }
}

impl From<ClientKey> for String {
    fn from(key: ClientKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::ClientKey;

    fn key(address: &str) -> ClientKey {
        ClientKey::of_address(address.parse().unwrap())
    }

    #[test]
    fn one_client_has_one_key() {
        assert_eq!(key("192.0.2.7"), key("::ffff:192.0.2.7"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
        assert_eq!(key("2001:db8:1:2:ffff::9").to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn text_reads_back_as_the_client_that_it_names() {
        for (text, canonical) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
            ("subject:ann", "subject:ann"),
            ("subject:192.0.2.7", "subject:192.0.2.7"),
            ("session:08a5", "session:08a5"),
        ] {
            let key: ClientKey = text.parse().unwrap();
            assert_eq!(key.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(key));
        }
    }

    #[test]
    fn text_that_names_no_client_says_what_was_expected() {
        for text in ["", "ann", "192.0.2", "192.0.2.0/24", "2001:db8::/48", "2001:db8::/640", "subject:"] {
            let message = text.parse::<ClientKey>().unwrap_err().to_string();
            assert!(message.contains("expected"), "{text}: {message}");
        }
    }

    #[test]
    fn keys_of_two_types_never_share_their_bytes() {
        let subject = ClientKey::Subject("\u{c0}".parse().unwrap());
        assert_ne!(subject.to_bytes(), key("192.0.2.7").to_bytes());
        assert_eq!(key("192.0.2.7").to_bytes(), [b'4', 192, 0, 2, 7]);
    }
}
