//! A peers session fed arbitrary bytes: however they are cut into reads, the same happens, and nothing grows.

#![no_main]

use bytes::{Buf, BytesMut};
use haproxy_wire::peers::{Event, Hello, PeerName, Session, SessionId, Settings};
use libfuzzer_sys::fuzz_target;
use std::time::Instant;

fuzz_target!(|data: &[u8]| {
    let Some((&[how, size], data)) = data.split_first_chunk::<2>() else { return };
    let mut bytes = BytesMut::new();
    // Mostly the hello is a good one: what follows is of more interest.
    if how % 8 != 0 {
        Hello { to: "us", from: "them", process: 1, relative_process: 1 }.encode(&mut bytes);
    }
    bytes.extend_from_slice(data);
    let now = Instant::now();
    let whole = events(&bytes, bytes.len().max(1), now);
    assert_eq!(whole, events(&bytes, usize::from(size).max(1), now));
});

/// What happens when so many bytes are read at a time.
fn events(bytes: &[u8], size: usize, now: Instant) -> Vec<String> {
    let (mut events, mut input, mut out) = (Vec::new(), BytesMut::new(), BytesMut::new());
    let mut session = Session::accept(SessionId(1), Settings::new(PeerName::new("us").unwrap()), now);
    for read in bytes.chunks(size) {
        input.extend_from_slice(read);
        loop {
            let step = session.next_event(&input, now, &mut out);
            let consumed = step.consumed;
            assert!(consumed <= input.len());
            let Some(event) = step.event else {
                input.advance(consumed);
                break;
            };
            let (receipt, hello) = match &event {
                Event::Update(received) => (Some(received.receipt), false),
                event => (None, matches!(event, Event::Hello(_))),
            };
            events.push(match &event {
                // How much was there when it failed depends on the reads.
                Event::Failed(_) => "failed".to_owned(),
                // Says how far its table was read, which is told by the events.
                Event::Update(received) => format!("{:?} {:?}", received.entry, received.server_key),
                event => format!("{event:?}"),
            });
            input.advance(consumed);
            if let Some(receipt) = receipt {
                session.taken(receipt).unwrap();
            }
            if hello {
                session.welcome(now, &mut out).unwrap();
            }
        }
        assert!(input.len() < session.max_input());
        assert!(session.tables().all(|table| table.untaken() == 0));
    }
    // A status and a complaint, and for the rest never more than came.
    assert!(out.len() <= 16 + bytes.len(), "{} for {}", out.len(), bytes.len());
    events
}
