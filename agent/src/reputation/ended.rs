//! Log-ins that are over, as HAProxy's table `cs_ended` tells of them: by `session:ID`, how often each was ended.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;
use haproxy_wire::peers::{DataType, Entry, Key, Lifetime, Value};
use serde::{Deserialize, Serialize};

use super::signal::LONGEST_BAN;

/// The table's name on the wire.
pub const TABLE: &[u8] = b"/cs_ended";

/// What is remembered beyond the life of an entry, in seconds: clocks differ, and an entry may be told late.
const SLACK: u64 = 3600;

/// How often nodes said that one log-in is over: what they say again is no news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    counts: BTreeMap<String, u32>,
    /// No entry that was counted lives any more.
    forgotten: UnixSeconds,
}

/// One entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The log-in.
    pub client: ClientKey,
    /// How often it was ended there.
    pub count: u32,
    /// For how long the entry lives, in seconds.
    pub lives: u64,
}

impl Told {
    /// Reads an entry; `None` for one that says of no log-in that it is over.
    #[must_use]
    pub fn read(entry: &Entry<'_>, lifetime: Lifetime) -> Option<Self> {
        let Key::String(text) = entry.key() else { return None };
        let client: ClientKey = std::str::from_utf8(text).ok()?.parse().ok()?;
        let Some(Value::Unsigned(count)) = entry.value(DataType::Gpc0) else { return None };
        let lives = match lifetime {
            Lifetime::Forever => LONGEST_BAN,
            Lifetime::For(Duration::ZERO) => return None,
            Lifetime::For(left) => left.as_secs().min(LONGEST_BAN),
        };
        matches!(client, ClientKey::Session(_))
            .then_some(Self { client, count, lives })
            .filter(|told| told.count > 0)
    }
}

impl Default for Ended {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), forgotten: UnixSeconds(0) }
    }
}

impl Ended {
    /// Takes what a node tells. Gives whether it is news: a count that grew, or one that began anew, since
    /// the node lost its table.
    pub fn hear(&mut self, node: &str, told: &Told, now: UnixSeconds) -> bool {
        if self.counts.get(node) == Some(&told.count) {
            return false;
        }
        self.counts.insert(node.to_owned(), told.count);
        self.forgotten = self.forgotten.max(now.plus(told.lives.saturating_add(SLACK)));
        true
    }

    /// Whether something of it is still to be told again.
    #[must_use]
    pub fn lives(&self, now: UnixSeconds) -> bool {
        self.forgotten > now
    }
}
