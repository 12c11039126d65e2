use std::collections::BTreeMap;

use countersign::publish::batch::{MOST_BYTES, MOST_OPERATIONS, Operation};
use countersign::publish::publication::{Items, Task};
use countersign_contract::list::{ListMode, META_ITEM, Meta, Set};
use countersign_contract::time::UnixMillis;

use crate::edge::look_up;
use crate::rules::{START, blocked, client, publication, rules, settle};

fn meta(store: &Items) -> Meta {
    Meta::parse(&store[META_ITEM]).unwrap()
}

fn batches(
    publication: &mut countersign::publish::publication::Publication,
    store: &mut Items,
    mut now: UnixMillis,
) -> Vec<Vec<Operation>> {
    let mut batches = Vec::new();
    while !publication.is_settled(now) {
        match publication.next(now) {
            Task::List => publication.listed(store.clone(), now),
            Task::Write(batch) => {
                batch.iter().for_each(|operation| operation.apply(store));
                publication.wrote(&batch, None, now);
                batches.push(batch);
            }
            Task::Wait(until) => now = until,
        }
    }
    batches
}

#[test]
fn a_change_writes_the_items_that_it_touches_and_the_head() {
    let (mut publication, mut store) = (publication(rules(499, "k1")), Items::new());
    for number in 0..1000 {
        publication.set(&client(number), Some(blocked(START)), START);
    }
    let now = settle(&mut publication, &mut store, START);
    assert_eq!(store.len(), 500);
    let before = meta(&store).generation;
    publication.set(&client(5000), Some(blocked(now)), now);
    let sent = batches(&mut publication, &mut store, now);
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!(sent[0][1].item_key(), META_ITEM);
    assert_eq!(meta(&store).generation, before + 1);
    assert!(look_up(&store, &store, &client(5000), now).is_some());
}

#[test]
fn what_the_store_holds_already_is_not_written_again() {
    let (mut first, mut store) = (publication(rules(7, "k1")), Items::new());
    for number in 0..100 {
        first.set(&client(number), Some(blocked(START)), START);
    }
    let now = settle(&mut first, &mut store, START);
    store.insert("someone's".into(), "own".into());
    // Another process, which reads what the first one left.
    let mut second = publication(rules(7, "k1"));
    for number in 0..100 {
        second.set(&client(number), Some(blocked(START)), now);
    }
    let before = store.clone();
    assert!(batches(&mut second, &mut store, now).is_empty());
    assert_eq!(store, before);
}

#[test]
fn who_was_lifted_goes_first_and_at_once() {
    let (mut publication, mut store) = (publication(rules(99, "k1")), Items::new());
    for number in 0..60_000 {
        publication.set(&client(number), Some(blocked(START)), START);
    }
    let now = settle(&mut publication, &mut store, START);
    assert!((0..60_000).step_by(97).all(|number| look_up(&store, &store, &client(number), now).is_some()));
    for number in 400_000..400_100 {
        publication.set(&client(number), Some(blocked(now)), now);
    }
    assert!(matches!(publication.next(now), Task::Wait(_)), "gathered first");
    publication.set(&client(77), None, now);
    let Task::Write(batch) = publication.next(now) else { panic!("a lift waits for nobody") };
    batch.iter().for_each(|operation| operation.apply(&mut store));
    assert_eq!(look_up(&store, &store, &client(77), now), None);
    let in_front = batch.iter().take(2).map(Operation::item_key).collect::<Vec<_>>();
    publication.wrote(&batch, None, now);
    assert!(in_front.iter().all(|key| *key != META_ITEM));
}

#[test]
fn batches_are_no_larger_than_the_api_takes() {
    let (mut publication, mut store) = (publication(rules(199, "k1")), Items::new());
    for number in 0..120_000 {
        publication.set(&client(number), Some(blocked(START)), START);
    }
    let sent = batches(&mut publication, &mut store, START);
    assert!(sent.len() > 1, "{}", sent.len());
    for batch in &sent {
        let body = serde_json::to_vec(&serde_json::json!({ "items": batch })).unwrap();
        assert!(batch.len() <= MOST_OPERATIONS && body.len() <= 1 << 20, "{}", body.len());
        assert!(body.len() <= MOST_BYTES + 4096);
    }
    let last = sent.last().and_then(|batch| batch.last()).unwrap();
    assert_eq!(last.item_key(), META_ITEM, "the head is the last word");
}

#[test]
fn another_mode_is_another_head() {
    let (mut publication, mut store) = (publication(rules(7, "k1")), Items::new());
    let now = settle(&mut publication, &mut store, START);
    let shadow = countersign::publish::publication::Rules { mode: ListMode::Observe, ..rules(7, "k1") };
    let mut other = crate::rules::publication(shadow);
    let sent = batches(&mut other, &mut store, now);
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
    assert_eq!(meta(&store).mode, ListMode::Observe);
}

#[test]
fn what_no_edge_can_read_is_replaced_and_foreign_items_stay() {
    let huge = r#"{"layout":2,"set":"b","buckets":4294967295,"key":"k1","mode":"enforce","generation":1,"epoch":0,"writer":"x"}"#;
    for broken in ["", "{", r#"{"layout":1,"buckets":7,"generation":9,"epoch":0,"writer":"older"}"#, huge] {
        let broken = broken.to_owned();
        let mut store = Items::from([
            (META_ITEM.to_owned(), broken.clone()),
            ("b0003".to_owned(), "garbage".to_owned()),
            ("b0600".to_owned(), String::new()),
            ("note".to_owned(), "someone's own".to_owned()),
        ]);
        let mut publication = publication(rules(7, "k1"));
        publication.set(&client(1), Some(blocked(START)), START);
        let mut now = settle(&mut publication, &mut store, START);
        // What was there before goes when no place can read it any more.
        for _ in 0..3 {
            now = UnixMillis(now.0 + 300_000);
            now = settle_again(&mut publication, &mut store, now);
        }
        assert!(look_up(&store, &store, &client(1), now).is_some(), "{broken}");
        assert_eq!(store.get("note").map(String::as_str), Some("someone's own"));
        assert_eq!(store.len(), 1 + 7 + 1, "{:?}", store.keys().collect::<Vec<_>>());
        assert_eq!(meta(&store).set, Set::A);
    }
}

fn settle_again(
    publication: &mut countersign::publish::publication::Publication,
    store: &mut Items,
    now: UnixMillis,
) -> UnixMillis {
    while let Task::List | Task::Write(_) = publication.next(now) {
        if let Task::Write(batch) = publication.next(now) {
            batch.iter().for_each(|operation| operation.apply(store));
            publication.wrote(&batch, None, now);
        } else {
            publication.listed(store.clone(), now);
        }
    }
    now
}

#[test]
fn a_store_that_is_too_small_keeps_the_hardest() {
    use countersign_contract::list::{Action, Record};
    let (mut publication, mut store) = (publication(rules(2, "k1")), Items::new());
    let record = |action| Record { action, expires: START.seconds().plus(86_400) };
    for number in 0..1332 {
        publication.set(&client(number), Some(record(Action::Throttle)), START);
    }
    for number in 5000..5100 {
        publication.set(&client(number), Some(record(Action::Block)), START);
    }
    let now = settle(&mut publication, &mut store, START);
    let found: BTreeMap<bool, usize> = (5000..5100).fold(BTreeMap::new(), |mut found, number| {
        *found.entry(look_up(&store, &store, &client(number), now).is_some()).or_default() += 1;
        found
    });
    assert_eq!(found, BTreeMap::from([(true, 100)]));
}

#[test]
fn a_head_from_the_end_of_time_does_no_harm() {
    let future = START.seconds().0 + 10 * 365 * 86_400;
    for (generation, epoch) in [(u64::MAX, 0), (7, future)] {
        let head = format!(
            r#"{{"layout":2,"set":"a","buckets":7,"key":"k1","mode":"enforce","generation":{generation},"epoch":{epoch},"writer":"x"}}"#
        );
        let mut store = Items::from([(META_ITEM.to_owned(), head)]);
        let mut publication = publication(rules(7, "k1"));
        publication.set(&client(1), Some(blocked(START)), START);
        let now = settle(&mut publication, &mut store, START);
        let record = look_up(&store, &store, &client(1), now).unwrap();
        assert!(record.expires <= blocked(START).expires.plus(60), "a ban ends when it says");
    }
}
