//! Log-ins that are over: what a node tells once, it may tell again.

use std::time::Duration;

use countersign::reputation::bans::{Ban, Bans, Cause, Standing, State};
use countersign::reputation::ended::Told;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;
use haproxy_wire::peers::{DataType, Key, KeyLength, KeyType, Lifetime, Parameters, Schema, Value};

use crate::told::with_entry;

const NOW: UnixSeconds = UnixSeconds(1_790_000_000);
/// `expire` of the shipped table.
const LIFE: Duration = Duration::from_secs(25 * 3600);
const DAY: u64 = 86_400;

/// `type string len 264 … store gpc0`, as the shipped `cs_ended`.
fn read(key: &str, count: u32, lifetime: Lifetime) -> Option<Told> {
    let schema = Schema::new(KeyType::String(KeyLength::new(264).unwrap()), LIFE);
    let schema = schema.with(DataType::Gpc0, Parameters::None).unwrap();
    let key = Key::String(key.as_bytes());
    with_entry(&schema, &key, &[Value::Unsigned(count)], |entry| Told::read(entry, lifetime))
}

fn told(count: u32) -> Told {
    read("session:08a5", count, Lifetime::For(LIFE)).unwrap()
}

fn session() -> ClientKey {
    "session:08a5".parse().unwrap()
}

fn until(bans: &Bans, now: UnixSeconds) -> Option<UnixSeconds> {
    bans.ban(&session(), now).map(|ban| ban.until)
}

#[test]
fn only_an_entry_that_ends_a_log_in_is_one() {
    let life = Lifetime::For(LIFE);
    assert_eq!(read("session:08a5", 2, life).unwrap().client, session());
    let longest = format!("session:{}", "s".repeat(255));
    assert!(read(&longest, 1, life).is_some(), "the longest that an agent lets through");
    for (key, count, lifetime) in [
        ("session:08a5", 0, life),
        ("session:08a5", 1, Lifetime::For(Duration::ZERO)),
        ("session:", 1, life),
        ("08a5", 1, life),
        ("subject:ann", 1, life),
        ("192.0.2.7", 1, life),
    ] {
        assert_eq!(read(key, count, lifetime), None, "{key} {count}");
    }
}

#[test]
fn what_is_told_again_extends_nothing_and_what_grew_does() {
    let mut bans = Bans::default();
    assert!(bans.sign_out(&told(1), "hap1", DAY, NOW).unwrap());
    let ban = bans.ban(&session(), NOW).unwrap();
    assert_eq!((ban.action, ban.until, &ban.cause), (Action::Block, NOW.plus(DAY), &Cause::SignedOut));
    let later = NOW.plus(3600);
    let change = bans.last_change();
    assert!(!bans.sign_out(&told(1), "hap1", DAY, later).unwrap());
    assert_eq!((until(&bans, later), bans.last_change()), (Some(NOW.plus(DAY)), change));
    assert!(bans.sign_out(&told(2), "hap1", DAY, later).unwrap());
    assert_eq!(until(&bans, later), Some(later.plus(DAY)));
    // Another node, which counts for itself.
    assert!(bans.sign_out(&told(1), "hap2", DAY, later.plus(1)).unwrap());
    assert!(!bans.sign_out(&told(2), "hap1", DAY, later.plus(2)).unwrap());
    assert_eq!(until(&bans, later), Some(later.plus(DAY + 1)));
}

#[test]
fn what_is_told_again_undoes_no_lift_and_a_new_log_out_does() {
    let mut bans = Bans::default();
    bans.sign_out(&told(1), "hap1", DAY, NOW).unwrap();
    bans.remove(&session(), 3600, NOW).unwrap();
    assert!(!bans.sign_out(&told(1), "hap1", DAY, NOW.plus(1)).unwrap());
    assert_eq!(until(&bans, NOW.plus(1)), None);
    assert!(bans.sign_out(&told(2), "hap1", DAY, NOW.plus(2)).unwrap());
    assert_eq!(until(&bans, NOW.plus(2)), Some(NOW.plus(DAY + 2)));
}

#[test]
fn a_log_out_is_remembered_for_as_long_as_its_entry_lives_and_through_the_state_file() {
    let mut bans = Bans::default();
    bans.sign_out(&told(1), "hap1", 60, NOW).unwrap();
    let ended = NOW.plus(LIFE.as_secs());
    bans.expire(ended);
    let written = serde_json::to_string(bans.iter(NOW).next().unwrap().1).unwrap();
    let mut restored = Bans::default();
    restored.restore(&session(), serde_json::from_str::<Standing>(&written).unwrap()).unwrap();
    for bans in [&mut bans, &mut restored] {
        assert!(!bans.sign_out(&told(1), "hap1", 60, ended).unwrap(), "the ban is over, its entry lives");
        bans.expire(ended.plus(2 * 3600));
        assert!(bans.is_empty());
    }
}

#[test]
fn a_longer_ban_by_hand_stays() {
    let mut bans = Bans::default();
    let cause = Cause::Operator { reason: "ticket 12".into() };
    let by_hand = Ban { action: Action::Block, since: NOW, until: NOW.plus(2 * DAY), cause };
    bans.add(&session(), by_hand.clone(), NOW).unwrap();
    bans.sign_out(&told(1), "hap1", DAY, NOW).unwrap();
    assert_eq!(bans.get(&session(), NOW).unwrap().state, State::Banned(by_hand));
    let milder =
        Ban { action: Action::Observe, since: NOW, until: NOW.plus(2 * DAY), cause: Cause::SignedOut };
    bans.add(&session(), milder, NOW).unwrap();
    bans.sign_out(&told(2), "hap1", DAY, NOW).unwrap();
    assert_eq!(bans.ban(&session(), NOW).unwrap().action, Action::Block);
}
