//! What all nodes count together: an offence that is spread thinly over them is seen by its sum.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;
use haproxy_wire::peers::{Entry, Key, Lifetime, Schema, Shape};

use super::bans::{BanFault, Change};
use super::guarded::{Crowd, Guarded, Outcome};
use super::heard::{Column, HeardTable, Held};
use super::signal::Signal;
use super::table::{VerdictTable, client_of};

/// The tables of all nodes, and the signals that watch them.
///
/// A node's entry replaces what that node said before under the same key, so nothing is counted
/// twice; each node's word stays until its entry expires, so a node that is away still counts.
#[derive(Debug)]
pub struct Aggregate {
    signals: Vec<Signal>,
    most_entries: u32,
    nodes: Vec<Node>,
    /// By signal: the crowd that was counted last, and when.
    crowds: RefCell<BTreeMap<usize, (Instant, Crowd)>>,
}

/// Tables of one node that are held: several times what the shipped section has.
const MOST_TABLES: usize = 32;
/// How long a count of a whole table holds: it is too dear for every offence of an attack.
const RECOUNT: Duration = Duration::from_secs(1);

/// The number of a node, in the order in which they were named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(pub usize);

/// Two clocks, read together: one for ages, one for ends that are told to others.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Never goes back.
    pub steady: Instant,
    /// The wall clock.
    pub unix: UnixSeconds,
}

#[derive(Debug)]
struct Node {
    name: String,
    tables: Vec<NodeTable>,
    unreadable: bool,
}

#[derive(Debug)]
struct NodeTable {
    name: Box<[u8]>,
    heard: HeardTable,
    watched: Vec<Watch>,
}

/// A signal on a table: which one, and the value that it watches.
#[derive(Clone, Copy, Debug)]
struct Watch {
    signal: usize,
    column: Column,
}

/// What an entry led to.
#[derive(Debug)]
pub struct Consequence {
    /// Who offended.
    pub client: ClientKey,
    /// The signal that saw it, by its place.
    pub signal: usize,
    /// What came of it.
    pub outcome: Result<Outcome, BanFault>,
}

impl Node {
    /// What it counts of a key for a signal.
    fn count(&self, signal: usize, name: &[u8], key: &Key<'_>, now: Instant) -> Option<u64> {
        let table = self.tables.iter().find(|table| *table.name == *name)?;
        let watch = table.watched.iter().find(|watch| watch.signal == signal)?;
        let slot = table.heard.find(key, now)?;
        Some(table.heard.value(slot, watch.column, now))
    }
}

impl Aggregate {
    /// Nothing heard yet of these nodes; each may hold `most_entries` a table here.
    #[must_use]
    pub fn new(signals: Vec<Signal>, nodes: impl IntoIterator<Item = String>, most_entries: u32) -> Self {
        let nodes =
            nodes.into_iter().map(|name| Node { name, tables: Vec::new(), unreadable: false }).collect();
        Self { signals, most_entries, nodes, crowds: RefCell::default() }
    }

    /// The signals.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// A node announces a table. What was held stays as long as the entries look the same.
    /// Gives the signals that ask for a value which the table does not store.
    pub fn announce(&mut self, node: NodeNumber, name: &[u8], schema: &Schema, now: Instant) -> Vec<&Signal> {
        let most = self.most_entries;
        let Some(node) = self.nodes.get_mut(node.0) else { return Vec::new() };
        let at = match node.tables.iter().position(|table| *table.name == *name) {
            Some(at) => at,
            None if node.tables.len() >= MOST_TABLES => {
                node.unreadable = true;
                return Vec::new();
            }
            None => {
                let heard = HeardTable::new(*schema, most, now);
                node.tables.push(NodeTable { name: name.into(), heard, watched: Vec::new() });
                node.tables.len() - 1
            }
        };
        let Some(table) = node.tables.get_mut(at) else { return Vec::new() };
        if table.heard.schema() != schema {
            table.heard = HeardTable::new(*schema, most, now);
        }
        table.watched.clear();
        let mut unseen = Vec::new();
        for (number, signal) in self.signals.iter().enumerate() {
            if signal.table.as_bytes() != plain(name) {
                continue;
            }
            match table.heard.column(signal.value.data_type, signal.value.index) {
                Some(column) => table.watched.push(Watch { signal: number, column }),
                None => unseen.push(signal),
            }
        }
        unseen
    }

    /// A node announces a table whose entries can't be read.
    pub fn announce_unreadable(&mut self, node: NodeNumber) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.unreadable = true;
        }
    }

    /// Whether all that a node told is held.
    #[must_use]
    pub fn is_whole(&self, node: NodeNumber) -> bool {
        let whole = |node: &Node| !node.unreadable && node.tables.iter().all(|table| table.heard.is_whole());
        self.nodes.get(node.0).is_none_or(whole)
    }

    /// A node says what it counts under a key. Gives what came of it where that is an offence.
    pub fn hear(
        &mut self,
        node: NodeNumber,
        name: &[u8],
        entry: &Entry<'_>,
        lifetime: Lifetime,
        bans: &mut Guarded,
        now: Moment,
    ) -> Option<Consequence> {
        let of_node = self.nodes.get_mut(node.0)?;
        let at = of_node.tables.iter().position(|table| *table.name == *name)?;
        let table = of_node.tables.get_mut(at)?;
        let slot = table.heard.put(entry, lifetime, now.steady)?;
        let table = self.nodes.get(node.0)?.tables.get(at)?;
        let mut consequence = None;
        for watch in &table.watched {
            let own = table.heard.value(slot, watch.column, now.steady);
            if own == 0 {
                continue;
            }
            let judged = self.judge(watch.signal, (node, own), name, &entry.key(), bans, now);
            let banned =
                judged.as_ref().is_some_and(|judged| judged.outcome == Ok(Outcome::Done(Change::Banned)));
            consequence = judged.or(consequence);
            if banned {
                break;
            }
        }
        consequence
    }

    /// What comes of a count that a node told just now.
    fn judge(
        &self,
        number: usize,
        (node, own): (NodeNumber, u64),
        name: &[u8],
        key: &Key<'_>,
        bans: &mut Guarded,
        now: Moment,
    ) -> Option<Consequence> {
        let signal = self.signals.get(number)?;
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != node.0);
        let others = others.filter_map(|(_, node)| node.count(number, name, key, now.steady));
        // Nearly every entry of a whole table ends here.
        let total = others.fold(own, u64::saturating_add);
        if total <= signal.over {
            return None;
        }
        let client = client_of(key)?;
        if signal.value.data_type.shape() != Shape::Rate {
            // A counter only grows: what was counted at the last offence is no new one. One that is
            // smaller than then began anew.
            let before = bans.bans().counted_at_last(&client, &signal.name);
            if total.checked_sub(before).unwrap_or(total) <= signal.over {
                return None;
            }
        }
        let counts = self.counts(number, name, key, now.steady);
        let counts = counts.into_iter().map(|(node, count)| (node.to_owned(), count)).collect();
        let crowd = || self.crowd(number, name, now.steady);
        let outcome = bans.offend(&client, signal, counts, crowd, now.unix);
        let nothing = outcome == Ok(Outcome::Done(Change::None));
        (!nothing).then_some(Consequence { client, signal: number, outcome })
    }

    /// How many clients a table has seen lately, and how many of them are at least half way to an offence,
    /// where it is spread evenly: by the node that has the most.
    fn crowd(&self, signal: usize, name: &[u8], now: Instant) -> Crowd {
        let counted = self.crowds.borrow().get(&signal).copied();
        if let Some((_, crowd)) = counted.filter(|(at, _)| now.saturating_duration_since(*at) < RECOUNT) {
            return crowd;
        }
        let crowd = self.count_crowd(signal, name, now);
        self.crowds.borrow_mut().insert(signal, (now, crowd));
        crowd
    }

    fn count_crowd(&self, signal: usize, name: &[u8], now: Instant) -> Crowd {
        let over = self.signals.get(signal).map_or(u64::MAX, |signal| signal.over);
        let half = over / (2 * u64::try_from(self.nodes.len()).unwrap_or(u64::MAX).max(1));
        let mut crowd = Crowd { suspects: 0, seen: 0 };
        for node in &self.nodes {
            let Some(table) = node.tables.iter().find(|table| *table.name == *name) else { continue };
            let Some(watch) = table.watched.iter().find(|watch| watch.signal == signal) else { continue };
            let (seen, suspects) = table.heard.count(watch.column, half, now);
            (crowd.seen, crowd.suspects) = (crowd.seen.max(seen), crowd.suspects.max(suspects));
        }
        crowd
    }

    /// What each node counts of a key for a signal; nodes that count nothing are left out.
    fn counts(&self, signal: usize, name: &[u8], key: &Key<'_>, now: Instant) -> BTreeMap<&str, u64> {
        let count = |node: &Node| node.count(signal, name, key, now).filter(|count| *count > 0);
        self.nodes.iter().filter_map(|node| Some((node.name.as_str(), count(node)?))).collect()
    }

    /// What each node counts of a client now, by signal.
    #[must_use]
    pub fn counts_of(&self, client: &ClientKey, now: Instant) -> Vec<(&Signal, BTreeMap<&str, u64>)> {
        let (VerdictTable::Addresses | VerdictTable::Subjects, key) = VerdictTable::of(client) else {
            return Vec::new();
        };
        self.signals
            .iter()
            .enumerate()
            .map(|(number, signal)| {
                (signal, self.counts(number, format!("/{}", signal.table).as_bytes(), &key, now))
            })
            .filter(|(_, counts)| !counts.is_empty())
            .collect()
    }

    /// The tables of a node: name, what entries look like, how many are held.
    pub fn tables(&self, node: NodeNumber) -> impl Iterator<Item = (&[u8], &Schema, usize)> {
        let tables = self.nodes.get(node.0).map(|node| node.tables.as_slice()).unwrap_or_default();
        tables.iter().map(|table| (&*table.name, table.heard.schema(), table.heard.len()))
    }

    /// The first entry from a place on of a node's table, and the place after it. The first place is 0.
    #[must_use]
    pub fn next_entry(
        &self,
        node: NodeNumber,
        table: &[u8],
        place: u32,
        now: Instant,
    ) -> Option<(u32, Held<'_>)> {
        let node = self.nodes.get(node.0)?;
        node.tables.iter().find(|held| *held.name == *table)?.heard.next(place, now)
    }
}

/// The name as HAProxy's configuration has it: on the wire it has a slash in front where a `peers`
/// section declares the table.
#[must_use]
pub fn plain(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"/").unwrap_or(name)
}
