//! The packed list: what is put in is found, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use std::num::NonZeroU32;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{
    Action, Bucket, BucketFault, ListKey, ListKeys, MOST_RECORDS, Meta, MetaFault, Record, Set,
};
use countersign_contract::time::UnixSeconds;
use proptest::prelude::*;

const EPOCH: UnixSeconds = UnixSeconds(1_790_000_000);

fn key() -> ListKey {
    ListKey::from_base64url("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap()
}

fn client(n: u32) -> ClientKey {
    ClientKey::of_address(std::net::Ipv4Addr::from(n).into())
}

#[test]
fn a_full_bucket_fits_into_an_item_of_the_store() {
    let records: Vec<_> = (0..666)
        .map(|n| {
            (key().fingerprint(&client(n)).mark(), Record { action: Action::Block, expires: EPOCH.plus(600) })
        })
        .collect();
    let value = Bucket::pack(&records, EPOCH).unwrap();
    assert_eq!(value.len(), 7992);
    let bucket = Bucket::parse(&value).unwrap();
    for n in 0..666 {
        assert!(bucket.find(key().fingerprint(&client(n)).mark(), EPOCH, EPOCH).is_some(), "{n}");
    }
    for n in 1000..11_000 {
        assert_eq!(bucket.find(key().fingerprint(&client(n)).mark(), EPOCH, EPOCH), None, "{n}");
    }
    let one_more = [&records[..], &[(key().fingerprint(&client(667)).mark(), records[0].1)]].concat();
    assert_eq!(Bucket::pack(&one_more, EPOCH), Err(BucketFault::Full(667)));
}

#[test]
fn a_record_ends_at_its_time() {
    let fingerprint = key().fingerprint(&client(1)).mark();
    let record = Record { action: Action::Throttle, expires: EPOCH.plus(120) };
    let value = Bucket::pack(&[(fingerprint, record)], EPOCH).unwrap();
    let bucket = Bucket::parse(&value).unwrap();
    assert_eq!(bucket.find(fingerprint, EPOCH, EPOCH.plus(119)), Some(record));
    assert_eq!(bucket.find(fingerprint, EPOCH, EPOCH.plus(120)), None);
}

#[test]
fn of_several_records_the_hardest_counts_and_of_those_the_longest() {
    let mark = key().fingerprint(&client(1)).mark();
    let record = |action, seconds| (mark, Record { action, expires: EPOCH.plus(seconds) });
    let all = [
        record(Action::Throttle, 6000),
        record(Action::Block, 600),
        record(Action::Block, 1200),
        record(Action::Observe, 9000),
    ];
    let value = Bucket::pack(&all, EPOCH).unwrap();
    let bucket = Bucket::parse(&value).unwrap();
    assert_eq!(bucket.find(mark, EPOCH, EPOCH), Some(all[2].1));
    assert_eq!(bucket.find(mark, EPOCH, EPOCH.plus(1200)), Some(all[0].1));
}

#[test]
fn a_look_up_notices_what_it_comes_across_and_no_record_of_another_release_hides_ours() {
    let mark = key().fingerprint(&client(1)).mark();
    let look_up = |value: &str| Bucket::look_up(value, mark, EPOCH, EPOCH);
    assert_eq!(look_up("abc"), Err(BucketFault::Length(3)));
    assert_eq!(look_up("not a record"), Err(BucketFault::Encoding));
    let record = Record { action: Action::Block, expires: EPOCH.plus(600) };
    let ours = Bucket::pack(&[(mark, record)], EPOCH).unwrap();
    // Action 7 is none yet.
    let newer = format!("{}____", &ours[..8]);
    assert_eq!(look_up(&newer), Ok(None));
    assert_eq!(look_up(&format!("{ours}{newer}")), Ok(Some(record)));
    assert_eq!(look_up(&format!("AAAAAAAA____{ours}")), Ok(Some(record)));
    // What was found counts, whatever else was come across.
    assert_eq!(look_up(&format!("{ours}not a record")), Ok(Some(record)));
}

#[test]
fn half_written_and_foreign_items_are_not_read() {
    for (value, fault) in [
        ("AAAA", BucketFault::Length(4)),
        ("AAAAAAAAAAAAA", BucketFault::Length(13)),
        ("AAAA AAAA AA", BucketFault::Encoding),
        ("{\"foreign\":1", BucketFault::Encoding),
    ] {
        assert_eq!(Bucket::parse(value).unwrap_err(), fault, "{value}");
    }
    assert!(matches!(Meta::parse("{\"layout\":2,"), Err(MetaFault::Json(_))));
    assert!(matches!(
        Meta::parse(
            r#"{"layout":2,"set":"a","buckets":0,"key":"k1","mode":"enforce","generation":1,"epoch":0,"writer":"x"}"#
        ),
        Err(MetaFault::Json(_))
    ));
    assert_eq!(
        Meta::parse(
            r#"{"layout":3,"set":"a","buckets":1,"key":"k1","mode":"enforce","generation":1,"epoch":0,"writer":"x"}"#
        ),
        Err(MetaFault::Layout(3))
    );
    assert!(ListKey::from_base64url("short").is_err());
}

#[test]
fn an_older_layout_is_told_from_garbage() {
    let older = r#"{"layout":1,"buckets":7,"generation":1,"epoch":0,"writer":"x"}"#;
    assert_eq!(Meta::parse(older), Err(MetaFault::Layout(1)));
}

#[test]
fn a_head_that_no_store_could_have_is_not_believed() {
    let with = |buckets: &str| {
        format!(
            r#"{{"layout":2,"set":"a","buckets":{buckets},"key":"k1","mode":"enforce","generation":1,"epoch":0,"writer":"x"}}"#
        )
    };
    assert!(Meta::parse(&with("999")).is_ok());
    for wrong in ["1000", "4294967295"] {
        assert!(matches!(Meta::parse(&with(wrong)), Err(MetaFault::Buckets(_))), "{wrong}");
    }
}

#[test]
fn with_two_buckets_to_choose_from_a_store_fills_evenly() {
    // A third of a million clients less a tenth, in the 499 buckets of a config store beside its head.
    let buckets = NonZeroU32::new(499).unwrap();
    let mut filled = vec![0_usize; 499];
    for n in 0..300_000 {
        let choices = key().fingerprint(&client(n)).buckets(buckets);
        assert_ne!(choices[0], choices[1]);
        let chosen = choices.into_iter().min_by_key(|bucket| filled[*bucket as usize]).unwrap();
        filled[chosen as usize] += 1;
    }
    assert!(filled.iter().all(|records| *records <= MOST_RECORDS), "{:?}", filled.iter().max());
}

#[test]
fn items_of_buckets_are_told_from_foreign_ones() {
    assert_eq!(Bucket::of_item_key(&Bucket::item_key(Set::A, 7)), Some((Set::A, 7)));
    assert_eq!(Bucket::of_item_key("b0499"), Some((Set::B, 499)));
    for foreign in ["_meta", "a7", "a00007", "b-001", "c0001", "a", "", "b0001x", "a+001"] {
        assert_eq!(Bucket::of_item_key(foreign), None, "{foreign}");
    }
}

#[test]
fn list_keys_are_held_by_id_and_never_shown() {
    let (one, two) =
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let keys = ListKeys::parse(&format!("k1:{one}\n k2:{two}\n")).unwrap();
    let of = |id: &str| keys.get(&id.parse().unwrap()).map(|key| key.fingerprint(&client(1)));
    assert_eq!(of("k1"), Some(key().fingerprint(&client(1))));
    assert!(of("k2").is_some_and(|other| Some(other) != of("k1")) && of("k3").is_none());
    assert!(!format!("{keys:?}").contains("AAEC"));
    for wrong in ["", one, "k1:short", &format!("k1:{one} k1:{two}"), &format!("k 1:{one}")] {
        let message = ListKeys::parse(wrong).unwrap_err().to_string();
        assert!(!message.contains("AAECAwQFBg"), "{message}");
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(n in any::<u32>(), action in prop_oneof![
        Just(Action::Observe), Just(Action::RequireIdentity), Just(Action::Throttle), Just(Action::Block)
    ], minutes in 1u64..2_000_000) {
        let fingerprint = key().fingerprint(&client(n)).mark();
        let record = Record { action, expires: EPOCH.plus(minutes * 60) };
        let value = Bucket::pack(&[(fingerprint, record)], EPOCH).unwrap();
        prop_assert_eq!(Bucket::parse(&value).unwrap().find(fingerprint, EPOCH, EPOCH), Some(record));
    }

    #[test]
    fn a_look_up_finds_what_reading_every_record_finds(
        records in prop::collection::vec(((0..40_u32), 0..5_u32, 1..9_u64), 0..120),
        now in 0..9_u64,
    ) {
        let actions = [Action::Observe, Action::RequireIdentity, Action::Throttle, Action::Block];
        let mark = |n| key().fingerprint(&client(n)).mark();
        let records: Vec<_> = records
            .into_iter()
            .filter_map(|(n, action, minutes)| {
                let action = *actions.get(action as usize)?;
                Some((mark(n), Record { action, expires: EPOCH.plus(minutes * 60) }))
            })
            .collect();
        let now = EPOCH.plus(now * 60);
        let value = Bucket::pack(&records, EPOCH).unwrap();
        for n in 0..42 {
            let theirs = records.iter().filter(|(it, record)| *it == mark(n) && record.expires > now);
            let expected = theirs.map(|(_, record)| *record).max_by_key(|record| (record.action, record.expires));
            prop_assert_eq!(Bucket::look_up(&value, mark(n), EPOCH, now), Ok(expected));
            prop_assert_eq!(Bucket::parse(&value).unwrap().find(mark(n), EPOCH, now), expected);
        }
    }

    #[test]
    fn any_text_is_answered_without_a_panic(value in ".{0,100}") {
        if let Ok(bucket) = Bucket::parse(&value) {
            let _ = bucket.find(key().fingerprint(&client(1)).mark(), EPOCH, EPOCH);
        }
        let _ = Bucket::look_up(&value, key().fingerprint(&client(1)).mark(), EPOCH, EPOCH);
        let _ = Meta::parse(&value);
    }
}
