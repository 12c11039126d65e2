//! The connection state machine: who may say what when, and what is answered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::spop::{
    Ack, Actions, Admission, AgentHello, Connection, DecodeError, Disconnect, Event, Frame, FrameId,
    FrameType, HaproxyHello, LENGTH_PREFIX, MaxFrameSize, NotifyWriter, Phase, Pipelining, ProtocolError,
    Purpose, Scope, Sender, Status, Value,
};

const LIMIT: MaxFrameSize = MaxFrameSize::DEFAULT;

fn hello(purpose: Purpose, size: u32) -> BytesMut {
    let mut out = BytesMut::new();
    let (capabilities, engine_id): (&[u8], _) = match purpose {
        Purpose::Session => (b"pipelining,async", Some(&b"c0ffee"[..])),
        Purpose::HealthCheck => (b"", None),
    };
    HaproxyHello { supported_versions: b"2.0", max_frame_size: size, capabilities, purpose, engine_id }
        .encode(&mut out)
        .unwrap();
    out
}

fn notify(stream: u64) -> BytesMut {
    let mut writer = NotifyWriter::new();
    writer.message("request").arg("method", Value::text("GET")).unwrap();
    let mut out = BytesMut::new();
    writer.encode(FrameId { stream, frame: 1 }, LIMIT, &mut out).unwrap();
    out
}

/// A frame from its parts.
fn raw(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(7 + payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, 0, 0, 0, flags, 0, 0], payload].concat()
}

fn open(size: u32) -> (Connection, BytesMut) {
    let mut connection = Connection::new(LIMIT);
    let mut out = BytesMut::new();
    connection.feed(&hello(Purpose::Session, size));
    assert!(matches!(connection.next_event(&mut out), Some(Event::Ready(_))));
    out.clear();
    (connection, out)
}

fn disconnect_of(out: &[u8]) -> Status {
    Disconnect::parse(&out[LENGTH_PREFIX..], Sender::Agent).unwrap().status().unwrap()
}

#[test]
fn hello_is_answered_and_notifies_flow_in_any_order() {
    let mut connection = Connection::new(LIMIT);
    let mut out = BytesMut::new();
    assert_eq!(connection.phase(), Phase::Hello);
    connection.feed(&hello(Purpose::Session, 8192));
    let Some(Event::Ready(agreement)) = connection.next_event(&mut out) else { panic!("not ready") };
    assert_eq!((agreement.max_frame_size.bytes(), agreement.pipelining), (8192, Pipelining::Agreed));
    let greeting = AgentHello::parse(&out[LENGTH_PREFIX..]).unwrap();
    assert_eq!(
        (greeting.version, greeting.max_frame_size, greeting.capabilities),
        (&b"2.0"[..], 8192, &b"pipelining"[..])
    );
    out.clear();

    let mut ids = Vec::new();
    for stream in [7, 8, 300] {
        connection.feed(&notify(stream));
    }
    while let Some(event) = connection.next_event(&mut out) {
        let Event::Notify(notify) = event else { panic!("{event:?}") };
        ids.push(notify.id());
    }
    assert_eq!(ids.len(), 3);
    assert_eq!((connection.unanswered(), connection.undecoded()), (3, 0));
    let mut actions = Actions::new();
    actions.set_var(Scope::Transaction, "verdict", Value::text("deny")).unwrap();
    for id in ids.iter().rev() {
        connection.acknowledge(*id, &actions, &mut out).unwrap();
    }
    assert_eq!(connection.unanswered(), 0);
    let mut rest = &out[..];
    for id in ids.iter().rev() {
        let (frame, after) = Frame::decode(rest, LIMIT).unwrap();
        let ack = Ack::from_frame(&frame).unwrap();
        assert_eq!((ack.id(), ack.actions().count()), (*id, 1));
        rest = after;
    }
    assert!(rest.is_empty());
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let mut connection = Connection::new(LIMIT);
    let mut out = BytesMut::new();
    let bytes = [&hello(Purpose::Session, 16_380)[..], &notify(1)[..], &notify(2)[..]].concat();
    let mut events = 0;
    for byte in bytes {
        assert_eq!(connection.feed(&[byte]), 1);
        while let Some(event) = connection.next_event(&mut out) {
            assert!(!matches!(event, Event::Failed(_)), "{event:?}");
            events += 1;
        }
    }
    assert_eq!(events, 3);
}

#[test]
fn a_health_check_is_answered_and_over() {
    let mut connection = Connection::new(LIMIT);
    let mut out = BytesMut::new();
    connection.feed(&hello(Purpose::HealthCheck, 16_380));
    assert_eq!(connection.next_event(&mut out), Some(Event::HealthCheck));
    assert!(AgentHello::parse(&out[LENGTH_PREFIX..]).is_ok());
    assert_eq!(connection.phase(), Phase::Closed);
    connection.feed(&notify(1));
    assert_eq!(connection.next_event(&mut out), None);
}

#[test]
fn hello_is_refused_while_not_admitted_and_health_checks_too() {
    for purpose in [Purpose::Session, Purpose::HealthCheck] {
        let mut connection = Connection::new(LIMIT);
        let mut out = BytesMut::new();
        connection.admit(Admission::Refuse(Status::Resource));
        connection.feed(&hello(purpose, 16_380));
        assert_eq!(connection.next_event(&mut out), Some(Event::Refused(Status::Resource)));
        assert_eq!(disconnect_of(&out), Status::Resource);
        assert_eq!(connection.phase(), Phase::Closed);
    }
}

#[test]
fn haproxy_takes_leave_and_gets_an_answer() {
    let (mut connection, mut out) = open(16_380);
    let mut bytes = BytesMut::new();
    Disconnect::new(Status::Timeout, "idle").encode(Sender::Haproxy, &mut bytes).unwrap();
    connection.feed(&bytes);
    let Some(Event::Disconnected(disconnect)) = connection.next_event(&mut out) else { panic!() };
    assert_eq!((disconnect.status(), disconnect.message), (Some(Status::Timeout), &b"idle"[..]));
    assert_eq!(disconnect_of(&out), Status::Normal);
    assert_eq!(connection.phase(), Phase::Closed);
}

#[test]
fn frames_out_of_place_end_the_connection_with_their_status() {
    let greeting = hello(Purpose::Session, 16_380).to_vec();
    let fragment = raw(3, 0, b"\x01m\x00");
    let big = [0, 0, 0x40, 0, 3];
    let http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let notify = notify(1).to_vec();
    let ack = raw(103, 1, b"");
    let open_table: [(&str, &[u8], Status); 10] = [
        ("hello twice", &greeting, Status::Invalid),
        ("unset", &raw(0, 1, b""), Status::FragmentationNotSupported),
        ("unset and abort", &raw(0, 3, b""), Status::FragmentationNotSupported),
        ("first fragment", &fragment, Status::FragmentationNotSupported),
        ("abort without fin", &raw(3, 2, b""), Status::Invalid),
        ("a frame of the agent's", &ack, Status::Invalid),
        ("length 0", &[0; 4], Status::Invalid),
        ("beyond the agreed size", &big, Status::TooBig),
        ("http", http, Status::TooBig),
        ("malformed notify", &raw(3, 1, b"\x05m"), Status::Invalid),
    ];
    for (name, bytes, status) in open_table {
        let (mut connection, mut out) = open(16_380);
        connection.feed(bytes);
        let Some(Event::Failed(error)) = connection.next_event(&mut out) else { panic!("{name}") };
        assert_eq!(error.status(), status, "{name}");
        assert_eq!(disconnect_of(&out), status, "{name}");
        let written = out.len();
        connection.feed(&notify);
        assert_eq!(connection.next_event(&mut out), None, "{name}");
        assert_eq!(out.len(), written, "{name}");
    }
    let before_table: [(&str, &[u8], Status); 5] = [
        ("notify first", &notify, Status::Invalid),
        ("unknown first", &raw(42, 1, b""), Status::Invalid),
        ("http first", http, Status::TooBig),
        ("hello in fragments", &raw(1, 0, b""), Status::FragmentationNotSupported),
        ("empty hello", &raw(1, 1, b""), Status::NoVersion),
    ];
    for (name, bytes, status) in before_table {
        let mut connection = Connection::new(LIMIT);
        let mut out = BytesMut::new();
        connection.feed(bytes);
        let Some(Event::Failed(error)) = connection.next_event(&mut out) else { panic!("{name}") };
        assert_eq!((error.status(), disconnect_of(&out)), (status, status), "{name}");
    }
}

#[test]
fn unknown_frames_are_skipped_once_open() {
    let (mut connection, mut out) = open(16_380);
    connection.feed(&[&raw(42, 0, b"whatever")[..], &raw(200, 9, b""), &notify(5)].concat());
    let Some(Event::Notify(notify)) = connection.next_event(&mut out) else { panic!() };
    assert_eq!(notify.stream_id(), 5);
    assert_eq!(connection.next_event(&mut out), None);
    assert!(out.is_empty());
}

#[test]
fn the_agreed_size_binds_both_ways() {
    let (mut connection, mut out) = open(256);
    let mut actions = Actions::new();
    actions.set_var(Scope::Transaction, "long", Value::Str(&[b'x'; 300])).unwrap();
    connection.feed(&notify(1));
    let Some(Event::Notify(notify)) = connection.next_event(&mut out) else { panic!() };
    let id = notify.id();
    let error = connection.acknowledge(id, &actions, &mut out).unwrap_err();
    assert_eq!(error.limit, 256);
    assert!(out.is_empty());
    connection.feed(&[0, 0, 1, 1]);
    assert_eq!(
        connection.next_event(&mut out),
        Some(Event::Failed(ProtocolError::Decode(DecodeError::TooLarge { length: 257, limit: 256 })))
    );
}

#[test]
fn after_our_leave_a_notify_is_told_apart_and_not_answered() {
    let (mut connection, mut out) = open(16_380);
    connection.disconnect(Status::Normal, "restart", &mut out);
    assert_eq!(disconnect_of(&out), Status::Normal);
    assert_eq!(connection.phase(), Phase::Closing);
    let written = out.len();
    connection.disconnect(Status::Timeout, "again", &mut out);
    connection.feed(&notify(9));
    let id = FrameId { stream: 9, frame: 1 };
    assert_eq!(connection.next_event(&mut out), Some(Event::Crossed(id)));
    connection.acknowledge(id, &Actions::new(), &mut out).unwrap();
    assert_eq!(out.len(), written);
    let mut bytes = BytesMut::new();
    Disconnect::new(Status::Normal, "bye").encode(Sender::Haproxy, &mut bytes).unwrap();
    connection.feed(&bytes);
    assert!(matches!(connection.next_event(&mut out), Some(Event::Disconnected(_))));
    assert_eq!(out.len(), written);
}

#[test]
fn the_largest_frame_fits_and_memory_stays_bounded() {
    let (mut connection, mut out) = open(16_380);
    let mut writer = NotifyWriter::new();
    let text = vec![b'x'; NotifyWriter::payload_limit(LIMIT) - 10];
    writer.message("m").arg("k", Value::Str(&text)).unwrap();
    let mut frame = BytesMut::new();
    writer.encode(FrameId { stream: u64::MAX, frame: u64::MAX }, LIMIT, &mut frame).unwrap();
    for _ in 0..5 {
        let mut bytes = &frame[..];
        let mut notifies = 0;
        while !bytes.is_empty() {
            let room = connection.read_space().len();
            assert!(room > 0 && room <= LENGTH_PREFIX + 16_380);
            let taken = connection.feed(&bytes[..bytes.len().min(1000)]);
            bytes = &bytes[taken..];
            while let Some(event) = connection.next_event(&mut out) {
                assert!(matches!(event, Event::Notify(_)));
                notifies += 1;
            }
        }
        assert_eq!(notifies, 1);
    }
    // A whole frame that nobody takes leaves no room, so nothing more is buffered.
    let mut fed = 0;
    loop {
        match connection.feed(&frame) {
            0 => break,
            taken => fed += taken,
        }
    }
    assert!(fed <= LENGTH_PREFIX + 16_380);
}

#[test]
fn errors_read_well() {
    let error = ProtocolError::Unexpected { kind: FrameType::Notify, phase: Phase::Hello };
    assert_eq!(error.to_string(), "frame of type NOTIFY is unexpected while the connection is before hello");
}
