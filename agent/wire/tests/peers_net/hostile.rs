//! Hostile bytes over a real socket: the session ends or goes on, and nobody else notices.

use super::node::{Caller, Hub, PATIENCE, schema, settings, until};
use super::unix;
use bytes::BytesMut;
use haproxy_wire::peers::net::{Ended, connect};
use haproxy_wire::peers::{
    Ack, Complaint, Control, Hello, Key, Lesson, PeerName, Session, SessionId, TableId, UpdateId, Value,
};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

fn hello() -> BytesMut {
    let mut out = BytesMut::new();
    Hello { to: "hub", from: "raw", process: 1, relative_process: 1 }.encode(&mut out);
    out
}

/// A definition and three updates, as they go over the wire.
fn lesson() -> Vec<BytesMut> {
    let now = Instant::now();
    let (mut out, mut lessons) = (BytesMut::new(), Vec::new());
    let hub = PeerName::new("hub").unwrap();
    let mut session = Session::connect(SessionId(1), settings("raw"), hub, now, &mut out);
    session.next_event(b"200\n", now, &mut out);
    let table = session.offer(b"/clients", schema()).unwrap();
    for id in 1..=3 {
        out.clear();
        let values = [Value::Unsigned(id)];
        let expiry = (id != 2).then_some(Duration::from_secs(9));
        let key = Key::Ipv6(u128::from(id).into());
        let lesson = Lesson { id: UpdateId(id), expiry, key, values: &values, server_key: None };
        session.teach(table, &lesson, now, &mut out).unwrap();
        lessons.push(out.clone());
    }
    lessons
}

/// Every kind of message, with what has to come before it.
fn messages() -> Vec<BytesMut> {
    let mut all = lesson();
    for control in Control::ALL {
        let mut out = BytesMut::new();
        control.encode(&mut out);
        all.push(out);
    }
    let mut out = BytesMut::new();
    Ack { table: TableId(1), update: UpdateId(1) }.encode(&mut out);
    all.push(out.split());
    TableId(1).encode_switch(&mut out);
    all.push(out.split());
    Complaint::Protocol.encode(&mut out);
    all.push(out.split());
    // A class that nobody knows, with a body.
    all.push(BytesMut::from(&[77, 0x90, 3, 1, 2, 3][..]));
    all
}

/// Numbers that look random and are the same each time (xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.next() % most;
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A hub with a good session on it, which must not notice anything.
struct Scene {
    hub: Hub,
    good: Caller,
    path: String,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new(&unix(folder.path()), None, settings("hub"), 10).await;
        let mut good = Caller::new(connect(&hub.address, None).await.unwrap(), "good", 10);
        until(&mut good.heard, |heard| heard.confirmed && heard.finished).await;
        let path = hub.address.to_string().trim_start_matches("unix:").to_owned();
        Self { hub, good, path, _folder: folder }
    }

    /// Sends bytes, says that nothing follows, and gives what comes back and how the hub's session ended.
    async fn send(&mut self, bytes: &[u8]) -> (Vec<u8>, Ended) {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        // The hub may have had enough before all is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time");
        (answer, self.hub.ended().await)
    }

    async fn send_after_hello(&mut self, bytes: &[u8]) -> (Vec<u8>, Ended) {
        let mut all = hello();
        all.extend_from_slice(bytes);
        self.send(&all).await
    }

    /// The good session is taught something new.
    async fn good_goes_on(&mut self) {
        let entries = *self.hub.entries.borrow() + 1;
        self.hub.entries.send_replace(entries);
        until(&mut self.good.heard, |heard| heard.entries == u64::from(entries)).await;
        let taught = *self.good.entries.borrow() + 1;
        self.good.entries.send_replace(taught);
        until(&mut self.good.heard, |heard| heard.acknowledged == taught).await;
    }
}

#[tokio::test]
async fn every_message_cut_at_every_byte_ends_its_session_only() {
    let mut scene = Scene::new().await;
    for message in messages() {
        for cut in 0..message.len() {
            let mut bytes = lesson()[0].to_vec();
            bytes.extend_from_slice(&message[..cut]);
            let (answer, ended) = scene.send_after_hello(&bytes).await;
            assert!(answer.starts_with(b"200\n"), "{answer:?}");
            assert!(matches!(ended, Ended::Closed | Ended::Io(_)), "{message:?} to {cut}: {ended}");
        }
        scene.good_goes_on().await;
    }
}

#[tokio::test]
async fn a_hello_cut_at_every_byte_or_with_a_wrong_byte_opens_nothing() {
    let mut scene = Scene::new().await;
    let hello = hello();
    for cut in 0..hello.len() {
        let (answer, ended) = scene.send(&hello[..cut]).await;
        assert!(answer.is_empty() && matches!(ended, Ended::Closed), "to {cut}: {ended}");
        let mut wrong = hello.clone();
        wrong[cut] = 0;
        let (answer, ended) = scene.send(&wrong).await;
        match ended {
            Ended::Failed(_) => assert!(answer.starts_with(b"50"), "{cut}: {answer:?}"),
            // Without the end of a line more is awaited.
            ended => assert!(hello[cut] == b'\n' && matches!(ended, Ended::Closed), "{cut}: {ended}"),
        }
    }
    scene.good_goes_on().await;
    assert_eq!(scene.hub.heard.borrow().opened, 1);
}

#[tokio::test]
async fn messages_in_any_order_end_or_go_on() {
    let mut scene = Scene::new().await;
    let messages = messages();
    for first in &messages {
        for second in &messages {
            let bytes = [first.as_ref(), second, first].concat();
            let (_, ended) = scene.send_after_hello(&bytes).await;
            let fair = matches!(ended, Ended::Closed | Ended::Io(_) | Ended::Complaint(_) | Ended::Failed(_));
            assert!(fair, "{first:?} {second:?}: {ended}");
        }
        scene.good_goes_on().await;
    }
}

#[tokio::test]
async fn what_is_too_large_or_reserved_is_complained_of() {
    let mut scene = Scene::new().await;
    let mut complaints = [BytesMut::new(), BytesMut::new()];
    for (complaint, out) in Complaint::ALL.iter().zip(&mut complaints) {
        complaint.encode(out);
    }
    let [protocol, size] = complaints;
    // An update of 2^32 bytes and more, one of 16385 bytes that all come, the reserved class.
    let beyond = [10, 0x80, 0xf0, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let mut whole = vec![10, 0x80];
    haproxy_wire::varint::encode(16_385, &mut whole);
    whole.resize(16_385 + 5, 0);
    for (bytes, expected) in [(&beyond[..], &size), (&whole, &size), (&[255, 0, 0, 0], &protocol)] {
        let (answer, ended) = scene.send_after_hello(bytes).await;
        assert!(matches!(ended, Ended::Failed(_)), "{ended}");
        assert!(answer.ends_with(expected), "{answer:?}");
    }
    scene.good_goes_on().await;
}

#[tokio::test]
async fn garbage_ends_or_goes_on() {
    let mut scene = Scene::new().await;
    let (messages, mut noise) = (messages(), Noise(0x9e37_79b9_7f4a_7c15));
    for round in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..noise.next() % 8 {
            let mut message = messages[noise.next() as usize % messages.len()].to_vec();
            if noise.next() % 2 == 0 {
                let at = noise.next() as usize % message.len();
                message[at] = noise.next() as u8;
            }
            bytes.extend_from_slice(&message);
            if noise.next() % 8 == 0 {
                bytes.extend_from_slice(&noise.bytes(64));
            }
        }
        let (_, ended) = if round % 4 == 0 {
            scene.send(&noise.bytes(2000)).await
        } else {
            scene.send_after_hello(&bytes).await
        };
        let fair = matches!(ended, Ended::Closed | Ended::Io(_) | Ended::Complaint(_) | Ended::Failed(_));
        assert!(fair, "round {round}: {ended}");
        if round % 50 == 0 {
            scene.good_goes_on().await;
        }
    }
    scene.good_goes_on().await;
}
