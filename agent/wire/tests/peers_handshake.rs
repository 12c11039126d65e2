//! Hellos and answers to them, well formed and not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::peers::{
    DecodeError, Event, Expected, HelloError, Item, PeerName, Phase, Refusal, Session, SessionError,
    SessionId, Settings, Status, Version,
};
use std::time::{Duration, Instant};

fn settings() -> Settings {
    Settings::new(PeerName::new("us").unwrap())
}

#[test]
fn handshakes() {
    let now = Instant::now();
    let answer = |bytes: &[u8]| {
        let (mut session, mut out) = (Session::accept(SessionId(1), settings(), now), BytesMut::new());
        let step = session.next_event(bytes, now, &mut out);
        let Some(Event::Failed(error)) = step.event else { panic!("{:?}", step.event) };
        (error, String::from_utf8(out.to_vec()).unwrap())
    };
    let invalid = |offset, expected| -> SessionError {
        HelloError::Decode(DecodeError::Invalid { offset, expected }).into()
    };
    let version = |major, minor| SessionError::Hello(HelloError::Version(Version { major, minor }));
    let long = |prefix: &str| format!("{prefix}{}", "x".repeat(1000)).into_bytes();
    let table: Vec<(Vec<u8>, SessionError, Status)> = vec![
        (b"GET / HTTP/1.1\r\n".to_vec(), invalid(0, Expected::Protocol), Status::ProtocolError),
        (b"HAProxyX".to_vec(), invalid(7, Expected::Protocol), Status::ProtocolError),
        (b"HAProxyS2.1\n".to_vec(), invalid(8, Expected::Protocol), Status::ProtocolError),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), invalid(0, Expected::Protocol), Status::ProtocolError),
        (b"HAProxyS 2\n".to_vec(), invalid(9, Expected::Version), Status::ProtocolError),
        (b"HAProxyS 2.1.0\n".to_vec(), invalid(9, Expected::Version), Status::ProtocolError),
        (b"HAProxyS 99999999999.1\n".to_vec(), invalid(9, Expected::Version), Status::ProtocolError),
        (b"HAProxyS 2.+1\n".to_vec(), invalid(9, Expected::Version), Status::ProtocolError),
        (b"HAProxyS 2.0\n".to_vec(), version(2, 0), Status::BadVersion),
        (b"HAProxyS 2.2\n".to_vec(), version(2, 2), Status::BadVersion),
        (b"HAProxyS 3.1\nno name".to_vec(), version(3, 1), Status::BadVersion),
        (b"HAProxyS 2.1\n\nthem 1 1\n".to_vec(), invalid(13, Expected::PeerName), Status::ProtocolError),
        (b"HAProxyS 2.1\n\xff\nthem 1 1\n".to_vec(), invalid(13, Expected::PeerName), Status::ProtocolError),
        (b"HAProxyS 2.1\nus\n 1 1\n".to_vec(), invalid(16, Expected::PeerName), Status::ProtocolError),
        (b"HAProxyS 2.1\nus\nthem\n".to_vec(), invalid(20, Expected::ProcessNumber), Status::ProtocolError),
        (b"HAProxyS 2.1\nus\nthem 1\n".to_vec(), invalid(20, Expected::ProcessNumber), Status::ProtocolError),
        (
            b"HAProxyS 2.1\nus\nthem 1 -1\n".to_vec(),
            invalid(20, Expected::ProcessNumber),
            Status::ProtocolError,
        ),
        (b"HAProxyS 2.1\nus\nthem 1 1 1\n".to_vec(), invalid(20, Expected::LineEnd), Status::ProtocolError),
        (b"HAProxyS 2.1\nother\nthem 1 1\n".to_vec(), SessionError::NotForUs, Status::LocalNameMismatch),
    ];
    for (bytes, error, status) in table {
        let name = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(answer(&bytes), (error, format!("{}\n", status.code())), "{name:?}");
    }
    for bytes in [long("HAProxyS "), long("HAProxyS 2.1\n"), long("HAProxyS 2.1\nus\n")] {
        let (error, told) = answer(&bytes);
        let SessionError::Hello(HelloError::Decode(DecodeError::TooLarge { item, limit, .. })) = error else {
            panic!("{error:?}")
        };
        assert_eq!((item, limit, &*told), (Item::Line, 279, "501\n"));
    }
}

#[test]
fn answers_to_our_hello() {
    let now = Instant::now();
    for (bytes, expected) in [
        (&b"200\n"[..], "Some(Open)"),
        (b"200\r\n", "Some(Open)"),
        (b"300\n", "Some(Refused(TryAgain))"),
        (b"502\n", "Some(Refused(BadVersion))"),
        (b"20", "None"),
    ] {
        let mut out = BytesMut::new();
        let peer = PeerName::new("them").unwrap();
        let mut session = Session::connect(SessionId(1), settings(), peer, now, &mut out);
        assert_eq!(out[..], b"HAProxyS 2.1\nthem\nus 1 1\n"[..]);
        let step = session.next_event(bytes, now, &mut out);
        assert_eq!(format!("{:?}", step.event), expected);
    }
    for bytes in [&b"201\n"[..], b"2000\n", b"-200\n", b"\n", b"HTTP/1.1 400 Bad Request\r\n", b"20\n"] {
        let mut out = BytesMut::new();
        let peer = PeerName::new("them").unwrap();
        let mut session = Session::connect(SessionId(1), settings(), peer, now, &mut out);
        let before = out.clone();
        let step = session.next_event(bytes, now, &mut out);
        assert!(matches!(step.event, Some(Event::Failed(SessionError::Decode(_)))), "{:?}", step.event);
        assert_eq!((session.phase(), out), (Phase::Closed, before));
    }
}

#[test]
fn a_hello_is_answered_by_the_caller() {
    let now = Instant::now();
    for (refusal, told) in [(Refusal::TryAgain, "300\n"), (Refusal::UnknownPeer, "504\n")] {
        let (mut session, mut out) = (Session::accept(SessionId(1), settings(), now), BytesMut::new());
        assert!(session.refuse(refusal, &mut out).is_err() && session.welcome(now, &mut out).is_err());
        // Messages may come with the hello; they wait for the answer.
        let bytes = b"HAProxyS 2.1\nus\nthem 7 1\n\x00\x04";
        let step = session.next_event(bytes, now, &mut out);
        let Some(Event::Hello(hello)) = step.event else { panic!("{:?}", step.event) };
        assert_eq!((hello.from, hello.process, step.consumed), ("them", 7, bytes.len() - 2));
        let step = session.next_event(b"\x00\x04", now, &mut out);
        assert!(step.event.is_none() && step.consumed == 0 && out.is_empty());
        assert_eq!(session.peer().map(PeerName::as_str), Some("them"));
        session.refuse(refusal, &mut out).unwrap();
        assert_eq!((&out[..], session.phase()), (told.as_bytes(), Phase::Closed));
        assert!(session.welcome(now, &mut out).is_err());
    }
}

#[test]
fn a_handshake_ends_in_time() {
    let now = Instant::now();
    let mut out = BytesMut::new();
    let peer = PeerName::new("them").unwrap();
    let accepted = Session::accept(SessionId(1), settings(), now);
    let connected = Session::connect(SessionId(2), settings(), peer, now, &mut out);
    out.clear();
    for mut session in [accepted, connected] {
        let deadline = session.deadline().unwrap();
        assert_eq!(deadline, now + Duration::from_secs(5));
        assert!(session.tick(deadline - Duration::from_millis(1), &mut out).is_none());
        let event = session.tick(deadline, &mut out);
        assert!(matches!(event, Some(Event::Failed(SessionError::Handshake))), "{event:?}");
        assert_eq!((session.phase(), session.deadline(), out.len()), (Phase::Closed, None, 0));
    }
}
