//! What publishing costs: how many clients a store holds, what a flush writes, who is refused by mistake.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use countersign::publish::batch::Operation;
use countersign::publish::budget::Budget;
use countersign::publish::publication::{Items, Publication, Reading, Rules, Task};
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{
    Action, Bucket, ListKey, ListMode, META_ITEM, Mark, Meta, MetaFault, Record,
};
use countersign_contract::mac_keys::MacKeysFault;
use countersign_contract::name::NotAName;
use countersign_contract::time::UnixMillis;

use crate::Pace;
use crate::report::{Line, Report, Target};

/// Items of a config store.
const ITEMS: u32 = 500;
/// Clients that change between two flushes.
const CHANGES: u32 = 1000;
/// Where the clients that change begin.
const NEW: u32 = 0x4000_0000;
/// Where the clients that are never listed begin.
const UNLISTED: u32 = 0x8000_0000;

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Key(#[from] MacKeysFault),
    #[error(transparent)]
    Name(#[from] NotAName),
    #[error(transparent)]
    Meta(#[from] MetaFault),
    #[error("the store never held the list")]
    NeverSettled,
}

pub(crate) fn run(pace: Pace) -> Result<Report, PublishError> {
    let (clients, looks) = match pace {
        Pace::Full => (300_000, 10_000_000),
        Pace::Quick => (30_000, 300_000),
    };
    let buckets = NonZeroU32::MIN.saturating_add(ITEMS - 2);
    let key = ListKey::from_base64url("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")?;
    let start = UnixMillis(1_790_000_000_000);
    let mut publication = Publication::new(rules(buckets, &key)?, Budget::new(usize::MAX, 0), start);
    for number in 0..clients {
        publication.set(&client(number), Some(blocked(start)), start);
    }
    let mut store = Items::new();
    let (now, whole) = flush(&mut publication, &mut store, start)?;
    let left_out = publication.left_out();

    let began = Instant::now();
    for number in NEW..NEW + CHANGES {
        publication.set(&client(number), Some(blocked(now)), now);
    }
    let taken_in = began.elapsed();
    let (_, few) = flush(&mut publication, &mut store, now)?;
    let listed = clients + CHANGES;

    let by_mistake = false_refusals(&store, &key, looks, now)?;
    // Each look compares with the records of two buckets, by 48 bits.
    let expected = f64::from(looks) * 2.0 * f64::from(listed) / f64::from(buckets.get()) / 2_f64.powi(48);
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let of = |flush: &Flush| {
        format!(
            "{:.1} ms of planning, {} items, {} bytes, {} calls",
            millis(flush.planned),
            flush.items,
            flush.bytes,
            flush.calls
        )
    };
    let part = f64::from(u32::try_from(few.bytes).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(whole.bytes).unwrap_or(u32::MAX));
    Ok(Report {
        title: "publish: the list in one store".to_owned(),
        notes: vec![
            format!("{clients} clients in {} buckets of one config store; then {CHANGES} more.", buckets),
            "No network: what is planned is applied to a map. Bytes are those of the batches.".to_owned(),
        ],
        lines: vec![
            Line::new(
                "clients in a store of 500 items, packed",
                format!(
                    "{} listed, {left_out} without room",
                    clients - u32::try_from(left_out).unwrap_or(u32::MAX)
                ),
            )
            .beside("one client an item", f64::from(clients) / f64::from(ITEMS), None),
            Line::new("the whole list", of(&whole)),
            Line::new(
                format!("{CHANGES} changes among them"),
                format!("{:.1} ms to take in, {}", millis(taken_in), of(&few)),
            )
            .beside("the whole list's bytes", part, None),
            Line::new(
                format!("unlisted clients refused by mistake, of {looks}"),
                format!("{by_mistake}, expected {expected:.7}"),
            )
            .beside("none", f64::from(by_mistake), Some(Target::AtMost(0.0))),
        ],
    })
}

fn rules(buckets: NonZeroU32, key: &ListKey) -> Result<Rules, NotAName> {
    Ok(Rules {
        buckets,
        key: "k1".parse()?,
        keys: HashMap::from([("k1".parse()?, key.clone())]),
        mode: ListMode::Enforce,
        writer: "bench".to_owned(),
        settle: 60_000,
        gather: 1000,
        reconcile: 300_000,
        reading: Reading::Possible,
    })
}

fn client(number: u32) -> ClientKey {
    ClientKey::Ipv4(Ipv4Addr::from(number))
}

fn blocked(now: UnixMillis) -> Record {
    Record { action: Action::Block, expires: now.seconds().plus(86_400) }
}

/// What one flush took.
#[derive(Debug, Default)]
struct Flush {
    planned: Duration,
    items: usize,
    bytes: usize,
    calls: usize,
}

/// Writes all that is to be written.
fn flush(
    publication: &mut Publication,
    store: &mut Items,
    mut now: UnixMillis,
) -> Result<(UnixMillis, Flush), PublishError> {
    let mut flush = Flush::default();
    for _ in 0..1000 {
        let began = Instant::now();
        let task = publication.next(now);
        match task {
            Task::Write(batch) => {
                flush.planned += began.elapsed();
                flush.items += batch.len();
                flush.bytes += batch.iter().map(bytes).sum::<usize>();
                flush.calls += 1;
                batch.iter().for_each(|operation| operation.apply(store));
                publication.wrote(&batch, None, now);
            }
            Task::List => publication.listed(store.clone(), now),
            Task::Wait(_) if publication.is_settled(now) => return Ok((now, flush)),
            Task::Wait(until) => now = until,
        }
    }
    Err(PublishError::NeverSettled)
}

fn bytes(operation: &Operation) -> usize {
    serde_json::to_vec(operation).map_or(0, |text| text.len() + 1)
}

/// Clients that are not listed and that an edge would take for one that is.
fn false_refusals(store: &Items, key: &ListKey, looks: u32, now: UnixMillis) -> Result<u32, PublishError> {
    let meta = Meta::parse(store.get(META_ITEM).map_or("", String::as_str))?;
    let marks = |number| -> HashSet<Mark> {
        let value = store.get(&Bucket::item_key(meta.set, number));
        let bucket = value.and_then(|value| Bucket::parse(value).ok());
        let records = bucket.iter().flat_map(|bucket| bucket.records(meta.epoch));
        records.filter(|(_, record)| record.expires > now.seconds()).map(|(mark, _)| mark).collect()
    };
    // Read once: ten million look-ups of the edge's own would decode the same buckets over and over.
    let buckets: Vec<HashSet<Mark>> = (0..meta.buckets.get()).map(marks).collect();
    let refused = |number: &u32| {
        let fingerprint = key.fingerprint(&client(UNLISTED + number));
        let in_bucket = |bucket: u32| {
            buckets.get(bucket as usize).is_some_and(|marks| marks.contains(&fingerprint.mark()))
        };
        fingerprint.buckets(meta.buckets).into_iter().any(in_bucket)
    };
    Ok(u32::try_from((0..looks).filter(refused).count()).unwrap_or(u32::MAX))
}
