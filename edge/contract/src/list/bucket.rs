//! One item of the store: the records of the clients that fall into it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::{Action, Mark, Set};
use crate::time::UnixSeconds;

/// Bytes of a record: 6 of fingerprint, 3 of action and expiry; 12 characters of base64url.
const RECORD_BYTES: usize = 9;
const RECORD_CHARS: usize = 12;

/// The most records of a bucket: as many as fit into the 8000 characters of one item.
pub const MOST_RECORDS: usize = 8000 / RECORD_CHARS;

/// Bits of the expiry, in minutes after the list's epoch: four years.
const EXPIRY_BITS: u32 = 21;
const LATEST_MINUTE: u32 = (1 << EXPIRY_BITS) - 1;

/// What the list says of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is done.
    pub action: Action,
    /// Until when; rounded up to a whole minute after the list's epoch when packed.
    pub expires: UnixSeconds,
}

/// Why a bucket can't be read.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum BucketFault {
    /// Not a whole number of records.
    #[error("the bucket has {0} characters: expected a multiple of 12, at most 7992")]
    Length(usize),
    /// Not base64url.
    #[error("the bucket is not base64url")]
    Encoding,
    /// More records than an item of the store holds.
    #[error("the bucket would hold {0} records, at most 666 fit")]
    Full(usize),
}

/// The value of a bucket's item, as the store has it: records sorted by their bytes, so by mark.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a>(&'a str);

impl<'a> Bucket<'a> {
    /// The item's name in the store, e.g. `a0007`.
    #[must_use]
    pub fn item_key(set: Set, number: u32) -> String {
        format!("{}{number:04}", set.as_str())
    }

    /// The set and the number of an item's name, if it is a bucket's.
    #[must_use]
    pub fn of_item_key(key: &str) -> Option<(Set, u32)> {
        let set = Set::ALL.into_iter().find(|set| key.starts_with(set.as_str()))?;
        let number = key.get(1..)?.parse().ok()?;
        (Self::item_key(set, number) == key).then_some((set, number))
    }

    /// Takes the value of a bucket's item.
    ///
    /// # Errors
    /// [`BucketFault`] if it isn't a whole number of records: a half-written one is not read.
    pub fn parse(value: &'a str) -> Result<Self, BucketFault> {
        check_length(value)?;
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if value.bytes().all(is_base64url) { Ok(Self(value)) } else { Err(BucketFault::Encoding) }
    }

    /// The record of a client that is still in force at `now`; the hardest one if there are more, and of
    /// those the one that holds longest.
    #[must_use]
    pub fn find(&self, client: Mark, epoch: UnixSeconds, now: UnixSeconds) -> Option<Record> {
        search(self.0, client, epoch, now).ok().flatten()
    }

    /// [`Bucket::find`] in the value of an item of which nothing was read yet. It looks at a few records only,
    /// ten of a full bucket: to read them all takes longer than all the rest of a look-up.
    ///
    /// # Errors
    /// [`BucketFault`] if it isn't a whole number of records, or one that was looked at can't be read.
    pub fn look_up(
        value: &str,
        client: Mark,
        epoch: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<Option<Record>, BucketFault> {
        check_length(value)?;
        search(value, client, epoch, now)
    }

    /// All records, those that have ended too.
    pub fn records(&self, epoch: UnixSeconds) -> impl Iterator<Item = (Mark, Record)> {
        self.0.as_bytes().as_chunks().0.iter().filter_map(move |chars| {
            let bytes = decode(chars)?;
            Some((mark_of(bytes), record_of(bytes, epoch)?))
        })
    }

    /// Packs records into the value of one item.
    ///
    /// # Errors
    /// [`BucketFault::Full`] if they don't fit.
    pub fn pack(records: &[(Mark, Record)], epoch: UnixSeconds) -> Result<String, BucketFault> {
        if records.len() > MOST_RECORDS {
            return Err(BucketFault::Full(records.len()));
        }
        let mut packed: Vec<[u8; RECORD_BYTES]> =
            records.iter().map(|(client, record)| encode(*client, record, epoch)).collect();
        packed.sort_unstable();
        packed.dedup();
        let mut value = String::with_capacity(packed.len() * RECORD_CHARS);
        for record in packed {
            URL_SAFE_NO_PAD.encode_string(record, &mut value);
        }
        Ok(value)
    }
}

fn encode(client: Mark, record: &Record, epoch: UnixSeconds) -> [u8; RECORD_BYTES] {
    let minutes = record.expires.since(epoch).div_ceil(60).min(u64::from(LATEST_MINUTE));
    let minutes = u32::try_from(minutes).unwrap_or(LATEST_MINUTE);
    let Mark([a, b, c, d, e, f]) = client;
    let [_, x, y, z] = (record.action.to_bits() << EXPIRY_BITS | minutes).to_be_bytes();
    [a, b, c, d, e, f, x, y, z]
}

fn check_length(value: &str) -> Result<(), BucketFault> {
    let is_whole = value.len().is_multiple_of(RECORD_CHARS) && value.len() <= MOST_RECORDS * RECORD_CHARS;
    if is_whole { Ok(()) } else { Err(BucketFault::Length(value.len())) }
}

/// Searches the sorted records by halves.
fn search(
    value: &str,
    client: Mark,
    epoch: UnixSeconds,
    now: UnixSeconds,
) -> Result<Option<Record>, BucketFault> {
    let (records, _) = value.as_bytes().as_chunks();
    let mut all_read = true;
    let mut read = |chars: &[u8; RECORD_CHARS]| {
        let bytes = decode(chars);
        all_read &= bytes.is_some();
        bytes
    };
    let first = records.partition_point(|chars| read(chars).is_some_and(|bytes| mark_of(bytes) < client));
    let theirs =
        records.iter().skip(first).map_while(|chars| read(chars).filter(|it| mark_of(*it) == client));
    let in_force = theirs.filter_map(|bytes| record_of(bytes, epoch)).filter(|record| record.expires > now);
    match in_force.max_by_key(|record| (record.action, record.expires)) {
        None if !all_read => Err(BucketFault::Encoding),
        found => Ok(found),
    }
}

fn decode(chars: &[u8; RECORD_CHARS]) -> Option<[u8; RECORD_BYTES]> {
    let mut bytes = [0; RECORD_BYTES];
    URL_SAFE_NO_PAD.decode_slice(chars, &mut bytes).ok()?;
    Some(bytes)
}

const fn mark_of([a, b, c, d, e, f, ..]: [u8; RECORD_BYTES]) -> Mark {
    Mark([a, b, c, d, e, f])
}

fn record_of([.., x, y, z]: [u8; RECORD_BYTES], epoch: UnixSeconds) -> Option<Record> {
    let word = u32::from_be_bytes([0, x, y, z]);
    let action = Action::from_bits(word >> EXPIRY_BITS)?;
    Some(Record { action, expires: epoch.plus(u64::from(word & LATEST_MINUTE) * 60) })
}
