//! Round trips of every frame, cuts at every byte, and bytes that a hostile peer would send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::spop::{
    Ack, Action, Actions, AgentHello, DecodeError, Disconnect, Expected, Flags, Frame, FrameId, FrameType,
    HaproxyHello, HelloError, LENGTH_PREFIX, MaxFrameSize, Notify, NotifyWriter, Pipelining, Purpose, Scope,
    Sender, Status, Value,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const LIMIT: MaxFrameSize = MaxFrameSize::DEFAULT;

/// A value that owns its bytes.
#[derive(Clone, Debug)]
enum Owned {
    Null,
    Bool(bool),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Ipv4([u8; 4]),
    Ipv6([u8; 16]),
    Str(Vec<u8>),
    Binary(Vec<u8>),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int32(value) => Value::Int32(*value),
            Self::Uint32(value) => Value::Uint32(*value),
            Self::Int64(value) => Value::Int64(*value),
            Self::Uint64(value) => Value::Uint64(*value),
            Self::Ipv4(octets) => Value::Ipv4((*octets).into()),
            Self::Ipv6(octets) => Value::Ipv6((*octets).into()),
            Self::Str(bytes) => Value::Str(bytes),
            Self::Binary(bytes) => Value::Binary(bytes),
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    prop_oneof![
        Just(Owned::Null),
        any::<bool>().prop_map(Owned::Bool),
        any::<i32>().prop_map(Owned::Int32),
        any::<u32>().prop_map(Owned::Uint32),
        (any::<i64>(), 0..64).prop_map(|(value, shift)| Owned::Int64(value >> shift)),
        (any::<u64>(), 0..64).prop_map(|(value, shift)| Owned::Uint64(value >> shift)),
        any::<[u8; 4]>().prop_map(Owned::Ipv4),
        any::<[u8; 16]>().prop_map(Owned::Ipv6),
        vec(any::<u8>(), 0..300).prop_map(Owned::Str),
        vec(any::<u8>(), 0..300).prop_map(Owned::Binary),
    ]
}

fn id() -> impl Strategy<Value = FrameId> {
    (any::<u64>(), any::<u64>(), 0..64, 0..64)
        .prop_map(|(stream, frame, s, f)| FrameId { stream: stream >> s, frame: frame >> f })
}

fn scope() -> impl Strategy<Value = Scope> {
    (0_u8..5).prop_map(|byte| Scope::from_byte(byte).unwrap())
}

type OwnedMessage = (String, Vec<(String, Owned)>);

fn messages() -> impl Strategy<Value = Vec<OwnedMessage>> {
    vec(("[a-z-]{0,12}", vec(("[a-z_]{0,8}|[a-z]{250}", owned()), 0..10)), 0..4)
}

fn notify_bytes(id: FrameId, messages: &[OwnedMessage]) -> BytesMut {
    let mut writer = NotifyWriter::new();
    for (name, args) in messages {
        writer.message(name);
        for (name, value) in args {
            writer.arg(name, value.value()).unwrap();
        }
    }
    let mut out = BytesMut::new();
    writer.encode(id, LIMIT, &mut out).unwrap();
    out
}

fn collected(notify: &Notify<'_>) -> Vec<(String, Vec<(String, String)>)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let args = |message: haproxy_wire::spop::Message<'_>| {
        message.args().map(|(name, value)| (text(name), format!("{value:?}"))).collect()
    };
    notify.messages().map(|message| (text(message.name()), args(message))).collect()
}

/// The bytes after the length prefix.
fn body(frame: &[u8]) -> &[u8] {
    &frame[LENGTH_PREFIX..]
}

/// Each cut of a frame is incomplete, and says how much is certainly missing; the whole is not touched by
/// what follows.
fn assert_only_whole(frame: &[u8]) -> Result<(), TestCaseError> {
    for cut in 0..frame.len() {
        match Frame::decode(&frame[..cut], LIMIT) {
            Err(DecodeError::Incomplete { needed }) => {
                prop_assert!(needed >= 1 && needed <= frame.len() - cut, "{needed} at {cut}");
            }
            other => prop_assert!(false, "{other:?} at {cut}"),
        }
    }
    let mut more = frame.to_vec();
    more.extend_from_slice(b"more");
    let (decoded, rest) = Frame::decode(&more, LIMIT).unwrap();
    prop_assert_eq!(rest, b"more");
    prop_assert_eq!(decoded, Frame::parse(body(frame)).unwrap());
    Ok(())
}

proptest! {
    #[test]
    fn value_round_trip(owned in owned(), tail: u8) {
        let value = owned.value();
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), value.encoded_len());
        for cut in 0..bytes.len() {
            let cut = Value::decode(&bytes[..cut]);
            prop_assert!(matches!(cut, Err(DecodeError::Invalid { .. })), "{cut:?}");
        }
        bytes.push(tail);
        prop_assert_eq!(Value::decode(&bytes).unwrap(), (value, &[tail][..]));
    }

    #[test]
    fn notify_round_trip(id in id(), messages in messages()) {
        let frame = notify_bytes(id, &messages);
        let notify = Notify::parse(body(&frame)).unwrap();
        prop_assert_eq!(notify.id(), id);
        prop_assert_eq!((notify.stream_id(), notify.frame_id()), (id.stream, id.frame));
        let expected: Vec<_> = messages.iter().map(|(name, args)| {
            (name.clone(), args.iter().map(|(name, v)| (name.clone(), format!("{:?}", v.value()))).collect())
        }).collect();
        prop_assert_eq!(collected(&notify), expected);
        prop_assert_eq!(notify.messages().len(), messages.len());
        assert_only_whole(&frame)?;
    }

    #[test]
    fn ack_round_trip(id in id(), actions in vec((scope(), "[a-z_.]{0,20}", option::of(owned())), 0..20)) {
        let mut written = Actions::new();
        for (scope, name, value) in &actions {
            match value {
                Some(value) => written.set_var(*scope, name, value.value()).unwrap(),
                None => written.unset_var(*scope, name).unwrap(),
            }
        }
        prop_assert_eq!(written.len(), actions.len());
        let mut frame = BytesMut::new();
        written.encode(id, LIMIT, &mut frame).unwrap();
        let ack = Ack::parse(body(&frame)).unwrap();
        prop_assert_eq!(ack.id(), id);
        let expected: Vec<_> = actions.iter().map(|(scope, name, value)| match value {
            Some(value) => Action::SetVar { scope: *scope, name: name.as_bytes(), value: value.value() },
            None => Action::UnsetVar { scope: *scope, name: name.as_bytes() },
        }).collect();
        prop_assert_eq!(ack.actions().collect::<Vec<_>>(), expected);
        prop_assert_eq!(written.iter().count(), actions.len());
        assert_only_whole(&frame)?;
    }

    #[test]
    fn haproxy_hello_round_trip(
        versions in "[0-9., ]{0,20}",
        size: u32,
        capabilities in "[a-z, ]{0,40}",
        healthcheck: bool,
        engine in option::of("[0-9a-f-]{0,36}"),
    ) {
        let hello = HaproxyHello {
            supported_versions: versions.as_bytes(),
            max_frame_size: size,
            capabilities: capabilities.as_bytes(),
            purpose: if healthcheck { Purpose::HealthCheck } else { Purpose::Session },
            engine_id: engine.as_deref().map(str::as_bytes),
        };
        let mut frame = BytesMut::new();
        hello.encode(&mut frame).unwrap();
        prop_assert_eq!(HaproxyHello::parse(body(&frame)).unwrap(), hello);
        assert_only_whole(&frame)?;
    }

    #[test]
    fn agent_hello_round_trip(version in "[0-9.]{0,5}", size: u32, capabilities in "[a-z, ]{0,40}") {
        let hello = AgentHello {
            version: version.as_bytes(),
            max_frame_size: size,
            capabilities: capabilities.as_bytes(),
        };
        let mut frame = BytesMut::new();
        hello.encode(&mut frame).unwrap();
        prop_assert_eq!(AgentHello::parse(body(&frame)).unwrap(), hello);
        assert_only_whole(&frame)?;
    }

    #[test]
    fn disconnect_round_trip(code: u32, message in vec(any::<u8>(), 0..300), haproxy: bool) {
        let sender = if haproxy { Sender::Haproxy } else { Sender::Agent };
        let mut frame = BytesMut::new();
        Disconnect { code, message: &message }.encode(sender, &mut frame).unwrap();
        let decoded = Disconnect::parse(body(&frame), sender).unwrap();
        prop_assert_eq!(decoded.code, code);
        prop_assert_eq!(decoded.message, &message[..message.len().min(160)]);
        prop_assert!(frame.len() <= 260);
        assert_only_whole(&frame)?;
    }

    // Whatever the bytes: no panic, and what is accepted can be walked to its end.
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let _ = Frame::decode(&bytes, LIMIT);
        let mut payload = b"\x03\0\0\0\x01\x01\x01".to_vec();
        payload.extend_from_slice(&bytes);
        if let Ok(notify) = Notify::parse(&payload) {
            let walked: usize = notify.messages().map(|message| message.args().count()).sum();
            let claimed: usize = notify.messages().map(|message| message.args().len()).sum();
            prop_assert_eq!(walked, claimed);
        }
        payload[0] = 103;
        let _ = Ack::parse(&payload);
        payload[0] = 1;
        let _ = HaproxyHello::parse(&payload[..cut.min(payload.len())]);
        payload[0] = 2;
        let _ = Disconnect::parse(&payload, Sender::Haproxy);
    }

    // One byte of a valid NOTIFY changed: the walk still ends where the check ended.
    #[test]
    fn a_changed_byte_is_taken_or_refused(messages in messages(), at: prop::sample::Index, with: u8) {
        let mut frame = notify_bytes(FrameId { stream: 300, frame: 1 }, &messages);
        let at = at.index(frame.len() - LENGTH_PREFIX) + LENGTH_PREFIX;
        frame[at] = with;
        match Notify::parse(body(&frame)) {
            Ok(notify) => {
                let mut again = NotifyWriter::new();
                for message in notify.messages() {
                    prop_assert_eq!(message.args().len(), message.args().count());
                    again.message(std::str::from_utf8(message.name()).unwrap_or_default());
                }
                prop_assert_eq!(notify.messages().len(), notify.messages().count());
            }
            Err(DecodeError::Invalid { offset, .. }) => prop_assert!(offset <= frame.len() - LENGTH_PREFIX),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}

fn invalid(offset: usize, expected: Expected) -> DecodeError {
    DecodeError::Invalid { offset, expected }
}

/// A NOTIFY with stream 1 and frame 1 around this payload, which begins at byte 7.
fn notify(payload: &[u8]) -> Vec<u8> {
    [b"\x03\0\0\0\x01\x01\x01", payload].concat()
}

#[test]
fn hostile_frames_get_the_error_they_deserve() {
    let table: [(&str, &[u8], DecodeError); 8] = [
        ("nothing", b"", DecodeError::Incomplete { needed: 4 }),
        ("half a prefix", b"\0\0", DecodeError::Incomplete { needed: 2 }),
        ("prefix alone", b"\0\0\0\x09", DecodeError::Incomplete { needed: 9 }),
        ("length 0", b"\0\0\0\0", invalid(0, Expected::WholeHeader)),
        ("length 6", b"\0\0\0\x06\x03", invalid(6, Expected::WholeHeader)),
        ("16 MiB", b"\x01\0\0\0\x03", DecodeError::TooLarge { length: 1 << 24, limit: 16_380 }),
        ("http", b"GET / HTTP/1.1\r\n", DecodeError::TooLarge { length: 0x4745_5420, limit: 16_380 }),
        (
            "identifier past 64 bits",
            b"\0\0\0\x10\x03\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01",
            invalid(5, Expected::Integer),
        ),
    ];
    for (name, bytes, error) in table {
        assert_eq!(Frame::decode(bytes, LIMIT).unwrap_err(), error, "{name}");
    }
}

#[test]
fn hostile_notifies_get_the_error_they_deserve() {
    let past_64_bits = b"\x01m\x01\x01k\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let wide_length = b"\x01m\x01\x01k\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0d";
    let table: [(&str, &[u8], DecodeError); 17] = [
        ("no count", b"\x01m", invalid(9, Expected::MoreBytes)),
        ("name beyond the frame", b"\x09m\x00", invalid(7, Expected::LengthWithinFrame)),
        ("name beyond by two bytes of length", b"\xf0\x01m", invalid(7, Expected::LengthWithinFrame)),
        ("fewer arguments than counted", b"\x01m\x02\x01k\x00", invalid(13, Expected::MoreBytes)),
        ("trailing byte", b"\x01m\x01\x01k\x00\x07", invalid(13, Expected::LengthWithinFrame)),
        ("more arguments than counted", b"\x01m\x01\x01k\x00\x01k\x01", invalid(16, Expected::MoreBytes)),
        ("argument without a value", b"\x01m\x01\x01k", invalid(12, Expected::MoreBytes)),
        ("reserved type 10", b"\x01m\x01\x01k\x0a\x00", invalid(12, Expected::ValueType)),
        ("reserved type 15", b"\x01m\x01\x01k\xff\x00", invalid(12, Expected::ValueType)),
        ("integer past 64 bits", past_64_bits, invalid(13, Expected::Integer)),
        ("length near 64 bits", wide_length, invalid(13, Expected::LengthWithinFrame)),
        (
            "uint32 of 33 bits",
            b"\x01m\x01\x01k\x03\xf0\xf1\xfe\xfe\xfe\x0e",
            invalid(13, Expected::Integer32),
        ),
        ("int32 of 33 bits", b"\x01m\x01\x01k\x02\xf0\xf1\xfe\xfe\xfe\x0e", invalid(13, Expected::Integer32)),
        ("ipv4 of 3 bytes", b"\x01m\x01\x01k\x06\x7f\0\0", invalid(13, Expected::MoreBytes)),
        ("ipv6 of 4 bytes", b"\x01m\x01\x01k\x07\x7f\0\0\x01", invalid(13, Expected::MoreBytes)),
        ("text beyond the frame", b"\x01m\x01\x01k\x08\x05four", invalid(13, Expected::LengthWithinFrame)),
        (
            "binary beyond the frame",
            b"\x01m\x01\x01k\x09\xf8\x10four",
            invalid(13, Expected::LengthWithinFrame),
        ),
    ];
    for (name, payload, error) in table {
        assert_eq!(Notify::parse(&notify(payload)).unwrap_err(), error, "{name}");
    }
}

#[test]
fn flags_that_mean_fragments_are_refused() {
    let with = |flags: u8| [3, 0, 0, 0, flags, 1, 1];
    assert_eq!(Notify::parse(&with(0)).unwrap_err(), invalid(1, Expected::Unfragmented));
    assert_eq!(Notify::parse(&with(0)).unwrap_err().status(), Status::FragmentationNotSupported);
    assert_eq!(Notify::parse(&with(2)).unwrap_err(), invalid(1, Expected::FinalAbort));
    assert_eq!(Notify::parse(&with(2)).unwrap_err().status(), Status::Invalid);
    // ABORT means nothing to a payload in one frame, reserved bits mean nothing to anyone.
    assert!(Notify::parse(&with(3)).is_ok());
    assert!(Notify::parse(&[3, 0xff, 0xff, 0xff, 0xfd, 1, 1]).is_ok());
    assert_eq!(Frame::parse(&with(3)).unwrap().flags, Flags::FIN_ABORT);
}

#[test]
fn a_frame_of_another_type_names_the_one_expected() {
    let error = Ack::parse(&notify(b"")).unwrap_err();
    assert_eq!(error, invalid(0, Expected::Frame(FrameType::Ack)));
    assert_eq!(error.to_string(), "frame is invalid at byte 0: expected a frame of type ACK");
}

#[test]
fn hostile_acks_get_the_error_they_deserve() {
    let table: [(&str, &[u8], DecodeError); 8] = [
        ("unknown action", b"\x03\x01\x00", invalid(7, Expected::ActionType)),
        ("set-var of two", b"\x01\x02\x02\x01v\x00", invalid(8, Expected::ActionArguments)),
        ("unset-var of three", b"\x02\x03\x02\x01v\x00", invalid(8, Expected::ActionArguments)),
        ("scope 5", b"\x01\x03\x05\x01v\x00", invalid(9, Expected::Scope)),
        ("no name", b"\x01\x03\x02", invalid(10, Expected::MoreBytes)),
        ("name beyond the frame", b"\x02\x02\x02\x09v", invalid(10, Expected::LengthWithinFrame)),
        ("no value", b"\x01\x03\x02\x01v", invalid(12, Expected::MoreBytes)),
        ("trailing byte", b"\x02\x02\x02\x01v\x07", invalid(12, Expected::ActionType)),
    ];
    for (name, payload, error) in table {
        let frame = [b"\x67\0\0\0\x01\x01\x01", payload].concat();
        assert_eq!(Ack::parse(&frame).unwrap_err(), error, "{name}");
    }
}

#[test]
fn actions_are_bounded_and_left_out_whole() {
    let mut actions = Actions::fitting(MaxFrameSize::FLOOR);
    actions.set_var(Scope::Transaction, "kept", Value::Bool(true)).unwrap();
    let long = [b'x'; 256];
    let error = actions.set_var(Scope::Transaction, "long", Value::Str(&long)).unwrap_err();
    assert!(error.length > error.limit, "{error}");
    assert_eq!(actions.len(), 1);
    let mut filled = 0;
    while actions.unset_var(Scope::Session, "more").is_ok() {
        filled += 1;
    }
    assert_eq!(actions.len(), 1 + filled);
    let mut out = BytesMut::new();
    let widest = FrameId { stream: u64::MAX, frame: u64::MAX };
    actions.encode(widest, MaxFrameSize::FLOOR, &mut out).unwrap();
    assert_eq!(Ack::parse(body(&out)).unwrap().actions().count(), 1 + filled);
    assert!(out.len() <= LENGTH_PREFIX + 256);
    actions.clear();
    assert!(actions.is_empty());
}

#[test]
fn a_notify_beyond_the_limit_is_not_written() {
    let mut writer = NotifyWriter::new();
    assert!(writer.arg("early", Value::Null).is_err(), "an argument before any message");
    writer.message("m").arg("k", Value::Str(&[0; 300])).unwrap();
    let mut out = BytesMut::new();
    let error = writer.encode(FrameId::ZERO, MaxFrameSize::FLOOR, &mut out).unwrap_err();
    assert_eq!(error.limit, 256);
    assert!(out.is_empty());
    writer.clear();
    writer.message("m");
    for _ in 0..255 {
        writer.arg("", Value::Null).unwrap();
    }
    assert!(writer.arg("", Value::Null).is_err(), "the count has one byte");
    writer.encode(FrameId::ZERO, LIMIT, &mut out).unwrap();
    assert_eq!(Notify::parse(body(&out)).unwrap().messages().next().unwrap().args().len(), 255);
}

/// A key and a value.
type Entry = (&'static str, Value<'static>);

/// A HELLO of HAProxy from entries.
fn hello(entries: &[Entry]) -> Vec<u8> {
    let mut frame = b"\x01\0\0\0\x01\0\0".to_vec();
    for (key, value) in entries {
        frame.push(u8::try_from(key.len()).unwrap());
        frame.extend_from_slice(key.as_bytes());
        value.encode(&mut frame);
    }
    frame
}

const VERSIONS: Entry = ("supported-versions", Value::Str(b"2.0"));
const SIZE: Entry = ("max-frame-size", Value::Uint32(16_380));
const CAPABILITIES: Entry = ("capabilities", Value::Str(b"pipelining,async"));

#[test]
fn a_hello_that_cannot_be_agreed_to_says_why_by_its_status() {
    let agreed =
        |entries: &[Entry]| HaproxyHello::parse(&hello(entries)).and_then(|hello| hello.negotiate(LIMIT));
    let twice = ("capabilities", Value::Str(b""));
    let table: [(&str, &[Entry], Status); 13] = [
        ("empty", &[], Status::NoVersion),
        ("no version", &[SIZE, CAPABILITIES], Status::NoVersion),
        ("no size", &[VERSIONS, CAPABILITIES], Status::NoMaxFrameSize),
        ("no capabilities", &[VERSIONS, SIZE], Status::NoCapabilities),
        (
            "version 1.0",
            &[("supported-versions", Value::text("1.0")), SIZE, CAPABILITIES],
            Status::BadVersion,
        ),
        (
            "version 3.0",
            &[("supported-versions", Value::text("3.0")), SIZE, CAPABILITIES],
            Status::BadVersion,
        ),
        ("version 2", &[("supported-versions", Value::text("2")), SIZE, CAPABILITIES], Status::BadVersion),
        (
            "version +2.0",
            &[("supported-versions", Value::text("+2.0")), SIZE, CAPABILITIES],
            Status::BadVersion,
        ),
        ("size 255", &[VERSIONS, ("max-frame-size", Value::Uint32(255)), CAPABILITIES], Status::BadFrameSize),
        ("size below 0", &[VERSIONS, ("max-frame-size", Value::Int64(-1)), CAPABILITIES], Status::Invalid),
        (
            "size as text",
            &[VERSIONS, ("max-frame-size", Value::text("16380")), CAPABILITIES],
            Status::Invalid,
        ),
        ("key twice", &[VERSIONS, SIZE, CAPABILITIES, twice], Status::Invalid),
        (
            "check as number",
            &[VERSIONS, SIZE, CAPABILITIES, ("healthcheck", Value::Int32(1))],
            Status::Invalid,
        ),
    ];
    for (name, entries, status) in table {
        assert_eq!(agreed(entries).unwrap_err().status(), status, "{name}");
    }
    let error = agreed(&[VERSIONS, SIZE, CAPABILITIES, VERSIONS]).unwrap_err();
    let at = hello(&[VERSIONS, SIZE, CAPABILITIES]).len();
    assert_eq!(error, HelloError::Decode(invalid(at, Expected::KeyOnce("supported-versions"))));
}

#[test]
fn a_hello_belongs_to_no_stream() {
    let mut frame = hello(&[VERSIONS, SIZE, CAPABILITIES]);
    frame[5] = 1;
    assert_eq!(HaproxyHello::parse(&frame).unwrap_err(), invalid(5, Expected::ZeroIds).into());
}

#[test]
fn a_hello_is_agreed_to_at_the_lesser_size_with_pipelining_alone() {
    let unknown = ("x-new-in-3.9", Value::Binary(&[1, 2, 3]));
    let versions = ("supported-versions", Value::text(" 1.5 ,2.0"));
    let capabilities = ("capabilities", Value::text("fragmentation, pipelining ,async"));
    let frame = hello(&[unknown, capabilities, ("max-frame-size", Value::Uint32(4096)), versions]);
    let agreement = HaproxyHello::parse(&frame).unwrap().negotiate(LIMIT).unwrap();
    assert_eq!(agreement.max_frame_size.bytes(), 4096);
    assert_eq!(agreement.pipelining, Pipelining::Agreed);
    assert_eq!(agreement.hello().capabilities, b"pipelining");
    assert!(agreement.hello().has_capability("pipelining"));

    let frame = hello(&[VERSIONS, ("capabilities", Value::text("")), SIZE]);
    let ours = MaxFrameSize::new(1000).unwrap();
    let agreement = HaproxyHello::parse(&frame).unwrap().negotiate(ours).unwrap();
    assert_eq!(agreement.max_frame_size, ours);
    assert_eq!(agreement.pipelining, Pipelining::Off);
    assert_eq!(agreement.hello().capabilities, b"");
}

#[test]
fn a_disconnect_needs_its_code_and_message() {
    let frame = |payload: &[u8]| [b"\x02\0\0\0\x01\0\0", payload].concat();
    let parse = |payload: &[u8]| Disconnect::parse(&frame(payload), Sender::Haproxy).map(|d| d.code);
    let code = b"\x0bstatus-code\x03\x02";
    let message = b"\x07message\x08\x02hi";
    assert_eq!(parse(&[&code[..], message].concat()), Ok(2));
    assert_eq!(parse(code), Err(invalid(21, Expected::Key("message"))));
    assert_eq!(parse(message), Err(invalid(19, Expected::Key("status-code"))));
    assert_eq!(
        parse(&[&code[..], code, message].concat()),
        Err(invalid(21, Expected::KeyOnce("status-code")))
    );
    assert_eq!(parse(b"\x0bstatus-code\x08\x012"), Err(invalid(7, Expected::TypeOf("status-code"))));
    assert_eq!(Disconnect::new(Status::Timeout, "late").status(), Some(Status::Timeout));
    assert_eq!(Disconnect { code: 4000, message: b"" }.status(), None);
}
