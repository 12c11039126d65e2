//! SPOP frames: every byte is accounted for, and a NOTIFY goes round.

#![no_main]

use bytes::BytesMut;
use haproxy_wire::spop::{
    Ack, AgentHello, DecodeError, Disconnect, Frame, HaproxyHello, MaxFrameSize, Notify, NotifyWriter, Sender,
};
use libfuzzer_sys::fuzz_target;

const LIMIT: MaxFrameSize = MaxFrameSize::DEFAULT;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok((frame, after)) = Frame::decode(rest, LIMIT) {
        let length = rest.len() - after.len();
        assert!(length > 4 && rest.ends_with(after));
        let cut = Frame::decode(&rest[..length - 1], LIMIT);
        assert!(matches!(cut, Err(DecodeError::Incomplete { .. })), "{cut:?}");
        if let Ok(notify) = Notify::from_frame(&frame) {
            goes_round(&notify);
        }
        // What is checked whole can be read to its end.
        if let Ok(ack) = Ack::from_frame(&frame) {
            let _ = ack.actions().count();
        }
        for sender in [Sender::Agent, Sender::Haproxy] {
            let _ = Disconnect::from_frame(&frame, sender);
        }
        let _ = (HaproxyHello::from_frame(&frame), AgentHello::from_frame(&frame));
        rest = after;
    }
});

fn goes_round(notify: &Notify<'_>) {
    let mut writer = NotifyWriter::new();
    for message in notify.messages() {
        let Ok(name) = std::str::from_utf8(message.name()) else { return };
        writer.message(name);
        for (name, value) in message.args() {
            let Ok(name) = std::str::from_utf8(name) else { return };
            if writer.arg(name, value).is_err() {
                return;
            }
        }
    }
    let mut out = BytesMut::new();
    if writer.encode(notify.id(), LIMIT, &mut out).is_err() {
        return;
    }
    let (frame, rest) = Frame::decode(&out, LIMIT).unwrap();
    assert!(rest.is_empty());
    let again = Notify::from_frame(&frame).unwrap();
    assert_eq!(again.id(), notify.id());
    let messages = |notify: &Notify<'_>| {
        let told = |message: haproxy_wire::spop::Message<'_>| {
            format!("{:?} {:?}", message.name(), message.args().collect::<Vec<_>>())
        };
        notify.messages().map(told).collect::<Vec<_>>()
    };
    assert_eq!(messages(&again), messages(notify));
}
