//! Once tables are known, entries in and acknowledgements out allocate nothing; what a peer announces costs
//! nothing either.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::peers::{
    DataType, Definition, DictionaryId, DictionaryValue, Event, Key, KeyLength, KeyType,
    MAX_DICTIONARY_VALUE, MaxMessageSize, Parameters, PeerName, Period, Rate, Schema, Session, SessionId,
    Settings, TableId, Update, UpdateId, Value,
};
use std::time::{Duration, Instant};

const LIMIT: MaxMessageSize = MaxMessageSize::DEFAULT;

fn open(now: Instant) -> Session {
    let settings = Settings::new(PeerName::new("us").unwrap());
    let (mut session, mut out) = (Session::accept(SessionId(1), settings, now), BytesMut::new());
    session.next_event(b"HAProxyS 2.1\nus\nthem 7 1\n", now, &mut out);
    session.welcome(now, &mut out).unwrap();
    session
}

/// Reads everything and takes every entry; gives how many there were.
fn take_all(session: &mut Session, mut bytes: &[u8], now: Instant, out: &mut BytesMut) -> u64 {
    let mut taken = 0;
    loop {
        let step = session.next_event(bytes, now, out);
        bytes = &bytes[step.consumed..];
        let receipt = match step.event {
            None => return taken,
            Some(Event::Update(received)) => {
                taken += received.entry.values().count() as u64 / 2;
                received.receipt
            }
            Some(_) => continue,
        };
        session.taken(receipt).unwrap();
    }
}

#[test]
fn entries_allocate_nothing() {
    let now = Instant::now();
    let (mut session, mut out) = (open(now), BytesMut::with_capacity(4096));
    let period = Period::from_millis(10_000).unwrap();
    let schema = Schema::new(KeyType::Ipv6, Duration::from_secs(60))
        .with(DataType::HttpErrRate, Parameters::Period(period))
        .and_then(|schema| schema.with(DataType::ServerKey, Parameters::None))
        .unwrap();
    let mut bytes = BytesMut::new();
    for id in 0..1000_u32 {
        // HAProxy announces the table before every change.
        Definition::encode(TableId(1), b"/clients", &schema, LIMIT, &mut bytes).unwrap();
        let server = DictionaryValue::New(DictionaryId::new(1).unwrap(), b"first");
        let values = [Value::Rate(Rate { elapsed: 1, current: id, previous: 2 }), Value::Dictionary(server)];
        let key = Key::Ipv6(u128::from(id).into());
        Update::encode(Some(UpdateId(id + 1)), None, &schema, &key, values, LIMIT, &mut bytes).unwrap();
    }
    assert_eq!(take_all(&mut session, &bytes, now, &mut out), 1000);
    let info = allocation_counter::measure(|| {
        out.clear();
        assert_eq!(take_all(&mut session, &bytes, now, &mut out), 1000);
    });
    assert_eq!((info.count_total, out.is_empty()), (0, false));
}

/// All that a session can be made to keep: tables and dictionary, however long the peer goes on.
#[test]
fn a_hostile_peer_fills_a_bounded_room() {
    let now = Instant::now();
    let (mut session, mut out) = (open(now), BytesMut::with_capacity(1 << 20));
    let length = KeyLength::new(16).unwrap();
    let schema = Schema::new(KeyType::String(length), Duration::ZERO)
        .with(DataType::ServerKey, Parameters::None)
        .unwrap();
    let mut bytes = BytesMut::new();
    let text = [b'x'; MAX_DICTIONARY_VALUE];
    for id in 0..20_000_u64 {
        let name = format!("{id:0255}");
        Definition::encode(TableId(id), name.as_bytes(), &schema, LIMIT, &mut bytes).unwrap();
        let cached = DictionaryId::new((id % 128) as u8 + 1).unwrap();
        let text = &text[..MAX_DICTIONARY_VALUE - (id % 2) as usize];
        let values = [Value::Dictionary(DictionaryValue::New(cached, text))];
        Update::encode(Some(UpdateId(1)), None, &schema, &Key::String(b"k"), values, LIMIT, &mut bytes)
            .unwrap();
    }
    let info = allocation_counter::measure(|| {
        take_all(&mut session, &bytes, now, &mut out);
    });
    assert!(info.bytes_max < 512 * 1024, "{info:?} of {} bytes", bytes.len());
    // Many announced, few kept; and the longest that may be announced asks for no room.
    assert_eq!(session.tables().count(), 64);
    let mut longest = vec![10, 0x80];
    haproxy_wire::varint::encode(LIMIT.length() as u64, &mut longest);
    let info = allocation_counter::measure(|| {
        assert!(session.next_event(&longest, now, &mut out).event.is_none());
    });
    assert_eq!(info.count_total, 0);
}
