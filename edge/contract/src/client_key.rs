//! Whom the list speaks of: a client, made canonical in one place.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::name::Subject;

/// A typed key of one client. The same client has the same key at the agent, in every HAProxy and
/// at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// One IPv6 /64: what one customer is given, and may roam in.
    Ipv6Network([u8; 8]),
    /// Who is signed in, whatever their address.
    Subject(Subject),
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
            Self::Subject(subject) => write!(f, "subject {subject}"),
        }
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
    fn keys_of_two_types_never_share_their_bytes() {
        let subject = ClientKey::Subject("\u{c0}".parse().unwrap());
        assert_ne!(subject.to_bytes(), key("192.0.2.7").to_bytes());
        assert_eq!(key("192.0.2.7").to_bytes(), [b'4', 192, 0, 2, 7]);
    }
}
