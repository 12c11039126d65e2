//! One session as a state machine: bytes and time in, events and bytes out.

use super::dictionary::Received as ReceivedDictionary;
use super::error::{DecodeError, HelloError};
use super::event::{Completeness, Event, Lifetime, Received, SessionError, Skip};
use super::hello::{Hello, PeerName};
use super::learn::{Counted, ForeignReceipt, News, Receipt, RemoteTable, RemoteTables};
use super::message::{Complaint, Control, Message, Update};
use super::phase::{AskError, NotAsked, NotNow, Phase, Refusal};
use super::schema::Schema;
use super::settings::{SessionId, Settings};
use super::status::Status;
use super::teach::{Lesson, LocalTable, LocalTables, OfferError, TeachError};
use bytes::BytesMut;
use std::time::Instant;

/// Longest header of a message in bytes: class, type and length.
const MESSAGE_HEADER: usize = 12;

/// What became of bytes.
#[derive(Debug)]
pub struct Step<'a> {
    /// How many bytes were consumed; take them off the front before the next call.
    pub consumed: usize,
    /// What happened, or nothing until more bytes are there.
    pub event: Option<Event<'a>>,
}

/// One session with a peer.
///
/// Call [`next_event`](Self::next_event) with what was read until it gives no event, and
/// [`tick`](Self::tick) when [`deadline`](Self::deadline) has come. Whatever is to be sent is appended to the
/// buffer that the caller passes. A caller need not hold more bytes than [`max_input`](Self::max_input): as
/// long as fewer wait, more are asked for, and more never are.
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use haproxy_wire::peers::{Event, Session};
/// use std::time::Instant;
///
/// fn on_bytes(session: &mut Session, read: &mut BytesMut, now: Instant, out: &mut BytesMut) {
///     loop {
///         let step = session.next_event(read, now, out);
///         let (consumed, mut receipt, mut hello) = (step.consumed, None, false);
///         match step.event {
///             None => break read.advance(consumed),
///             Some(Event::Hello(_)) => hello = true,
///             Some(Event::Update(received)) => receipt = Some(received.receipt),
///             Some(_) => {}
///         }
///         if hello && session.welcome(now, out).is_err() {
///             break;
///         }
///         if receipt.is_some_and(|receipt| session.taken(receipt).is_err()) {
///             break;
///         }
///         read.advance(consumed);
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    settings: Settings,
    phase: Phase,
    peer: Option<PeerName>,
    remote: RemoteTables,
    dictionary: ReceivedDictionary,
    local: LocalTables,
    lesson: LessonState,
    asked: bool,
    // Ends of lessons that are not confirmed yet.
    confirms: u32,
    began: Instant,
    last_sent: Instant,
    last_received: Instant,
}

/// How far a lesson is that the peer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LessonState {
    None,
    Asked,
    Ended,
}

impl Session {
    /// A session of a connection that was just accepted.
    pub fn accept(id: SessionId, settings: Settings, now: Instant) -> Self {
        let (remote, local) = (RemoteTables::new(id, settings.max_tables), LocalTables::new(id));
        Self {
            id,
            settings,
            phase: Phase::Hello,
            peer: None,
            remote,
            dictionary: ReceivedDictionary::default(),
            local,
            lesson: LessonState::None,
            asked: false,
            confirms: 0,
            began: now,
            last_sent: now,
            last_received: now,
        }
    }

    /// A session of a connection that we opened to `peer`; appends our hello.
    pub fn connect(
        id: SessionId,
        settings: Settings,
        peer: PeerName,
        now: Instant,
        out: &mut BytesMut,
    ) -> Self {
        let (to, from) = (peer.as_str(), settings.name.as_str());
        Hello { to, from, process: settings.process, relative_process: 1 }.encode(out);
        Self { phase: Phase::Status, peer: Some(peer), ..Self::accept(id, settings, now) }
    }

    /// Its number.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The peer's name, once it is known.
    pub fn peer(&self) -> Option<&PeerName> {
        self.peer.as_ref()
    }

    /// The most unread bytes that have to be held, in bytes: one message of the largest size with its header.
    pub fn max_input(&self) -> usize {
        self.settings.max_message.length() + MESSAGE_HEADER
    }

    /// The tables that the peer announced.
    pub fn tables(&self) -> impl Iterator<Item = &RemoteTable> {
        self.remote.iter()
    }

    /// Accepts the peer's hello: the session is open.
    pub fn welcome(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), NotNow> {
        if self.phase != Phase::Deciding {
            return Err(NotNow(self.phase));
        }
        Status::Success.encode(out);
        self.phase = Phase::Open;
        (self.last_sent, self.last_received) = (now, now);
        Ok(())
    }

    /// Refuses the peer's hello: the session is over.
    pub fn refuse(&mut self, refusal: Refusal, out: &mut BytesMut) -> Result<(), NotNow> {
        if self.phase != Phase::Deciding {
            return Err(NotNow(self.phase));
        }
        refusal.status().encode(out);
        self.phase = Phase::Closed;
        Ok(())
    }

    /// The next thing that happened in `input`, the bytes that were read and not consumed yet.
    ///
    /// When there is none, what was taken is acknowledged: it is appended to `out`, like our complaint when
    /// the peer breaks the protocol.
    #[inline]
    pub fn next_event<'a>(&'a mut self, input: &'a [u8], now: Instant, out: &mut BytesMut) -> Step<'a> {
        match self.phase {
            Phase::Open => self.next_message(input, now, out),
            Phase::Hello => self.hello(input, out),
            Phase::Status => self.status(input, now, out),
            Phase::Deciding => Step { consumed: 0, event: None },
            Phase::Closed => Step { consumed: input.len(), event: None },
        }
    }

    /// When [`tick`](Self::tick) is to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closed => None,
            Phase::Open => {
                let (heartbeat, silence) = (self.settings.heartbeat, self.settings.silence);
                Some((self.last_sent + heartbeat).min(self.last_received + silence))
            }
            Phase::Hello | Phase::Deciding | Phase::Status => Some(self.began + self.settings.handshake),
        }
    }

    /// Does what time asks for: a heartbeat, or the end of a silent session.
    ///
    /// Hand in what was read first, so that a process that was stopped for a while does not take its peer
    /// for silent.
    pub fn tick(&mut self, now: Instant, out: &mut BytesMut) -> Option<Event<'static>> {
        match self.phase {
            Phase::Closed => None,
            Phase::Open => {
                // A clock that went back must not keep us silent.
                self.last_sent = self.last_sent.min(now);
                self.last_received = self.last_received.min(now);
                if now >= self.last_received + self.settings.silence {
                    self.phase = Phase::Closed;
                    return Some(Event::Failed(SessionError::Silence));
                }
                self.flush(now, out);
                if now >= self.last_sent + self.settings.heartbeat {
                    Control::Heartbeat.encode(out);
                    self.last_sent = now;
                }
                None
            }
            Phase::Hello | Phase::Deciding | Phase::Status => {
                self.began = self.began.min(now);
                if now < self.began + self.settings.handshake {
                    return None;
                }
                self.phase = Phase::Closed;
                Some(Event::Failed(SessionError::Handshake))
            }
        }
    }

    /// Says that an update was taken, and all before it of its table: they will be acknowledged.
    #[inline]
    pub fn taken(&mut self, receipt: Receipt) -> Result<(), ForeignReceipt> {
        self.remote.take(receipt)
    }

    /// Acknowledges what was taken since, and confirms a lesson once all of it was taken.
    /// [`next_event`](Self::next_event) does so too when no event is left.
    pub fn flush(&mut self, now: Instant, out: &mut BytesMut) {
        if self.phase != Phase::Open {
            return;
        }
        let before = out.len();
        self.remote.acknowledge(out);
        if self.confirms > 0 && self.remote.all_taken() {
            for _ in 0..self.confirms {
                Control::ResyncConfirm.encode(out);
            }
            self.confirms = 0;
        }
        if out.len() > before {
            self.last_sent = now;
        }
    }

    /// Asks the peer for everything that it holds. After [`Completeness::Partial`] ask again some seconds
    /// later: HAProxy answers so as long as it is not in sync itself.
    ///
    /// One lesson at a time: the peer could not tell whether a confirmation that follows the request is that
    /// of the lesson before.
    pub fn request_resync(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), AskError> {
        if self.phase != Phase::Open {
            return Err(AskError::NotOpen(self.phase));
        }
        self.flush(now, out);
        if self.asked || self.confirms > 0 {
            return Err(AskError::Pending);
        }
        Control::ResyncRequest.encode(out);
        (self.asked, self.last_sent) = (true, now);
        Ok(())
    }

    /// Was everything asked for, and is the lesson not over or not confirmed yet?
    pub fn resync_pending(&self) -> bool {
        self.asked || self.confirms > 0
    }

    /// Offers a table to teach from; it is announced with its first entry.
    pub fn offer(&mut self, name: &[u8], schema: Schema) -> Result<LocalTable, OfferError> {
        self.local.offer(name, schema)
    }

    /// Teaches one entry.
    #[inline]
    pub fn teach(
        &mut self,
        table: LocalTable,
        lesson: &Lesson<'_>,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), TeachError> {
        if self.phase != Phase::Open {
            return Err(TeachError::NotOpen(self.phase));
        }
        self.local.teach(table, lesson, self.settings.max_message, out)?;
        self.last_sent = now;
        Ok(())
    }

    /// Ends the lesson that the peer asked for. [`Completeness::Finished`] is a promise: HAProxy then takes
    /// itself for up to date and asks nobody else.
    pub fn end_lesson(
        &mut self,
        completeness: Completeness,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), NotAsked> {
        if self.phase != Phase::Open || self.lesson != LessonState::Asked {
            return Err(NotAsked);
        }
        match completeness {
            Completeness::Finished => Control::ResyncFinished.encode(out),
            Completeness::Partial => Control::ResyncPartial.encode(out),
        }
        (self.lesson, self.last_sent) = (LessonState::Ended, now);
        Ok(())
    }

    /// Closes the session from our side; the protocol has no word for it.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
    }

    fn hello<'a>(&'a mut self, input: &'a [u8], out: &mut BytesMut) -> Step<'a> {
        let (hello, rest) = match Hello::decode(input) {
            Ok(decoded) => decoded,
            Err(HelloError::Decode(DecodeError::Incomplete { .. })) => {
                return Step { consumed: 0, event: None };
            }
            Err(error) => return self.end(input, error.status(), error.into(), out),
        };
        if hello.to != self.settings.name.as_str() {
            return self.end(input, Status::LocalNameMismatch, SessionError::NotForUs, out);
        }
        self.peer = PeerName::new(hello.from).ok();
        self.phase = Phase::Deciding;
        Step { consumed: input.len() - rest.len(), event: Some(Event::Hello(hello)) }
    }

    fn end<'a>(
        &mut self,
        input: &'a [u8],
        status: Status,
        error: SessionError,
        out: &mut BytesMut,
    ) -> Step<'a> {
        status.encode(out);
        self.phase = Phase::Closed;
        Step { consumed: input.len(), event: Some(Event::Failed(error)) }
    }

    fn status<'a>(&mut self, input: &'a [u8], now: Instant, out: &mut BytesMut) -> Step<'a> {
        match Status::decode(input) {
            Ok((Status::Success, rest)) => {
                self.phase = Phase::Open;
                (self.last_sent, self.last_received) = (now, now);
                Step { consumed: input.len() - rest.len(), event: Some(Event::Open) }
            }
            Ok((status, _)) => {
                self.phase = Phase::Closed;
                Step { consumed: input.len(), event: Some(Event::Refused(status)) }
            }
            Err(DecodeError::Incomplete { .. }) => Step { consumed: 0, event: None },
            Err(error) => fail(&mut self.phase, input, error, out),
        }
    }

    #[inline]
    fn next_message<'a>(&'a mut self, input: &'a [u8], now: Instant, out: &mut BytesMut) -> Step<'a> {
        let (message, rest) = match Message::decode(input, self.settings.max_message) {
            Ok(decoded) => decoded,
            Err(DecodeError::Incomplete { .. }) => {
                self.flush(now, out);
                return Step { consumed: 0, event: None };
            }
            Err(error) => return fail(&mut self.phase, input, error, out),
        };
        self.last_received = now;
        let event = match message {
            Message::Update(update) => {
                let Self { remote, dictionary, phase, .. } = self;
                match received(remote, dictionary, update) {
                    Ok(event) => event,
                    Err(error) => return fail(phase, input, error, out),
                }
            }
            Message::Define(definition) => match self.remote.define(&definition) {
                Some((table, news)) => Event::Table { table, news },
                None => Event::Skipped(Skip::TooManyTables(definition.table)),
            },
            Message::Switch(id) => match self.remote.select(id) {
                Some(table) => Event::Table { table, news: News::Selected },
                None => Event::Skipped(Skip::UnknownTable(id)),
            },
            Message::Ack(ack) => match self.local.acknowledged(ack) {
                Some(table) => Event::Acknowledged { table, update: ack.update },
                None => Event::Skipped(Skip::StrangeAck(ack)),
            },
            Message::Control(control) => self.control(control),
            Message::Error(complaint) => {
                self.phase = Phase::Closed;
                return Step { consumed: input.len(), event: Some(Event::Complaint(complaint)) };
            }
            Message::Other { class, kind } => Event::Skipped(Skip::Message { class, kind }),
        };
        Step { consumed: input.len() - rest.len(), event: Some(event) }
    }

    fn control(&mut self, control: Control) -> Event<'static> {
        match control {
            Control::Heartbeat => Event::Heartbeat,
            Control::ResyncRequest => {
                self.lesson = LessonState::Asked;
                Event::ResyncRequested
            }
            Control::ResyncFinished | Control::ResyncPartial => {
                self.asked = false;
                self.confirms = self.confirms.saturating_add(1);
                Event::ResyncEnded(match control {
                    Control::ResyncFinished => Completeness::Finished,
                    _ => Completeness::Partial,
                })
            }
            Control::ResyncConfirm if self.lesson == LessonState::Ended => {
                self.lesson = LessonState::None;
                Event::ResyncConfirmed
            }
            Control::ResyncConfirm => Event::Skipped(Skip::StrangeConfirm),
        }
    }
}

/// Checks and counts an update of the current table.
#[inline]
fn received<'a>(
    remote: &'a mut RemoteTables,
    dictionary: &'a mut ReceivedDictionary,
    update: Update<'a>,
) -> Result<Event<'a>, DecodeError> {
    let Some(Counted { table, receipt }) = remote.receive(update.id()) else {
        dictionary.forget();
        return Ok(Event::Skipped(Skip::NoTable));
    };
    let Ok(schema) = table.schema() else {
        dictionary.forget();
        return Ok(Event::Skipped(Skip::UnreadableTable));
    };
    let entry = update.entry(schema)?;
    dictionary.learn(entry.dictionary());
    let lifetime = match update.expiry().unwrap_or(schema.expiry()) {
        left if left.is_zero() && schema.expiry().is_zero() => Lifetime::Forever,
        left => Lifetime::For(left),
    };
    let server_key = dictionary.resolve(entry.dictionary());
    Ok(Event::Update(Received { table, receipt, lifetime, entry, server_key }))
}

/// Tells the peer what it did, and closes.
#[cold]
fn fail<'a>(phase: &mut Phase, input: &'a [u8], error: DecodeError, out: &mut BytesMut) -> Step<'a> {
    if *phase == Phase::Open {
        match error {
            DecodeError::TooLarge { .. } => Complaint::SizeLimit.encode(out),
            _ => Complaint::Protocol.encode(out),
        }
    }
    *phase = Phase::Closed;
    Step { consumed: input.len(), event: Some(Event::Failed(error.into())) }
}
