//! A list that can't be read, or not whole: nobody is turned away for what isn't there, and the record
//! says what is wrong.

use countersign_contract::list::{Action, Bucket, LAYOUT, Set};
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::json;

use crate::issuer::token;
use crate::listing::{Items, LIST_KEY_TEXT, Listing};
use crate::world::{World, get};

const CLIENT: &str = "192.0.2.7";

/// Breaks one part of a world.
type Break = fn(&mut World);

fn set(world: &mut World, item: &str, value: &str) {
    world.list.as_mut().unwrap().insert(item.into(), value.into());
}

fn each_bucket(items: &mut Items, change: impl Fn(&mut String)) {
    items.iter_mut().filter(|(key, _)| *key != "_meta").for_each(|(_, value)| change(value));
}

#[test]
fn a_list_that_cannot_be_read_turns_nobody_away_and_is_noted() {
    let broken: [(&str, Break); 15] = [
        ("no store `countersign_list`", |world| world.list = Err(World::absent("countersign_list"))),
        ("store `countersign_list` can't be read", |world| {
            world.list = Err(World::half_written("countersign_list"));
        }),
        ("item `_meta` is missing", |world| world.list = Ok(Items::new())),
        ("item `_meta` can't be read", |world| set(world, "_meta", r#"{"layout":2,"#)),
        ("item `_meta` can't be read", |world| {
            set(
                world,
                "_meta",
                r#"{"layout":2,"set":"c","buckets":7,"key":"k1","mode":"enforce","generation":1,"epoch":0,"writer":"x"}"#,
            );
        }),
        ("layout 1, expected 2", |world| {
            set(world, "_meta", r#"{"layout":1,"buckets":7,"generation":7,"epoch":1,"writer":"tests"}"#);
        }),
        ("layout 9, expected 2", |world| set(world, "_meta", r#"{"layout":9}"#)),
        ("` is missing", |world| world.list.as_mut().unwrap().retain(|key, _| key == "_meta")),
        ("speaks of 4294967295 buckets", |world| {
            set(
                world,
                "_meta",
                r#"{"layout":2,"set":"b","buckets":4294967295,"key":"k1","mode":"enforce","generation":1,"epoch":18446744073709551615,"writer":"x"}"#,
            );
        }),
        ("the bucket has 3 characters", |world| {
            each_bucket(world.list.as_mut().unwrap(), |value| *value = "abc".into());
        }),
        ("the bucket is not base64url", |world| {
            each_bucket(world.list.as_mut().unwrap(), |value| *value = "not a record".into());
        }),
        ("secret `list-key` is missing", |world| drop(world.secrets.as_mut().unwrap().remove("list-key"))),
        ("a key is 32 bytes", |world| {
            world.secrets.as_mut().unwrap().insert("list-key".into(), b"\xff".to_vec());
        }),
        // The key without its id, as an older release had it.
        ("keys are `ID:KEY`", |world| {
            world.secrets.as_mut().unwrap().insert("list-key".into(), LIST_KEY_TEXT.into());
        }),
        ("has no key `k1`", |world| {
            world.secrets.as_mut().unwrap().insert("list-key".into(), format!("k0:{LIST_KEY_TEXT}").into());
        }),
    ];
    for (fault, break_it) in broken {
        let mut world = World::new().listing(&[(CLIENT, Action::Block), ("subject:ann", Action::Block)]);
        break_it(&mut world);
        for ask in [get("/static/x"), get("/api/x").bearer(&token(Algorithm::EdDSA).make())] {
            let seen = world.ask(&ask);
            seen.passed("forwarded");
            let noted = seen.record["list_fault"].as_str().unwrap_or_default();
            assert!(noted.contains(fault), "{fault}: {noted}");
            assert!(!noted.contains("AAECAwQF"), "{noted}");
            assert_eq!(seen.record.get("listed"), None);
        }
    }
}

#[test]
fn a_client_is_found_in_either_of_its_buckets_whatever_the_other_one_is() {
    for choice in 0..2 {
        let mut list = Listing::of(&[(CLIENT, Action::Block)]);
        list.choice = choice;
        let sound = World::new().with_list(&list).ask(&get("/static/x"));
        sound.refused(403, "listed-block");
        assert_eq!(sound.record.get("list_fault"), None);

        let mut items = list.items();
        let other = &list.buckets_of(CLIENT)[1 - choice];
        for broken in [None, Some("abc"), Some("not a record")] {
            match broken {
                None => drop(items.remove(other)),
                Some(value) => drop(items.insert(other.clone(), value.into())),
            }
            let mut world = World::new();
            world.list = Ok(items.clone());
            let seen = world.ask(&get("/static/x"));
            seen.refused(403, "listed-block");
            assert!(seen.record["list_fault"].as_str().unwrap().contains(other.as_str()));
        }
    }
}

#[test]
fn the_set_the_number_of_buckets_and_the_key_are_those_of_the_head() {
    for (set, buckets) in [(Set::A, 1), (Set::B, 1), (Set::A, 2), (Set::B, 499)] {
        let mut list = Listing::of(&[(CLIENT, Action::Block)]);
        list.meta.set = set;
        list.meta.buckets = buckets.try_into().unwrap();
        let mut world = World::new().with_list(&list);
        // Beside it the list that comes next, or that was before: not in use.
        let mut beside = Listing::of(&[("192.0.2.8", Action::Block)]);
        beside.meta.set = set.other();
        let items = world.list.as_mut().unwrap();
        items.extend(beside.items().into_iter().filter(|(key, _)| key != "_meta"));
        world.ask(&get("/static/x")).refused(403, "listed-block");
        world.ask(&get("/static/x").from("192.0.2.8")).passed("forwarded");
    }
    // Two keys are held while one replaces the other.
    let other = "HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let mut world = World::new().listing(&[(CLIENT, Action::Block)]);
    let keys = format!("k0:{other}\nk1:{LIST_KEY_TEXT}\n");
    world.secrets.as_mut().unwrap().insert("list-key".into(), keys.into());
    world.ask(&get("/static/x")).refused(403, "listed-block");
}

#[test]
fn items_of_somebody_else_are_never_asked_for() {
    let list = Listing::of(&[(CLIENT, Action::Block)]);
    let mut world = World::new().with_list(&list);
    for (key, value) in [("a0000", "not a record"), ("b9999", "abc"), ("blocked_ips", "192.0.2.8"), ("_", "")]
    {
        set(&mut world, key, value);
    }
    for (address, is_refused) in [(CLIENT, true), ("192.0.2.8", false)] {
        let seen = world.ask(&get("/static/x").from(address));
        assert_eq!((seen.sent.is_none(), seen.record.get("list_fault")), (is_refused, None));
        let [one, two] = list.buckets_of(address);
        assert_eq!(seen.list_items(), ["_meta", one.as_str(), two.as_str()]);
    }
}

/// Values of a head that is nearly one.
fn head() -> impl Strategy<Value = String> {
    let layout = prop_oneof![4 => Just(LAYOUT), 1 => any::<u32>()];
    let buckets = prop_oneof![4 => 1..8_u32, 1 => any::<u32>()];
    let set = prop_oneof![Just("a"), Just("b"), Just("c")];
    let key = prop_oneof![4 => Just("k1".to_owned()), 1 => ".{0,10}"];
    let mode = prop_oneof![4 => Just("enforce"), 2 => Just("observe"), 1 => Just("off")];
    let whole = (layout, buckets, set, key, mode, any::<u64>(), any::<u64>()).prop_map(
        |(layout, buckets, set, key, mode, generation, epoch)| {
            json!({ "layout": layout, "set": set, "buckets": buckets, "key": key, "mode": mode,
                    "generation": generation, "epoch": epoch, "writer": "tests" })
            .to_string()
        },
    );
    prop_oneof![3 => whole, 1 => ".{0,200}"]
}

/// Values of a bucket: nearly one, with records of the clients that ask, or anything at all.
fn bucket() -> impl Strategy<Value = Option<String>> {
    let tail = "[A-Za-z0-9_-]{4}";
    let record = (prop::sample::select(vec![CLIENT, "subject:ann", "session:08a5"]), tail).prop_map(
        |(client, tail)| {
            use base64::Engine as _;
            let key = countersign_contract::list::ListKey::from_base64url(LIST_KEY_TEXT).unwrap();
            let mark = key.fingerprint(&client.parse().unwrap()).mark();
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mark.0) + &tail
        },
    );
    let records = prop::collection::vec(record, 0..4).prop_map(|records| Some(records.concat()));
    prop_oneof![3 => records, 1 => "[A-Za-z0-9_-]{0,36}".prop_map(Some), 1 => ".{0,40}".prop_map(Some), 1 => Just(None)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_in_the_store_a_request_passes_or_is_refused_by_the_ladder(
        head in head(),
        buckets in prop::collection::vec(bucket(), 8),
        signed_in in any::<bool>(),
    ) {
        let mut world = World::new();
        let mut items = Items::from([("_meta".to_owned(), head.clone())]);
        for set in Set::ALL {
            let named = (0..).map(|number| Bucket::item_key(set, number)).zip(buckets.clone());
            items.extend(named.filter_map(|(key, value)| Some((key, value?))));
        }
        world.list = Ok(items);
        let ask = get("/page/x");
        let ask = if signed_in {
            ask.bearer(&token(Algorithm::EdDSA).claim("sid", json!("08a5")).make())
        } else {
            ask
        };
        let seen = world.ask(&ask);
        prop_assert!(seen.list_items().len() <= 7);
        if seen.sent.is_some() {
            prop_assert_eq!(&seen.record["verdict"], "allow");
        } else {
            let by_the_ladder = [(401, "session-revoked"), (403, "listed-block"), (429, "listed-throttle"), (401, "listed-require-identity")];
            let refused = |(status, reason)| seen.record["status"] == status && seen.record["reason"] == reason;
            prop_assert!(by_the_ladder.into_iter().any(refused), "{}", seen.record);
            prop_assert!(!head.contains(r#""mode":"observe""#));
        }
    }
}
