//! Messages of the peers protocol: every byte is accounted for, and what was decoded goes round.

#![no_main]

use bytes::BytesMut;
use haproxy_wire::peers::{DecodeError, Definition, MaxMessageSize, Message, Schema, Update};
use libfuzzer_sys::fuzz_target;

const LIMIT: MaxMessageSize = MaxMessageSize::DEFAULT;
/// For what may be longer when it is written again.
const ROOM: MaxMessageSize = MaxMessageSize::MAX;

fuzz_target!(|data: &[u8]| {
    let (mut rest, mut schema) = (data, None);
    loop {
        match Message::decode(rest, LIMIT) {
            Ok((message, after)) => {
                let length = rest.len() - after.len();
                assert!(length >= 2 && rest.ends_with(after));
                only_whole(&rest[..length]);
                goes_round(&message, &mut schema);
                rest = after;
            }
            Err(DecodeError::Incomplete { needed }) => break assert!(needed > 0),
            Err(DecodeError::Invalid { offset, .. }) => break assert!(offset <= rest.len()),
            Err(DecodeError::TooLarge { length, limit, .. }) => break assert!(length > limit as u64),
        }
    }
});

/// A message that lacks its end is not one.
fn only_whole(message: &[u8]) {
    let cut = Message::decode(&message[..message.len() - 1], LIMIT);
    assert!(matches!(cut, Err(DecodeError::Incomplete { .. })), "{cut:?}");
}

fn goes_round(message: &Message<'_>, schema: &mut Option<Schema>) {
    let mut out = BytesMut::new();
    match message {
        Message::Control(control) => control.encode(&mut out),
        Message::Error(complaint) => complaint.encode(&mut out),
        Message::Ack(ack) => ack.encode(&mut out),
        Message::Switch(table) => table.encode_switch(&mut out),
        Message::Define(Definition { table, name, schema: announced }) => {
            *schema = announced.ok();
            let Ok(announced) = announced else { return };
            Definition::encode(*table, name, announced, ROOM, &mut out).unwrap();
        }
        Message::Update(update) => {
            let Some(schema) = schema else { return };
            return update_goes_round(update, schema);
        }
        Message::Other { .. } => return,
    }
    assert_eq!(Message::decode(&out, ROOM), Ok((*message, &[][..])));
}

fn update_goes_round(update: &Update<'_>, schema: &Schema) {
    let Ok(entry) = update.entry(schema) else { return };
    let mut out = BytesMut::new();
    let values = entry.values().map(|datum| datum.value);
    Update::encode(update.id(), update.expiry(), schema, &entry.key(), values, ROOM, &mut out).unwrap();
    let Ok((Message::Update(again), [])) = Message::decode(&out, ROOM) else {
        panic!("an update was expected");
    };
    assert_eq!((again.id(), again.expiry()), (update.id(), update.expiry()));
    let again = again.entry(schema).unwrap();
    assert_eq!(again.key(), entry.key());
    assert!(again.values().eq(entry.values()));
}
