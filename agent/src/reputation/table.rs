//! How bans lie in stick tables: `cs_verdict` by address, `cs_verdict_subject` by subject, and, taught to
//! agents alone, `cs_verdict_session` by log-in; each with `gpt(2)`: the action and its end.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;
use haproxy_wire::peers::{
    BadParameters, DataType, Elements, Entry, Key, KeyLength, KeyType, Parameters, Schema, Value,
};

/// The longest subject or session, in bytes: what the shipped files give the tables' keys.
const LONGEST_NAME: u16 = 255;
/// `expire` of the tables in the shipped files.
const EXPIRE: Duration = Duration::from_secs(super::signal::LONGEST_BAN);

/// One of the tables that bans are taught in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictTable {
    /// By address: IPv4 as `::ffff:a.b.c.d`, IPv6 by /64.
    Addresses,
    /// By who is signed in.
    Subjects,
    /// By the log-in that they are known by: HAProxy has no such table, its agents look there.
    Sessions,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taught {
    /// What is done; nothing where a ban was lifted.
    pub action: Option<Action>,
    /// Until when.
    pub until: UnixSeconds,
}

impl VerdictTable {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Addresses, Self::Subjects, Self::Sessions];

    /// The table that a client is in, and its key there.
    #[must_use]
    pub fn of(client: &ClientKey) -> (Self, Key<'_>) {
        match client {
            ClientKey::Ipv4(address) => (Self::Addresses, Key::Ipv6(address.to_ipv6_mapped())),
            ClientKey::Ipv6Network([a, b, c, d, e, f, g, h]) => {
                let network = [*a, *b, *c, *d, *e, *f, *g, *h, 0, 0, 0, 0, 0, 0, 0, 0];
                (Self::Addresses, Key::Ipv6(Ipv6Addr::from(network)))
            }
            ClientKey::Subject(subject) => (Self::Subjects, Key::String(subject.as_str().as_bytes())),
            ClientKey::Session(session) => (Self::Sessions, Key::String(session.as_str().as_bytes())),
        }
    }

    /// The client of a key of this table; `None` for keys that no client has.
    #[must_use]
    pub fn client(self, key: &Key<'_>) -> Option<ClientKey> {
        match (self, key) {
            (Self::Sessions, Key::String(text)) => {
                std::str::from_utf8(text).ok()?.parse().ok().map(ClientKey::Session)
            }
            (Self::Sessions, _) => None,
            (Self::Addresses | Self::Subjects, key) => client_of(key),
        }
    }

    /// Its name on the wire: a table that a `peers` section declares has a leading slash.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Addresses => b"/cs_verdict",
            Self::Subjects => b"/cs_verdict_subject",
            Self::Sessions => b"/cs_verdict_session",
        }
    }

    /// The table of a name on the wire.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What its entries look like.
    ///
    /// # Errors
    /// None in fact: the parameters are constant.
    pub fn schema(self) -> Result<Schema, BadParameters> {
        let key = match self {
            Self::Addresses => KeyType::Ipv6,
            Self::Subjects | Self::Sessions => {
                KeyType::String(KeyLength::new(LONGEST_NAME).ok_or(BadParameters(DataType::Gpt))?)
            }
        };
        let two = Elements::new(2).ok_or(BadParameters(DataType::Gpt))?;
        Schema::new(key, EXPIRE).with(DataType::Gpt, Parameters::Elements(two))
    }
}

impl Taught {
    /// The values of an entry. HAProxy's rules read them, so 0 is no action, and then as
    /// [`Action`] has them from `observe` to `block`.
    #[must_use]
    pub fn values(self) -> [Value<'static>; 2] {
        let until = u32::try_from(self.until.0).unwrap_or(u32::MAX);
        [Value::Unsigned(number_of(self.action)), Value::Unsigned(until)]
    }

    /// Reads an entry; `None` where it is not one of these.
    #[must_use]
    pub fn read(entry: &Entry<'_>) -> Option<Self> {
        let mut values = entry.values().filter(|datum| datum.data_type == DataType::Gpt);
        let (Value::Unsigned(action), Value::Unsigned(until)) = (values.next()?.value, values.next()?.value)
        else {
            return None;
        };
        let action = if action == 0 { None } else { Some(action_of(action)?) };
        Some(Self { action, until: UnixSeconds(until.into()) })
    }
}

const fn number_of(action: Option<Action>) -> u32 {
    match action {
        None => 0,
        Some(Action::Observe) => 1,
        Some(Action::RequireIdentity) => 2,
        Some(Action::Throttle) => 3,
        Some(Action::Block) => 4,
    }
}

/// The action of a number, as tables and the SPOE argument `listed` have it.
#[must_use]
pub const fn action_of(number: u32) -> Option<Action> {
    match number {
        1 => Some(Action::Observe),
        2 => Some(Action::RequireIdentity),
        3 => Some(Action::Throttle),
        4 => Some(Action::Block),
        _ => None,
    }
}

/// The client of a key in a table of addresses or subjects; `None` for keys that no client has.
#[must_use]
pub fn client_of(key: &Key<'_>) -> Option<ClientKey> {
    match key {
        Key::Ipv4(address) => Some(ClientKey::of_address(IpAddr::V4(*address))),
        Key::Ipv6(address) => Some(ClientKey::of_address(IpAddr::V6(*address))),
        Key::String(text) => std::str::from_utf8(text).ok()?.parse().ok().map(ClientKey::Subject),
        Key::Integer(_) | Key::Binary(_) => None,
    }
}
