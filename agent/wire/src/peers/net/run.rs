//! Drives one session over one connection.

use super::connection::Connection;
use super::ended::Ended;
use super::handler::{Fill, Handler};
use super::handshakes::Handshake;
use super::inbox::Inbox;
use super::transfer::{Moved, Outbox, poll_transfer};
use crate::peers::{Event, Phase, Receipt, Refusal, SILENCE, Session};
use bytes::BytesMut;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWrite as _;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Bytes that are read at once, beside what is left of a message.
pub const READ: usize = 128 * 1024;

/// Unsent bytes past which nothing more is read. The handler fills half of that at most, so that two peers
/// who teach each other never both stop reading.
pub const MAX_UNSENT: usize = 256 * 1024;

/// How long the peer may take to read, counted from its last progress: as long as it may be silent.
pub const WRITE_TIMEOUT: Duration = SILENCE;

/// Events after which other tasks get their turn.
pub const BATCH: usize = 1024;

/// Bytes that are read at once before the session is open: several times the longest hello.
const HELLO: usize = 2048;

/// Time between a deadline and its consequences, for bytes that came meanwhile: a process that was stopped
/// hears the clock before it hears the peer.
const GRACE: Duration = Duration::from_millis(20);

/// How long the peer has to read our last word.
const LINGER: Duration = Duration::from_millis(500);

/// Drives a session to its end; gives the handler back.
///
/// `hello` is what [`Session::connect`] wrote; after [`Session::accept`] it is empty. When `stop` ends, so
/// does the session, at once. Dropping the future does the same.
pub async fn run<H: Handler>(
    connection: Connection,
    session: Session,
    hello: BytesMut,
    handler: H,
    stop: impl Future<Output = ()>,
) -> (Ended, H) {
    let mut running = Running {
        connection,
        session,
        handler,
        inbox: Inbox::default(),
        outbox: Outbox::of(hello),
        said: Said::All,
        progress: Instant::now(),
        late: None,
        broken: None,
    };
    tokio::pin!(stop);
    let Err(ended) = running.serve(stop.as_mut()).await;
    if ended.has_last_word() {
        tokio::select! {
            biased;
            () = stop => {}
            _ = timeout(LINGER, running.say_the_last_word()) => {}
        }
    }
    running.close().await;
    (ended, running.handler)
}

struct Running<H> {
    connection: Connection,
    session: Session,
    handler: H,
    inbox: Inbox,
    outbox: Outbox,
    said: Said,
    /// When what waits to be sent last moved, or when there was nothing.
    progress: Instant,
    /// A deadline has passed: until when what came meanwhile is read first.
    late: Option<Instant>,
    /// Why nothing can be sent any more; what the peer said before is still read.
    broken: Option<io::Error>,
}

/// Has the handler said all that it has to say?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    All,
    Until(Instant),
    Not,
}

/// How much was taken of what was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    All,
    Batch,
}

/// What a session waits for.
enum Wake {
    Stopped,
    GaveWay,
    Moved(io::Result<Moved>),
    Handler,
    Timer,
    Again,
}

/// What an event leads to, once nothing borrows from it any more.
enum Then {
    Nothing,
    Take(Receipt),
    Welcome,
    TurnAway(Refusal),
    Expose,
    End(Ended),
}

impl<H: Handler> Running<H> {
    async fn serve(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<Infallible, Ended> {
        let timer = sleep_until(Instant::now() + SILENCE);
        tokio::pin!(timer);
        let mut work = 0;
        loop {
            let now = Instant::now();
            if self.outbox.is_empty() {
                self.progress = now;
            }
            let (taken, events) = self.take_events(now)?;
            self.keep_time(now)?;
            let more = self.fill(now)?;
            let due = self.due(now);
            // Mostly it moves to later times: when it fires too early it is set anew.
            if due < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(due);
            }
            work += events;
            let again = more || taken == Taken::Batch;
            if again || work >= BATCH {
                work = 0;
                tokio::task::yield_now().await;
            }
            match self.wake(stop.as_mut(), timer.as_mut(), taken, again).await {
                Wake::Stopped => return Err(Ended::Stopped),
                Wake::GaveWay => return Err(Ended::GaveWay),
                Wake::Moved(moved) => self.moved(moved)?,
                Wake::Handler => self.said = Said::Not,
                Wake::Timer | Wake::Again => {}
            }
        }
    }

    async fn wake(
        &mut self,
        stop: Pin<&mut impl Future<Output = ()>>,
        timer: Pin<&mut Sleep>,
        taken: Taken,
        again: bool,
    ) -> Wake {
        let open = self.session.phase() == Phase::Open;
        let reads = taken == Taken::All && self.outbox.len() <= MAX_UNSENT;
        let size = if open { READ + self.session.max_input() } else { HELLO };
        let hears = open && self.said != Said::Not;
        let Self { connection: Connection { stream, handshake, .. }, handler, inbox, outbox, .. } = self;
        // Reading before the timer, so that a peer that spoke is not taken for silent.
        tokio::select! {
            biased;
            () = stop => Wake::Stopped,
            moved = poll_fn(|cx| poll_transfer(stream, outbox, inbox, reads.then_some(size), cx)) => {
                Wake::Moved(moved)
            }
            () = handler.wake(), if hears => Wake::Handler,
            () = timer => Wake::Timer,
            () = gives_way(handshake.as_ref()) => Wake::GaveWay,
            () = ready(()), if again => Wake::Again,
        }
    }

    /// Handles what was read; says how much of it, and how many events that were.
    fn take_events(&mut self, now: Instant) -> Result<(Taken, usize), Ended> {
        let now = now.into_std();
        let Self { connection, session, handler, inbox, outbox, said, .. } = self;
        let out = outbox.bytes();
        for events in 0..BATCH {
            let step = session.next_event(inbox.unread(), now, out);
            let consumed = step.consumed;
            let Some(event) = step.event else {
                inbox.consume(consumed);
                return Ok((Taken::All, events));
            };
            let then = match &event {
                Event::Hello(hello) if !connection.may_be(hello.from) => Then::Expose,
                Event::Hello(hello) => {
                    handler.admit(hello.from).map_or_else(Then::TurnAway, |()| Then::Welcome)
                }
                event => {
                    handler.on_event(event, now);
                    then(event)
                }
            };
            inbox.consume(consumed);
            *said = Said::Not;
            // Neither fails: the receipt is of this session, and the peer has just introduced itself.
            match then {
                Then::Nothing => {}
                Then::Take(receipt) => {
                    let _ours = session.taken(receipt);
                }
                Then::Welcome => {
                    let _deciding = session.welcome(now, out);
                    connection.handshake = None;
                    handler.on_event(&Event::Open, now);
                }
                Then::TurnAway(refusal) => {
                    let _deciding = session.refuse(refusal, out);
                    return Err(Ended::TurnedAway(refusal));
                }
                Then::Expose => {
                    let _deciding = session.refuse(Refusal::UnknownPeer, out);
                    return Err(session.peer().cloned().map_or(Ended::Closed, Ended::Impostor));
                }
                Then::End(ended) => return Err(ended),
            }
        }
        Ok((Taken::Batch, BATCH))
    }

    /// Lets the handler speak if it wants to; says whether there is more to say at once.
    fn fill(&mut self, now: Instant) -> Result<bool, Ended> {
        if matches!(self.said, Said::Until(at) if at <= now) {
            self.said = Said::Not;
        }
        let room = self.room();
        if self.said != Said::Not || room == 0 || self.session.phase() != Phase::Open {
            return Ok(false);
        }
        self.said = match self.handler.fill(&mut self.session, now.into_std(), room, self.outbox.bytes()) {
            Fill::More => Said::Not,
            Fill::Idle => Said::All,
            Fill::Until(at) => Said::Until(Instant::from_std(at)),
        };
        if self.session.phase() != Phase::Open {
            return Err(Ended::Stopped);
        }
        Ok(self.said == Said::Not && self.room() > 0)
    }

    fn room(&self) -> usize {
        if self.broken.is_some() { 0 } else { (MAX_UNSENT / 2).saturating_sub(self.outbox.len()) }
    }

    /// Does what a deadline asks for, once it has been over for a moment.
    fn keep_time(&mut self, now: Instant) -> Result<(), Ended> {
        let passed = self.deadline().is_some_and(|deadline| deadline <= now);
        match self.late {
            None if passed => self.late = Some(now + GRACE),
            Some(until) if until <= now => {
                self.late = None;
                if passed {
                    self.expire(now)?;
                }
            }
            None | Some(_) => {}
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant) -> Result<(), Ended> {
        if let Some(event) = self.session.tick(now.into_std(), self.outbox.bytes()) {
            self.handler.on_event(&event, now.into_std());
            if let Then::End(ended) = then(&event) {
                return Err(ended);
            }
        }
        if self.stall().is_some_and(|stall| stall <= now) { Err(Ended::Stalled) } else { Ok(()) }
    }

    /// When something is to be done if nothing else happens.
    fn due(&self, now: Instant) -> Instant {
        let said = match self.said {
            Said::Until(at) => Some(at),
            Said::All | Said::Not => None,
        };
        let due = said.into_iter().chain(self.late.or_else(|| self.deadline())).min();
        due.unwrap_or(now + SILENCE)
    }

    /// When the session has something to do, or the peer has not read for too long.
    fn deadline(&self) -> Option<Instant> {
        self.session.deadline().map(Instant::from_std).into_iter().chain(self.stall()).min()
    }

    fn stall(&self) -> Option<Instant> {
        if self.outbox.is_empty() { None } else { Some(self.progress + WRITE_TIMEOUT) }
    }

    fn moved(&mut self, moved: io::Result<Moved>) -> Result<(), Ended> {
        match moved {
            Ok(Moved::Read(0)) => return Err(self.broken.take().map_or(Ended::Closed, Ended::Io)),
            Ok(Moved::Read(_)) => {}
            Ok(Moved::Wrote) => self.progress = Instant::now(),
            Ok(Moved::Unwritable(error)) => {
                self.outbox.shut();
                self.broken = Some(error);
            }
            // TLS that ends without a word; the protocol has none either, so nothing is cut off unseen.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Ended::Closed),
            Err(error) => return Err(Ended::Io(self.broken.take().unwrap_or(error))),
        }
        Ok(())
    }

    /// Sends what is written, and waits until the peer has closed: a close while it still sends would take
    /// our last word away from it.
    async fn say_the_last_word(&mut self) -> io::Result<()> {
        let Self { connection: Connection { stream, .. }, inbox, outbox, .. } = self;
        while !outbox.is_empty() {
            poll_fn(|cx| outbox.poll_write(stream, cx)).await?;
        }
        poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await?;
        loop {
            inbox.consume(inbox.unread().len());
            if let Moved::Read(0) =
                poll_fn(|cx| poll_transfer(stream, outbox, inbox, Some(HELLO), cx)).await?
            {
                return Ok(());
            }
        }
    }

    /// Says that nothing follows, which TLS has a word for, without waiting.
    async fn close(&mut self) {
        let stream = &mut self.connection.stream;
        poll_fn(|cx| {
            let _said = Pin::new(&mut *stream).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }
}

/// What an event other than a hello leads to.
fn then(event: &Event<'_>) -> Then {
    match event {
        Event::Update(received) => Then::Take(received.receipt),
        Event::Refused(status) => Then::End(Ended::Refused(*status)),
        Event::Complaint(complaint) => Then::End(Ended::Complaint(*complaint)),
        Event::Failed(error) => Then::End(Ended::Failed(*error)),
        _ => Then::Nothing,
    }
}

async fn gives_way(handshake: Option<&Handshake>) {
    match handshake {
        Some(handshake) => handshake.gives_way().await,
        None => pending().await,
    }
}
