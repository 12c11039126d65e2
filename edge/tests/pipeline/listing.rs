//! Lists as a publisher writes them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Action, Bucket, LAYOUT, ListKey, ListMode, META_ITEM, Meta, Record, Set};
use countersign_contract::time::UnixSeconds;

use crate::world::NOW;

pub(crate) const LIST_KEY_TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const BUCKETS: NonZeroU32 = NonZeroU32::MIN.saturating_add(6);

pub(crate) type Items = BTreeMap<String, String>;

/// A list in the making.
#[derive(Clone)]
pub(crate) struct Listing {
    pub(crate) meta: Meta,
    /// Which of a client's two buckets its record is in.
    pub(crate) choice: usize,
    /// How long records hold from [`NOW`], in seconds.
    pub(crate) seconds: u64,
    clients: Vec<(ClientKey, Action)>,
}

impl Listing {
    /// A list of clients as text has them, for an hour.
    pub(crate) fn of(clients: &[(&str, Action)]) -> Self {
        let meta = Meta {
            layout: LAYOUT,
            set: Set::B,
            buckets: BUCKETS,
            key: "k1".parse().unwrap(),
            mode: ListMode::Enforce,
            generation: 7,
            epoch: UnixSeconds(NOW - 120),
            writer: "tests".to_owned(),
        };
        let clients = clients.iter().map(|(client, action)| (client.parse().unwrap(), *action)).collect();
        Self { meta, choice: 0, seconds: 3600, clients }
    }

    /// The same list, which is only observed.
    pub(crate) fn observed(mut self) -> Self {
        self.meta.mode = ListMode::Observe;
        self
    }

    /// The items of a client's two buckets.
    pub(crate) fn buckets_of(&self, client: &str) -> [String; 2] {
        let key = ListKey::from_base64url(LIST_KEY_TEXT).unwrap();
        let fingerprint = key.fingerprint(&client.parse().unwrap());
        fingerprint.buckets(self.meta.buckets).map(|bucket| Bucket::item_key(self.meta.set, bucket))
    }

    pub(crate) fn items(&self) -> Items {
        let key = ListKey::from_base64url(LIST_KEY_TEXT).unwrap();
        let mut buckets = vec![vec![]; self.meta.buckets.get() as usize];
        for (client, action) in &self.clients {
            let fingerprint = key.fingerprint(client);
            let record = Record { action: *action, expires: UnixSeconds(NOW + self.seconds) };
            let chosen = fingerprint.buckets(self.meta.buckets)[self.choice];
            buckets[chosen as usize].push((fingerprint.mark(), record));
        }
        let mut items = Items::from([(META_ITEM.to_owned(), serde_json::to_string(&self.meta).unwrap())]);
        for (number, records) in (0..).zip(buckets) {
            let packed = Bucket::pack(&records, self.meta.epoch).unwrap();
            items.insert(Bucket::item_key(self.meta.set, number), packed);
        }
        items
    }
}
