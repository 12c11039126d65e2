use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use countersign::publish::budget::Budget;
use countersign::publish::publication::{Items, Publication, Reading, Rules};
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Action, ListKey, ListMode, Record};
use countersign_contract::name::KeyId;
use countersign_contract::time::UnixMillis;

/// The wall clock at the start of a test.
pub(crate) const START: UnixMillis = UnixMillis(1_790_000_000_000);
/// How long a write takes to be seen everywhere, in milliseconds.
pub(crate) const SETTLE: u64 = 60_000;

pub(crate) fn key_id(id: &str) -> KeyId {
    id.parse().unwrap()
}

/// The list keys `k1` and `k2`.
pub(crate) fn keys() -> HashMap<KeyId, ListKey> {
    let key = |text| ListKey::from_base64url(text).unwrap();
    HashMap::from([
        (key_id("k1"), key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")),
        (key_id("k2"), key("HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")),
    ])
}

pub(crate) fn rules(buckets: u32, key: &str) -> Rules {
    Rules {
        buckets: NonZeroU32::new(buckets).unwrap(),
        key: key_id(key),
        keys: keys(),
        mode: ListMode::Enforce,
        writer: "tests".into(),
        settle: SETTLE,
        gather: 1000,
        reconcile: 300_000,
        reading: Reading::Possible,
    }
}

pub(crate) fn publication(rules: Rules) -> Publication {
    Publication::new(rules, Budget::new(1_000_000, 0), START)
}

pub(crate) fn client(number: u32) -> ClientKey {
    ClientKey::Ipv4(Ipv4Addr::from(number))
}

/// Blocked for a year.
pub(crate) fn blocked(now: UnixMillis) -> Record {
    Record { action: Action::Block, expires: now.seconds().plus(365 * 86_400) }
}

/// Does what is to be done, without faults, until the store holds all; gives the time then.
pub(crate) fn settle(publication: &mut Publication, store: &mut Items, mut now: UnixMillis) -> UnixMillis {
    use countersign::publish::publication::Task;
    for _ in 0..100_000 {
        if publication.is_settled(now) {
            return now;
        }
        match publication.next(now) {
            Task::List => publication.listed(store.clone(), now),
            Task::Write(batch) => {
                publication.writes(now);
                batch.iter().for_each(|operation| operation.apply(store));
                publication.wrote(&batch, None, now);
            }
            Task::Wait(until) => {
                assert!(until > now, "a wait that is over");
                now = until;
            }
        }
    }
    panic!("never settled");
}
