//! The list as a publisher would write it into the edge's dictionary.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Action, Bucket, Fingerprint, LAYOUT, ListKey, META_ITEM, Meta, Record};
use countersign_contract::time::UnixSeconds;

use crate::identity_provider::{now, random};
use crate::trouble::Trouble;
use crate::viceroy::Items;

/// Few enough that a test sees collisions of buckets, many enough that there is more than one.
const BUCKETS: NonZeroU32 = NonZeroU32::MIN.saturating_add(6);
/// How long an entry of a test lasts, in seconds.
const LIFE: u64 = 3600;

/// Addresses that are listed, with what is done about them.
#[derive(Debug)]
pub struct Listing {
    key: ListKey,
    key_text: String,
    epoch: u64,
    generation: u64,
    listed: BTreeMap<IpAddr, Action>,
}

impl Listing {
    /// An empty list under a fresh key.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn new() -> Result<Self, Trouble> {
        let key_text = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let key = ListKey::from_base64url(&key_text)
            .map_err(|fault| Trouble::unexpected("a list key", fault.to_string()))?;
        Ok(Self { key, key_text, epoch: now() - 60, generation: 1, listed: BTreeMap::new() })
    }

    /// The key as the secret store holds it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key_text
    }

    /// Lists an address.
    pub fn add(&mut self, address: IpAddr, action: Action) {
        self.listed.insert(address, action);
        self.generation += 1;
    }

    /// Lifts an address.
    pub fn lift(&mut self, address: IpAddr) {
        self.listed.remove(&address);
        self.generation += 1;
    }

    /// All items of the store.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when a bucket is full.
    pub fn items(&self) -> Result<Items, Trouble> {
        let epoch = UnixSeconds(self.epoch);
        let mut buckets: BTreeMap<u32, Vec<(Fingerprint, Record)>> =
            (0..BUCKETS.get()).map(|number| (number, Vec::new())).collect();
        for (address, action) in &self.listed {
            let fingerprint = self.key.fingerprint(&ClientKey::of_address(*address));
            let record = Record { action: *action, expires: UnixSeconds(now() + LIFE) };
            buckets.entry(fingerprint.bucket(BUCKETS)).or_default().push((fingerprint, record));
        }
        let meta = Meta {
            layout: LAYOUT,
            buckets: BUCKETS,
            generation: self.generation,
            epoch,
            writer: "countersign-tests".into(),
        };
        let meta =
            serde_json::to_string(&meta).map_err(|error| Trouble::unexpected("JSON", error.to_string()))?;
        let mut items = Items::from([(META_ITEM.to_owned(), meta)]);
        for (number, records) in buckets {
            let packed = Bucket::pack(&records, epoch)
                .map_err(|fault| Trouble::unexpected("a bucket that fits", fault.to_string()))?;
            items.insert(Bucket::item_key(number), packed);
        }
        Ok(items)
    }
}
