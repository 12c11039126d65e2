//! Bytes that a hostile peer would send, and what each deserves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::peers::{
    Complaint, DataType, DecodeError, Definition, Event, Expected, Item, Key, KeyLength, KeyType,
    MaxMessageSize, Message, Parameters, PeerName, Phase, Schema, ServerKey, Session, SessionError,
    SessionId, Settings, Skip, TableId, Unreadable,
};
use haproxy_wire::varint;
use std::time::{Duration, Instant};

const LIMIT: MaxMessageSize = MaxMessageSize::DEFAULT;

fn settings() -> Settings {
    Settings::new(PeerName::new("us").unwrap())
}

/// A session that was accepted and is open.
fn open(settings: Settings, now: Instant) -> Session {
    let (mut session, mut out) = (Session::accept(SessionId(1), settings, now), BytesMut::new());
    let step = session.next_event(b"HAProxyS 2.1\nus\nthem 7 1\n", now, &mut out);
    assert!(matches!(step.event, Some(Event::Hello(_))));
    session.welcome(now, &mut out).unwrap();
    assert_eq!(out[..], b"200\n"[..]);
    session
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![10, kind];
    varint::encode(body.len() as u64, &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

/// The end of a definition of table 1 named `t`, from its key type on.
fn definition(rest: &[u8]) -> Vec<u8> {
    message(0x82, &[&[1, 1, b't'], rest].concat())
}

/// Sends `before`, whose events do not matter, then `bytes`; gives the error and what the peer is told.
fn fatal(before: &[u8], bytes: &[u8]) -> (SessionError, Vec<u8>) {
    let now = Instant::now();
    let (mut session, mut out) = (open(settings(), now), BytesMut::new());
    let mut rest = before;
    while !rest.is_empty() {
        let step = session.next_event(rest, now, &mut out);
        assert!(!matches!(step.event, None | Some(Event::Failed(_))), "{:?}", step.event);
        rest = &rest[step.consumed..];
    }
    out.clear();
    let step = session.next_event(bytes, now, &mut out);
    assert_eq!(step.consumed, bytes.len());
    let Some(Event::Failed(error)) = step.event else { panic!("{:?}", step.event) };
    assert_eq!((session.phase(), session.deadline()), (Phase::Closed, None));
    // Whatever comes after the end is thrown away.
    let step = session.next_event(bytes, now, &mut out);
    assert!(step.consumed == bytes.len() && step.event.is_none());
    (error, out.to_vec())
}

fn invalid(offset: usize, expected: Expected) -> SessionError {
    SessionError::Decode(DecodeError::Invalid { offset, expected })
}

fn too_large(item: Item, length: u64, limit: usize) -> SessionError {
    SessionError::Decode(DecodeError::TooLarge { item, length, limit })
}

const PROTOCOL: &[u8] = &[1, 0];
const SIZE: &[u8] = &[1, 1];

/// Its name, what comes before, the bytes, the error, and what the peer is told.
type Fatal<'a> = (&'a str, Vec<u8>, Vec<u8>, SessionError, &'a [u8]);

/// A table of strings of at most 4 bytes with a server's number and key.
fn sticky() -> Vec<u8> {
    let mut rest = vec![6, 5];
    varint::encode(1 | 1 << 19, &mut rest);
    rest.push(0);
    definition(&rest)
}

#[test]
fn what_ends_a_session() {
    let past = [0xff; 10];
    let update = |body: &[u8]| message(0x80, &[&[0, 0, 0, 1], body].concat());
    let text = |value: &[u8]| [&[1, b'k', 0], value].concat();
    let long = {
        let mut body = text(&[]);
        varint::encode(4 + 1100, &mut body);
        body.push(1);
        varint::encode(1100, &mut body);
        body.resize(body.len() + 1101, b'x');
        body
    };
    let name = {
        let mut body = vec![1];
        varint::encode(256, &mut body);
        body.resize(body.len() + 300, b'n');
        body
    };
    let table: Vec<Fatal<'_>> = vec![
        ("reserved class", vec![], vec![255, 0], invalid(0, Expected::MessageClass), PROTOCOL),
        (
            "length past 64 bits",
            vec![],
            [&[10, 0x80], &past[..]].concat(),
            invalid(2, Expected::Integer),
            PROTOCOL,
        ),
        (
            "16 MiB",
            vec![],
            [&[10, 0x80][..], &[0xf0, 0xf1, 0xf5, 0xfe, 0x06]].concat(),
            too_large(Item::Message, length_of(&[0xf0, 0xf1, 0xf5, 0xfe, 0x06]), 16_384),
            SIZE,
        ),
        (
            "an unknown class of 2^64 - 1 bytes",
            vec![],
            [&[99, 0x80][..], &encoded(u64::MAX)].concat(),
            too_large(Item::Message, u64::MAX, 16_384),
            SIZE,
        ),
        (
            "definition without a number",
            vec![],
            message(0x82, &[]),
            invalid(3, Expected::MoreBytes),
            PROTOCOL,
        ),
        (
            "definition with number past 64 bits",
            vec![],
            message(0x82, &past),
            invalid(3, Expected::Integer),
            PROTOCOL,
        ),
        (
            "definition without a name",
            vec![],
            message(0x82, &[1, 0]),
            invalid(4, Expected::TableName),
            PROTOCOL,
        ),
        (
            "name beyond the message",
            vec![],
            message(0x82, &[1, 9, b't']),
            invalid(4, Expected::LengthWithinMessage),
            PROTOCOL,
        ),
        ("name too long", vec![], message(0x82, &name), too_large(Item::TableName, 256, 255), SIZE),
        ("definition without a key type", vec![], definition(&[]), invalid(6, Expected::MoreBytes), PROTOCOL),
        (
            "definition without a key length",
            vec![],
            definition(&[6]),
            invalid(7, Expected::MoreBytes),
            PROTOCOL,
        ),
        (
            "definition without data types",
            vec![],
            definition(&[6, 5]),
            invalid(8, Expected::MoreBytes),
            PROTOCOL,
        ),
        ("switch without a number", vec![], message(0x83, &[]), invalid(3, Expected::MoreBytes), PROTOCOL),
        (
            "ack without an update",
            vec![],
            message(0x84, &[1, 0, 0]),
            invalid(4, Expected::MoreBytes),
            PROTOCOL,
        ),
        (
            "update without a number",
            vec![],
            message(0x80, &[0, 0, 1]),
            invalid(3, Expected::MoreBytes),
            PROTOCOL,
        ),
        (
            "timed update without a time",
            vec![],
            message(0x86, &[0]),
            invalid(3, Expected::MoreBytes),
            PROTOCOL,
        ),
        ("no key", sticky(), update(&[]), invalid(7, Expected::MoreBytes), PROTOCOL),
        (
            "key longer than the table's",
            sticky(),
            update(b"\x0512345\x00\x00"),
            invalid(7, Expected::KeyWithinTable),
            PROTOCOL,
        ),
        (
            "key beyond the message",
            sticky(),
            update(&[3, b'k']),
            invalid(7, Expected::LengthWithinMessage),
            PROTOCOL,
        ),
        ("key length past 64 bits", sticky(), update(&past), invalid(7, Expected::Integer), PROTOCOL),
        ("no values", sticky(), update(&[1, b'k']), invalid(9, Expected::MoreBytes), PROTOCOL),
        (
            "value past 32 bits",
            sticky(),
            update(&[&[1, b'k'][..], &encoded(1 << 31)].concat()),
            invalid(9, Expected::Integer32),
            PROTOCOL,
        ),
        ("dictionary id 0", sticky(), update(&text(&[1, 0])), invalid(11, Expected::DictionaryId), PROTOCOL),
        (
            "dictionary id beyond the cache",
            sticky(),
            update(&text(&[1, 129])),
            invalid(11, Expected::DictionaryId),
            PROTOCOL,
        ),
        (
            "new dictionary value beyond the cache",
            sticky(),
            update(&text(&[4, 129, 2, b'a', b'b'])),
            invalid(11, Expected::DictionaryId),
            PROTOCOL,
        ),
        (
            "dictionary value beyond the message",
            sticky(),
            update(&text(&[9, 1])),
            invalid(10, Expected::LengthWithinMessage),
            PROTOCOL,
        ),
        (
            "dictionary string beyond its value",
            sticky(),
            update(&text(&[3, 1, 2, b'a', b'b'])),
            invalid(12, Expected::LengthWithinMessage),
            PROTOCOL,
        ),
        (
            "dictionary value that does not end",
            sticky(),
            update(&text(&[4, 1, 1, b'a', b'b'])),
            invalid(14, Expected::DictionaryEnd),
            PROTOCOL,
        ),
        (
            "dictionary value too long",
            sticky(),
            update(&long),
            too_large(Item::DictionaryValue, 1100, 1024),
            SIZE,
        ),
    ];
    for (name, before, bytes, error, told) in table {
        assert_eq!(fatal(&before, &bytes), (error, told.to_vec()), "{name}");
    }
}

fn encoded(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::encode(value, &mut bytes);
    bytes
}

fn length_of(bytes: &[u8]) -> u64 {
    let (length, _) = varint::decode(bytes).unwrap();
    assert!(length >= 1 << 24, "{length}");
    length
}

/// Sends all of `bytes`; gives a word for every event.
fn told(session: &mut Session, mut bytes: &[u8]) -> Vec<String> {
    let (now, mut out, mut told) = (Instant::now(), BytesMut::new(), Vec::new());
    loop {
        let step = session.next_event(bytes, now, &mut out);
        bytes = &bytes[step.consumed..];
        told.push(match step.event {
            None => {
                assert!(out.is_empty() && bytes.is_empty(), "nothing is acknowledged that was skipped");
                break told;
            }
            Some(Event::Table { table, news }) => format!("{news:?} {:?}", table.schema().err()),
            Some(Event::Skipped(skip)) => format!("{skip:?}"),
            Some(other) => panic!("{other:?}"),
        });
    }
}

#[test]
fn what_is_skipped() {
    let now = Instant::now();
    let update = message(0x80, &[0, 0, 0, 1, 1, b'k', 0, 0]);
    let unreadable = |error: Unreadable| format!("New {:?}", Some(error));
    let cases: Vec<(Vec<u8>, String)> = vec![
        (definition(&[3, 4, 0, 0]), unreadable(Unreadable::KeyType(3))),
        (
            definition(&[&encoded(u64::MAX)[..], &[4, 0, 0]].concat()),
            unreadable(Unreadable::KeyType(u64::MAX)),
        ),
        (definition(&[2, 8, 0, 0]), unreadable(Unreadable::KeyLength { kind: 2, length: 8 })),
        (definition(&[4, 16, 0, 0]), unreadable(Unreadable::KeyLength { kind: 4, length: 16 })),
        (definition(&[6, 0, 0, 0]), unreadable(Unreadable::KeyLength { kind: 6, length: 0 })),
        (definition(&[6, 1, 0, 0]), unreadable(Unreadable::KeyLength { kind: 6, length: 1 })),
        (definition(&[7, 0, 0, 0]), unreadable(Unreadable::KeyLength { kind: 7, length: 0 })),
        (
            definition(&[&[7][..], &encoded(u64::MAX), &[0, 0]].concat()),
            unreadable(Unreadable::KeyLength { kind: 7, length: u64::MAX }),
        ),
        (
            definition(&[&[2, 4][..], &encoded(1 << 27 | 1), &[0]].concat()),
            unreadable(Unreadable::DataTypes(1 << 27)),
        ),
        (
            definition(&[&[2, 4][..], &encoded(u64::MAX), &[0]].concat()),
            unreadable(Unreadable::DataTypes(u64::MAX << 27)),
        ),
        (definition(&[2, 4, 4]), unreadable(Unreadable::Expiry)),
        (definition(&[&[2, 4, 4], &[0xff; 10][..]].concat()), unreadable(Unreadable::Expiry)),
        // A rate without, with another type's, or with a useless period.
        (definition(&[2, 4, 8, 0]), unreadable(Unreadable::Parameters(DataType::Gpc0Rate))),
        (definition(&[2, 4, 8, 0, 5, 9]), unreadable(Unreadable::Parameters(DataType::Gpc0Rate))),
        (definition(&[2, 4, 8, 0, 3, 0]), unreadable(Unreadable::Parameters(DataType::Gpc0Rate))),
        (
            definition(&[&[2, 4, 8, 0, 3][..], &encoded(1 << 32)].concat()),
            unreadable(Unreadable::Parameters(DataType::Gpc0Rate)),
        ),
    ];
    for (definition, expected) in cases {
        let mut session = open(settings(), now);
        let told = told(&mut session, &[definition.clone(), update.clone(), definition].concat());
        let again = expected.replace("New", "Selected");
        assert_eq!(told, [expected, "UnreadableTable".into(), again], "the session goes on");
    }
    for elements in [0, 101, 200] {
        let bits = encoded(1 << 22);
        let rest = [&[2, 4][..], &bits, &[0, 22, elements]].concat();
        let mut session = open(settings(), now);
        let expected = unreadable(Unreadable::Parameters(DataType::Gpt));
        assert_eq!(told(&mut session, &definition(&rest)), [expected]);
    }
}

#[test]
fn what_comes_out_of_turn_is_skipped_too() {
    let now = Instant::now();
    let mut session = open(settings(), now);
    let update = message(0x80, &[0, 0, 0, 1, 1, b'k', 0, 0]);
    let switch = message(0x83, &[9]);
    let skipped = told(&mut session, &[update.clone(), message(0x81, &[]), switch, update].concat());
    assert_eq!(skipped, ["NoTable", "NoTable", "UnknownTable(TableId(9))", "NoTable"]);

    let confirm = [0, 3];
    let others =
        [&[0, 5, 0, 127, 1, 2, 10, 0, 99, 7][..], &message(0x87, b"??"), &[0, 200, 2, 7, 7]].concat();
    let skipped = told(&mut session, &[&confirm, &others[..], &message(0x84, &[1, 0, 0, 0, 1])].concat());
    let other = |class, kind| format!("{:?}", Skip::Message { class, kind });
    assert_eq!(skipped[0], "StrangeConfirm");
    let kinds = [(0, 5), (0, 127), (1, 2), (10, 0), (99, 7), (10, 0x87), (0, 200)];
    assert_eq!(skipped[1..8], kinds.map(|(class, kind)| other(class, kind)));
    assert!(skipped[8].starts_with("StrangeAck"), "{}", skipped[8]);
}

#[test]
fn tables_beyond_the_most_are_skipped() {
    let now = Instant::now();
    let mut session = open(Settings { max_tables: 2, ..settings() }, now);
    let table = |id: u8, name: u8| message(0x82, &[id, 1, name, 2, 4, 0, 0]);
    let update = message(0x80, &[0, 0, 0, 1, 0, 0, 0, 1]);
    // A number that is given to another name, and a name that gets another number, take no more room.
    let bytes =
        [table(1, b'a'), table(2, b'b'), table(3, b'c'), update, table(2, b'a'), table(1, b'b')].concat();
    let expected =
        ["New None", "New None", "TooManyTables(TableId(3))", "NoTable", "Selected None", "Selected None"];
    assert_eq!(told(&mut session, &bytes), expected);
    assert_eq!(session.tables().map(|table| table.name()[0]).collect::<Vec<_>>(), [b'a', b'b']);
    // The numbers changed hands.
    let now = Instant::now();
    let mut out = BytesMut::new();
    let step = session.next_event(&[10, 0x83, 1, 2], now, &mut out);
    assert!(matches!(step.event, Some(Event::Table { table, .. }) if table.name() == b"a"));
}

/// A value that was sent in an update that was skipped must not be taken for the one before it.
#[test]
fn the_dictionary_is_not_trusted_after_a_skip() {
    let now = Instant::now();
    let (mut session, mut out) = (open(settings(), now), BytesMut::new());
    let mut seen = Vec::new();
    let update = |value: &[u8]| message(0x80, &[&[0, 0, 0, 1, 1, b'k', 0], value].concat());
    let unreadable = message(0x82, &[&[2, 1, b'u', 6, 5][..], &encoded(1 << 19 | 1 << 30), &[0]].concat());
    let bytes = [
        sticky(),
        update(&[1, 1]),
        update(&[3, 1, 1, b'a']),
        update(&[1, 1]),
        unreadable,
        update(&[3, 1, 1, b'b']),
        sticky(),
        update(&[1, 1]),
        update(&[0]),
    ]
    .concat();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let step = session.next_event(rest, now, &mut out);
        rest = &rest[step.consumed..];
        if let Some(Event::Update(received)) = step.event {
            seen.push(match received.server_key {
                ServerKey::Absent => "absent".to_owned(),
                ServerKey::Known(text) => String::from_utf8(text.to_vec()).unwrap(),
                ServerKey::Unknown(id) => format!("unknown {}", id.get()),
            });
        }
    }
    assert_eq!(seen, ["unknown 1", "a", "a", "unknown 1", "absent"]);
}

#[test]
fn a_complaint_ends_the_session_without_an_answer() {
    let now = Instant::now();
    for complaint in Complaint::ALL {
        let (mut session, mut out, mut bytes) = (open(settings(), now), BytesMut::new(), BytesMut::new());
        complaint.encode(&mut bytes);
        bytes.extend_from_slice(b"and more");
        let step = session.next_event(&bytes, now, &mut out);
        assert!(matches!(step.event, Some(Event::Complaint(told)) if told == complaint));
        assert_eq!((step.consumed, out.len(), session.phase()), (bytes.len(), 0, Phase::Closed));
    }
}

/// What a message announces is not what it costs: nothing is kept but names and dictionary values.
#[test]
fn a_length_is_refused_before_its_bytes_are_there() {
    let mut bytes = vec![10, 0x80];
    varint::encode(LIMIT.length() as u64 + 1, &mut bytes);
    let error = Message::decode(&bytes, LIMIT).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { item: Item::Message, length: 16_385, limit: 16_384 });
    bytes.truncate(2);
    varint::encode(LIMIT.length() as u64, &mut bytes);
    assert_eq!(Message::decode(&bytes, LIMIT), Err(DecodeError::Incomplete { needed: 16_384 }));
    // As many elements as there may be, of an entry that has none of them.
    let schema = Schema::new(KeyType::Binary(KeyLength::new(16_383).unwrap()), Duration::ZERO);
    let mut out = BytesMut::new();
    Definition::encode(TableId(1), b"t", &schema, LIMIT, &mut out).unwrap();
    let schema = schema.with(DataType::Gpc0, Parameters::None).unwrap();
    let update = message(0x81, &[0; 16_384]);
    let Message::Update(update) = Message::decode(&update, LIMIT).unwrap().0 else { panic!() };
    assert!(matches!(update.entry(&schema).unwrap().key(), Key::Binary(key) if key.len() == 16_383));
}
