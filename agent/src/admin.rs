//! What is said over the admin socket: one line of JSON a request; lines of JSON in answer, the last one
//! [`Reply::Done`] or [`Reply::Failed`].

use std::collections::BTreeMap;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::reputation::bans::{Ban, State};
use crate::reputation::guard::Hold;

/// The longest line of a request, in bytes.
pub const LONGEST_REQUEST: u64 = 64 * 1024;

/// What is asked of the publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// All bans: a [`Reply::Ban`] for each.
    BansList {},
    /// How one client stands: a [`Reply::Explanation`].
    BansExplain {
        /// Whom.
        client: ClientKey,
    },
    /// Bans a client.
    BansAdd {
        /// Whom.
        client: ClientKey,
        /// What is done.
        action: Action,
        /// Until when.
        until: UnixSeconds,
        /// Why, in the operator's words.
        reason: String,
    },
    /// Lifts the ban of a client and pardons it: a [`Reply::Lifted`].
    BansRemove {
        /// Whose.
        client: ClientKey,
    },
    /// Does what is held, and holds nothing more for a time: a [`Reply::Approved`].
    BansApprove {},
    /// Every peer: a [`Reply::Peer`] for each.
    PeersStatus {},
    /// What the nodes' tables hold: a [`Reply::Table`], then a [`Reply::Entry`] for each of its entries.
    PeersDump {
        /// Of this node only.
        node: Option<String>,
        /// Of this table only.
        table: Option<String>,
    },
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A client and its ban.
    Ban(Banned),
    /// How a client stands.
    Explanation(Explanation),
    /// The ban that was lifted, and until when no signal acts.
    Lifted {
        /// The ban.
        ban: Ban,
        /// The end of the pardon.
        pardoned_until: UnixSeconds,
    },
    /// What was held is done.
    Approved {
        /// How many clients were banned.
        banned: usize,
    },
    /// Bans by signals wait for a person.
    Held {
        /// Why.
        hold: Hold,
        /// How many clients wait.
        clients: usize,
    },
    /// How things stand with the edge's store.
    Edge(EdgeStatus),
    /// A peer.
    Peer(PeerStatus),
    /// A table whose entries follow.
    Table {
        /// The node that holds it.
        node: String,
        /// Its name.
        table: String,
        /// The type of its keys.
        key: String,
        /// What it stores.
        store: Vec<String>,
        /// How many entries are held.
        entries: usize,
    },
    /// An entry of a table.
    Entry {
        /// Its key.
        key: String,
        /// How long it lives, in milliseconds; `None` is for ever.
        expires_millis: Option<u64>,
        /// Its values by name; rates as events of one period that ends now.
        values: BTreeMap<String, u64>,
    },
    /// All is said.
    Done,
    /// It can't be done.
    Failed {
        /// Why, and what was expected.
        message: String,
    },
}

/// A client and its ban, as `bans list` prints and `bans export` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// Who.
    pub client: ClientKey,
    /// The ban.
    #[serde(flatten)]
    pub ban: Ban,
}

/// How a client stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who.
    pub client: ClientKey,
    /// A ban or a pardon that holds.
    pub state: Option<State>,
    /// What the nodes count of it now, by signal.
    pub counts: Vec<SignalCounts>,
    /// How things stand with the edge's store, where there is one.
    pub edge: Option<EdgeStatus>,
}

/// How things stand with the edge's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// The list's generation that the store holds whole.
    pub generation: Option<u64>,
    /// Since when.
    pub since: Option<UnixSeconds>,
    /// By when every place reads it; `None` while changes wait to be written.
    pub everywhere: Option<UnixSeconds>,
    /// How many clients are listed.
    pub listed: usize,
    /// How many found no room.
    pub left_out: usize,
    /// Calls that wrote in the last hour.
    pub writes: usize,
    /// What is wrong, if something is.
    pub fault: Option<String>,
}

/// What the nodes count of a client for one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCounts {
    /// The signal.
    pub signal: String,
    /// Its table.
    pub table: String,
    /// Its value.
    pub value: String,
    /// Its threshold.
    pub over: u64,
    /// By node.
    pub nodes: BTreeMap<String, u64>,
}

/// How things stand with one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// What it is: `node` or `agent`.
    pub kind: String,
    /// Since when it is connected.
    pub connected_since: Option<UnixSeconds>,
    /// Entries that it told since then.
    pub heard: u64,
    /// When it last told all that it held, if it did since then.
    pub told_all: Option<ToldAll>,
    /// Bans and pardons that it was taught since then.
    pub taught: u64,
    /// Whether it has taken all that it was taught.
    pub acknowledged: bool,
    /// What is wrong, if something is.
    pub faults: Vec<String>,
}

/// A peer told all that it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAll {
    /// When it was over.
    pub at: UnixSeconds,
    /// How long it took, from our request on, in milliseconds.
    pub took_millis: u64,
}
