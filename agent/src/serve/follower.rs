//! An agent's link to the publisher: learns the list, and keeps it where the link is down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use haproxy_wire::peers::net::{Address, Fill, Handler, TlsClient, connect, run};
use haproxy_wire::peers::{
    Completeness, Event, PeerName, RECONNECT, Refusal, Session, SessionId, Settings as Wire,
};

use super::clock::now;
use crate::reputation::list::{List, Teaching};
use crate::reputation::table::{Taught, VerdictTable};

/// How often entries are let go whose time is over.
const TIDY: Duration = Duration::from_secs(30);

/// Where the publisher is, and who we are to it.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) address: Address,
    pub(super) tls: Option<TlsClient>,
    pub(super) name: PeerName,
    pub(super) own_name: PeerName,
}

/// Connects again and again; each session learns the whole list, then every change.
pub(super) async fn follow(publisher: Publisher, list: Arc<List>) {
    let mut told = String::new();
    for number in 1.. {
        let began = Instant::now();
        let why = match connect(&publisher.address, publisher.tls.as_ref()).await {
            Ok(connection) => {
                let mut out = BytesMut::new();
                let settings = Wire { process: std::process::id(), ..Wire::new(publisher.own_name.clone()) };
                let session = Session::connect(
                    SessionId(number),
                    settings,
                    publisher.name.clone(),
                    Instant::now(),
                    &mut out,
                );
                let learner = Learner { list: Arc::clone(&list), teaching: Teaching(number), ask: true };
                let (ended, _) = run(connection, session, out, learner, std::future::pending()).await;
                ended.to_string()
            }
            Err(error) => error.to_string(),
        };
        // Once an error, not at every try.
        if why != told || began.elapsed() > RECONNECT.1 {
            tracing::warn!(publisher = %publisher.address, entries = list.len(), "no link to the publisher, what it taught holds: {why}");
            told = why;
        }
        tokio::time::sleep(pause()).await;
    }
}

/// Lets entries go whose time is over, for ever.
pub(super) async fn tidy(list: Arc<List>) {
    loop {
        tokio::time::sleep(TIDY).await;
        list.expire(now().seconds());
    }
}

/// A random wait between the protocol's two, so that many agents don't come back all at once.
fn pause() -> Duration {
    let mut random = [0; 2];
    let (shortest, longest) = RECONNECT;
    match getrandom::fill(&mut random) {
        Ok(()) => shortest + (longest - shortest).mul_f64(f64::from(u16::from_le_bytes(random)) / 65_536.0),
        Err(_) => longest,
    }
}

/// Takes what is taught in one session.
#[derive(Debug)]
struct Learner {
    list: Arc<List>,
    teaching: Teaching,
    ask: bool,
}

impl Handler for Learner {
    fn admit(&mut self, _peer: &str) -> Result<(), Refusal> {
        Ok(())
    }

    fn on_event(&mut self, event: &Event<'_>, _at: Instant) {
        match event {
            Event::Update(received) => {
                let Some(table) = VerdictTable::named(received.table.name()) else { return };
                let taught = Taught::read(&received.entry);
                if let Some((client, taught)) = table.client(&received.entry.key()).zip(taught) {
                    self.list.set(client, taught, self.teaching);
                }
            }
            Event::ResyncEnded(Completeness::Finished) => {
                self.list.keep_since(self.teaching);
                tracing::info!(entries = self.list.len(), "the list is as the publisher has it");
            }
            _ => {}
        }
    }

    fn fill(&mut self, session: &mut Session, now: Instant, _room: usize, out: &mut BytesMut) -> Fill {
        if self.ask && session.request_resync(now, out).is_ok() {
            self.ask = false;
        }
        Fill::Idle
    }

    async fn wake(&mut self) {
        std::future::pending().await
    }
}
