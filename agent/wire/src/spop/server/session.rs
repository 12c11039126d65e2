//! One connection: reads, asks the agent, writes, and knows when to end.

use super::drain::DrainSignal;
use super::later::{Later, Outcome, later};
use super::socket::Socket;
use super::{Agent, Answer, Counters, Limits, Readiness};
use crate::spop::{self, Actions, Admission, Connection, Event, FrameId, Phase, Status};
use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a connection must be without a frame before a drain takes leave of it. HAProxy 2.6 fails a
/// request whose NOTIFY crosses our DISCONNECT; it prefers connections that it used just now.
const DRAIN_QUIET: Duration = Duration::from_millis(50);

/// How long the peer has to close after our last word.
const LINGER: Duration = Duration::from_millis(500);

/// What all connections share.
pub(super) struct Shared<A> {
    pub(super) agent: Arc<A>,
    pub(super) limits: Limits,
    pub(super) readiness: Readiness,
    pub(super) counters: Arc<Counters>,
    pub(super) slots: Arc<Semaphore>,
    /// A health check was just answered.
    pub(super) checked: Notify,
}

pub(super) struct Session<A> {
    shared: Arc<Shared<A>>,
    socket: Socket,
    connection: Connection,
    out: BytesMut,
    actions: Actions,
    later: FuturesUnordered<Later>,
    drain: DrainSignal,
    draining: Option<Drain>,
    opened: Instant,
    /// When the last frame came, or else the connection.
    heard: Instant,
    /// Since when unsent bytes wait without progress.
    stalled: Option<Instant>,
    /// When the last word was written; from then on only the peer's close is awaited.
    closed: Option<Instant>,
    /// Was the last word sent, and the peer told that nothing follows?
    finished: bool,
    _slot: OwnedSemaphorePermit,
}

#[derive(Clone, Copy)]
struct Drain {
    until: Instant,
    /// `until` has passed: nothing new is taken.
    over: bool,
}

/// Why a connection is over.
enum End {
    /// All was said.
    Done,
    /// The peer closed or the socket failed.
    Lost(Option<io::Error>),
    /// The peer does not read.
    WriteTimeout,
}

/// What a session waits for.
enum Wake {
    Answer(FrameId, Outcome),
    Moved(io::Result<Moved>),
    Timer,
    Drain(Instant),
}

/// What went over the socket.
enum Moved {
    Read(usize),
    Wrote(usize),
}

impl<A: Agent> Session<A> {
    pub(super) fn new(
        shared: Arc<Shared<A>>,
        socket: Socket,
        drain: DrainSignal,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let limit = shared.limits.max_frame_size;
        let connection = Connection::agreeing_to(shared.limits.pipelining, limit);
        let now = Instant::now();
        Self {
            shared,
            socket,
            connection,
            out: BytesMut::new(),
            actions: Actions::fitting(limit),
            later: FuturesUnordered::new(),
            drain,
            draining: None,
            opened: now,
            heard: now,
            stalled: None,
            closed: None,
            finished: false,
            _slot: slot,
        }
    }

    pub(super) async fn run(mut self) {
        self.shared.counters.connections.count();
        let Err(end) = self.serve().await;
        self.shared.counters.connections_ended.count();
        let open = self.later.len();
        let partial = self.connection.undecoded();
        match end {
            End::Done => tracing::trace!("connection ended"),
            End::WriteTimeout => {
                self.shared.counters.write_timeouts.count();
                tracing::debug!(unsent = self.out.len(), "connection cut: the peer does not read");
            }
            // HAProxy resets idle connections as a matter of course.
            End::Lost(error) if open == 0 && partial == 0 => {
                tracing::trace!(?error, "connection closed by peer")
            }
            End::Lost(error) => {
                self.shared.counters.broken.count();
                tracing::debug!(?error, open, partial, "connection lost with work open");
            }
        }
    }

    async fn serve(&mut self) -> Result<Infallible, End> {
        let timer = sleep_until(self.opened + self.shared.limits.hello_timeout);
        tokio::pin!(timer);
        loop {
            self.take_events().await?;
            self.note_close();
            if self.closed.is_some() && self.out.is_empty() && !self.finished {
                self.finished = true;
                // Only half: a close while the peer still sends would take our last word away from it.
                poll_fn(|cx| self.socket.poll_finish(cx)).await.map_err(|_| End::Done)?;
            }
            // Moved only to earlier times here: when it fires too early it is set anew.
            if let Some(due) = self.due().filter(|due| *due < timer.deadline()) {
                timer.as_mut().reset(due);
            }
            match self.wake(timer.as_mut()).await {
                Wake::Answer(id, outcome) => self.settle(id, outcome).await?,
                Wake::Moved(moved) => self.moved(moved)?,
                Wake::Timer => {
                    let now = Instant::now();
                    if self.due().is_some_and(|due| due <= now) {
                        self.expire(now)?;
                    }
                    timer.as_mut().reset(self.due().unwrap_or(now + self.shared.limits.idle_timeout));
                }
                Wake::Drain(until) => {
                    self.draining = Some(Drain { until, over: false });
                    self.heard = Instant::now();
                }
            }
        }
    }

    async fn wake(&mut self, timer: Pin<&mut Sleep>) -> Wake {
        let answers = !self.later.is_empty() && !self.congested();
        let reads = self.takes_more();
        let Self { socket, connection, out, later, drain, draining, .. } = self;
        // Answers first, they have a deadline; reading before the timer, so that a drain never takes leave
        // of a connection on which a frame waits.
        tokio::select! {
            biased;
            Some((id, outcome)) = later.next(), if answers => Wake::Answer(id, outcome),
            moved = transfer(socket, connection, out, reads) => Wake::Moved(moved),
            () = timer => Wake::Timer,
            until = drain.begins(), if draining.is_none() => Wake::Drain(until),
        }
    }

    /// Handles all whole frames that were read, as far as the bounds allow.
    async fn take_events(&mut self) -> Result<(), End> {
        let mut heard = false;
        let mut checked = false;
        while self.takes_more() {
            if self.connection.phase() == Phase::Hello {
                let ready = self.shared.readiness.is_ready();
                self.connection.admit(if ready {
                    Admission::Open
                } else {
                    Admission::Refuse(Status::Resource)
                });
            }
            let counters = &self.shared.counters;
            let Some(event) = self.connection.next_event(&mut self.out) else { break };
            heard = true;
            match event {
                Event::Notify(notify) => {
                    counters.notifies.count();
                    let id = notify.id();
                    self.actions.clear();
                    match ask(&*self.shared.agent, &notify, &mut self.actions) {
                        Some(Answer::Ready) => {}
                        Some(Answer::Later(answer)) => {
                            let deadline = Instant::now() + self.shared.limits.notify_deadline;
                            self.later.push(later(id, deadline, answer));
                            continue;
                        }
                        None => {
                            counters.panics.count();
                            self.actions.clear();
                        }
                    }
                    self.acknowledge(id);
                    self.leave_with_the_answer().await;
                }
                Event::Ready(agreement) => {
                    counters.hellos.count();
                    self.actions = Actions::fitting(agreement.max_frame_size);
                }
                Event::HealthCheck => {
                    counters.health_checks.count();
                    checked = true;
                }
                Event::Disconnected(disconnect) => tracing::debug!(
                    code = disconnect.code,
                    message = %disconnect.message.escape_ascii(),
                    "haproxy disconnects"
                ),
                Event::Crossed(_) => counters.crossed.count(),
                Event::Refused(status) => {
                    counters.hellos_refused.count();
                    tracing::debug!(%status, "hello refused");
                }
                Event::Failed(error) => {
                    counters.protocol_error(&error);
                    tracing::warn!(%error, "connection closed: the peer broke the protocol");
                }
            }
            if self.congested() {
                self.flush().await?;
            }
        }
        if heard {
            self.heard = Instant::now();
        }
        // Other connections that wait go first: HAProxy, woken once, then finds several answers. It is faster
        // than a verdict, and being woken for each costs it more than to read it.
        if heard && self.draining.is_none() {
            tokio::task::yield_now().await;
        }
        // Answers to frames that came together leave together: HAProxy is woken once for all of them.
        self.flush().await?;
        if checked {
            self.shared.checked.notify_waiters();
        }
        Ok(())
    }

    /// Writes an ACK to the output, without actions if they do not fit.
    fn acknowledge(&mut self, id: FrameId) {
        if self.connection.acknowledge(id, &self.actions, &mut self.out).is_err() {
            self.shared.counters.oversize_answers.count();
            self.actions.clear();
            // An ACK without actions always fits the floor of 256 bytes.
            let _fits = self.connection.acknowledge(id, &self.actions, &mut self.out);
        }
        self.shared.counters.acks.count();
    }

    async fn settle(&mut self, id: FrameId, outcome: Outcome) -> Result<(), End> {
        self.actions.clear();
        match outcome {
            Outcome::Actions(actions) => self.actions = actions,
            Outcome::DeadlineMissed => self.shared.counters.deadline_misses.count(),
            Outcome::Panicked => self.shared.counters.panics.count(),
        }
        self.acknowledge(id);
        self.leave_with_the_answer().await;
        self.flush().await
    }

    /// While draining, takes leave behind an answer if nothing else is asked: HAProxy reads both at once,
    /// so no request of its is on the way here when it hears that we go.
    async fn leave_with_the_answer(&mut self) {
        if self.draining.is_none() || !self.later.is_empty() || self.connection.phase() != Phase::Open {
            return;
        }
        if self.connection.undecoded() == 0 && !self.reads_more().await {
            self.disconnect(Status::Normal);
        }
    }

    /// Reads what has come meanwhile, without waiting; says whether anything has.
    async fn reads_more(&mut self) -> bool {
        let Self { socket, connection, .. } = self;
        let polled = poll_fn(|cx| Poll::Ready(socket.poll_read(cx, connection.read_space())));
        match polled.await {
            Poll::Ready(Ok(length)) if length > 0 => {
                self.connection.filled(length);
                true
            }
            // The end or a failure shows again when the last word is written.
            _ => false,
        }
    }

    /// Writes as much as the socket takes without waiting; the rest stays in the output.
    async fn flush(&mut self) -> Result<(), End> {
        while !self.out.is_empty() {
            let Self { socket, out, .. } = self;
            let written = poll_fn(|cx| {
                Poll::Ready(match socket.poll_write(cx, out) {
                    Poll::Ready(written) => Some(written),
                    Poll::Pending => None,
                })
            });
            match written.await {
                Some(Ok(length)) if length > 0 => self.wrote(length),
                Some(Ok(_)) => return Err(End::Lost(None)),
                Some(Err(error)) => return Err(End::Lost(Some(error))),
                None => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn wrote(&mut self, length: usize) {
        self.out.advance(length.min(self.out.len()));
        self.stalled = if self.out.is_empty() { None } else { Some(Instant::now()) };
    }

    fn moved(&mut self, moved: io::Result<Moved>) -> Result<(), End> {
        match moved {
            Ok(Moved::Read(length)) if length > 0 => {
                self.connection.filled(length);
                Ok(())
            }
            Ok(Moved::Wrote(length)) if length > 0 => {
                self.wrote(length);
                Ok(())
            }
            _ if self.closed.is_some() => Err(End::Done),
            Ok(_) => Err(End::Lost(None)),
            Err(error) => Err(End::Lost(Some(error))),
        }
    }

    /// Are new frames read and answered?
    fn takes_more(&self) -> bool {
        let over = self.draining.is_some_and(|drain| drain.over) && self.closed.is_none();
        !over && !self.congested() && self.later.len() < self.shared.limits.max_in_flight
    }

    /// Is so much unsent that nothing more may be written?
    fn congested(&self) -> bool {
        self.out.len() > self.shared.limits.max_unsent
    }

    /// Is there nothing to answer and nothing to send?
    fn is_at_rest(&self) -> bool {
        self.later.is_empty() && self.out.is_empty()
    }

    /// After the last word no answer is of use.
    fn note_close(&mut self) {
        if self.closed.is_none() && matches!(self.connection.phase(), Phase::Closing | Phase::Closed) {
            self.closed = Some(Instant::now());
            self.later.clear();
        }
    }

    /// When something is to be done if nothing else happens.
    fn due(&self) -> Option<Instant> {
        let limits = &self.shared.limits;
        if let Some(stalled) = self.stalled {
            return Some(stalled + limits.write_timeout);
        }
        if let Some(closed) = self.closed {
            return Some(closed + LINGER);
        }
        let idle = match self.connection.phase() {
            Phase::Hello => Some(self.opened + limits.hello_timeout),
            _ if self.is_at_rest() => Some(self.heard + limits.idle_timeout),
            _ => None,
        };
        idle.into_iter().chain(self.leave()).min()
    }

    /// When a drain does something about this connection.
    fn leave(&self) -> Option<Instant> {
        let drain = self.draining?;
        match (self.is_at_rest(), self.connection.undecoded()) {
            (true, 0) => Some(drain.until.min(self.heard + DRAIN_QUIET)),
            (true, _) => Some(drain.until),
            (false, _) if drain.over => None,
            (false, _) => Some(drain.until),
        }
    }

    /// Does what was due.
    fn expire(&mut self, now: Instant) -> Result<(), End> {
        let limits = &self.shared.limits;
        if self.stalled.is_some() {
            return Err(End::WriteTimeout);
        }
        if self.closed.is_some() {
            return Err(End::Done);
        }
        if self.leave().is_some_and(|leave| leave <= now) {
            if let Some(drain) = &mut self.draining {
                drain.over = drain.until <= now;
            }
            if self.is_at_rest() {
                self.disconnect(Status::Normal);
            }
        } else if self.connection.phase() == Phase::Hello && self.opened + limits.hello_timeout <= now {
            self.shared.counters.hello_timeouts.count();
            self.disconnect(Status::Timeout);
        } else if self.is_at_rest() && self.heard + limits.idle_timeout <= now {
            self.shared.counters.idle_timeouts.count();
            let partial = self.connection.undecoded() > 0;
            self.disconnect(if partial { Status::Timeout } else { Status::Normal });
        }
        Ok(())
    }

    fn disconnect(&mut self, status: Status) {
        self.connection.disconnect(status, status.meaning(), &mut self.out);
        self.note_close();
    }
}

/// Asks the agent; nothing when it panicked.
fn ask<A: Agent>(agent: &A, notify: &spop::Notify<'_>, actions: &mut Actions) -> Option<Answer> {
    catch_unwind(AssertUnwindSafe(|| agent.notify(notify, actions))).ok()
}

/// Writes what waits, or else reads, once.
async fn transfer(
    socket: &mut Socket,
    connection: &mut Connection,
    out: &BytesMut,
    reads: bool,
) -> io::Result<Moved> {
    poll_fn(|cx| {
        if !out.is_empty()
            && let Poll::Ready(written) = socket.poll_write(cx, out)
        {
            return Poll::Ready(written.map(Moved::Wrote));
        }
        match connection.read_space() {
            space if reads && !space.is_empty() => socket.poll_read(cx, space).map_ok(Moved::Read),
            _ => Poll::Pending,
        }
    })
    .await
}
