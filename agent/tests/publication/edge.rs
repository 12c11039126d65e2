//! What an edge finds in the store, each item as old as it may be.

use countersign::publish::publication::Items;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Bucket, META_ITEM, Meta, Record};
use countersign_contract::time::UnixMillis;

use crate::rules::keys;

/// The record of a client where the head is read from `head` and the buckets from `buckets`.
pub(crate) fn look_up(head: &Items, buckets: &Items, client: &ClientKey, now: UnixMillis) -> Option<Record> {
    let meta = Meta::parse(head.get(META_ITEM)?).ok()?;
    let fingerprint = keys().get(&meta.key)?.fingerprint(client);
    let find = |number| {
        let value = buckets.get(&Bucket::item_key(meta.set, number))?;
        Bucket::parse(value).ok()?.find(fingerprint.mark(), meta.epoch, now.seconds())
    };
    fingerprint.buckets(meta.buckets).into_iter().filter_map(find).max_by_key(|record| record.action)
}
