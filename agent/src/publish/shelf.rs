//! One set of buckets as it is to be: whom it lists, and which of its items have to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use countersign_contract::list::{Action, Bucket, BucketFault, Fingerprint, MOST_RECORDS, Mark, Record, Set};
use countersign_contract::time::UnixSeconds;

/// A set of buckets.
///
/// A record stays where it lies; a new one goes where something is to be written anyway, or else where
/// there is more room: so a flush writes few items, and a full store fills evenly.
#[derive(Clone, Debug)]
pub struct Shelf {
    set: Set,
    buckets: Vec<BTreeMap<Mark, Record>>,
    count: NonZeroU32,
    epoch: UnixSeconds,
    dirty: BTreeSet<u32>,
}

/// A client that found no room: both its buckets are full of others that are still banned, and no milder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Shelf {
    /// An empty set, all of whose items have to be written.
    #[must_use]
    pub fn new(set: Set, count: NonZeroU32, epoch: UnixSeconds) -> Self {
        let buckets = (0..count.get()).map(|_| BTreeMap::new()).collect();
        Self { set, buckets, count, epoch, dirty: (0..count.get()).collect() }
    }

    /// Which set it is.
    #[must_use]
    pub const fn set(&self) -> Set {
        self.set
    }

    /// How many buckets it has.
    #[must_use]
    pub const fn count(&self) -> NonZeroU32 {
        self.count
    }

    /// The point that its records count their ends from.
    #[must_use]
    pub const fn epoch(&self) -> UnixSeconds {
        self.epoch
    }

    /// How many records it has, ended ones that were not swept yet among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.iter().map(BTreeMap::len).sum()
    }

    /// Whether it lists nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(BTreeMap::is_empty)
    }

    /// Takes what the store holds for what is wanted, so that records keep their places. To be called on
    /// a new set; whoever is in the store and not banned has to be removed then.
    pub fn adopt(&mut self, items: &BTreeMap<String, String>) {
        for number in 0..self.count.get() {
            let value = items.get(&Bucket::item_key(self.set, number));
            let Some(Ok(bucket)) = value.map(|value| Bucket::parse(value)) else { continue };
            if let Some(records) = self.buckets.get_mut(number as usize) {
                *records = bucket.records(self.epoch).collect();
            }
            self.dirty.remove(&number);
        }
    }

    /// Keeps those that are wanted where they lie, and those whose time is over: nothing is written for them.
    pub fn keep_only(&mut self, wanted: impl Fn(Mark, u32) -> bool, now: UnixSeconds) {
        for (number, records) in (0..).zip(&mut self.buckets) {
            let before = records.len();
            records.retain(|mark, record| wanted(*mark, number) || record.expires <= now);
            if records.len() != before {
                self.dirty.insert(number);
            }
        }
    }

    /// Lists a client until a time.
    ///
    /// # Errors
    /// [`NoRoom`]; nothing changed then.
    pub fn put(&mut self, client: Fingerprint, record: Record, now: UnixSeconds) -> Result<(), NoRoom> {
        let choices = client.buckets(self.count);
        let mark = client.mark();
        if let Some(number) = choices.into_iter().find(|number| self.bucket(*number).contains_key(&mark)) {
            let held = self.bucket(number).get(&mark).copied();
            // A record's end is rounded up to whole minutes: what is as hard and ends no earlier will do.
            let same =
                held.is_some_and(|held| held.action == record.action && held.expires >= record.expires);
            // One that ends far too late is not the same: the ban was shortened.
            let late = held.is_some_and(|held| held.expires.since(record.expires) >= 120);
            if !same || late {
                self.write(number, mark, record);
            }
            return Ok(());
        }
        let number = self.room_for(choices, record.action, now).ok_or(NoRoom)?;
        self.write(number, mark, record);
        Ok(())
    }

    /// Lists a client no more.
    pub fn remove(&mut self, client: Fingerprint) {
        for number in client.buckets(self.count) {
            if let Some(records) = self.buckets.get_mut(number as usize)
                && records.remove(&client.mark()).is_some()
            {
                self.dirty.insert(number);
            }
        }
    }

    /// The items that have to be written, with their values.
    ///
    /// # Errors
    /// None in fact: no bucket is ever fuller than an item.
    pub fn items(&self) -> Result<BTreeMap<String, String>, BucketFault> {
        let of = |number: &u32| {
            let records: Vec<_> =
                self.bucket(*number).iter().map(|(mark, record)| (*mark, *record)).collect();
            Ok((Bucket::item_key(self.set, *number), Bucket::pack(&records, self.epoch)?))
        };
        self.dirty.iter().map(of).collect()
    }

    /// How many items have to be written.
    #[must_use]
    pub fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Compares with what the store holds: whatever differs has to be written.
    pub fn compare(&mut self, items: &BTreeMap<String, String>) {
        for number in 0..self.count.get() {
            let records: Vec<_> = self.bucket(number).iter().map(|(mark, record)| (*mark, *record)).collect();
            let wanted = Bucket::pack(&records, self.epoch).ok();
            if items.get(&Bucket::item_key(self.set, number)) == wanted.as_ref() {
                self.dirty.remove(&number);
            } else {
                self.dirty.insert(number);
            }
        }
    }

    /// The better one of two buckets for a newcomer, with room in it: ended records go first, and where
    /// there are none the mildest of those that are milder than the newcomer.
    fn room_for(&mut self, choices: [u32; 2], action: Action, now: UnixSeconds) -> Option<u32> {
        let weight = |number: &u32| {
            let len = self.bucket(*number).len();
            // It is to be written anyway.
            if self.dirty.contains(number) { len.saturating_sub(MOST_RECORDS / 8) } else { len }
        };
        let ended = |record: &Record| record.expires <= now;
        let open = |number: &u32| {
            let bucket = self.bucket(*number);
            bucket.len() < MOST_RECORDS || bucket.values().any(ended)
        };
        if let Some(number) = choices.into_iter().filter(open).min_by_key(weight) {
            let records = self.buckets.get_mut(number as usize)?;
            if records.len() >= MOST_RECORDS {
                records.retain(|_, record| !ended(record));
            }
            return Some(number);
        }
        let milder = |number: u32| {
            let records = self.bucket(number).iter().filter(|(_, record)| record.action < action);
            records.map(move |(mark, record)| (record.action, record.expires, number, *mark))
        };
        let (.., number, mark) = choices.into_iter().flat_map(milder).min()?;
        self.buckets.get_mut(number as usize)?.remove(&mark);
        Some(number)
    }

    fn write(&mut self, number: u32, mark: Mark, record: Record) {
        if let Some(records) = self.buckets.get_mut(number as usize) {
            records.insert(mark, record);
            self.dirty.insert(number);
        }
    }

    fn bucket(&self, number: u32) -> &BTreeMap<Mark, Record> {
        static EMPTY: BTreeMap<Mark, Record> = BTreeMap::new();
        self.buckets.get(number as usize).unwrap_or(&EMPTY)
    }
}
