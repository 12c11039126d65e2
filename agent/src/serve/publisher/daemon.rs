//! Starting and stopping the publisher.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use haproxy_wire::peers::net::{BindError, Connection, Ended, Handler, Listener, TlsError, TlsServer, run};
use haproxy_wire::peers::{Claim, Event, PeerName, Refusal, Seats, Session, SessionId, Settings as Wire};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::admin::{self, AdminError};
use super::edge::{self, Edge, EdgeError};
use super::journal::{Journal, JournalError};
use super::peer::{Kind, Peer};
use super::{Publisher, Terms};
use crate::admin::PeerStatus;
use crate::reputation::aggregate::{Aggregate, NodeNumber};
use crate::reputation::guarded::Guarded;
use crate::serve::clock::now;
use crate::serve::service_manager;
use crate::settings::{PublishSettings, SettingsError};

/// How often what is over is forgotten.
const TIDY: Duration = Duration::from_secs(30);

/// Why the publisher can't run.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin socket can't be had.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The edge's store can't be written.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// What was remembered can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What publishes to the edge ended by itself.
    #[error("publishing to the edge's store ended by itself: the log says why")]
    Ended,
    /// The runtime or a signal handler can't be had.
    #[error("the runtime can't be started: {0}")]
    Runtime(#[from] io::Error),
}

/// Hears and teaches until SIGTERM or SIGINT.
///
/// # Errors
/// [`PublishError`] if it can't start; once it runs, only a signal ends it.
pub fn publish(file: &Path) -> Result<(), PublishError> {
    let settings = PublishSettings::load(file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: PublishSettings) -> Result<(), PublishError> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let PublishSettings { peers, admin, reputation, guard, edge } = settings;
    let edge = edge.as_ref().map(Edge::new).transpose()?.map(Arc::new);
    let tls = peers.tls.as_ref().map(|files| TlsServer::new(&files.clone().into())).transpose()?;
    let (journal, bans, beginning) = Journal::open(&reputation.state, now().seconds())?;
    let listener = Listener::bind(&peers.listen, tls.as_ref()).await?;
    let socket = admin::bind(&admin.socket)?;
    let known = Known::new(&peers.nodes, &peers.agents);
    let aggregate = Aggregate::new(
        reputation.signals,
        peers.nodes.iter().map(|name| name.as_str().to_owned()),
        peers.most_entries,
    );
    let remembered = bans.len();
    let mut bans = Guarded::new(bans, guard);
    let spared = bans.spare(now().seconds());
    let publisher = Arc::new(Publisher::new(
        aggregate,
        bans,
        (journal, beginning),
        known.statuses(),
        Terms { pardon: reputation.pardon_seconds, ended: reputation.ended_seconds },
        edge.clone(),
    ));
    let listen: Vec<_> = listener.addresses().iter().map(ToString::to_string).collect();
    tracing::info!(listen = listen.join(","), peers = known.names.len(), remembered, spared, "ready");
    service_manager::say_ready();

    let (stop, stopped) = watch::channel(());
    let answering = tokio::spawn(admin::serve(socket, Arc::clone(&publisher)));
    let tidying = tokio::spawn(tidy(Arc::clone(&publisher)));
    let mut publishing = edge.map(|edge| tokio::spawn(edge::publish(Arc::clone(&publisher), edge)));
    let accepting = accept(listener, peers.name, known, Arc::clone(&publisher), stopped);
    let publishing_ended = async {
        match &mut publishing {
            Some(publishing) => drop(publishing.await),
            None => std::future::pending().await,
        }
    };
    let mut fate = Ok(());
    tokio::select! {
        () = accepting => {}
        // It ends by a fault of ours alone: the service manager starts all of it anew.
        () = publishing_ended => fate = Err(PublishError::Ended),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    drop(stop);
    answering.abort();
    tidying.abort();
    if let Some(publishing) = publishing {
        publishing.abort();
    }
    let _gone = std::fs::remove_file(&admin.socket);
    tracing::info!("stopped");
    fate
}

async fn tidy(publisher: Arc<Publisher>) {
    loop {
        tokio::time::sleep(TIDY).await;
        publisher.tidy();
    }
}

/// The peers that may speak with us.
#[derive(Debug)]
struct Known {
    names: Vec<PeerName>,
    kinds: HashMap<String, (NodeNumber, Kind)>,
}

impl Known {
    fn new(nodes: &[PeerName], agents: &[PeerName]) -> Self {
        let of = |names: &[PeerName], kind| {
            names.iter().cloned().map(move |name| (name, kind)).collect::<Vec<_>>()
        };
        let all = [of(nodes, Kind::Node), of(agents, Kind::Agent)].concat();
        let kinds = all.iter().enumerate();
        let kinds =
            kinds.map(|(at, (name, kind))| (name.as_str().to_owned(), (NodeNumber(at), *kind))).collect();
        Self { names: all.into_iter().map(|(name, _)| name).collect(), kinds }
    }

    fn statuses(&self) -> Vec<PeerStatus> {
        let kind = |name: &PeerName| match self.kinds.get(name.as_str()) {
            Some((_, Kind::Agent)) => "agent",
            _ => "node",
        };
        self.names
            .iter()
            .map(|name| PeerStatus {
                name: name.as_str().to_owned(),
                kind: kind(name).to_owned(),
                connected_since: None,
                heard: 0,
                told_all: None,
                taught: 0,
                acknowledged: true,
                faults: Vec::new(),
            })
            .collect()
    }
}

/// Which session is the one with each peer, and how to end it.
#[derive(Debug)]
struct Running {
    seats: Seats,
    ends: HashMap<SessionId, oneshot::Sender<()>>,
}

#[derive(Debug)]
struct House {
    name: PeerName,
    known: Known,
    publisher: Arc<Publisher>,
    running: Mutex<Running>,
}

async fn accept(
    mut listener: Listener,
    name: PeerName,
    known: Known,
    publisher: Arc<Publisher>,
    stopped: watch::Receiver<()>,
) {
    let running = Mutex::new(Running { seats: Seats::new(known.names.clone()), ends: HashMap::new() });
    let house = Arc::new(House { name, known, publisher, running });
    let mut last = 0;
    loop {
        let connection = listener.accept().await;
        last += 1;
        let (house, stopped) = (Arc::clone(&house), stopped.clone());
        tokio::spawn(async move { house.host(connection, SessionId(last), stopped).await });
    }
}

impl House {
    /// Plays host to one connection.
    async fn host(self: Arc<Self>, connection: Connection, id: SessionId, mut stopped: watch::Receiver<()>) {
        let settings = Wire { process: std::process::id(), ..Wire::new(self.name.clone()) };
        let session = Session::accept(id, settings, Instant::now());
        let (end, ended) = oneshot::channel();
        self.lock().ends.insert(id, end);
        let guest = Guest { house: Arc::clone(&self), id, peer: None };
        let stop = async move {
            tokio::select! {
                _ = ended => {}
                // An error is what is waited for: the other end is dropped.
                _ = stopped.changed() => {}
            }
        };
        let (why, guest) = run(connection, session, bytes::BytesMut::new(), guest, stop).await;
        self.lock().ends.remove(&id);
        guest.leave(&why);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's peer: nobody yet, then one of those that are known.
#[derive(Debug)]
struct Guest {
    house: Arc<House>,
    id: SessionId,
    peer: Option<(String, NodeNumber, Peer)>,
}

impl Guest {
    fn leave(self, why: &Ended) {
        let Some((name, number, _)) = self.peer else {
            tracing::warn!(%why, "a connection ended before it was a peer's");
            return;
        };
        let left = self.house.lock().seats.leave(&name, self.id);
        tracing::info!(peer = name, %why, "disconnected");
        if left == haproxy_wire::peers::Leave::Empty
            && let Some(status) = self.house.publisher.lock().peers.get_mut(number.0)
        {
            status.connected_since = None;
        }
    }
}

impl Handler for Guest {
    fn admit(&mut self, peer: &str) -> Result<(), Refusal> {
        let Some((number, kind)) = self.house.known.kinds.get(peer).copied() else {
            tracing::warn!(
                peer,
                "an unknown peer is refused: expected one of `peers.nodes` or `peers.agents`"
            );
            return Err(Refusal::UnknownPeer);
        };
        let mut running = self.house.lock();
        // The later session is the one: after a reload the new process often comes before the old one goes.
        if let Claim::Replaces(old) = running.seats.claim(peer, self.id)
            && let Some(end) = running.ends.remove(&old)
        {
            let _gone = end.send(());
        }
        drop(running);
        if let Some(status) = self.house.publisher.lock().peers.get_mut(number.0) {
            status.connected_since = Some(now().seconds());
            (status.heard, status.taught, status.acknowledged) = (0, 0, true);
            status.told_all = None;
            status.faults.clear();
        }
        tracing::info!(peer, "connected");
        let handler = Peer::new(Arc::clone(&self.house.publisher), number, kind);
        self.peer = Some((peer.to_owned(), number, handler));
        Ok(())
    }

    fn on_event(&mut self, event: &Event<'_>, now: Instant) {
        if let Some((_, _, peer)) = &mut self.peer {
            peer.on_event(event, now);
        }
    }

    fn fill(
        &mut self,
        session: &mut Session,
        now: Instant,
        room: usize,
        out: &mut bytes::BytesMut,
    ) -> haproxy_wire::peers::net::Fill {
        match &mut self.peer {
            Some((_, _, peer)) => peer.fill(session, now, room, out),
            None => haproxy_wire::peers::net::Fill::Idle,
        }
    }

    async fn wake(&mut self) {
        match &mut self.peer {
            Some((_, _, peer)) => peer.wake().await,
            None => std::future::pending().await,
        }
    }
}
