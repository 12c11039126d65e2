//! What must not happen because of a list: the worst outage is the one that we would make.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A range of addresses, as `192.0.2.0/24` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Range {
    first: IpAddr,
    length: u8,
}

/// Text that is no range.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a range of addresses: expected one as `192.0.2.0/24`, `2001:db8::/32` or a single address"
)]
pub struct NotARange(String);

impl FromStr for Range {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let fault = || NotARange(text.to_owned());
        let (first, length) = match text.split_once('/') {
            Some((first, length)) => (first, Some(length.parse::<u8>().map_err(|_| fault())?)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| fault())?;
        // A client is never IPv4-mapped: such a range would be of nobody.
        if first.to_canonical() != first {
            return Err(fault());
        }
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(longest);
        if length > longest { Err(fault()) } else { Ok(Self { first, length }) }
    }
}

impl TryFrom<String> for Range {
    type Error = NotARange;

    fn try_from(text: String) -> Result<Self, NotARange> {
        text.parse()
    }
}

impl Range {
    /// Whether a client has any address of this range.
    #[must_use]
    pub fn touches(&self, client: &ClientKey) -> bool {
        match (self.first, client) {
            (IpAddr::V4(first), ClientKey::Ipv4(address)) => {
                same(first.to_bits().into(), address.to_bits().into(), 32, self.length)
            }
            (IpAddr::V6(first), ClientKey::Ipv6Network([a, b, c, d, e, f, g, h])) => {
                let network = Ipv6Addr::from([*a, *b, *c, *d, *e, *f, *g, *h, 0, 0, 0, 0, 0, 0, 0, 0]);
                // A /64 has addresses of every longer prefix that begins with it.
                same(first.to_bits(), network.to_bits(), 128, self.length.min(64))
            }
            _ => false,
        }
    }
}

const fn same(one: u128, other: u128, width: u8, length: u8) -> bool {
    length == 0 || (one ^ other) >> (width - length) == 0
}

/// Addresses that no client on the internet has (IANA's registries of special-purpose addresses).
const RESERVED: [(IpAddr, u8); 10] = [
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

/// Fastly's own ranges (its public list of addresses, November 2026; `guard.never` takes more).
const FASTLY: [&str; 21] = [
    "23.235.32.0/20",
    "43.249.72.0/22",
    "103.244.50.0/24",
    "103.245.222.0/23",
    "103.245.224.0/24",
    "104.156.80.0/20",
    "140.248.64.0/18",
    "140.248.128.0/17",
    "146.75.0.0/17",
    "151.101.0.0/16",
    "157.52.64.0/18",
    "167.82.0.0/17",
    "167.82.128.0/20",
    "167.82.160.0/20",
    "167.82.224.0/20",
    "172.111.64.0/18",
    "185.31.16.0/22",
    "199.27.72.0/21",
    "199.232.0.0/16",
    "2a04:4e40::/32",
    "2a04:4e42::/32",
];

/// What the guard is set to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Ranges that no signal and no person bans: offices, monitoring.
    pub never: Vec<Range>,
    /// Whether addresses that no client on the internet has may be banned; for a site on a private network.
    pub reserved: Reserved,
    /// The largest share of the clients seen lately that signals may ban, in percent.
    pub most_percent: u8,
    /// Fewer clients than this are never too large a share.
    pub from_clients: usize,
    /// The most bans by signals in a minute.
    pub most_a_minute: usize,
    /// For how long an approval holds, in seconds.
    pub approval_seconds: u64,
}

/// Whether reserved addresses may be banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reserved {
    /// They may not.
    Never,
    /// They are as others.
    AsOthers,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            never: Vec::new(),
            reserved: Reserved::Never,
            most_percent: 20,
            from_clients: 10,
            most_a_minute: 1000,
            approval_seconds: 3600,
        }
    }
}

/// Why a client is never banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NeverBanned {
    /// It is in a range of `guard.never`.
    #[error("it is in a range of `guard.never`")]
    Listed,
    /// It has an address of Fastly.
    #[error("it has an address of Fastly: expected a client's")]
    Fastly,
    /// It has an address that no client on the internet has.
    #[error(
        "it has an address that no client on the internet has; `guard.reserved = \"as-others\"` lets it be banned"
    )]
    Reserved,
}

/// Why bans by signals are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Too large a share of the clients seen lately would be banned.
    Share {
        /// Clients that offend, or are half way there.
        suspects: usize,
        /// Clients seen lately.
        seen: usize,
    },
    /// Too many in a minute.
    Growth {
        /// Bans in the last minute.
        bans: usize,
    },
}

impl Guard {
    /// Whether a client may be banned.
    ///
    /// # Errors
    /// [`NeverBanned`] says why not.
    pub fn may_ban(&self, client: &ClientKey) -> Result<(), NeverBanned> {
        if self.never.iter().any(|range| range.touches(client)) {
            return Err(NeverBanned::Listed);
        }
        let fastly = FASTLY.iter().filter_map(|text| text.parse::<Range>().ok());
        if fastly.into_iter().any(|range| range.touches(client)) {
            return Err(NeverBanned::Fastly);
        }
        let mut reserved = RESERVED.iter().map(|(first, length)| Range { first: *first, length: *length });
        if self.reserved == Reserved::Never && reserved.any(|range| range.touches(client)) {
            return Err(NeverBanned::Reserved);
        }
        Ok(())
    }

    /// Whether so many suspects among so many clients are more than is believed without a person.
    #[must_use]
    pub fn share(&self, suspects: usize, seen: usize) -> Option<Hold> {
        let limit = seen.saturating_mul(usize::from(self.most_percent)) / 100;
        (suspects >= self.from_clients && suspects > limit).then_some(Hold::Share { suspects, seen })
    }
}

/// How fast bans by signals come.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    minute: u64,
    bans: usize,
}

impl Growth {
    /// Counts one more; gives why it is held where it is too many.
    pub const fn one_more(&mut self, guard: &Guard, now: UnixSeconds) -> Option<Hold> {
        let minute = now.0 / 60;
        if minute != self.minute {
            (self.minute, self.bans) = (minute, 0);
        }
        self.bans += 1;
        if self.bans > guard.most_a_minute { Some(Hold::Growth { bans: self.bans }) } else { None }
    }
}
