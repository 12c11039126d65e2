//! The list as a publisher would write it into the edge's dictionary.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{
    Action, Bucket, LAYOUT, ListKey, ListMode, META_ITEM, Mark, Meta, Record, Set,
};
use countersign_contract::time::UnixSeconds;

use crate::identity_provider::{now, random};
use crate::trouble::Trouble;
use crate::viceroy::Items;

/// Few enough that a test sees collisions of buckets, many enough that there is more than one.
const BUCKETS: NonZeroU32 = NonZeroU32::MIN.saturating_add(6);
/// How long an entry of a test lasts, in seconds.
const LIFE: u64 = 3600;
/// The id of the list key.
const KEY_ID: &str = "list-1";

/// Clients that are listed, with what is done about them.
#[derive(Debug)]
pub struct Listing {
    key: ListKey,
    key_text: String,
    meta: Meta,
    choice: Choice,
    listed: BTreeMap<ClientKey, Action>,
}

/// Which of a client's two buckets its record is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The one with fewer records: what a publisher does.
    Emptier,
    /// The first.
    First,
    /// The second.
    Second,
}

impl Listing {
    /// An empty list under a fresh key.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn new() -> Result<Self, Trouble> {
        Self::with_buckets(BUCKETS)
    }

    /// An empty list of so many buckets.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn with_buckets(buckets: NonZeroU32) -> Result<Self, Trouble> {
        let key_text = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let key = ListKey::from_base64url(&key_text)
            .map_err(|fault| Trouble::unexpected("a list key", fault.to_string()))?;
        let meta = Meta {
            layout: LAYOUT,
            set: Set::A,
            buckets,
            key: KEY_ID.parse().map_err(|fault| Trouble::unexpected("an id of a key", format!("{fault}")))?,
            mode: ListMode::Enforce,
            generation: 1,
            epoch: UnixSeconds(now() - 60),
            writer: "countersign-tests".into(),
        };
        let key_text = format!("{KEY_ID}:{key_text}");
        Ok(Self { key, key_text, meta, choice: Choice::Emptier, listed: BTreeMap::new() })
    }

    /// The key under its id, as the secret store holds it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key_text
    }

    /// Lists an address.
    pub fn add(&mut self, address: IpAddr, action: Action) {
        self.add_client(ClientKey::of_address(address), action);
    }

    /// Lists a client by whichever of its keys.
    pub fn add_client(&mut self, client: ClientKey, action: Action) {
        self.listed.insert(client, action);
        self.meta.generation += 1;
    }

    /// Lifts an address.
    pub fn lift(&mut self, address: IpAddr) {
        self.lift_client(&ClientKey::of_address(address));
    }

    /// Lifts a client.
    pub fn lift_client(&mut self, client: &ClientKey) {
        self.listed.remove(client);
        self.meta.generation += 1;
    }

    /// Has the edge act on the list, or only note what it would have done.
    pub fn set_mode(&mut self, mode: ListMode) {
        self.meta.mode = mode;
        self.meta.generation += 1;
    }

    /// Puts all records into that one of their buckets.
    pub fn put_into(&mut self, choice: Choice) {
        self.choice = choice;
        self.meta.generation += 1;
    }

    /// All items of the store.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when a bucket is full.
    pub fn items(&self) -> Result<Items, Trouble> {
        let expires = UnixSeconds(now() + LIFE);
        let mut buckets: BTreeMap<u32, Vec<(Mark, Record)>> =
            (0..self.meta.buckets.get()).map(|number| (number, Vec::new())).collect();
        for (client, action) in &self.listed {
            let fingerprint = self.key.fingerprint(client);
            let [first, second] = fingerprint.buckets(self.meta.buckets);
            let filled = |bucket| buckets.get(bucket).map_or(0, Vec::len);
            let chosen = match self.choice {
                Choice::Emptier if filled(&second) < filled(&first) => second,
                Choice::Emptier | Choice::First => first,
                Choice::Second => second,
            };
            buckets
                .entry(chosen)
                .or_default()
                .push((fingerprint.mark(), Record { action: *action, expires }));
        }
        let meta = serde_json::to_string(&self.meta)
            .map_err(|error| Trouble::unexpected("JSON", error.to_string()))?;
        let mut items = Items::from([(META_ITEM.to_owned(), meta)]);
        for (number, records) in buckets {
            let packed = Bucket::pack(&records, self.meta.epoch)
                .map_err(|fault| Trouble::unexpected("a bucket that fits", fault.to_string()))?;
            items.insert(Bucket::item_key(self.meta.set, number), packed);
        }
        Ok(items)
    }
}
