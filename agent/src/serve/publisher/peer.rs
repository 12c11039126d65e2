//! One session with an HAProxy node or an agent: hear the one, teach both.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use countersign_contract::client_key::ClientKey;
use haproxy_wire::peers::net::{Fill, Handler};
use haproxy_wire::peers::{
    Completeness, Event, Lesson, Lifetime, LocalTable, News, Refusal, Schema, Session, Skip, TeachError,
    UpdateId,
};
use tokio::sync::watch;

use super::{Publisher, note};
use crate::reputation::aggregate::NodeNumber;
use crate::reputation::bans::ChangeNumber;
use crate::reputation::table::{Taught, VerdictTable};
use crate::serve::clock::now;

/// After how long a node that was not in sync itself is asked again: HAProxy gives up waiting after 5 s.
const ASK_AGAIN: Duration = Duration::from_secs(6);
/// How long a peer may take to acknowledge. A table of another name or key type is passed over in silence.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// Entries of a node's table that are read while the others wait.
const AT_ONCE: usize = 128;
/// Bans that nobody made and that are still to be taken back from a node, at most.
const MOST_STRAYS: usize = 10_000;

/// What a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An HAProxy: it counts, and is taught.
    Node,
    /// An agent: it is taught.
    Agent,
}

/// One session.
#[derive(Debug)]
pub(super) struct Peer {
    publisher: Arc<Publisher>,
    /// Its place among the publisher's peers; the nodes come first.
    number: NodeNumber,
    kind: Kind,
    changes: watch::Receiver<ChangeNumber>,
    offered: Option<Offered>,
    taught: ChangeNumber,
    owed: Owed,
    ask: Ask,
    asked: Option<Instant>,
    strays: VecDeque<(ClientKey, Taught)>,
    sensors: Vec<(Box<[u8]>, Schema, Teaching)>,
    unacknowledged: Option<Instant>,
}

/// The verdict tables of this session.
#[derive(Debug)]
struct Offered {
    addresses: Teaching,
    subjects: Teaching,
    /// An agent's alone.
    sessions: Option<Teaching>,
}

impl Offered {
    fn get(&mut self, table: VerdictTable) -> Option<&mut Teaching> {
        match table {
            VerdictTable::Addresses => Some(&mut self.addresses),
            VerdictTable::Subjects => Some(&mut self.subjects),
            VerdictTable::Sessions => self.sessions.as_mut(),
        }
    }
}

/// A table that is taught in this session.
#[derive(Clone, Copy, Debug)]
struct Teaching {
    table: LocalTable,
    sent: u32,
    acknowledged: u32,
}

/// What the peer has asked for and was not given yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// Its own tables, from this place of this table on, then the end of the lesson.
    Lesson {
        table: usize,
        place: u32,
    },
}

/// When the peer is asked for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Now,
    At(Instant),
    No,
}

/// Why a session can't go on.
#[derive(Debug)]
struct Unteachable;

impl Teaching {
    fn new(table: LocalTable) -> Self {
        Self { table, sent: 0, acknowledged: 0 }
    }

    const fn next(&mut self) -> UpdateId {
        self.sent = self.sent.wrapping_add(1);
        UpdateId(self.sent)
    }
}

impl Peer {
    pub(super) fn new(publisher: Arc<Publisher>, number: NodeNumber, kind: Kind) -> Self {
        let changes = publisher.changes();
        let ask = match kind {
            Kind::Node => Ask::Now,
            Kind::Agent => Ask::No,
        };
        Self {
            publisher,
            number,
            kind,
            changes,
            offered: None,
            taught: ChangeNumber::default(),
            owed: Owed::Nothing,
            ask,
            asked: None,
            strays: VecDeque::new(),
            sensors: Vec::new(),
            unacknowledged: None,
        }
    }

    /// Another table of the node, or another look of one.
    fn announced(&self, name: &[u8], schema: &Schema) {
        if VerdictTable::named(name).is_none() && self.kind == Kind::Node {
            self.publisher.announce(self.number, name, schema);
        }
    }

    fn count(&self, count: impl FnOnce(&mut crate::admin::PeerStatus)) {
        if let Some(status) = self.publisher.lock().peers.get_mut(self.number.0) {
            count(status);
        }
    }

    fn acknowledged(&mut self, table: LocalTable, update: UpdateId) {
        let Some(offered) = &mut self.offered else { return };
        let sensors = self.sensors.iter_mut().map(|(_, _, teaching)| teaching);
        let all = [&mut offered.addresses, &mut offered.subjects]
            .into_iter()
            .chain(&mut offered.sessions)
            .chain(sensors);
        let mut owing = false;
        for teaching in all {
            if teaching.table == table {
                teaching.acknowledged = update.0;
            }
            owing |= teaching.sent != teaching.acknowledged;
        }
        self.unacknowledged = owing.then(Instant::now);
        if !owing {
            self.count(|status| status.acknowledged = true);
        }
    }

    /// Offers the tables once, and asks when it is time.
    fn begin(&mut self, session: &mut Session, at: Instant, out: &mut BytesMut) -> Result<(), Unteachable> {
        if self.offered.is_none() {
            let mut offer = |table: VerdictTable| {
                let schema = table.schema().map_err(|_| Unteachable)?;
                session.offer(table.name(), schema).map(Teaching::new).map_err(|_| Unteachable)
            };
            let (addresses, subjects) = (offer(VerdictTable::Addresses)?, offer(VerdictTable::Subjects)?);
            let sessions = match self.kind {
                Kind::Agent => Some(offer(VerdictTable::Sessions)?),
                Kind::Node => None,
            };
            self.offered = Some(Offered { addresses, subjects, sessions });
        }
        let due = match self.ask {
            Ask::Now => true,
            Ask::At(time) => at >= time,
            Ask::No => false,
        };
        if due && session.request_resync(at, out).is_ok() {
            (self.ask, self.asked) = (Ask::No, Some(at));
        }
        Ok(())
    }

    /// Teaches bans that changed, while there is room. Gives whether all is said.
    fn teach_bans(
        &mut self,
        session: &mut Session,
        at: Instant,
        room: usize,
        out: &mut BytesMut,
    ) -> Result<bool, Unteachable> {
        let Some(offered) = &mut self.offered else { return Ok(true) };
        let full = out.len() + room;
        let mut count = 0;
        let state = self.publisher.lock();
        let today = now().seconds();
        let mut teach = |client: &ClientKey, taught: Taught, out: &mut BytesMut| {
            let (table, key) = VerdictTable::of(client);
            let Some(teaching) = offered.get(table) else { return Ok(0) };
            let values = taught.values();
            let expiry = Some(Duration::from_secs(taught.until.since(today)));
            let lesson = Lesson { id: teaching.next(), expiry, key, values: &values, server_key: None };
            session.teach(teaching.table, &lesson, at, out).map(|()| 1)
        };
        let mut all = true;
        while let Some((number, client, standing)) = state.bans.bans().change_after(self.taught) {
            if out.len() >= full {
                all = false;
                break;
            }
            self.taught = number;
            if standing.state.until() <= today {
                continue;
            }
            match teach(client, standing.taught(), out) {
                Ok(sent) => count += sent,
                Err(TeachError::Encode(error)) => tracing::error!(%client, "a ban can't be taught: {error}"),
                Err(_) => return Err(Unteachable),
            }
        }
        while all && let Some((client, taught)) = self.strays.pop_front() {
            match teach(&client, taught, out) {
                Ok(sent) => count += sent,
                Err(_) => return Err(Unteachable),
            }
        }
        drop(state);
        if count > 0 {
            self.unacknowledged.get_or_insert(at);
            self.count(|status| {
                status.taught += count;
                status.acknowledged = false;
            });
        }
        Ok(all)
    }

    /// Gives a node back what its own tables held, then ends the lesson. Gives whether all is said.
    fn teach_lesson(
        &mut self,
        session: &mut Session,
        at: Instant,
        room: usize,
        out: &mut BytesMut,
    ) -> Result<bool, Unteachable> {
        let full = out.len() + room;
        while let Owed::Lesson { table, mut place } = self.owed {
            if out.len() >= full {
                return Ok(false);
            }
            let state = self.publisher.lock();
            let held = match self.kind {
                Kind::Node => state.aggregate.tables(self.number).nth(table),
                Kind::Agent => None,
            };
            let Some((name, schema, _)) = held else {
                // The bans, and what this node itself had counted: all that there is, or else it is not said.
                let completeness = match self.kind {
                    Kind::Node if !state.aggregate.is_whole(self.number) => Completeness::Partial,
                    Kind::Node | Kind::Agent => Completeness::Finished,
                };
                drop(state);
                session.end_lesson(completeness, at, out).map_err(|_| Unteachable)?;
                self.owed = Owed::Nothing;
                break;
            };
            let teaching =
                match self.sensors.iter_mut().find(|(other, look, _)| **other == *name && look == schema) {
                    Some((_, _, teaching)) => teaching,
                    None => {
                        let teaching =
                            session.offer(name, *schema).map(Teaching::new).map_err(|_| Unteachable)?;
                        self.sensors.push((name.into(), *schema, teaching));
                        &mut self.sensors.last_mut().ok_or(Unteachable)?.2
                    }
                };
            let mut over = true;
            for _ in 0..AT_ONCE {
                let Some((next, held)) = state.aggregate.next_entry(self.number, name, place, at) else {
                    break;
                };
                (place, over) = (next, false);
                let expiry = match held.lifetime {
                    Lifetime::Forever => None,
                    Lifetime::For(left) => Some(left),
                };
                let id = teaching.next();
                let lesson = Lesson { id, expiry, key: held.key, values: &held.values, server_key: None };
                session.teach(teaching.table, &lesson, at, out).map_err(|_| Unteachable)?;
            }
            self.owed = if over {
                Owed::Lesson { table: table + 1, place: 0 }
            } else {
                Owed::Lesson { table, place }
            };
        }
        Ok(true)
    }

    fn say(
        &mut self,
        session: &mut Session,
        at: Instant,
        room: usize,
        out: &mut BytesMut,
    ) -> Result<Fill, Unteachable> {
        self.begin(session, at, out)?;
        self.changes.mark_unchanged();
        if !self.teach_bans(session, at, room, out)? || !self.teach_lesson(session, at, room, out)? {
            return Ok(Fill::More);
        }
        let overdue = self.unacknowledged.map(|since| since + ACKNOWLEDGE);
        if overdue.is_some_and(|time| at >= time) {
            self.unacknowledged = None;
            let fault = "doesn't acknowledge what it is taught: compare the tables of its `peers` section with the shipped files";
            self.count(|status| note(status, fault.to_owned()));
        }
        let again = match self.ask {
            Ask::At(time) => Some(time),
            Ask::Now | Ask::No => None,
        };
        let overdue = self.unacknowledged.map(|since| since + ACKNOWLEDGE);
        Ok(again.into_iter().chain(overdue).min().map_or(Fill::Idle, Fill::Until))
    }
}

impl Handler for Peer {
    fn admit(&mut self, _peer: &str) -> Result<(), Refusal> {
        // Which session this is was settled by the name, before there was a handler.
        Ok(())
    }

    fn on_event(&mut self, event: &Event<'_>, at: Instant) {
        match event {
            Event::Table { table, news: News::New | News::Changed } => match table.schema() {
                Ok(schema) => self.announced(table.name(), schema),
                Err(unreadable) => {
                    let name = table.name().escape_ascii().to_string();
                    let fault = format!("table `{name}` can't be read: {unreadable}");
                    self.publisher.lock().aggregate.announce_unreadable(self.number);
                    self.count(|status| note(status, fault));
                }
            },
            // An agent has nothing to tell, so under its own name it can't have anybody banned.
            Event::Update(_) if self.kind == Kind::Agent => {}
            Event::Update(received) => {
                if let Some(table) = VerdictTable::named(received.table.name()) {
                    let taught = Taught::read(&received.entry);
                    let client = table.client(&received.entry.key());
                    let Some((client, taught)) = client.zip(taught) else { return };
                    if let Some(stray) = self.publisher.hear_verdict(self.number, &client, taught)
                        && self.strays.len() < MOST_STRAYS
                    {
                        self.strays.push_back((client, stray));
                    }
                } else {
                    let name = received.table.name();
                    self.publisher.hear(self.number, name, &received.entry, received.lifetime, at);
                }
            }
            Event::ResyncRequested => {
                self.taught = ChangeNumber::default();
                self.owed = Owed::Lesson { table: 0, place: 0 };
            }
            Event::ResyncEnded(completeness) => {
                if *completeness == Completeness::Partial {
                    self.ask = Ask::At(at + ASK_AGAIN);
                } else {
                    let took = self.asked.map(|asked| at.saturating_duration_since(asked));
                    self.publisher.heard_all(self.number, took.unwrap_or_default());
                }
            }
            Event::Acknowledged { table, update } => self.acknowledged(*table, *update),
            Event::Skipped(Skip::TooManyTables(_)) => {
                tracing::error!("a node announces more tables than are heard of");
            }
            _ => {}
        }
    }

    fn fill(&mut self, session: &mut Session, at: Instant, room: usize, out: &mut BytesMut) -> Fill {
        match self.say(session, at, room, out) {
            Ok(fill) => fill,
            Err(Unteachable) => {
                tracing::error!("a session can't go on, and begins anew");
                session.close();
                Fill::Idle
            }
        }
    }

    async fn wake(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
