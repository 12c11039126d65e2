//! What one node's stick table holds, as it was heard: compact, bounded, and whole enough to be
//! taught back.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use haproxy_wire::peers::{
    DataType, DictionaryValue, Entry, Key, KeyType, Lifetime, Rate, Schema, Shape, Value,
};
use hashbrown::HashTable;

/// Slots that are allocated together: no growth ever copies entries.
const SLAB: u32 = 1024;
/// Slots that are looked at for expired entries with each entry that comes.
const SWEEP: u32 = 2;

/// Words before the values of an entry, after its key: when it was heard, and for how long it lives.
const HEAD: usize = 2;
/// The life of a slot without an entry.
const FREE: u32 = 0;
/// The life of an entry that never ends.
const FOREVER: u32 = u32::MAX;

/// One stick table of one node.
///
/// An entry is words of 32 bits: its key (of strings and bytes the text lies apart), when it was
/// heard and how long it lives in milliseconds, then its values. For the shipped `cs_sensor` these
/// are 72 bytes, and about 19 more in the index of a table that has just grown.
#[derive(Debug)]
pub struct HeardTable {
    schema: Schema,
    columns: Vec<Column>,
    key_words: usize,
    stride: usize,
    index: HashTable<Indexed>,
    hasher: RandomState,
    slabs: Vec<Box<[u32]>>,
    texts: Vec<Box<[u8]>>,
    free: Vec<u32>,
    used: u32,
    most: u32,
    swept: u32,
    evicted: bool,
    began: Instant,
}

/// One value of an entry: what it is and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    data_type: DataType,
    index: u8,
    at: usize,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

/// An entry that is held, for whoever teaches or shows it.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// Its key.
    pub key: Key<'a>,
    /// How much longer it lives.
    pub lifetime: Lifetime,
    /// Its values in the order of the schema; without the server key, which isn't held.
    pub values: Vec<Value<'a>>,
}

/// A place in the index. With its hash the index grows without a look at the keys, which lie all over memory.
#[derive(Clone, Copy, Debug)]
struct Indexed {
    slot: u32,
    hash: KeyHash,
}

/// The hash of a key, of which 32 bits are enough for as many slots as there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyHash(u32);

/// A key as it is looked for.
#[derive(Clone, Copy)]
enum Probe<'a> {
    Words([u32; 4]),
    Text(&'a [u8]),
}

impl HeardTable {
    /// An empty table of at most `most` entries.
    #[must_use]
    pub fn new(schema: Schema, most: u32, now: Instant) -> Self {
        let key_words = match schema.key() {
            KeyType::Integer | KeyType::Ipv4 => 1,
            KeyType::Ipv6 => 4,
            KeyType::String(_) | KeyType::Binary(_) => 0,
        };
        let mut at = key_words + HEAD;
        let columns = schema
            .columns()
            .map(|(data_type, index)| {
                let column = Column { data_type, index, at };
                at += words_of(data_type.shape());
                column
            })
            .collect();
        Self {
            schema,
            columns,
            key_words,
            stride: at,
            index: HashTable::new(),
            hasher: RandomState::new(),
            slabs: Vec::new(),
            texts: Vec::new(),
            free: Vec::new(),
            used: 0,
            most: most.max(1),
            swept: 0,
            evicted: false,
            began: now,
        }
    }

    /// What its entries look like.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many entries are held, expired ones that were not swept yet among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether an entry that lived was ever let go for want of room.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.evicted
    }

    /// Where a value of the entries lies, if they have it.
    #[must_use]
    pub fn column(&self, data_type: DataType, index: u8) -> Option<Column> {
        self.columns.iter().copied().find(|column| column.data_type == data_type && column.index == index)
    }

    /// Takes an entry in place of what was held under its key; an entry whose life is over is let go.
    /// A full table lets another one go, one that wasn't heard of lately if the sweep finds it.
    pub fn put(&mut self, entry: &Entry<'_>, lifetime: Lifetime, now: Instant) -> Option<Slot> {
        let now = self.millis(now);
        self.sweep(now);
        let life = match lifetime {
            Lifetime::Forever => FOREVER,
            Lifetime::For(left) => u32::try_from(left.as_millis()).unwrap_or(FOREVER - 1).min(FOREVER - 1),
        };
        let probe = probe(&entry.key());
        let hash = self.hash(probe);
        let found = self.find_probe(probe, hash);
        if life == FREE {
            if let Some(slot) = found {
                self.remove(slot);
            }
            return None;
        }
        let slot = match found {
            Some(slot) => slot,
            None => self.insert(probe, hash)?,
        };
        let key_words = self.key_words;
        let words = self.words_mut(slot)?;
        let (head, values) = words.split_at_mut_checked(key_words + HEAD)?;
        if let Some([at, left]) = head.get_mut(key_words..) {
            (*at, *left) = (now, life);
        }
        let mut values = values.iter_mut();
        for datum in entry.values() {
            for word in Words::of(&datum.value) {
                if let Some(place) = values.next() {
                    *place = word;
                }
            }
        }
        Some(slot)
    }

    /// Where the entry of a key lies, if it is held and lives.
    #[must_use]
    pub fn find(&self, key: &Key<'_>, now: Instant) -> Option<Slot> {
        let probe = probe(key);
        self.find_probe(probe, self.hash(probe)).filter(|slot| self.lives(*slot, self.millis(now)))
    }

    /// A value of an entry: a counter as it is, a rate as the events of one period that ends now.
    #[must_use]
    pub fn value(&self, slot: Slot, column: Column, now: Instant) -> u64 {
        let Some(words) = self.words(slot) else { return 0 };
        match (column.data_type.shape(), words.get(column.at..)) {
            (Shape::Rate, Some([elapsed, current, previous, ..])) => {
                let heard = words.get(self.key_words).copied().unwrap_or_default();
                let later = Duration::from_millis(u64::from(self.millis(now).wrapping_sub(heard)));
                let rate = Rate { elapsed: *elapsed, current: *current, previous: *previous };
                self.schema.period(column.data_type).map_or(0, |period| rate.events(period, later))
            }
            (Shape::Counter, Some([high, low, ..])) => u64::from(*high) << 32 | u64::from(*low),
            (Shape::Signed | Shape::Unsigned, Some([value, ..])) => u64::from(*value),
            _ => 0,
        }
    }

    /// How many entries live, and of how many of them a value is over a threshold.
    #[must_use]
    pub fn count(&self, column: Column, over: u64, now: Instant) -> (usize, usize) {
        let at = self.millis(now);
        let living = (0..self.used).map(Slot).filter(|slot| self.lives(*slot, at));
        living.fold((0, 0), |(seen, above), slot| {
            (seen + 1, above + usize::from(self.value(slot, column, now) > over))
        })
    }

    /// The first entry that lives from a place on, and the place after it; the first place is 0.
    #[must_use]
    pub fn next(&self, mut place: u32, now: Instant) -> Option<(u32, Held<'_>)> {
        let now = self.millis(now);
        while place < self.used {
            let slot = Slot(place);
            place += 1;
            if self.lives(slot, now)
                && let Some(held) = self.held(slot, now)
            {
                return Some((place, held));
            }
        }
        None
    }

    fn held(&self, slot: Slot, now: u32) -> Option<Held<'_>> {
        let words = self.words(slot)?;
        let (key, rest) = words.split_at_checked(self.key_words)?;
        let [heard, life, values @ ..] = rest else { return None };
        let key = match (self.schema.key(), key) {
            (KeyType::Integer, [value]) => Key::Integer(*value),
            (KeyType::Ipv4, [value]) => Key::Ipv4((*value).into()),
            (KeyType::Ipv6, [a, b, c, d]) => {
                let wide = [a, b, c, d].iter().fold(0, |wide, word| wide << 32 | u128::from(**word));
                Key::Ipv6(wide.into())
            }
            (KeyType::String(_), _) => Key::String(self.texts.get(slot.0 as usize)?),
            (KeyType::Binary(_), _) => Key::Binary(self.texts.get(slot.0 as usize)?),
            _ => return None,
        };
        let since = now.wrapping_sub(*heard);
        let lifetime = match *life {
            FOREVER => Lifetime::Forever,
            life => Lifetime::For(Duration::from_millis(u64::from(life.saturating_sub(since)))),
        };
        let mut values = values.iter().copied();
        let mut word = || values.next().unwrap_or_default();
        let values = self
            .columns
            .iter()
            .filter_map(|column| match column.data_type.shape() {
                Shape::Signed => Some(Value::Signed(word().cast_signed())),
                Shape::Unsigned => Some(Value::Unsigned(word())),
                Shape::Counter => Some(Value::Counter(u64::from(word()) << 32 | u64::from(word()))),
                Shape::Rate => {
                    let (elapsed, current, previous) = (word().saturating_add(since), word(), word());
                    Some(Value::Rate(Rate { elapsed, current, previous }))
                }
                Shape::Dictionary => None,
            })
            .collect();
        Some(Held { key, lifetime, values })
    }

    /// Lets expired entries go, a few places at a time.
    fn sweep(&mut self, now: u32) {
        for _ in 0..SWEEP.min(self.used) {
            let slot = self.step();
            if self.life(slot) != FREE && !self.lives(slot, now) {
                self.remove(slot);
            }
        }
    }

    /// The next place of the sweep.
    fn step(&mut self) -> Slot {
        self.swept = if self.swept < self.used { self.swept } else { 0 };
        let slot = Slot(self.swept);
        self.swept += 1;
        slot
    }

    fn insert(&mut self, probe: Probe<'_>, hash: KeyHash) -> Option<Slot> {
        while self.free.is_empty() && self.used >= self.most {
            let slot = self.step();
            self.remove(slot);
            self.evicted = true;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                if self.used.is_multiple_of(SLAB) {
                    self.slabs.push(vec![0; SLAB as usize * self.stride].into());
                }
                self.used += 1;
                self.used - 1
            }
        };
        match probe {
            Probe::Words(key) => {
                let words = self.words_mut(Slot(slot))?;
                words.iter_mut().zip(key).for_each(|(word, value)| *word = value);
            }
            Probe::Text(text) => match self.texts.get_mut(slot as usize) {
                Some(place) => *place = text.into(),
                None => self.texts.push(text.into()),
            },
        }
        self.index.insert_unique(hash.wide(), Indexed { slot, hash }, |indexed| indexed.hash.wide());
        Some(Slot(slot))
    }

    fn remove(&mut self, slot: Slot) {
        if self.life(slot) == FREE {
            return;
        }
        let hash = self.hash(self.keys().get(slot.0));
        if let Ok(entry) = self.index.find_entry(hash.wide(), |other| other.slot == slot.0) {
            entry.remove();
        }
        let key_words = self.key_words;
        if let Some(life) = self.words_mut(slot).and_then(|words| words.get_mut(key_words + 1)) {
            *life = FREE;
        }
        if let Some(text) = self.texts.get_mut(slot.0 as usize) {
            *text = Box::default();
        }
        self.free.push(slot.0);
    }

    fn find_probe(&self, probe: Probe<'_>, hash: KeyHash) -> Option<Slot> {
        let keys = self.keys();
        let equal = |indexed: &Indexed| indexed.hash == hash && keys.equal(indexed.slot, probe);
        self.index.find(hash.wide(), equal).map(|indexed| Slot(indexed.slot))
    }

    fn hash(&self, probe: Probe<'_>) -> KeyHash {
        KeyHash::of(match probe {
            Probe::Words([a, b, c, d]) => {
                let wide = |high, low| u64::from(high) << 32 | u64::from(low);
                self.hasher.hash_one((wide(a, b), wide(c, d)))
            }
            Probe::Text(text) => self.hasher.hash_one(text),
        })
    }

    fn keys(&self) -> Keys<'_> {
        Keys { slabs: &self.slabs, texts: &self.texts, key_words: self.key_words, stride: self.stride }
    }

    fn life(&self, slot: Slot) -> u32 {
        self.words(slot).and_then(|words| words.get(self.key_words + 1)).copied().unwrap_or(FREE)
    }

    fn lives(&self, slot: Slot, now: u32) -> bool {
        let Some(words) = self.words(slot) else { return false };
        match words.get(self.key_words..) {
            Some([_, FREE, ..]) | None => false,
            Some([_, FOREVER, ..]) => true,
            Some([heard, life, ..]) => now.wrapping_sub(*heard) < *life,
            Some(_) => false,
        }
    }

    /// Milliseconds on this table's own clock, which wraps after 49 days: no entry lives so long
    /// (HAProxy's own clock is one of 31 bits).
    fn millis(&self, now: Instant) -> u32 {
        let millis = now.saturating_duration_since(self.began).as_millis() & u128::from(u32::MAX);
        u32::try_from(millis).unwrap_or_default()
    }

    fn words(&self, slot: Slot) -> Option<&[u32]> {
        self.keys().words(slot.0)
    }

    fn words_mut(&mut self, slot: Slot) -> Option<&mut [u32]> {
        let at = (slot.0 % SLAB) as usize * self.stride;
        self.slabs.get_mut((slot.0 / SLAB) as usize)?.get_mut(at..at + self.stride)
    }
}

/// The keys of all slots.
struct Keys<'a> {
    slabs: &'a [Box<[u32]>],
    texts: &'a [Box<[u8]>],
    key_words: usize,
    stride: usize,
}

impl<'a> Keys<'a> {
    fn words(&self, slot: u32) -> Option<&'a [u32]> {
        let at = (slot % SLAB) as usize * self.stride;
        self.slabs.get((slot / SLAB) as usize)?.get(at..at + self.stride)
    }

    fn get(&self, slot: u32) -> Probe<'a> {
        if self.key_words == 0 {
            return Probe::Text(self.texts.get(slot as usize).map_or(&[], |text| text));
        }
        let mut key = [0; 4];
        let words = self.words(slot).unwrap_or_default();
        key.iter_mut().zip(words.iter().take(self.key_words)).for_each(|(to, from)| *to = *from);
        Probe::Words(key)
    }

    fn equal(&self, slot: u32, probe: Probe<'_>) -> bool {
        match (self.get(slot), probe) {
            (Probe::Words(own), Probe::Words(other)) => own == other,
            (Probe::Text(own), Probe::Text(other)) => own == other,
            _ => false,
        }
    }
}

impl KeyHash {
    fn of(hash: u64) -> Self {
        Self(u32::try_from(hash >> 32).unwrap_or_default())
    }

    /// The index takes the place from the low bits and a tag from the high ones.
    const fn wide(self) -> u64 {
        let hash = self.0 as u64;
        hash << 32 | hash
    }
}

fn probe<'a>(key: &Key<'a>) -> Probe<'a> {
    match key {
        Key::Integer(value) => Probe::Words([*value, 0, 0, 0]),
        Key::Ipv4(address) => Probe::Words([(*address).into(), 0, 0, 0]),
        Key::Ipv6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments().map(u32::from);
            Probe::Words([a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h])
        }
        Key::String(text) | Key::Binary(text) => Probe::Text(text),
    }
}

const fn words_of(shape: Shape) -> usize {
    match shape {
        Shape::Signed | Shape::Unsigned => 1,
        Shape::Counter => 2,
        Shape::Rate => 3,
        Shape::Dictionary => 0,
    }
}

/// The words of a value.
struct Words {
    words: [u32; 3],
    left: std::ops::Range<usize>,
}

impl Words {
    fn of(value: &Value<'_>) -> Self {
        let words = match value {
            Value::Signed(value) => [value.cast_unsigned(), 0, 0],
            Value::Unsigned(value) => [*value, 0, 0],
            Value::Counter(value) => {
                let [high, low] = [value >> 32, value & u64::from(u32::MAX)];
                [high, low, 0].map(|half| u32::try_from(half).unwrap_or_default())
            }
            Value::Rate(rate) => [rate.elapsed, rate.current, rate.previous],
            Value::Dictionary(DictionaryValue::Absent | DictionaryValue::Cached(_))
            | Value::Dictionary(DictionaryValue::New(..)) => [0; 3],
        };
        Self { words, left: 0..words_of(value.shape()) }
    }
}

impl Iterator for Words {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left.next().and_then(|at| self.words.get(at).copied())
    }
}
