//! Sessions of two peers: time, tables, acknowledgements, lessons.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::{Buf, BytesMut};
use haproxy_wire::peers::{
    AskError, Claim, Completeness, Control, DataType, Elements, Event, Key, KeyLength, KeyType, Leave,
    Lesson, Lifetime, LocalTable, Message, News, Parameters, PeerName, Period, Phase, Rate, Receipt, Schema,
    Seats, ServerKey, Session, SessionError, SessionId, Settings, TeachError, UpdateId, Value,
};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn name(name: &str) -> PeerName {
    PeerName::new(name).unwrap()
}

/// A session with the bytes that wait for it.
struct End {
    session: Session,
    input: BytesMut,
}

/// Two open sessions with each other: the first connected.
fn pair(now: Instant) -> (End, End) {
    let mut wire = BytesMut::new();
    let mut a = Session::connect(SessionId(1), Settings::new(name("a")), name("b"), now, &mut wire);
    let mut b = Session::accept(SessionId(2), Settings::new(name("b")), now);
    let step = b.next_event(&wire, now, &mut BytesMut::new());
    assert!(matches!(step.event, Some(Event::Hello(hello)) if hello.from == "a"));
    wire.clear();
    b.welcome(now, &mut wire).unwrap();
    assert!(matches!(a.next_event(&wire, now, &mut BytesMut::new()).event, Some(Event::Open)));
    (End { session: a, input: BytesMut::new() }, End { session: b, input: BytesMut::new() })
}

/// Reads all that waits; gives a word for every event, and the receipts.
fn drain(end: &mut End, now: Instant, out: &mut BytesMut) -> (Vec<String>, Vec<Receipt>) {
    let (mut words, mut receipts) = (Vec::new(), Vec::new());
    loop {
        let step = end.session.next_event(&end.input, now, out);
        let consumed = step.consumed;
        match step.event {
            None => {
                end.input.advance(consumed);
                return (words, receipts);
            }
            Some(Event::Update(received)) => {
                let key = format!("{:?}", received.entry.key());
                words.push(format!("update {} {key} {:?}", received.receipt.update(), received.lifetime));
                receipts.push(received.receipt);
            }
            Some(Event::Table { table, news }) => {
                words.push(format!("{news:?} {}", String::from_utf8_lossy(table.name())));
            }
            Some(Event::Acknowledged { update, .. }) => words.push(format!("acknowledged {update}")),
            Some(other) => words.push(format!("{other:?}")),
        }
        end.input.advance(consumed);
    }
}

fn tags() -> Schema {
    let schema = Schema::new(KeyType::Ipv6, 60 * SECOND);
    schema.with(DataType::Gpt0, Parameters::None).unwrap()
}

fn teach(end: &mut End, table: LocalTable, id: u32, now: Instant, out: &mut BytesMut) {
    let (key, values) = (Key::Ipv6(u128::from(id).into()), [Value::Unsigned(id)]);
    let lesson = Lesson { id: UpdateId(id), expiry: None, key, values: &values, server_key: None };
    end.session.teach(table, &lesson, now, out).unwrap();
}

#[test]
fn heartbeats_and_silence() {
    let start = Instant::now();
    let (mut a, _) = pair(start);
    let mut out = BytesMut::new();
    assert_eq!(a.session.deadline(), Some(start + 3 * SECOND));
    assert!(a.session.tick(start + 2 * SECOND, &mut out).is_none() && out.is_empty());
    assert!(a.session.tick(start + 3 * SECOND, &mut out).is_none());
    assert_eq!(out[..], [0, 4]);
    // What is sent puts the next one off, what comes puts the end off.
    assert_eq!(a.session.deadline(), Some(start + 5 * SECOND));
    a.input.extend_from_slice(&[0, 4]);
    assert_eq!(drain(&mut a, start + 4 * SECOND, &mut out).0, ["Heartbeat"]);
    a.session.request_resync(start + 5 * SECOND, &mut out).unwrap();
    assert_eq!(a.session.deadline(), Some(start + 8 * SECOND));
    let event = a.session.tick(start + 9 * SECOND, &mut out);
    assert!(matches!(event, Some(Event::Failed(SessionError::Silence))), "{event:?}");
    assert_eq!((a.session.phase(), a.session.deadline()), (Phase::Closed, None));
}

#[test]
fn a_clock_that_goes_back_silences_nobody() {
    let start = Instant::now() + 1000 * SECOND;
    let (mut a, _) = pair(start);
    let mut out = BytesMut::new();
    let back = start - 900 * SECOND;
    assert!(a.session.tick(back, &mut out).is_none());
    assert_eq!(a.session.deadline(), Some(back + 3 * SECOND));
}

#[test]
fn only_what_was_taken_is_acknowledged() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let first = a.session.offer(b"/first", tags()).unwrap();
    let second = a.session.offer(b"/second", tags()).unwrap();
    for id in 1..=3 {
        teach(&mut a, first, id, now, &mut b.input);
    }
    teach(&mut a, second, 9, now, &mut b.input);
    let (words, receipts) = drain(&mut b, now, &mut a.input);
    assert_eq!(words[0], "New /first");
    assert_eq!(words[1], "update 1 Ipv6(::1) For(60s)");
    assert_eq!((&*words[4], words.len()), ("New /second", 6));
    assert!(a.input.is_empty(), "nothing was taken yet");

    // The receipt of the second stands for the first as well; the third was not taken.
    b.session.taken(receipts[1]).unwrap();
    b.session.taken(receipts[0]).unwrap();
    b.session.flush(now, &mut a.input);
    assert_eq!(drain(&mut a, now, &mut b.input).0, ["acknowledged 2"]);
    b.session.flush(now, &mut a.input);
    assert!(a.input.is_empty(), "once is enough");
    for receipt in &receipts {
        b.session.taken(*receipt).unwrap();
    }
    drain(&mut b, now, &mut a.input);
    assert_eq!(drain(&mut a, now, &mut b.input).0, ["acknowledged 3", "acknowledged 9"]);
    assert!(b.session.tables().all(|table| table.untaken() == 0));

    // Another session's receipt stands for nothing in this one.
    let (_, mut other) = pair(now);
    other.session = Session::accept(SessionId(3), Settings::new(name("b")), now);
    assert!(other.session.taken(receipts[0]).is_err());
    teach(&mut a, first, 4, now, &mut b.input);
    assert_eq!(drain(&mut b, now, &mut a.input).0, ["Selected /first", "update 4 Ipv6(::4) For(60s)"]);
}

#[test]
fn acknowledgements_of_what_was_not_sent_are_strange() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let table = a.session.offer(b"/t", tags()).unwrap();
    let ack = |table: u8, update: u32| {
        let mut bytes = vec![10, 0x84, 5, table];
        bytes.extend_from_slice(&update.to_be_bytes());
        bytes
    };
    a.input.extend_from_slice(&ack(1, 5));
    assert!(drain(&mut a, now, &mut b.input).0[0].starts_with("Skipped(StrangeAck"));
    // Numbers go round.
    for id in [u32::MAX - 1, u32::MAX, 1, 2] {
        teach(&mut a, table, id, now, &mut b.input);
    }
    for (number, update, strange) in [
        (0, 1, true),
        (2, 1, true),
        (1, 3, true),
        (1, u32::MAX - 2, true),
        (1, u32::MAX, false),
        (1, u32::MAX - 1, true),
        (1, 1, false),
        (1, 2, false),
        (1, 2, false),
        (1, 0x8000_0005, true),
    ] {
        a.input.extend_from_slice(&ack(number, update));
        let word = drain(&mut a, now, &mut b.input).0.remove(0);
        assert_eq!(word.starts_with("Skipped(StrangeAck"), strange, "{number} {update}: {word}");
    }
    // Nor is anything taught under a number that is not after the last.
    let values = [Value::Unsigned(0)];
    let key = Key::Ipv6(0.into());
    let lesson = Lesson { id: UpdateId(2), expiry: None, key, values: &values, server_key: None };
    let error = a.session.teach(table, &lesson, now, &mut b.input).unwrap_err();
    assert_eq!(error, TeachError::UpdateId { id: UpdateId(2), last: UpdateId(2) });
    let (mut other, _) = pair(now);
    other.session = Session::accept(SessionId(3), Settings::new(name("a")), now);
    assert_eq!(
        other.session.teach(table, &lesson, now, &mut b.input),
        Err(TeachError::NotOpen(Phase::Hello))
    );
}

#[test]
fn a_lesson_is_confirmed_once_all_of_it_was_taken() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let table = a.session.offer(b"/t", tags()).unwrap();
    assert!(a.session.end_lesson(Completeness::Finished, now, &mut b.input).is_err(), "nobody asked");
    b.session.request_resync(now, &mut a.input).unwrap();
    assert!(b.session.resync_pending());
    assert_eq!(drain(&mut a, now, &mut b.input).0, ["ResyncRequested"]);
    teach(&mut a, table, 1, now, &mut b.input);
    teach(&mut a, table, 2, now, &mut b.input);
    a.session.end_lesson(Completeness::Finished, now, &mut b.input).unwrap();
    assert!(a.session.end_lesson(Completeness::Finished, now, &mut b.input).is_err(), "it ended");

    let (words, receipts) = drain(&mut b, now, &mut a.input);
    assert_eq!(words[3], "ResyncEnded(Finished)");
    assert!(b.session.resync_pending() && a.input.is_empty());
    b.session.taken(receipts[0]).unwrap();
    b.session.flush(now, &mut a.input);
    assert_eq!(drain(&mut a, now, &mut b.input).0, ["acknowledged 1"]);
    assert_eq!(b.session.request_resync(now, &mut a.input), Err(AskError::Pending));
    b.session.taken(receipts[1]).unwrap();
    b.session.flush(now, &mut a.input);
    assert!(!b.session.resync_pending());
    assert_eq!(drain(&mut a, now, &mut b.input).0, ["acknowledged 2", "ResyncConfirmed"]);

    // A lesson of nothing is confirmed at once.
    b.session.request_resync(now, &mut a.input).unwrap();
    assert_eq!(b.session.request_resync(now, &mut a.input), Err(AskError::Pending));
    drain(&mut a, now, &mut b.input);
    a.session.end_lesson(Completeness::Partial, now, &mut b.input).unwrap();
    assert_eq!(drain(&mut b, now, &mut a.input).0, ["ResyncEnded(Partial)"]);
    assert_eq!(drain(&mut a, now, &mut b.input).0, ["ResyncConfirmed"]);
}

#[test]
fn lifetimes() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let forever = Schema::new(KeyType::Integer, Duration::ZERO);
    let minute = Schema::new(KeyType::Integer, 60 * SECOND);
    let tables = [a.session.offer(b"forever", forever).unwrap(), a.session.offer(b"minute", minute).unwrap()];
    let mut id = UpdateId::FIRST;
    for table in tables {
        for expiry in [None, Some(Duration::ZERO), Some(5 * SECOND), Some(Duration::MAX)] {
            let lesson = Lesson { id, expiry, key: Key::Integer(id.0), values: &[], server_key: None };
            a.session.teach(table, &lesson, now, &mut b.input).unwrap();
            id = id.next();
        }
    }
    let mut lifetimes = Vec::new();
    while !b.input.is_empty() {
        let step = b.session.next_event(&b.input, now, &mut a.input);
        let consumed = step.consumed;
        if let Some(Event::Update(received)) = step.event {
            lifetimes.push(received.lifetime);
        }
        b.input.advance(consumed);
    }
    let most = Lifetime::For(Duration::from_millis(u64::from(u32::MAX)));
    let (five, none) = (Lifetime::For(5 * SECOND), Lifetime::For(Duration::ZERO));
    let expected = [Lifetime::Forever, Lifetime::Forever, five, most];
    assert_eq!(lifetimes[..4], expected);
    assert_eq!(lifetimes[4..], [Lifetime::For(60 * SECOND), none, five, most]);
}

/// A table with everything: the values arrive in their order, the server key beside them.
#[test]
fn every_data_type_is_taught() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let (period, three) = (Period::from_millis(10_000).unwrap(), Elements::new(3).unwrap());
    let mut schema = Schema::new(KeyType::String(KeyLength::new(20).unwrap()), SECOND);
    for data_type in DataType::ALL {
        let all = [
            Parameters::None,
            Parameters::Period(period),
            Parameters::Elements(three),
            Parameters::ElementsAndPeriod(three, period),
        ];
        schema = all.into_iter().find_map(|parameters| schema.with(data_type, parameters).ok()).unwrap();
    }
    let table = a.session.offer(b"all", schema).unwrap();
    let value = |data_type: DataType| match data_type.shape() {
        haproxy_wire::peers::Shape::Signed => Some(Value::Signed(-1)),
        haproxy_wire::peers::Shape::Unsigned => Some(Value::Unsigned(u32::MAX)),
        haproxy_wire::peers::Shape::Counter => Some(Value::Counter(u64::MAX)),
        haproxy_wire::peers::Shape::Rate => Some(Value::Rate(Rate { elapsed: 1, current: 2, previous: 3 })),
        haproxy_wire::peers::Shape::Dictionary => None,
    };
    let values: Vec<_> = schema.columns().filter_map(|(data_type, _)| value(data_type)).collect();
    let mut seen = Vec::new();
    // Far more servers than the dictionary holds, each twice.
    for (number, id) in (0..600_u32).zip(1..) {
        let server = format!("server-{}", number / 2 % 200);
        let key = Key::String(b"key");
        let server_key = if number == 77 { None } else { Some(server.as_bytes()) };
        let lesson = Lesson { id: UpdateId(id), expiry: None, key, values: &values, server_key };
        a.session.teach(table, &lesson, now, &mut b.input).unwrap();
        let mut before = b.input.len();
        while !b.input.is_empty() {
            let step = b.session.next_event(&b.input, now, &mut a.input);
            let consumed = step.consumed;
            match step.event {
                Some(Event::Update(received)) => {
                    match server_key {
                        Some(text) => assert_eq!(received.server_key, ServerKey::Known(text)),
                        None => assert_eq!(received.server_key, ServerKey::Absent),
                    }
                    let mut data = received.entry.values();
                    assert!(
                        data.by_ref()
                            .all(|datum| value(datum.data_type).is_none_or(|own| own == datum.value))
                    );
                    assert_eq!(received.entry.values().count(), values.len() + 1);
                    seen.push(before);
                }
                Some(Event::Table { news: News::New, .. }) => before -= consumed,
                other => panic!("{other:?}"),
            }
            b.input.advance(consumed);
        }
    }
    assert_eq!(seen.len(), 600);
    assert!(seen[1] < seen[0], "the second of each server is sent by its number: {} {}", seen[0], seen[1]);

    // Values that are too many, too few, or of another table leave nothing on the wire.
    let plain = a.session.offer(b"plain", tags()).unwrap();
    let key = Key::Ipv6(1.into());
    for (values, server_key) in [(&[][..], None), (&[Value::Unsigned(1)][..], Some(&b"server"[..]))] {
        let lesson = Lesson { id: UpdateId(1), expiry: None, key, values, server_key };
        assert!(matches!(a.session.teach(plain, &lesson, now, &mut b.input), Err(TeachError::Encode(_))));
        assert!(b.input.is_empty());
    }
}

#[test]
fn a_message_in_pieces_is_one_event() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let table = a.session.offer(b"/t", tags()).unwrap();
    let mut wire = BytesMut::new();
    teach(&mut a, table, 1, now, &mut wire);
    Control::Heartbeat.encode(&mut wire);
    let mut words = Vec::new();
    for byte in wire {
        b.input.extend_from_slice(&[byte]);
        words.extend(drain(&mut b, now, &mut a.input).0);
    }
    assert_eq!(words, ["New /t", "update 1 Ipv6(::1) For(60s)", "Heartbeat"]);
}

#[test]
fn the_end_of_an_old_session_leaves_the_new_one_its_seat() {
    let mut seats = Seats::new([name("hap"), name("other")]);
    assert_eq!(seats.claim("stranger", SessionId(1)), Claim::Unknown);
    assert_eq!(seats.claim("hap", SessionId(1)), Claim::Free);
    assert_eq!(seats.claim("hap", SessionId(1)), Claim::Free);
    assert_eq!(seats.claim("hap", SessionId(2)), Claim::Replaces(SessionId(1)));
    assert_eq!(seats.leave("hap", SessionId(1)), Leave::Unchanged);
    assert_eq!((seats.session("hap"), seats.session("other")), (Some(SessionId(2)), None));
    assert_eq!(seats.leave("hap", SessionId(2)), Leave::Empty);
    assert_eq!(seats.leave("hap", SessionId(2)), Leave::Unchanged);
    assert_eq!(seats.claim("hap", SessionId(3)), Claim::Free);
}

/// A closed session writes nothing more, whatever is asked of it.
#[test]
fn a_closed_session_is_silent() {
    let now = Instant::now();
    let (mut a, mut b) = pair(now);
    let table = a.session.offer(b"/t", tags()).unwrap();
    teach(&mut a, table, 1, now, &mut b.input);
    let (_, receipts) = drain(&mut b, now, &mut a.input);
    b.session.taken(receipts[0]).unwrap();
    b.session.close();
    b.session.flush(now, &mut a.input);
    assert!(b.session.tick(now + 60 * SECOND, &mut a.input).is_none());
    assert!(b.session.request_resync(now, &mut a.input).is_err());
    assert!(b.session.end_lesson(Completeness::Partial, now, &mut a.input).is_err());
    b.input.extend_from_slice(&[0, 0]);
    drain(&mut b, now, &mut a.input);
    assert!(a.input.is_empty() && b.input.is_empty());
    assert_eq!(Message::decode(&[0, 0], Default::default()).unwrap().1, b"");
}
