//! Listens as a peer, asks whoever connects for everything, and prints it and what is pushed from then on.
//!
//! `cargo run --example peers_listen --features server -- unix:/tmp/peers.sock OWN-NAME`
//!
//! In HAProxy's `peers` section: `server OWN-NAME unix@/tmp/peers.sock`.

use bytes::BytesMut;
use haproxy_wire::peers::net::{Fill, Handler, Listener, run};
use haproxy_wire::peers::{Completeness, Event, PeerName, Refusal, Session, SessionId, Settings};
use std::error::Error;
use std::future::pending;
use std::time::Instant;

struct Printer {
    asked: bool,
}

impl Handler for Printer {
    fn admit(&mut self, peer: &str) -> Result<(), Refusal> {
        println!("# {peer} connects");
        Ok(())
    }

    fn on_event(&mut self, event: &Event<'_>, _: Instant) {
        if let Event::Update(received) = event {
            let values: Vec<_> = received.entry.values().map(|datum| datum.value).collect();
            println!("{} {:?} {values:?}", received.table.name().escape_ascii(), received.entry.key());
        }
    }

    fn fill(&mut self, session: &mut Session, now: Instant, _: usize, out: &mut BytesMut) -> Fill {
        if !self.asked {
            self.asked = session.request_resync(now, out).is_ok();
        }
        // Nothing is held here. HAProxy pushes nothing before its own question is answered.
        let _not_asked = session.end_lesson(Completeness::Partial, now, out);
        Fill::Idle
    }

    async fn wake(&mut self) {
        pending().await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: peers_listen ADDRESS OWN-NAME".into());
    };
    let settings = Settings::new(PeerName::new(&name)?);
    let mut listener = Listener::bind(&[address.parse()?], None).await?;
    for id in 0.. {
        let connection = listener.accept().await;
        let session = Session::accept(SessionId(id), settings.clone(), Instant::now());
        tokio::spawn(async move {
            let printer = Printer { asked: false };
            let (ended, _) = run(connection, session, BytesMut::new(), printer, pending()).await;
            println!("# {ended}");
        });
    }
    Ok(())
}
