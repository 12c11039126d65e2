use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign::reputation::heard::HeardTable;
use haproxy_wire::peers::{DataType, Key, KeyLength, KeyType, Lifetime, Parameters, Rate, Schema, Value};
use proptest::prelude::*;

use crate::told::{LIFE, MINUTE, sensor, with_entry};

fn counters(key: KeyType) -> Schema {
    let schema = Schema::new(key, LIFE).with(DataType::Gpc0, Parameters::None).unwrap();
    schema.with(DataType::BytesInCnt, Parameters::None).unwrap()
}

/// All that is held, by key.
fn all(table: &HeardTable, now: Instant) -> HashMap<String, (u32, u64)> {
    let mut found = HashMap::new();
    let mut place = 0;
    while let Some((next, held)) = table.next(place, now) {
        place = next;
        let [Value::Unsigned(small), Value::Counter(large)] = held.values[..] else { panic!("{held:?}") };
        assert!(found.insert(format!("{:?}", held.key), (small, large)).is_none(), "one entry a key");
    }
    found
}

proptest! {
    /// Whatever is put, replaced and let go, the table holds what a map would.
    #[test]
    fn a_table_holds_what_was_put(
        kind in 0_usize..3,
        puts in proptest::collection::vec((0_u8..40, any::<u32>(), any::<u64>(), prop::sample::select(vec![0_u64, 5, 60])), 0..300),
    ) {
        let key_type = [KeyType::Integer, KeyType::Ipv6, KeyType::String(KeyLength::new(20).unwrap())][kind];
        let schema = counters(key_type);
        let began = Instant::now();
        let mut table = HeardTable::new(schema, 1000, began);
        let mut model: HashMap<String, (u32, u64, Duration)> = HashMap::new();
        let mut elapsed = Duration::ZERO;
        for (number, small, large, seconds) in puts {
            elapsed += Duration::from_secs(1);
            let text = format!("key-{number}");
            let key = match key_type {
                KeyType::Integer => Key::Integer(number.into()),
                KeyType::Ipv6 => Key::Ipv6(u128::from(number).into()),
                _ => Key::String(text.as_bytes()),
            };
            let life = Duration::from_secs(seconds);
            with_entry(&schema, &key, &[Value::Unsigned(small), Value::Counter(large)], |entry| {
                table.put(entry, Lifetime::For(life), began + elapsed);
            });
            model.insert(format!("{key:?}"), (small, large, elapsed + life));
            let alive = model.iter().filter(|(_, (.., ends))| *ends > elapsed);
            let alive: HashMap<_, _> = alive.map(|(key, (small, large, _))| (key.clone(), (*small, *large))).collect();
            prop_assert_eq!(all(&table, began + elapsed), alive);
        }
    }
}

#[test]
fn a_full_table_lets_others_go_and_never_grows() {
    let schema = counters(KeyType::Ipv6);
    let began = Instant::now();
    let mut table = HeardTable::new(schema, 100, began);
    for number in 0..10_000_u128 {
        let values = [Value::Unsigned(1), Value::Counter(number.try_into().unwrap())];
        with_entry(&schema, &Key::Ipv6(number.into()), &values, |entry| {
            assert!(table.put(entry, Lifetime::Forever, began).is_some(), "the newest is always held");
        });
        assert!(table.len() <= 100);
        assert_eq!(table.is_whole(), number < 100);
    }
}

#[test]
fn what_is_over_gives_its_place_to_what_comes() {
    let schema = counters(KeyType::Ipv6);
    let began = Instant::now();
    let mut table = HeardTable::new(schema, u32::MAX, began);
    for number in 0..20_000_u64 {
        let now = began + Duration::from_secs(number);
        let values = [Value::Unsigned(1), Value::Counter(1)];
        with_entry(&schema, &Key::Ipv6(u128::from(number).into()), &values, |entry| {
            table.put(entry, Lifetime::For(Duration::from_secs(50)), now);
        });
    }
    assert!(table.len() < 200, "{} are held of 50 that live", table.len());
}

#[test]
fn a_rate_is_told_on_as_old_as_it_has_become() {
    let (schema, began) = (sensor(), Instant::now());
    let mut table = HeardTable::new(schema, 10, began);
    let rate = |elapsed, current, previous| Value::Rate(Rate { elapsed, current, previous });
    let key = Key::Ipv6("::ffff:192.0.2.7".parse().unwrap());
    let values = [rate(1000, 7, 3), rate(0, 0, 0), rate(0, 0, 0), rate(0, 0, 0)];
    with_entry(&schema, &key, &values, |entry| table.put(entry, Lifetime::For(LIFE), began));
    let later = began + Duration::from_secs(20);
    let (_, held) = table.next(0, later).unwrap();
    assert_eq!(held.key, key);
    assert_eq!(held.values[0], rate(21_000, 7, 3));
    assert_eq!(held.lifetime, Lifetime::For(LIFE - Duration::from_secs(20)));
    let column = table.column(DataType::GpcRate, 0).unwrap();
    let slot = table.find(&key, later).unwrap();
    // HAProxy's estimate: this period's 7 and two thirds of the 3 before.
    assert_eq!(table.value(slot, column, began + Duration::from_secs(19)), 7 + 2);
    assert_eq!(table.value(slot, column, began + 2 * MINUTE), 0);
}
