//! Bringing a store to where it lists who is banned: one call of the API at a time, whatever came of the
//! last one. No socket, no clock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Bucket, LAYOUT, ListKey, ListMode, META_ITEM, Mark, Meta, Record, Set};
use countersign_contract::name::KeyId;
use countersign_contract::time::{UnixMillis, UnixSeconds};

use super::batch::{Operation, first_batch};
use super::budget::{Budget, Told, Urgency};
use super::shelf::Shelf;

/// Records count the minutes of four years from a list's epoch on; after three it is built anew.
const OLDEST_EPOCH: u64 = 3 * 365 * 86_400;
/// Epochs are this far apart, and the same for everybody: a store that can't be read is written anew with
/// the one that it has.
const EPOCHS: u64 = 2 * 365 * 86_400;

/// The items of a store by name.
pub type Items = BTreeMap<String, String>;

/// What a list is to be like.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How many buckets.
    pub buckets: NonZeroU32,
    /// The id of the list key that new lists are made with.
    pub key: KeyId,
    /// All list keys that the edge may still use.
    pub keys: HashMap<KeyId, ListKey>,
    /// Whether the edge acts on it.
    pub mode: ListMode,
    /// Who writes it.
    pub writer: String,
    /// How long a write takes to be seen everywhere, at most, in milliseconds.
    pub settle: u64,
    /// How long changes are gathered, in milliseconds.
    pub gather: u64,
    /// How often the store is compared with what it should hold, in milliseconds.
    pub reconcile: u64,
    /// Whether the store can be read; a write-only dictionary can't.
    pub reading: Reading,
}

/// Whether a store can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It can.
    Possible,
    /// It can't: it is written whole at the start and at every comparison.
    Impossible,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// List the store's items, and say what they are.
    List,
    /// Send a batch, and say what came of it.
    Write(Vec<Operation>),
    /// Nothing before then.
    Wait(UnixMillis),
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too many writes: none before then.
    Limited(UnixMillis),
    /// An error of the API or of the way to it; anything may have been written.
    Trouble,
    /// The API refuses: the token, the store's id, or what was sent is wrong.
    Refused,
}

/// A set of buckets under a key.
#[derive(Clone, Debug)]
struct Placed {
    shelf: Shelf,
    key: KeyId,
}

/// What the set that isn't in use is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is being written.
    Building,
    /// It was whole in the store at this time.
    Built(UnixMillis),
    /// It was in use until then, and some places may not have heard that it isn't.
    Retiring(UnixMillis),
}

/// What is known of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    /// Nothing for sure: it is listed at this time.
    None(UnixMillis),
    /// What was listed and written; it is compared again at this time.
    Until(UnixMillis),
}

/// A list on its way into a store.
#[derive(Clone, Debug)]
pub struct Publication {
    rules: Rules,
    began: UnixMillis,
    wanted: HashMap<ClientKey, Record>,
    active: Option<Placed>,
    other: Option<(Placed, Role)>,
    items: Items,
    knowledge: Knowledge,
    generation: u64,
    changed: Option<UnixMillis>,
    urgency: Urgency,
    lifted: HashSet<String>,
    budget: Budget,
    errors: u32,
    left_out: usize,
    settled: Option<Settled>,
}

/// A generation that the store holds whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its number.
    pub generation: u64,
    /// Since when.
    pub at: UnixMillis,
}

impl Publication {
    /// Nothing is known of the store yet.
    #[must_use]
    pub fn new(rules: Rules, budget: Budget, now: UnixMillis) -> Self {
        Self {
            rules,
            began: now,
            wanted: HashMap::new(),
            active: None,
            other: None,
            items: Items::new(),
            knowledge: Knowledge::None(now),
            generation: 0,
            changed: None,
            urgency: Urgency::Ordinary,
            lifted: HashSet::new(),
            budget,
            errors: 0,
            left_out: 0,
            settled: None,
        }
    }

    /// Lists a client, or lists it no more.
    pub fn set(&mut self, client: &ClientKey, record: Option<Record>, now: UnixMillis) {
        match record {
            Some(record) => {
                self.wanted.insert(client.clone(), record);
            }
            None => {
                if self.wanted.remove(client).is_none() {
                    return;
                }
            }
        }
        let shelves = self.active.iter_mut().chain(self.other.iter_mut().map(|(placed, _)| placed));
        for placed in shelves {
            let Some(key) = self.rules.keys.get(&placed.key) else { continue };
            let fingerprint = key.fingerprint(client);
            match record {
                Some(record) => {
                    let put = placed.shelf.put(fingerprint, record, now.seconds());
                    self.left_out += usize::from(put.is_err());
                }
                None => {
                    placed.shelf.remove(fingerprint);
                    let set = placed.shelf.set();
                    let buckets = fingerprint.buckets(placed.shelf.count());
                    self.lifted.extend(buckets.map(|number| Bucket::item_key(set, number)));
                    self.urgency = Urgency::Lift;
                }
            }
        }
        let dirty = |placed: &Placed| placed.shelf.dirty() > 0;
        if self.active.iter().chain(self.other.iter().map(|(placed, _)| placed)).any(dirty) {
            self.changed.get_or_insert(now);
        }
    }

    /// What is to be done now.
    #[must_use]
    pub fn next(&self, now: UnixMillis) -> Task {
        let again = match self.knowledge {
            Knowledge::None(at) if at > now => return Task::Wait(at),
            Knowledge::None(_) => return Task::List,
            Knowledge::Until(at) => at,
        };
        let operations = self.operations(now);
        if operations.is_empty() {
            if again <= now {
                return Task::List;
            }
            return Task::Wait(self.turn(now).map_or(again, |turn| turn.min(again)));
        }
        let gathered = match (self.urgency, self.changed) {
            (Urgency::Ordinary, Some(since)) => UnixMillis(since.0 + self.rules.gather),
            _ => now,
        };
        let at = gathered.max(self.budget.next(self.urgency, now));
        if at > now {
            return Task::Wait(at);
        }
        Task::Write(first_batch(operations))
    }

    /// A write is about to go out.
    pub fn writes(&mut self, now: UnixMillis) {
        self.budget.write(now);
    }

    /// A batch was taken.
    pub fn wrote(&mut self, operations: &[Operation], told: Option<Told>, now: UnixMillis) {
        operations.iter().for_each(|operation| operation.apply(&mut self.items));
        self.tell(told);
        self.errors = 0;
        if let Some(meta) = self.meta() {
            self.generation = meta.generation;
            self.turn_to(&meta, now);
        }
        self.compare();
        if self.operations(now).is_empty() {
            (self.changed, self.urgency) = (None, Urgency::Ordinary);
            self.lifted.clear();
            // A write that overlapped another one may be lost though it was taken: look.
            match self.rules.reading {
                Reading::Possible => self.knowledge = Knowledge::None(now),
                Reading::Impossible => self.settled = Some(Settled { generation: self.generation, at: now }),
            }
        }
    }

    /// The store was listed.
    pub fn listed(&mut self, items: Items, now: UnixMillis) {
        self.items = items;
        self.errors = 0;
        self.knowledge = Knowledge::Until(UnixMillis(now.0 + self.rules.reconcile));
        let meta = self.meta();
        if let Some(meta) = &meta {
            self.generation = self.generation.max(meta.generation);
            // It may have been written by a call that seemed to fail.
            self.turn_to(meta, now);
        }
        self.arrange(meta.as_ref(), now);
        self.compare();
        if let Some((placed, role @ Role::Building)) = &mut self.other
            && placed.shelf.dirty() == 0
        {
            *role = Role::Built(now);
        }
        if self.operations(now).is_empty()
            && self.settled.is_none_or(|settled| settled.generation != self.generation)
        {
            self.settled = Some(Settled { generation: self.generation, at: now });
        }
    }

    /// The store can't be listed: all of it has to be written.
    pub fn unlistable(&mut self, now: UnixMillis) {
        // Nobody says where it was: ahead of all that were written before.
        self.generation = self.generation.max(now.seconds().0);
        self.listed(Items::new(), now);
    }

    /// A call failed.
    pub fn failed(&mut self, failure: Failure, jitter: f64, now: UnixMillis) {
        self.errors = (self.errors + 1).min(10);
        let pause = match failure {
            Failure::Limited(reset) => reset.0.saturating_sub(now.0).max(1000),
            // From a quarter of a second to two minutes, doubled each time.
            Failure::Trouble => (250 << self.errors.min(9)).min(120_000),
            Failure::Refused => 60_000,
        };
        let jittered = match failure {
            Failure::Limited(_) => pause as f64,
            _ => pause as f64 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0),
        };
        if let Failure::Limited(reset) = failure {
            self.budget.tell(Told { remaining: 0, reset });
        }
        // Whatever was sent may have been taken, or half of it: look before anything else is written.
        self.knowledge = Knowledge::None(UnixMillis(now.0.saturating_add(jittered as u64)));
    }

    /// The API said what is left of its own limit.
    pub fn tell(&mut self, told: Option<Told>) {
        if let Some(told) = told {
            self.budget.tell(told);
        }
    }

    /// The generation that the store holds whole, if it does.
    #[must_use]
    pub const fn settled(&self) -> Option<Settled> {
        self.settled
    }

    /// Whether the store holds all that it should.
    #[must_use]
    pub fn is_settled(&self, now: UnixMillis) -> bool {
        matches!(self.knowledge, Knowledge::Until(_))
            && self.operations(now).is_empty()
            && self.turn(now).is_none()
    }

    /// Whether the store can be read.
    #[must_use]
    pub const fn reading(&self) -> Reading {
        self.rules.reading
    }

    /// How many clients are to be listed.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// How many clients found no room, counted since the start.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Writes of the last hour.
    #[must_use]
    pub fn writes_used(&self, now: UnixMillis) -> usize {
        self.budget.used(now)
    }

    /// Forgets whose time is over. Nothing is written for that: records end by themselves.
    pub fn expire(&mut self, now: UnixMillis) {
        self.wanted.retain(|_, record| record.expires > now.seconds());
    }

    fn meta(&self) -> Option<Meta> {
        self.items.get(META_ITEM).and_then(|value| Meta::parse(value).ok())
    }

    /// Finds the sets that there are, or makes them.
    fn arrange(&mut self, meta: Option<&Meta>, now: UnixMillis) {
        let rules = &self.rules;
        // A set under a key that nobody gave us can't be kept up; it stays as it is until ours is whole.
        let usable = meta.filter(|meta| rules.keys.contains_key(&meta.key) && meta.epoch <= now.seconds());
        let as_wanted = |meta: &&Meta| {
            meta.buckets == rules.buckets
                && meta.key == rules.key
                && now.seconds().since(meta.epoch) < OLDEST_EPOCH
        };
        let in_use = usable.map(|meta| (meta.set, meta.buckets, meta.key.clone(), meta.epoch));
        let next = match (meta, usable.filter(as_wanted)) {
            (_, Some(_)) => None,
            (Some(meta), None) => Some(meta.set.other()),
            // No list that any edge can read: what is built needs no other beside it.
            (None, None) => Some(Set::A),
        };
        let active = in_use.map(|(set, count, key, epoch)| self.place(set, count, key, epoch, now));
        let other = match (next, self.other.take()) {
            (None, Some((placed, role @ Role::Retiring(_)))) => Some((placed, role)),
            (None, _) => None,
            (Some(set), known) => {
                let known = known.filter(|(placed, _)| {
                    placed.shelf.set() == set
                        && placed.shelf.count() == self.rules.buckets
                        && placed.key == self.rules.key
                });
                let (count, key, epoch) = (self.rules.buckets, self.rules.key.clone(), epoch_of(now));
                Some(known.unwrap_or_else(|| (self.place(set, count, key, epoch, now), Role::Building)))
            }
        };
        (self.active, self.other) = (active, other);
    }

    /// The set that is held already, or one made of what the store has and of who is banned.
    fn place(
        &mut self,
        set: Set,
        count: NonZeroU32,
        key: KeyId,
        epoch: UnixSeconds,
        now: UnixMillis,
    ) -> Placed {
        if let Some(placed) = self.active.take_if(|placed| {
            let shelf = &placed.shelf;
            shelf.set() == set && shelf.count() == count && shelf.epoch() == epoch && placed.key == key
        }) {
            return placed;
        }
        let mut shelf = Shelf::new(set, count, epoch);
        shelf.adopt(&self.items);
        if let Some(list_key) = self.rules.keys.get(&key) {
            let clients: Vec<_> =
                self.wanted.iter().map(|(client, record)| (list_key.fingerprint(client), *record)).collect();
            // A list of another number of buckets left records where nobody looks any more.
            let places: HashMap<Mark, [u32; 2]> = clients
                .iter()
                .map(|(fingerprint, _)| (fingerprint.mark(), fingerprint.buckets(count)))
                .collect();
            let lies_well = |mark, number| places.get(&mark).is_some_and(|places| places.contains(&number));
            shelf.keep_only(lies_well, now.seconds());
            for (fingerprint, record) in clients {
                self.left_out += usize::from(shelf.put(fingerprint, record, now.seconds()).is_err());
            }
        }
        Placed { shelf, key }
    }

    /// The head that was written names the set in use.
    fn turn_to(&mut self, meta: &Meta, now: UnixMillis) {
        let turned = self.other.as_ref().is_some_and(|(placed, role)| {
            placed.shelf.set() == meta.set && placed.key == meta.key && !matches!(role, Role::Retiring(_))
        });
        if turned && let Some((placed, _)) = self.other.take() {
            self.other = self.active.replace(placed).map(|old| (old, Role::Retiring(now)));
        }
    }

    fn compare(&mut self) {
        let shelves = self.active.iter_mut().chain(self.other.iter_mut().map(|(placed, _)| placed));
        for placed in shelves {
            placed.shelf.compare(&self.items);
        }
    }

    /// When the set that isn't in use comes to its turn: into use, or out of the store.
    fn turn(&self, now: UnixMillis) -> Option<UnixMillis> {
        match self.other.as_ref()?.1 {
            Role::Building => Some(self.may_build()).filter(|at| *at > now),
            Role::Built(at) | Role::Retiring(at) => {
                Some(UnixMillis(at.0 + self.rules.settle)).filter(|turn| *turn > now)
            }
        }
    }

    /// From when on the set that isn't in use may be written: before the start it may have been in use, and
    /// some places may read it still.
    fn may_build(&self) -> UnixMillis {
        match self.meta() {
            Some(_) => UnixMillis(self.began.0 + self.rules.settle),
            None => self.began,
        }
    }

    /// All that has to be written, in its order: who was lifted first, the head last.
    fn operations(&self, now: UnixMillis) -> Vec<Operation> {
        let mut operations = Vec::new();
        let kept_up = |role: &Role| match role {
            Role::Building => self.may_build() <= now,
            Role::Built(_) => true,
            Role::Retiring(at) => at.0 + self.rules.settle > now.0,
        };
        let other = self.other.as_ref().filter(|(_, role)| kept_up(role));
        for placed in self.active.iter().chain(other.map(|(placed, _)| placed)) {
            let items = placed.shelf.items().unwrap_or_default();
            let upserts = items.into_iter();
            operations
                .extend(upserts.map(|(item_key, item_value)| Operation::Upsert { item_key, item_value }));
        }
        operations.sort_by_key(|operation| !self.lifted.contains(operation.item_key()));
        let changes = !operations.is_empty();
        operations.extend(self.surplus(other, now).map(|item_key| Operation::Delete { item_key }));
        operations.extend(self.head(changes, now));
        operations
    }

    /// Items of buckets that are in no set any more. What isn't a bucket's name is not ours.
    fn surplus(&self, other: Option<&(Placed, Role)>, now: UnixMillis) -> impl Iterator<Item = String> {
        // Of a list that can't be kept up nothing is taken away before ours is in use.
        // Nor soon after the start: some places may still read what was in use before it.
        let kept_for_old = self.active.is_none() || self.began.0 + self.rules.settle > now.0;
        let shelves = self.active.iter().chain(other.map(|(placed, _)| placed));
        let counts: Vec<_> = shelves.map(|placed| (placed.shelf.set(), placed.shelf.count().get())).collect();
        self.items
            .keys()
            .filter(move |key| {
                let Some((set, number)) = Bucket::of_item_key(key) else { return false };
                let of_set = counts.iter().find(|(other, _)| *other == set);
                of_set.map_or(!kept_for_old, |(_, count)| number >= *count)
            })
            .cloned()
    }

    /// The head as it has to be written, if it has to.
    fn head(&self, changes: bool, now: UnixMillis) -> Option<Operation> {
        let held = self.meta();
        let comes = |(_, role): &(Placed, Role)| match role {
            // Where no edge can read what is there, there is nothing to wait for.
            Role::Building => self.active.is_none() && held.is_none(),
            Role::Built(at) => at.0 + self.rules.settle <= now.0 || (self.active.is_none() && held.is_none()),
            Role::Retiring(_) => false,
        };
        let turned = self.other.as_ref().filter(|other| comes(other)).map(|(placed, _)| placed);
        let placed = turned.or(self.active.as_ref())?;
        let (buckets, set) = (placed.shelf.count(), placed.shelf.set());
        let meta = Meta {
            layout: LAYOUT,
            set,
            buckets,
            key: placed.key.clone(),
            mode: self.rules.mode,
            generation: self.generation,
            epoch: placed.shelf.epoch(),
            writer: self.rules.writer.clone(),
        };
        // Who wrote it is no difference: every start would write.
        let same = |held: Meta| Meta { writer: meta.writer.clone(), ..held } == meta;
        if held.is_some_and(same) && !changes {
            return None;
        }
        let meta = Meta { generation: self.generation.saturating_add(1), ..meta };
        let item_value = serde_json::to_string(&meta).ok()?;
        Some(Operation::Upsert { item_key: META_ITEM.to_owned(), item_value })
    }
}

const fn epoch_of(now: UnixMillis) -> UnixSeconds {
    UnixSeconds(now.seconds().0 / EPOCHS * EPOCHS)
}
