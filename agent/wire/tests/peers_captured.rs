//! What HAProxy itself said to a peer, captured; each file names its origin in its header.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use haproxy_wire::peers::{
    Ack, Complaint, Control, DataType, DecodeError, Definition, DictionaryValue, Hello, Key, KeyType,
    MaxMessageSize, Message, Parameters, Rate, Schema, Status, TableId, UpdateId, Value,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSIONS: [&str; 3] = ["2.6.12", "3.0.11", "3.2.26"];
const LIMIT: MaxMessageSize = MaxMessageSize::DEFAULT;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/peers")
}

/// The folder belongs to the repository, not to the published crate.
fn versions() -> impl Iterator<Item = &'static str> {
    VERSIONS.into_iter().filter(|_| folder().is_dir())
}

/// The bytes of one vector: lines of hex, `#` begins a comment.
fn bytes(version: &str, name: &str) -> Vec<u8> {
    let path = folder().join(format!("haproxy-{version}-{name}.hex"));
    let text = fs::read_to_string(&path).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(text.starts_with('#') && digits.len().is_multiple_of(2), "{}", path.display());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn messages(mut bytes: &[u8]) -> Vec<Message<'_>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (message, rest) = Message::decode(bytes, LIMIT).unwrap();
        found.push(message);
        bytes = rest;
    }
    found
}

/// An update with all that was known when it came.
#[derive(Debug)]
struct Seen {
    table: String,
    expiry: Option<Duration>,
    key: String,
    values: Vec<(DataType, u8, String)>,
    numbers: Vec<u64>,
    rates: Vec<(DataType, Rate)>,
}

fn key(key: Key<'_>) -> String {
    match key {
        Key::Integer(value) => value.to_string(),
        Key::Ipv4(address) => address.to_string(),
        Key::Ipv6(address) => address.to_string(),
        Key::String(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Key::Binary(bytes) => format!("{bytes:?}"),
    }
}

/// Definitions by name, and updates in their order.
fn replay(bytes: &[u8]) -> (BTreeMap<String, Schema>, Vec<Seen>) {
    let (mut tables, mut seen) = (BTreeMap::new(), Vec::new());
    let mut current = None;
    for message in messages(bytes) {
        match message {
            Message::Define(Definition { name, schema, .. }) => {
                let name = String::from_utf8(name.to_vec()).unwrap();
                tables.insert(name.clone(), schema.unwrap());
                current = Some((name, schema.unwrap()));
            }
            Message::Update(update) => {
                let (table, schema) = current.as_ref().unwrap();
                let entry = update.entry(schema).unwrap();
                let number = |value| match value {
                    Value::Signed(value) => Some(u64::try_from(value).unwrap()),
                    Value::Unsigned(value) => Some(u64::from(value)),
                    Value::Counter(value) => Some(value),
                    Value::Rate(_) | Value::Dictionary(_) => None,
                };
                let rate = |value| match value {
                    Value::Rate(rate) => Some(rate),
                    _ => None,
                };
                seen.push(Seen {
                    table: table.clone(),
                    expiry: update.expiry(),
                    key: key(entry.key()),
                    values: entry
                        .values()
                        .map(|datum| (datum.data_type, datum.index, format!("{:?}", datum.value)))
                        .collect(),
                    numbers: entry.values().filter_map(|datum| number(datum.value)).collect(),
                    rates: entry
                        .values()
                        .filter_map(|datum| rate(datum.value).map(|rate| (datum.data_type, rate)))
                        .collect(),
                });
            }
            _ => {}
        }
    }
    (tables, seen)
}

#[test]
fn every_capture_is_understood_and_every_cut_of_it_is_incomplete() {
    if !folder().is_dir() {
        return;
    }
    let mut files = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".hex").and_then(|name| name.strip_prefix("haproxy-")) else {
            continue;
        };
        let (version, what) = name.split_once('-').unwrap();
        files += 1;
        if what == "hello" || what.starts_with("status-") {
            continue;
        }
        let whole = bytes(version, what);
        let mut rest = &whole[..];
        while !rest.is_empty() {
            let (message, after) =
                Message::decode(rest, LIMIT).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!matches!(message, Message::Other { .. }), "{name}: {message:?}");
            let length = rest.len() - after.len();
            for cut in 0..length {
                let error = Message::decode(&rest[..cut], LIMIT).unwrap_err();
                assert!(matches!(error, DecodeError::Incomplete { .. }), "{name} at {cut}: {error}");
            }
            rest = after;
        }
    }
    assert_eq!(files, 87);
}

#[test]
fn hellos_and_statuses() {
    for version in versions() {
        let hello = bytes(version, "hello");
        let (decoded, rest) = Hello::decode(&hello).unwrap();
        assert_eq!((decoded.to, decoded.from, rest), ("probe", "hap", &b""[..]));
        for status in Status::ALL {
            let line = bytes(version, &format!("status-{}", status.code()));
            assert_eq!(Status::decode(&line), Ok((status, &b""[..])), "{version}");
        }
    }
}

#[test]
fn control_and_error_messages() {
    for version in versions() {
        let only = |name| match messages(&bytes(version, name))[..] {
            [Message::Control(control)] => Some(control),
            _ => None,
        };
        assert_eq!(only("resync-request"), Some(Control::ResyncRequest));
        assert_eq!(only("resync-confirm"), Some(Control::ResyncConfirm));
        assert_eq!(only("heartbeats"), Some(Control::Heartbeat));
        for (name, complaint) in
            [("error-protocol", Complaint::Protocol), ("error-size", Complaint::SizeLimit)]
        {
            assert_eq!(messages(&bytes(version, name)), [Message::Error(complaint)], "{version}");
        }
        let last = |name| match messages(&bytes(version, name))[..] {
            [.., Message::Control(control)] => Some(control),
            _ => None,
        };
        assert_eq!(last("resync-partial"), Some(Control::ResyncPartial));
        assert_eq!(last("resync"), Some(Control::ResyncFinished));
        let ack = Ack { table: TableId(7), update: UpdateId(77) };
        assert_eq!(messages(&bytes(version, "ack")), [Message::Ack(ack)]);
    }
}

#[test]
fn a_key_of_every_type() {
    for version in versions() {
        let (tables, seen) = replay(&bytes(version, "keys"));
        let lengths = |name| match tables[name].key() {
            KeyType::String(length) | KeyType::Binary(length) => length.get(),
            other => other.wire_length(),
        };
        assert_eq!(tables["/integers"].key(), KeyType::Integer);
        assert_eq!(tables["/fours"].key(), KeyType::Ipv4);
        assert_eq!(tables["/sixes"].key(), KeyType::Ipv6);
        assert_eq!((lengths("/strings"), lengths("/binaries"), lengths("/bare")), (20, 8, 31));
        let minutes =
            ["/integers", "/fours", "/sixes", "/strings", "/binaries"].map(|name| tables[name].expiry());
        assert_eq!(minutes, [1, 2, 3, 4, 5].map(|minutes| Duration::from_secs(60 * minutes)));
        assert_eq!((tables["/bare"].expiry(), tables["/bare"].bits()), (Duration::ZERO, 0));
        let seen: Vec<_> = seen.iter().map(|seen| (&*seen.table, &*seen.key, &*seen.numbers)).collect();
        let expected: [(_, _, &[u64]); 6] = [
            ("/integers", "4000000000", &[4_294_967_295]),
            ("/fours", "192.0.2.7", &[2287]),
            ("/sixes", "2001:db8::7", &[240]),
            ("/strings", "twenty-bytes-of-text", &[4_294_967_295]),
            ("/binaries", "[0, 255, 128, 0, 0, 0, 0, 0]", &[2287]),
            ("/bare", "empty", &[]),
        ];
        assert_eq!(seen, expected, "{version}");
    }
}

#[test]
fn every_scalar_with_the_period_of_its_rate() {
    for version in versions() {
        let (tables, seen) = replay(&bytes(version, "scalars"));
        let schema = tables["/scalars"];
        let stored: Vec<_> = schema.data_types().collect();
        let absent =
            [DataType::ServerId, DataType::ServerKey, DataType::Gpt, DataType::Gpc, DataType::GpcRate];
        let glitches = [DataType::GlitchCnt, DataType::GlitchRate];
        let expected = DataType::ALL
            .into_iter()
            .filter(|kind| !absent.contains(kind) && (version != "2.6.12" || !glitches.contains(kind)));
        assert_eq!(stored, expected.collect::<Vec<_>>(), "{version}");
        let periods: Vec<_> =
            stored.iter().filter_map(|kind| schema.period(*kind)).map(|period| period.as_millis()).collect();
        let rates = if version == "2.6.12" { 11..20 } else { 11..21 };
        assert_eq!(periods, rates.map(|seconds| seconds * 1000).collect::<Vec<_>>(), "{version}");

        // `set table` gave 1000, 1001, … in this order, but for the two that are named.
        let [one, two] = &seen[..] else { panic!("{version}: {seen:?}") };
        assert_eq!((&*one.key, &*two.key), ("one", "two"));
        let mut numbers = Vec::new();
        let mut rates = Vec::new();
        for (at, kind) in stored.iter().enumerate() {
            let value = 1000 + at as u64;
            match kind {
                DataType::BytesInCnt => numbers.push(5_000_000_000),
                DataType::ConnCur => numbers.push(0),
                _ if schema.period(*kind).is_some() => rates.push((*kind, value)),
                _ => numbers.push(value),
            }
        }
        assert_eq!(one.numbers, numbers, "{version}");
        let counted: Vec<_> = one.rates.iter().map(|(kind, rate)| (*kind, u64::from(rate.current))).collect();
        assert_eq!(counted, rates, "{version}");
        for (kind, rate) in &one.rates {
            assert!(rate.elapsed < 1000 && rate.previous == 0, "{version}: {kind} {rate:?}");
            let period = schema.period(*kind).unwrap();
            assert_eq!(rate.events(period, Duration::ZERO), u64::from(rate.current));
            assert_eq!(rate.events(period, 2 * period.duration()), 0);
        }
        // A rate that was never counted: its period began when HAProxy's clock did.
        assert!(two.rates.iter().all(|(_, rate)| rate.elapsed > 20_000 && rate.current == 0), "{version}");
        assert_eq!((two.numbers[0], two.numbers.iter().sum::<u64>()), (1, 1), "{version}");
    }
}

#[test]
fn arrays() {
    for version in versions() {
        let (tables, seen) = replay(&bytes(version, "arrays"));
        let schema = tables["/arrays"];
        assert_eq!(schema.data_types().map(|kind| schema.elements(kind)).collect::<Vec<_>>(), [3, 4, 2]);
        let Parameters::ElementsAndPeriod(_, day) = schema.parameters(DataType::GpcRate) else { panic!() };
        assert_eq!(day.duration(), Duration::from_secs(24 * 60 * 60));
        for (times, seen) in (1..).zip(&seen) {
            assert_eq!(seen.numbers, [5, 0, 4_294_967_295, times, times, 0, times], "{version}");
            let places: Vec<_> = seen.values.iter().map(|(kind, index, _)| (kind.name(), *index)).collect();
            assert_eq!(places[..4], [("gpt", 0), ("gpt", 1), ("gpt", 2), ("gpc", 0)]);
            assert_eq!(places[7..], [("gpc_rate", 0), ("gpc_rate", 1)]);
            assert_eq!(seen.rates.len(), 2);
            assert!(seen.rates.iter().all(|(_, rate)| u64::from(rate.current) == times), "{version}");
        }
        assert_eq!(seen.len(), 2);
    }
}

#[test]
fn a_dictionary_is_filled_then_used() {
    for version in versions() {
        let whole = bytes(version, "dictionary");
        let found = messages(&whole);
        let Message::Define(Definition { name: b"sticky", schema: Ok(schema), .. }) = &found[0] else {
            panic!()
        };
        let mut servers = Vec::new();
        for message in &found[1..] {
            let Message::Update(update) = message else { panic!("{version}: {message:?}") };
            let entry = update.entry(schema).unwrap();
            let Some(Value::Signed(server)) = entry.value(DataType::ServerId) else { panic!() };
            let word = match entry.dictionary() {
                DictionaryValue::Absent => String::new(),
                DictionaryValue::Cached(id) => format!("#{}", id.get()),
                DictionaryValue::New(id, name) => format!("#{} {}", id.get(), String::from_utf8_lossy(name)),
            };
            servers.push((key(entry.key()), server, word, update.id().is_some()));
        }
        let row = |user: &str, server, word: &str| (user.to_owned(), server, word.to_owned());
        let expected = [
            row("anna", 1, "#1 first"),
            row("bert", 2, "#2 second"),
            row("carl", 1, "#1"),
            row("anna", 1, "#1"),
            row("anna", 1, "#1"),
        ];
        let found: Vec<_> = servers.iter().map(|(user, server, word, _)| row(user, *server, word)).collect();
        assert_eq!(found, expected, "{version}");
        // 3.2 leaves identifiers out where they follow on each other.
        let incremental = servers.iter().filter(|(_, _, _, named)| !named).count();
        assert_eq!(incremental, if version == "3.2.26" { 2 } else { 0 });
    }
}

#[test]
fn a_resync_is_timed_and_what_is_not_acknowledged_comes_again() {
    for version in versions() {
        let (tables, lesson) = replay(&bytes(version, "resync"));
        let (_, again) = replay(&bytes(version, "taught-again"));
        for seen in &lesson {
            let expiry = seen.expiry.expect("timed");
            let whole = tables[&seen.table].expiry();
            assert!(expiry <= whole && expiry + Duration::from_secs(10) > whole, "{version}: {seen:?}");
        }
        // The entry that the peer taught came back from it in the lesson alone.
        let keys = |seen: &[Seen]| seen.iter().map(|seen| seen.key.clone()).collect::<Vec<_>>();
        let mut expected = keys(&lesson);
        expected.retain(|key| key != "taught");
        assert_eq!(keys(&again), expected, "{version}");
        assert_eq!(expected.len() + 1, lesson.len());
        assert!(again.iter().all(|seen| seen.expiry.is_none()));
        let taught = lesson.iter().find(|seen| seen.key == "taught").unwrap();
        assert_eq!((&*taught.table, &*taught.numbers), ("/strings", &[5][..]));
    }
}

/// What a sensor or verdict table held of one key: its numbers, or the current count of its first rate.
fn held(seen: &[Seen]) -> Vec<(&str, &str, u64)> {
    let first = |seen: &Seen| match (seen.numbers.first(), seen.rates.first()) {
        (Some(number), _) => *number,
        (None, Some((_, rate))) => u64::from(rate.current),
        (None, None) => panic!("{seen:?}"),
    };
    seen.iter().map(|seen| (&*seen.table, &*seen.key, first(seen))).collect()
}

const CLIENT: (&str, &str) = ("/cs_sensor", "::ffff:198.51.100.1");

#[test]
fn nothing_is_told_before_the_peer_has_taught() {
    for version in versions() {
        let request = [Message::Control(Control::ResyncRequest)];
        assert_eq!(messages(&bytes(version, "handover-untaught")), request, "{version}");

        let taught = bytes(version, "handover-taught");
        let acks: Vec<_> =
            messages(&taught).into_iter().filter(|one| matches!(one, Message::Ack(_))).collect();
        let ack = |table| Message::Ack(Ack { table: TableId(table), update: UpdateId(1) });
        assert_eq!(acks, [ack(1), ack(2)], "{version}");
        assert!(messages(&taught).contains(&Message::Control(Control::ResyncConfirm)), "{version}");
        let (tables, seen) = replay(&taught);
        assert_eq!(held(&seen), [(CLIENT.0, CLIENT.1, 1), ("/cs_sensor_subject", "ann", 1)], "{version}");
        assert_eq!(tables["/cs_sensor"].key(), KeyType::Ipv6);
        let KeyType::String(length) = tables["/cs_sensor_subject"].key() else { panic!("{version}") };
        assert_eq!(length.get(), 255);
        for sensor in tables.values() {
            assert_eq!(sensor.expiry(), Duration::from_secs(10 * 60));
            let Parameters::ElementsAndPeriod(elements, period) = sensor.parameters(DataType::GpcRate) else {
                panic!("{version}")
            };
            assert_eq!((elements.get(), period.duration()), (4, Duration::from_secs(60)), "{version}");
        }
    }
}

#[test]
fn a_reload_keeps_the_tables_and_tells_only_who_asks() {
    for version in versions() {
        assert_eq!(messages(&bytes(version, "handover-old")), [], "{version}");
        assert_eq!(messages(&bytes(version, "handover-new")), [], "{version}");

        let known = bytes(version, "handover-known");
        assert_eq!(messages(&known).last(), Some(&Message::Control(Control::ResyncFinished)), "{version}");
        let (tables, mut seen) = replay(&known);
        assert_eq!(tables["/cs_verdict"].expiry(), Duration::from_secs(24 * 24 * 60 * 60));
        for verdict in seen.iter().filter(|seen| seen.table.starts_with("/cs_verdict")) {
            let life = verdict.expiry.unwrap();
            assert!(
                life < Duration::from_secs(600) && life > Duration::from_secs(580),
                "{version}: {life:?}"
            );
        }
        seen.sort_by(|one, other| one.table.cmp(&other.table));
        let expected = [
            (CLIENT.0, CLIENT.1, 1),
            ("/cs_sensor_subject", "ann", 1),
            ("/cs_verdict", "::ffff:192.0.2.7", 4),
            ("/cs_verdict_subject", "eve", 4),
        ];
        assert_eq!(held(&seen), expected, "{version}");
        goes_on(version, &seen[0], "handover-known", "handover-counted");
    }
}

#[test]
fn a_cold_start_asks_for_everything_and_counts_on_from_it() {
    for version in versions() {
        let request = [Message::Control(Control::ResyncRequest)];
        assert_eq!(messages(&bytes(version, "cold-request")), request, "{version}");
        let taught = bytes(version, "cold-taught");
        let taught = messages(&taught);
        let acks = taught.iter().filter(|one| matches!(one, Message::Ack(_))).count();
        assert_eq!(
            (acks, taught.len(), taught.last()),
            (4, 5, Some(&Message::Control(Control::ResyncConfirm)))
        );
        let (_, known) = replay(&bytes(version, "handover-known"));
        let before = known.iter().find(|seen| seen.table == CLIENT.0).unwrap();
        goes_on(version, before, "handover-known", "cold-counted");
    }
}

/// The client is counted once more, in the period that `before` was in.
fn goes_on(version: &str, before: &Seen, before_defined: &str, counted: &str) {
    let rate = |seen: &Seen| seen.rates.first().unwrap().1;
    // A definition stands once a session.
    let whole = [bytes(version, before_defined), bytes(version, counted)].concat();
    let (_, seen) = replay(&whole);
    let after = seen.last().unwrap();
    assert_eq!((&*after.table, &*after.key), CLIENT, "{version}");
    let (before, after) = (rate(before), rate(after));
    assert_eq!((before.current, after.current, after.previous), (1, 2, 0), "{version}");
    assert!(before.elapsed <= after.elapsed && after.elapsed < 20_000, "{version}: {before:?} {after:?}");
}
