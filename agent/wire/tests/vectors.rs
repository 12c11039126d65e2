//! Frames that HAProxy itself sent, captured; each file names its origin in its header.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::spop::{
    Connection, Disconnect, Event, Frame, FrameType, HaproxyHello, MaxFrameSize, Notify, Pipelining, Purpose,
    Sender, Status, Value,
};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/spop")
}

/// The bytes of one vector: lines of hex, `#` begins a comment.
fn bytes(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(text.starts_with('#') && digits.len().is_multiple_of(2), "{}", path.display());
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn named(name: &str) -> Vec<u8> {
    bytes(&folder().join(name))
}

#[test]
fn every_frame_of_haproxy_is_understood() {
    // The folder belongs to the repository, not to the published crate.
    let Ok(entries) = fs::read_dir(folder()) else { return };
    let mut seen = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let bytes = bytes(&path);
        let (frame, rest) = Frame::decode(&bytes, MaxFrameSize::DEFAULT).unwrap();
        assert!(rest.is_empty(), "{}", path.display());
        match frame.kind {
            FrameType::HaproxyHello => {
                let hello = HaproxyHello::from_frame(&frame).unwrap();
                let agreement = hello.negotiate(MaxFrameSize::DEFAULT).unwrap();
                let pipelined = hello.purpose == Purpose::Session;
                assert_eq!(agreement.pipelining == Pipelining::Agreed, pipelined, "{}", path.display());
            }
            FrameType::Notify => {
                let notify = Notify::from_frame(&frame).unwrap();
                let message = notify.messages().next().unwrap();
                assert_eq!(message.args().len(), message.args().count(), "{}", path.display());
            }
            FrameType::HaproxyDisconnect => {
                let disconnect = Disconnect::from_frame(&frame, Sender::Haproxy).unwrap();
                assert!(disconnect.status().is_some(), "{}", path.display());
            }
            other => panic!("{}: {other}", path.display()),
        }
        for cut in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..cut], MaxFrameSize::DEFAULT).is_err(), "{}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 0, "no vectors");
}

#[test]
fn a_captured_request_reads_as_it_was_sent() {
    if !folder().is_dir() {
        return;
    }
    for version in ["2.6.12", "3.0.11", "3.2.26"] {
        let mut connection = Connection::new(MaxFrameSize::DEFAULT);
        let mut out = BytesMut::new();
        connection.feed(&named(&format!("haproxy-{version}-hello.hex")));
        assert!(matches!(connection.next_event(&mut out), Some(Event::Ready(_))), "{version}");
        connection.feed(&named(&format!("haproxy-{version}-notify-get.hex")));
        let Some(Event::Notify(notify)) = connection.next_event(&mut out) else { panic!("{version}") };
        let message = notify.messages().next().unwrap();
        assert_eq!(message.name(), b"request");
        let names: Vec<_> = message.args().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect();
        let expected = ["id", "method", "host", "hosts", "target", "src", "assertions", "assertion"];
        assert_eq!(names, expected, "{version}");
        let value = |wanted: &str| message.args().find(|(name, _)| *name == wanted.as_bytes()).unwrap().1;
        assert_eq!(value("method").as_str(), Some("GET"));
        assert_eq!(value("id").as_str().unwrap().len(), 36);
        assert!(matches!(value("src"), Value::Ipv4(address) if address.is_loopback()));
        assert_eq!((value("hosts"), value("assertions")), (Value::Int64(1), Value::Int64(1)));
        assert!(value("assertion").as_bytes().is_some());
    }
}

#[test]
fn a_captured_health_check_is_one() {
    if !folder().is_dir() {
        return;
    }
    let bytes = named("haproxy-2.6.12-hello-check.hex");
    let (frame, _) = Frame::decode(&bytes, MaxFrameSize::DEFAULT).unwrap();
    let hello = HaproxyHello::from_frame(&frame).unwrap();
    assert_eq!((hello.purpose, hello.capabilities, hello.engine_id), (Purpose::HealthCheck, &b""[..], None));
    let bytes = named("haproxy-2.6.12-disconnect-version.hex");
    let (frame, _) = Frame::decode(&bytes, MaxFrameSize::DEFAULT).unwrap();
    let disconnect = Disconnect::from_frame(&frame, Sender::Haproxy).unwrap();
    assert_eq!(disconnect.status(), Some(Status::BadVersion));
}
