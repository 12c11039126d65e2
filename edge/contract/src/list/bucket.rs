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

/// The value of a bucket's item, as the store has it: records sorted by fingerprint.
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
        if !value.len().is_multiple_of(RECORD_CHARS) || value.len() > MOST_RECORDS * RECORD_CHARS {
            return Err(BucketFault::Length(value.len()));
        }
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if value.bytes().all(is_base64url) { Ok(Self(value)) } else { Err(BucketFault::Encoding) }
    }

    /// The record of a client that is still in force at `now`; the hardest one if there are more, and of
    /// those the one that holds longest.
    #[must_use]
    pub fn find(&self, client: Mark, epoch: UnixSeconds, now: UnixSeconds) -> Option<Record> {
        // Six bytes are eight characters: records are compared in the encoding, without decoding.
        let wanted = URL_SAFE_NO_PAD.encode(client.0);
        self.0
            .as_bytes()
            .chunks_exact(RECORD_CHARS)
            .filter(|chars| chars.starts_with(wanted.as_bytes()))
            .filter_map(|chars| decode(chars, epoch))
            .map(|(_, record)| record)
            .filter(|record| record.expires > now)
            .max_by_key(|record| (record.action, record.expires))
    }

    /// All records, those that have ended too.
    pub fn records(&self, epoch: UnixSeconds) -> impl Iterator<Item = (Mark, Record)> {
        self.0.as_bytes().chunks_exact(RECORD_CHARS).filter_map(move |chars| decode(chars, epoch))
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

fn decode(chars: &[u8], epoch: UnixSeconds) -> Option<(Mark, Record)> {
    let mut bytes = [0; RECORD_BYTES];
    URL_SAFE_NO_PAD.decode_slice(chars, &mut bytes).ok()?;
    let [a, b, c, d, e, f, x, y, z] = bytes;
    let word = u32::from_be_bytes([0, x, y, z]);
    let action = Action::from_bits(word >> EXPIRY_BITS)?;
    let expires = epoch.plus(u64::from(word & LATEST_MINUTE) * 60);
    Some((Mark([a, b, c, d, e, f]), Record { action, expires }))
}
