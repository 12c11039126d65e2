//! Round trips of every message of the peers protocol, cuts at every byte, and what later versions may add.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::peers::{
    Ack, Arity, Complaint, Control, DataType, DecodeError, Definition, DictionaryId, DictionaryValue,
    Elements, EncodeError, Hello, HelloError, Key, KeyLength, KeyType, MaxMessageSize, Message, Parameters,
    PeerName, Period, Rate, Schema, Shape, Status, TableId, Update, UpdateId, Value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

const LIMIT: MaxMessageSize = MaxMessageSize::DEFAULT;

fn schema() -> impl Strategy<Value = Schema> {
    let key = prop_oneof![
        Just(KeyType::Integer),
        Just(KeyType::Ipv4),
        Just(KeyType::Ipv6),
        (1..300_u16).prop_map(|length| KeyType::String(KeyLength::new(length).unwrap())),
        (1..300_u16).prop_map(|length| KeyType::Binary(KeyLength::new(length).unwrap())),
    ];
    (key, 0..u64::from(u32::MAX), 0..1_u32 << 27, 1..101_u8, 1..u32::MAX).prop_map(
        |(key, expiry, bits, elements, millis)| {
            let mut schema = Schema::new(key, Duration::from_millis(expiry));
            for (data_type, spread) in DataType::ALL.into_iter().zip(1..) {
                if bits & data_type.bit() == 0 {
                    continue;
                }
                let elements = Elements::new(elements).unwrap();
                let period = Period::from_millis((millis / spread).max(1)).unwrap();
                let parameters = match (data_type.arity(), data_type.shape()) {
                    (Arity::One, Shape::Rate) => Parameters::Period(period),
                    (Arity::Many, Shape::Rate) => Parameters::ElementsAndPeriod(elements, period),
                    (Arity::Many, _) => Parameters::Elements(elements),
                    (Arity::One, _) => Parameters::None,
                };
                schema = schema.with(data_type, parameters).unwrap();
            }
            schema
        },
    )
}

/// Bytes and numbers from which one entry of any schema can be made.
#[derive(Clone, Debug)]
struct Seed {
    bytes: Vec<u8>,
    wide: Vec<u64>,
}

fn seed() -> impl Strategy<Value = Seed> {
    let wide = (any::<u64>(), 0..64).prop_map(|(value, shift)| value >> shift);
    (vec(any::<u8>(), 300), vec(wide, 1..40)).prop_map(|(bytes, wide)| Seed { bytes, wide })
}

impl Seed {
    fn key(&self, schema: &Schema) -> Key<'_> {
        match schema.key() {
            KeyType::Integer => Key::Integer(self.wide[0] as u32),
            KeyType::Ipv4 => Key::Ipv4((self.wide[0] as u32).into()),
            KeyType::Ipv6 => Key::Ipv6(u128::from(self.wide[0]).into()),
            KeyType::String(limit) => {
                Key::String(&self.bytes[..self.wide[0] as usize % (limit.get() + 1).min(300)])
            }
            KeyType::Binary(length) => Key::Binary(&self.bytes[..length.get()]),
        }
    }

    fn values(&self, schema: &Schema) -> Vec<Value<'_>> {
        let mut numbers = self.wide.iter().copied().cycle();
        let mut number = || numbers.next().unwrap();
        let values = schema.columns().map(|(data_type, _)| match data_type.shape() {
            Shape::Signed => Value::Signed(number() as i32),
            Shape::Unsigned => Value::Unsigned(number() as u32),
            Shape::Counter => Value::Counter(number()),
            Shape::Rate => {
                let (elapsed, current, previous) = (number() as u32, number() as u32, number() as u32);
                Value::Rate(Rate { elapsed, current, previous })
            }
            Shape::Dictionary => {
                let id = DictionaryId::new((number() % 128) as u8 + 1).unwrap();
                Value::Dictionary(match number() % 3 {
                    0 => DictionaryValue::Absent,
                    1 => DictionaryValue::Cached(id),
                    _ => DictionaryValue::New(id, &self.bytes[..number() as usize % 300]),
                })
            }
        });
        values.collect()
    }
}

/// Each cut is incomplete and says how much is certainly missing; what follows does not touch the whole.
fn assert_only_whole(bytes: &[u8]) {
    for cut in 0..bytes.len() {
        match Message::decode(&bytes[..cut], LIMIT) {
            Err(DecodeError::Incomplete { needed }) => {
                assert!(needed >= 1 && needed <= bytes.len() - cut, "{needed} at {cut}");
            }
            other => panic!("{other:?} at {cut}"),
        }
    }
    let mut more = bytes.to_vec();
    more.extend_from_slice(b"more");
    let (_, rest) = Message::decode(&more, LIMIT).unwrap();
    assert_eq!(rest, b"more");
}

fn decoded(bytes: &[u8]) -> Message<'_> {
    let (message, rest) = Message::decode(bytes, LIMIT).unwrap();
    assert_eq!(rest, b"");
    message
}

proptest! {
    #[test]
    fn definitions(schema in schema(), table: u64, name in vec(any::<u8>(), 1..256)) {
        let mut out = BytesMut::new();
        Definition::encode(TableId(table), &name, &schema, LIMIT, &mut out).unwrap();
        let expected = Definition { table: TableId(table), name: &name, schema: Ok(schema) };
        prop_assert_eq!(decoded(&out), Message::Define(expected));
        assert_only_whole(&out);
    }

    #[test]
    fn updates(schema in schema(), seed in seed(), id: Option<u32>, millis: Option<u32>) {
        let (id, expiry) = (id.map(UpdateId), millis.map(|millis| Duration::from_millis(u64::from(millis))));
        let (key, values) = (seed.key(&schema), seed.values(&schema));
        let mut out = BytesMut::new();
        Update::encode(id, expiry, &schema, &key, values.iter().copied(), LIMIT, &mut out).unwrap();
        prop_assert_eq!(out[1], match (id, expiry) {
            (Some(_), None) => 0x80,
            (None, None) => 0x81,
            (Some(_), Some(_)) => 0x85,
            (None, Some(_)) => 0x86,
        });
        let Message::Update(update) = decoded(&out) else { panic!("{out:?}") };
        prop_assert_eq!((update.id(), update.expiry()), (id, expiry));
        let entry = update.entry(&schema).unwrap();
        prop_assert_eq!(entry.key(), key);
        prop_assert_eq!(entry.values().map(|datum| datum.value).collect::<Vec<_>>(), values);
        let places: Vec<_> = entry.values().map(|datum| (datum.data_type, datum.index)).collect();
        prop_assert_eq!(places, schema.columns().collect::<Vec<_>>());
        assert_only_whole(&out);
    }

    /// An entry whose message was cut and its length made to fit is never taken for a whole one.
    #[test]
    fn a_shortened_entry_is_invalid_within_it(schema in schema(), seed in seed()) {
        let (key, values) = (seed.key(&schema), seed.values(&schema));
        let mut out = BytesMut::new();
        Update::encode(Some(UpdateId(1)), None, &schema, &key, values, LIMIT, &mut out).unwrap();
        let body = &out[out.len() - body_length(&out)..];
        for cut in (0..body.len()).rev().take(400) {
            let mut bytes = vec![10, 0x80];
            haproxy_wire::varint::encode(cut as u64, &mut bytes);
            bytes.extend_from_slice(&body[..cut]);
            let result = Message::decode(&bytes, LIMIT).and_then(|(message, _)| match message {
                Message::Update(update) => update.entry(&schema).map(|_| ()),
                other => panic!("{other:?}"),
            });
            match result {
                Err(DecodeError::Invalid { offset, .. }) => assert!(offset <= bytes.len(), "{offset}"),
                other => panic!("{other:?} at {cut}"),
            }
        }
    }

    #[test]
    fn acks_and_switches(table: u64, update: u32) {
        let ack = Ack { table: TableId(table), update: UpdateId(update) };
        let mut out = BytesMut::new();
        ack.encode(&mut out);
        prop_assert_eq!(decoded(&out), Message::Ack(ack));
        assert_only_whole(&out);
        out.clear();
        TableId(table).encode_switch(&mut out);
        prop_assert_eq!(decoded(&out), Message::Switch(TableId(table)));
        assert_only_whole(&out);
    }

    #[test]
    fn hellos(to in "[!-~é]{1,60}", from in "[!-~]{1,60}", process: u32, relative_process: u32) {
        let hello = Hello { to: &to, from: &from, process, relative_process };
        let mut out = BytesMut::new();
        hello.encode(&mut out);
        for cut in 0..out.len() {
            let error = Hello::decode(&out[..cut]).unwrap_err();
            prop_assert_eq!(error, HelloError::Decode(DecodeError::Incomplete { needed: 1 }));
        }
        out.extend_from_slice(b"more");
        prop_assert_eq!(Hello::decode(&out), Ok((hello, &b"more"[..])));
        let returns = String::from_utf8(out.to_vec()).unwrap().replace('\n', "\r\n");
        prop_assert_eq!(Hello::decode(returns.as_bytes()), Ok((hello, &b"more"[..])));
    }

    #[test]
    fn no_bytes_make_a_decoder_fail_otherwise(bytes in vec(any::<u8>(), 0..200), schema in schema()) {
        let _hello = Hello::decode(&bytes);
        let _status = Status::decode(&bytes);
        let _message = Message::decode(&bytes, LIMIT);
        // The same bytes as the body of every type, so that they get past the header.
        for kind in 0x80..0x88 {
            let mut message = vec![10, kind];
            haproxy_wire::varint::encode(bytes.len() as u64, &mut message);
            message.extend_from_slice(&bytes);
            match Message::decode(&message, LIMIT) {
                Ok((Message::Update(update), rest)) => {
                    prop_assert!(rest.is_empty());
                    if let Ok(entry) = update.entry(&schema) {
                        prop_assert_eq!(entry.values().count(), schema.columns().count());
                    }
                }
                Ok((_, rest)) => prop_assert!(rest.is_empty()),
                Err(DecodeError::Incomplete { .. }) => prop_assert!(false, "the message is whole"),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn identifiers_go_round(id: u32, ahead in 1..=i32::MAX as u32) {
        let (id, later) = (UpdateId(id), UpdateId(id.wrapping_add(ahead)));
        prop_assert!(later.is_after(id) && !id.is_after(later) && !id.is_after(id));
        prop_assert!(id.next().is_after(id) && id.next() != UpdateId(0));
    }
}

fn body_length(message: &[u8]) -> usize {
    let (length, _) = haproxy_wire::varint::decode(&message[2..]).unwrap();
    usize::try_from(length).unwrap()
}

#[test]
fn control_error_and_status() {
    let mut out = BytesMut::new();
    for (kind, control) in (0..).zip(Control::ALL) {
        out.clear();
        control.encode(&mut out);
        assert_eq!((&out[..], decoded(&out)), (&[0, kind][..], Message::Control(control)));
        assert_only_whole(&out);
    }
    for (kind, complaint) in (0..).zip(Complaint::ALL) {
        out.clear();
        complaint.encode(&mut out);
        assert_eq!((&out[..], decoded(&out)), (&[1, kind][..], Message::Error(complaint)));
        assert_only_whole(&out);
    }
    for status in Status::ALL {
        out.clear();
        status.encode(&mut out);
        for cut in 0..4 {
            assert_eq!(Status::decode(&out[..cut]), Err(DecodeError::Incomplete { needed: 1 }));
        }
        assert_eq!(Status::decode(&out), Ok((status, &b""[..])));
    }
}

/// peers.txt: messages may get longer in later versions, and the remaining bytes are to be skipped.
#[test]
fn trailing_bytes_are_skipped() {
    let schema =
        Schema::new(KeyType::Integer, Duration::ZERO).with(DataType::Gpc0, Parameters::None).unwrap();
    let mut messages: [BytesMut; 4] = Default::default();
    let [definition, update, ack, switch] = &mut messages;
    Definition::encode(TableId(1), b"t", &schema, LIMIT, definition).unwrap();
    let (id, values) = (Some(UpdateId(1)), [Value::Unsigned(7)]);
    Update::encode(id, None, &schema, &Key::Integer(1), values, LIMIT, update).unwrap();
    Ack { table: TableId(1), update: UpdateId(1) }.encode(ack);
    TableId(1).encode_switch(switch);
    for message in &messages {
        let mut longer = message.to_vec();
        longer[2] += 3;
        longer.extend_from_slice(b"???");
        match (decoded(message), decoded(&longer)) {
            (Message::Update(whole), Message::Update(longer)) => {
                let entries = (whole.entry(&schema).unwrap(), longer.entry(&schema).unwrap());
                assert_eq!(entries.0.key(), entries.1.key());
                assert!(entries.0.values().eq(entries.1.values()));
            }
            (whole, longer) => assert_eq!(whole, longer),
        }
    }
}

/// The documented examples: 0x1234 is f4 94 01 (peers.txt, "Encoding").
#[test]
fn integers_are_those_of_spop() {
    let mut out = BytesMut::new();
    TableId(0x1234).encode_switch(&mut out);
    assert_eq!(out[..], [10, 0x83, 3, 0xf4, 0x94, 0x01]);
}

#[test]
fn what_does_not_fit_is_not_encoded() {
    let length = KeyLength::new(4).unwrap();
    let schema = |key| Schema::new(key, Duration::ZERO).with(DataType::Gpc0, Parameters::None).unwrap();
    let mut out = BytesMut::from(&b"before"[..]);
    let mut encode = |schema: &Schema, key, values: &[Value<'_>], limit| {
        let result = Update::encode(None, None, schema, &key, values.iter().copied(), limit, &mut out);
        assert_eq!(out[..], b"before"[..], "nothing is left of it");
        result
    };
    let one = [Value::Unsigned(1)];
    let strings = schema(KeyType::String(length));
    assert_eq!(encode(&strings, Key::String(b"12345"), &one, LIMIT), Err(EncodeError::Key));
    assert_eq!(encode(&strings, Key::Binary(b"1234"), &one, LIMIT), Err(EncodeError::Key));
    assert_eq!(
        encode(&schema(KeyType::Binary(length)), Key::Binary(b"123"), &one, LIMIT),
        Err(EncodeError::Key)
    );
    let key = Key::String(b"1");
    assert_eq!(encode(&strings, key, &[], LIMIT), Err(EncodeError::Value { index: 0 }));
    assert_eq!(encode(&strings, key, &[Value::Counter(1)], LIMIT), Err(EncodeError::Value { index: 0 }));
    assert_eq!(encode(&strings, key, &[one[0], one[0]], LIMIT), Err(EncodeError::Value { index: 1 }));
    let long = schema(KeyType::String(KeyLength::new(300).unwrap()));
    let error = encode(&long, Key::String(&[0; 300]), &one, MaxMessageSize::MIN).unwrap_err();
    assert_eq!(error, EncodeError::TooLarge { length: 303, limit: 256 });
    let name = Definition::encode(TableId(1), b"", &strings, LIMIT, &mut out);
    assert_eq!(name, Err(EncodeError::TableName { length: 0 }));
}

#[test]
fn parameters_belong_to_their_types() {
    let schema = Schema::new(KeyType::Ipv6, Duration::ZERO);
    let period = Period::from_millis(1000).unwrap();
    assert!(schema.with(DataType::Gpc0, Parameters::Period(period)).is_err());
    assert!(schema.with(DataType::Gpc0Rate, Parameters::None).is_err());
    assert!(schema.with(DataType::Gpc, Parameters::None).is_err());
    assert!(schema.with(DataType::GpcRate, Parameters::Elements(Elements::new(3).unwrap())).is_err());
    assert_eq!((Elements::new(0), Elements::new(101), Period::from_millis(0)), (None, None, None));
    assert_eq!((KeyLength::new(0), KeyLength::new(16_384)), (None, None));
    for name in ["", "two words", "line\nfeed", &"x".repeat(256)] {
        assert!(PeerName::new(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_rate_is_estimated_as_haproxy_does() {
    let period = Period::from_millis(10_000).unwrap();
    let rate = Rate { elapsed: 2_500, current: 10, previous: 100 };
    let after = |millis| rate.events(period, Duration::from_millis(millis));
    // A quarter of the period is over: three quarters of the period before still count.
    assert_eq!([0, 2_500, 7_499, 7_500, 12_500, 17_500].map(after), [85, 60, 10, 10, 5, 0]);
    let most = Rate { elapsed: u32::MAX, current: u32::MAX, previous: u32::MAX };
    assert_eq!(most.events(Period::from_millis(1).unwrap(), Duration::MAX), 0);
    let most = Rate { elapsed: 0, ..most };
    assert_eq!(most.events(period, Duration::ZERO), 2 * u64::from(u32::MAX));
}
