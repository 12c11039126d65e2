//! Once the buffers have grown, NOTIFY in and ACK out allocate nothing.

#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::spop::{
    Actions, Connection, Event, FrameId, HaproxyHello, MaxFrameSize, NotifyWriter, Purpose, Scope, Value,
};

/// Answers all that was fed; gives how many questions there were.
fn answer(connection: &mut Connection, actions: &mut Actions, out: &mut BytesMut) -> usize {
    let mut answered = 0;
    while let Some(event) = connection.next_event(out) {
        let Event::Notify(notify) = event else { panic!("{event:?}") };
        let id = notify.id();
        actions.clear();
        for message in notify.messages() {
            for (_, value) in message.args() {
                actions.set_var(Scope::Transaction, "echo", value).unwrap();
            }
        }
        actions.set_var(Scope::Transaction, "verdict", Value::text("allow")).unwrap();
        connection.acknowledge(id, actions, out).unwrap();
        answered += 1;
    }
    answered
}

#[test]
fn a_question_answered_allocates_nothing() {
    let mut connection = Connection::new(MaxFrameSize::DEFAULT);
    let (mut actions, mut out) = (Actions::new(), BytesMut::with_capacity(64 * 1024));
    HaproxyHello {
        supported_versions: b"2.0",
        max_frame_size: 16_380,
        capabilities: b"pipelining",
        purpose: Purpose::Session,
        engine_id: None,
    }
    .encode(&mut out)
    .unwrap();
    connection.feed(&out);
    out.clear();
    assert!(matches!(connection.next_event(&mut out), Some(Event::Ready(_))));

    let mut writer = NotifyWriter::new();
    let assertion = "a".repeat(600);
    writer.message("request").arg("assertion", Value::text(&assertion)).unwrap();
    writer.arg("src", Value::Ipv6([9; 16].into())).unwrap().arg("none", Value::Null).unwrap();
    let mut notifies = BytesMut::new();
    for stream in 0..5 {
        writer.encode(FrameId { stream, frame: 1 }, MaxFrameSize::DEFAULT, &mut notifies).unwrap();
    }
    let mut round = || {
        out.clear();
        // In two pieces, so that a frame is cut.
        let (first, second) = notifies.split_at(1000);
        let fed = connection.feed(first);
        let answered = answer(&mut connection, &mut actions, &mut out);
        let fed = fed + connection.feed(second);
        (fed, answered + answer(&mut connection, &mut actions, &mut out))
    };
    for _ in 0..10 {
        assert_eq!(round(), (notifies.len(), 5));
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            assert_eq!(round(), (notifies.len(), 5));
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
