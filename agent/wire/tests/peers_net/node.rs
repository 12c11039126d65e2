//! A peer that teaches so many entries and counts what it is taught, and a hub that many connect to.

use bytes::BytesMut;
use haproxy_wire::peers::net::{Address, Connection, Ended, Fill, Handler, Listener, TlsServer, run};
use haproxy_wire::peers::{
    Completeness, DataType, Event, Key, KeyType, Lesson, LocalTable, Parameters, PeerName, Refusal, Schema,
    Session, SessionId, Settings, UpdateId, Value,
};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Longer than any step of a test takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The peer that a hub does not know.
pub(crate) const STRANGER: &str = "stranger";

pub(crate) fn settings(name: &str) -> Settings {
    Settings::new(PeerName::new(name).unwrap())
}

/// What a peer has heard so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) opened: usize,
    pub(crate) entries: u64,
    pub(crate) heartbeats: u64,
    pub(crate) acknowledged: u32,
    pub(crate) finished: bool,
    pub(crate) confirmed: bool,
}

/// A peer's side of one session.
pub(crate) struct Node {
    entries: watch::Receiver<u32>,
    heard: Arc<watch::Sender<Heard>>,
    taught: u32,
    table: Option<LocalTable>,
    asked: bool,
    lesson: bool,
}

impl Node {
    pub(crate) fn new(entries: watch::Receiver<u32>, heard: Arc<watch::Sender<Heard>>) -> Self {
        Self { entries, heard, taught: 0, table: None, asked: false, lesson: false }
    }

    fn teach(&mut self, session: &mut Session, now: Instant, out: &mut BytesMut) {
        let table = *self.table.get_or_insert_with(|| session.offer(b"/clients", schema()).unwrap());
        self.taught += 1;
        let (key, values) = (Key::Ipv6(u128::from(self.taught).into()), [Value::Unsigned(self.taught)]);
        let lesson = Lesson {
            id: UpdateId(self.taught),
            expiry: Some(Duration::from_secs(60)),
            key,
            values: &values,
            server_key: None,
        };
        session.teach(table, &lesson, now, out).unwrap();
    }
}

pub(crate) fn schema() -> Schema {
    Schema::new(KeyType::Ipv6, Duration::from_secs(60)).with(DataType::Gpt0, Parameters::None).unwrap()
}

impl Handler for Node {
    fn admit(&mut self, peer: &str) -> Result<(), Refusal> {
        if peer == STRANGER { Err(Refusal::UnknownPeer) } else { Ok(()) }
    }

    fn on_event(&mut self, event: &Event<'_>, _: Instant) {
        match event {
            Event::ResyncRequested => self.lesson = true,
            Event::Update(received) if received.entry.values().count() != 1 => panic!("{received:?}"),
            _ => {}
        }
        self.heard.send_modify(|heard| match event {
            Event::Open => heard.opened += 1,
            Event::Update(_) => heard.entries += 1,
            Event::Heartbeat => heard.heartbeats += 1,
            Event::Acknowledged { update, .. } => heard.acknowledged = update.0,
            Event::ResyncEnded(completeness) => heard.finished = *completeness == Completeness::Finished,
            Event::ResyncConfirmed => heard.confirmed = true,
            _ => {}
        });
    }

    fn fill(&mut self, session: &mut Session, now: Instant, room: usize, out: &mut BytesMut) -> Fill {
        if !self.asked {
            session.request_resync(now, out).unwrap();
            self.asked = true;
        }
        let (entries, before) = (*self.entries.borrow_and_update(), out.len());
        while self.taught < entries {
            if out.len() - before >= room {
                return Fill::More;
            }
            self.teach(session, now, out);
        }
        if std::mem::take(&mut self.lesson) {
            session.end_lesson(Completeness::Finished, now, out).unwrap();
        }
        Fill::Idle
    }

    async fn wake(&mut self) {
        if self.entries.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}

/// Waits until something was heard.
pub(crate) async fn until(heard: &mut watch::Receiver<Heard>, what: impl FnMut(&Heard) -> bool) -> Heard {
    if let Ok(Ok(heard)) = timeout(PATIENCE, heard.wait_for(what)).await {
        return heard.clone();
    }
    panic!("only heard {:?}", heard.borrow());
}

/// A listener whose sessions all teach the same.
pub(crate) struct Hub {
    pub(crate) address: Address,
    pub(crate) heard: watch::Receiver<Heard>,
    pub(crate) entries: watch::Sender<u32>,
    ended: mpsc::UnboundedReceiver<Ended>,
    task: JoinHandle<()>,
}

impl Hub {
    pub(crate) async fn new(
        address: &str,
        tls: Option<&TlsServer>,
        settings: Settings,
        teaches: u32,
    ) -> Self {
        let mut listener = Listener::bind(&[address.parse().unwrap()], tls).await.unwrap();
        let address = listener.addresses()[0].clone();
        let (entries, wanted) = watch::channel(teaches);
        let (sender, heard) = watch::channel(Heard::default());
        let sender = Arc::new(sender);
        let (report, ended) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            for id in 0.. {
                let connection = listener.accept().await;
                let session = Session::accept(SessionId(id), settings.clone(), Instant::now());
                let node = Node::new(wanted.clone(), Arc::clone(&sender));
                let report = report.clone();
                sessions.spawn(async move {
                    let (ended, _) = run(connection, session, BytesMut::new(), node, pending()).await;
                    let _ = report.send(ended);
                });
            }
        });
        Self { address, heard, entries, ended, task }
    }

    /// How the next session to end ended.
    pub(crate) async fn ended(&mut self) -> Ended {
        timeout(PATIENCE, self.ended.recv()).await.expect("an end in time").unwrap()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A session that was opened to a hub.
pub(crate) struct Caller {
    pub(crate) heard: watch::Receiver<Heard>,
    pub(crate) entries: watch::Sender<u32>,
    stop: Arc<Notify>,
    task: JoinHandle<(Ended, Node)>,
}

impl Caller {
    pub(crate) fn new(connection: Connection, name: &str, teaches: u32) -> Self {
        let (entries, wanted) = watch::channel(teaches);
        let (sender, heard) = watch::channel(Heard::default());
        let stop = Arc::new(Notify::new());
        let mut hello = BytesMut::new();
        let (hub, now) = (PeerName::new("hub").unwrap(), Instant::now());
        let session = Session::connect(SessionId(0), settings(name), hub, now, &mut hello);
        let stopped = Arc::clone(&stop);
        let node = Node::new(wanted, Arc::new(sender));
        let task =
            tokio::spawn(run(connection, session, hello, node, async move { stopped.notified().await }));
        Self { heard, entries, stop, task }
    }

    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// How it ended.
    pub(crate) async fn ended(self) -> Ended {
        timeout(PATIENCE, self.task).await.expect("an end in time").unwrap().0
    }
}
