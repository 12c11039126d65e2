//! The packed list: what is put in is found, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Action, Bucket, BucketFault, ListKey, Meta, MetaFault, Record};
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
        .map(|n| (key().fingerprint(&client(n)), Record { action: Action::Block, expires: EPOCH.plus(600) }))
        .collect();
    let value = Bucket::pack(&records, EPOCH).unwrap();
    assert_eq!(value.len(), 7992);
    let bucket = Bucket::parse(&value).unwrap();
    for n in 0..666 {
        assert!(bucket.find(&key().fingerprint(&client(n)), EPOCH, EPOCH).is_some(), "{n}");
    }
    for n in 1000..11_000 {
        assert_eq!(bucket.find(&key().fingerprint(&client(n)), EPOCH, EPOCH), None, "{n}");
    }
    let one_more = [&records[..], &[(key().fingerprint(&client(667)), records[0].1)]].concat();
    assert_eq!(Bucket::pack(&one_more, EPOCH), Err(BucketFault::Full(667)));
}

#[test]
fn a_record_ends_at_its_time() {
    let fingerprint = key().fingerprint(&client(1));
    let record = Record { action: Action::Throttle, expires: EPOCH.plus(120) };
    let value = Bucket::pack(&[(fingerprint, record)], EPOCH).unwrap();
    let bucket = Bucket::parse(&value).unwrap();
    assert_eq!(bucket.find(&fingerprint, EPOCH, EPOCH.plus(119)), Some(record));
    assert_eq!(bucket.find(&fingerprint, EPOCH, EPOCH.plus(120)), None);
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
    assert!(matches!(Meta::parse("{\"layout\":1,"), Err(MetaFault::Json(_))));
    assert!(matches!(
        Meta::parse(r#"{"layout":1,"buckets":0,"generation":1,"epoch":0,"writer":"x"}"#),
        Err(MetaFault::Json(_))
    ));
    assert_eq!(
        Meta::parse(r#"{"layout":2,"buckets":1,"generation":1,"epoch":0,"writer":"x"}"#),
        Err(MetaFault::Layout(2))
    );
    assert!(ListKey::from_base64url("short").is_err());
}

proptest! {
    #[test]
    fn every_record_comes_back(n in any::<u32>(), action in prop_oneof![
        Just(Action::Observe), Just(Action::RequireIdentity), Just(Action::Throttle), Just(Action::Block)
    ], minutes in 1u64..2_000_000) {
        let fingerprint = key().fingerprint(&client(n));
        let record = Record { action, expires: EPOCH.plus(minutes * 60) };
        let value = Bucket::pack(&[(fingerprint, record)], EPOCH).unwrap();
        prop_assert_eq!(Bucket::parse(&value).unwrap().find(&fingerprint, EPOCH, EPOCH), Some(record));
    }

    #[test]
    fn any_text_is_answered_without_a_panic(value in ".{0,100}") {
        if let Ok(bucket) = Bucket::parse(&value) {
            let _ = bucket.find(&key().fingerprint(&client(1)), EPOCH, EPOCH);
        }
        let _ = Meta::parse(&value);
    }
}
