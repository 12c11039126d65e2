//! A node: entries of its own, which it teaches, and what it learned of the other's.

use crate::random::Random;
use bytes::{Buf, BytesMut};
use haproxy_wire::peers::{
    Claim, Completeness, DataType, Event, Key, KeyLength, KeyType, Leave, Lesson, LocalTable, Parameters,
    PeerName, Phase, RECONNECT, Receipt, Schema, Seats, ServerKey, Session, SessionError, SessionId,
    Settings, UpdateId, Value,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Keys of each table.
const KEYS: usize = 12;
const TABLES: [&[u8]; 2] = [b"/numbers", b"/servers"];

type Entries = BTreeMap<u32, u32>;

/// What happened at a node, so that a test can tell that it was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) updates: u64,
    pub(crate) acknowledged: u64,
    pub(crate) lessons: u64,
    pub(crate) partial: u64,
    pub(crate) confirmed: u64,
    pub(crate) replaced: u64,
    pub(crate) silent: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.updates += other.updates;
        self.acknowledged += other.acknowledged;
        self.lessons += other.lessons;
        self.partial += other.partial;
        self.confirmed += other.confirmed;
        self.replaced += other.replaced;
        self.silent += other.silent;
    }
}

/// A table of one's own: for each key the value and the update that made it.
#[derive(Debug)]
struct Own {
    entries: BTreeMap<u32, (u32, UpdateId)>,
    last: UpdateId,
    acknowledged: UpdateId,
}

/// A node's end of a connection.
pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) input: BytesMut,
    tables: Vec<LocalTable>,
    // How far each table was sent.
    sent: [UpdateId; 2],
    // How far each must be sent before the lesson that was asked for is over.
    lesson: Option<[UpdateId; 2]>,
    // What was received and not applied yet: the consumer is slow.
    waiting: VecDeque<(Receipt, usize, u32, u32)>,
    // The lesson that we asked for ended so; it counts once all that waits was applied.
    ended: Option<Completeness>,
}

#[derive(Debug)]
pub(crate) struct Node {
    name: PeerName,
    peer: PeerName,
    own: [Own; 2],
    learned: [Entries; 2],
    // What the last lesson that was ended with FINISHED held.
    promised: Option<[Entries; 2]>,
    seats: Seats,
    sessions: u64,
    values: u32,
    pub(crate) clock: Instant,
    connect_at: Instant,
    ask_at: Instant,
    pub(crate) needs_resync: bool,
    pub(crate) seen: Seen,
}

fn schema(table: usize) -> Schema {
    let minute = Duration::from_secs(60);
    let length = KeyLength::new(8).unwrap();
    let (key, types) = match table {
        0 => (KeyType::Integer, [DataType::Gpt0, DataType::Gpc0]),
        _ => (KeyType::String(length), [DataType::ServerKey, DataType::Gpc1]),
    };
    let with = |schema: Schema, kind: &DataType| schema.with(*kind, Parameters::None).unwrap();
    types.iter().fold(Schema::new(key, minute), with)
}

impl Node {
    pub(crate) fn new(name: &str, peer: &str, random: &mut Random) -> Self {
        let (name, peer) = (PeerName::new(name).unwrap(), PeerName::new(peer).unwrap());
        let mut own = || {
            // Numbers that go round within the run.
            let start = [0, 1 << 31, u32::MAX - 60][random.below(3)];
            let last = UpdateId(start);
            Own { entries: BTreeMap::new(), last, acknowledged: last }
        };
        let now = Instant::now() + Duration::from_secs(1_000_000);
        Self {
            seats: Seats::new([peer.clone()]),
            name,
            peer,
            own: [own(), own()],
            learned: Default::default(),
            promised: None,
            sessions: 0,
            values: 0,
            clock: now,
            connect_at: now,
            ask_at: now,
            needs_resync: true,
            seen: Seen::default(),
        }
    }

    /// Changes one of its own entries.
    pub(crate) fn write(&mut self, random: &mut Random) {
        let own = &mut self.own[random.below(2)];
        own.last = own.last.next();
        self.values += 1;
        own.entries.insert(random.below(KEYS) as u32, (self.values, own.last));
    }

    /// Loses what it learned, and how far the other one was.
    pub(crate) fn restart(&mut self) {
        self.learned = Default::default();
        self.needs_resync = true;
        self.ask_at = self.clock;
    }

    /// Does the other node hold the same, and has it said so?
    pub(crate) fn is_known_to(&self, other: &Self) -> bool {
        let same = |own: &Own, learned: &Entries| {
            own.entries.iter().map(|(key, (value, _))| (key, value)).eq(learned.iter())
                && own.acknowledged == own.last
        };
        self.own.iter().zip(&other.learned).all(|(own, learned)| same(own, learned))
    }

    pub(crate) fn wants_to_connect(&self) -> bool {
        self.seats.session(self.peer.as_str()).is_none() && self.clock >= self.connect_at
    }

    fn settings(&mut self) -> (SessionId, Settings) {
        self.sessions += 1;
        (SessionId(self.sessions), Settings::new(self.name.clone()))
    }

    /// Opens a connection; gives the session that has to give way.
    pub(crate) fn connect(&mut self, out: &mut BytesMut) -> (End, Option<SessionId>) {
        let (id, settings) = self.settings();
        let replaced = self.claim(id);
        (End::new(Session::connect(id, settings, self.peer.clone(), self.clock, out)), replaced)
    }

    pub(crate) fn accept(&mut self) -> End {
        let (id, settings) = self.settings();
        End::new(Session::accept(id, settings, self.clock))
    }

    fn claim(&mut self, id: SessionId) -> Option<SessionId> {
        match self.seats.claim(self.peer.as_str(), id) {
            Claim::Replaces(old) => {
                self.seen.replaced += 1;
                Some(old)
            }
            Claim::Free => None,
            Claim::Unknown => panic!("the peer is known"),
        }
    }

    /// Handles what was read; gives the session that has to give way.
    pub(crate) fn read(
        &mut self,
        end: &mut End,
        other: &Self,
        out: &mut BytesMut,
        random: &mut Random,
    ) -> Option<SessionId> {
        let mut replaced = None;
        loop {
            let End { session, input, waiting, ended, .. } = end;
            let step = session.next_event(input, self.clock, out);
            let consumed = step.consumed;
            let mut opened = false;
            match step.event {
                None => {
                    input.advance(consumed);
                    return replaced;
                }
                Some(Event::Hello(hello)) => {
                    assert_eq!(hello.from, self.peer.as_str());
                    session.welcome(self.clock, out).unwrap();
                    replaced = self.claim(session.id());
                    opened = true;
                }
                Some(Event::Open) => opened = true,
                Some(Event::Update(received)) => {
                    self.seen.updates += 1;
                    let table = TABLES.iter().position(|name| *name == received.table.name()).unwrap();
                    let (key, value) = decoded(table, &received);
                    waiting.push_back((received.receipt, table, key, value));
                }
                Some(Event::Acknowledged { table, update }) => {
                    let at = end.tables.iter().position(|own| *own == table).unwrap();
                    self.acknowledged(at, update, other);
                }
                Some(Event::ResyncRequested) => {
                    end.lesson = Some(self.renumber());
                }
                Some(Event::ResyncEnded(completeness)) => *ended = Some(completeness),
                Some(Event::ResyncConfirmed) => {
                    self.seen.confirmed += 1;
                    assert_holds(other, self.promised.take());
                }
                Some(Event::Table { .. } | Event::Heartbeat | Event::Refused(_)) => {}
                Some(event) => panic!("{event:?}"),
            }
            end.input.advance(consumed);
            if opened {
                end.opened(self);
            }
            if random.chance(3) {
                return replaced;
            }
        }
    }

    /// Everything up to `update` that was not acknowledged before must be at the other node.
    fn acknowledged(&mut self, table: usize, update: UpdateId, other: &Self) {
        self.seen.acknowledged += 1;
        let own = &mut self.own[table];
        for (key, (value, id)) in &own.entries {
            if id.is_after(own.acknowledged) && !id.is_after(update) {
                assert_eq!(other.learned[table].get(key), Some(value), "update {update} was not taken");
            }
        }
        own.acknowledged = update;
    }

    /// Gives every entry a new number, so that all are taught again.
    fn renumber(&mut self) -> [UpdateId; 2] {
        for own in &mut self.own {
            for (_, id) in own.entries.values_mut() {
                own.last = own.last.next();
                *id = own.last;
            }
        }
        [self.own[0].last, self.own[1].last]
    }

    /// Applies, acknowledges, asks, teaches, and does what time asks for.
    pub(crate) fn act(&mut self, end: &mut End, out: &mut BytesMut, random: &mut Random) {
        let now = self.clock;
        for _ in 0..random.below(end.waiting.len() + 1) {
            let (receipt, table, key, value) = end.waiting.pop_front().unwrap();
            self.learned[table].insert(key, value);
            end.session.taken(receipt).unwrap();
        }
        if end.waiting.is_empty()
            && let Some(completeness) = end.ended.take()
        {
            self.seen.lessons += 1;
            match completeness {
                Completeness::Finished => self.needs_resync = false,
                Completeness::Partial => self.seen.partial += 1,
            }
            self.ask_at = now + Duration::from_secs(6);
        }
        if end.session.phase() == Phase::Open {
            let ask = self.needs_resync && now >= self.ask_at && end.ended.is_none();
            if ask && !end.session.resync_pending() {
                end.session.request_resync(now, out).unwrap();
            }
            self.teach(end, out, random);
            end.session.flush(now, out);
        }
        if end.session.deadline().is_some_and(|deadline| now >= deadline) && end.input.is_empty() {
            match end.session.tick(now, out) {
                None => {}
                Some(Event::Failed(SessionError::Silence | SessionError::Handshake)) => self.seen.silent += 1,
                Some(event) => panic!("{event:?}"),
            }
        }
    }

    fn teach(&mut self, end: &mut End, out: &mut BytesMut, random: &mut Random) {
        for (at, own) in self.own.iter().enumerate() {
            let mut news: Vec<_> =
                own.entries.iter().filter(|(_, (_, id))| id.is_after(end.sent[at])).collect();
            news.sort_by_key(|(_, (_, id))| id.0.wrapping_sub(end.sent[at].0));
            for (key, (value, id)) in news.into_iter().take(random.below(8)) {
                let (text, server) = (key.to_string(), format!("server-{value}"));
                let numbers = [Value::Unsigned(*value), Value::Unsigned(!*value)];
                let (key, values, server_key) = match at {
                    0 => (Key::Integer(*key), &numbers[..], None),
                    _ => (Key::String(text.as_bytes()), &numbers[..1], Some(server.as_bytes())),
                };
                let lesson =
                    Lesson { id: *id, expiry: Some(Duration::from_secs(9)), key, values, server_key };
                end.session.teach(end.tables[at], &lesson, self.clock, out).unwrap();
                end.sent[at] = *id;
            }
        }
        let done = |until: [UpdateId; 2]| (0..2).all(|at| !until[at].is_after(end.sent[at]));
        if end.lesson.is_some_and(done) {
            end.lesson = None;
            // Now and then it cannot promise anything.
            let completeness = if random.chance(20) {
                self.promised = None;
                Completeness::Partial
            } else {
                // What was written since the request may still have to be sent.
                let sent = |at: usize| {
                    let entries = self.own[at].entries.iter();
                    let sent = entries.filter(|(_, (_, id))| !id.is_after(end.sent[at]));
                    sent.map(|(key, (value, _))| (*key, *value)).collect()
                };
                self.promised = Some([sent(0), sent(1)]);
                Completeness::Finished
            };
            end.session.end_lesson(completeness, self.clock, out).unwrap();
        }
    }

    pub(crate) fn is_over(&self, end: &End) -> bool {
        end.session.phase() == Phase::Closed
    }

    /// Forgets a session; one that is not the peer's any more disturbs nothing.
    pub(crate) fn ended(&mut self, end: End, random: &mut Random) {
        if self.seats.leave(self.peer.as_str(), end.session.id()) == Leave::Empty {
            let (least, most) = RECONNECT;
            let spread = (most - least).as_millis() as usize;
            self.connect_at = self.clock + least + Duration::from_millis(random.below(spread) as u64);
        }
        // A receipt of the session that ended stands for nothing in another.
        if let Some((receipt, ..)) = end.waiting.front() {
            let (id, settings) = self.settings();
            assert!(Session::accept(id, settings, self.clock).taken(*receipt).is_err());
        }
    }
}

impl End {
    fn new(session: Session) -> Self {
        let sent = [UpdateId(0); 2];
        let (waiting, input) = (VecDeque::new(), BytesMut::new());
        Self { session, input, tables: Vec::new(), sent, lesson: None, waiting, ended: None }
    }

    fn opened(&mut self, node: &Node) {
        self.tables = (0..2).map(|table| self.session.offer(TABLES[table], schema(table)).unwrap()).collect();
        self.sent = [node.own[0].acknowledged, node.own[1].acknowledged];
    }
}

fn decoded(table: usize, received: &haproxy_wire::peers::Received<'_>) -> (u32, u32) {
    let number = |data_type| match received.entry.value(data_type) {
        Some(Value::Unsigned(value)) => value,
        other => panic!("{other:?}"),
    };
    match (table, received.entry.key(), received.server_key) {
        (0, Key::Integer(key), ServerKey::Absent) => {
            let value = number(DataType::Gpt0);
            assert_eq!(number(DataType::Gpc0), !value);
            (key, value)
        }
        (1, Key::String(key), ServerKey::Known(server)) => {
            let value = number(DataType::Gpc1);
            assert_eq!(server, format!("server-{value}").as_bytes());
            (std::str::from_utf8(key).unwrap().parse().unwrap(), value)
        }
        other => panic!("{other:?}"),
    }
}

/// What was promised is there, or something newer.
fn assert_holds(node: &Node, promised: Option<[Entries; 2]>) {
    for (learned, promised) in node.learned.iter().zip(promised.iter().flatten()) {
        for (key, value) in promised {
            assert!(learned.get(key) >= Some(value), "{key} was promised and is not held");
        }
    }
}
