//! The publisher: peer of every HAProxy and every agent, the only place where bans are made.

mod admin;
mod daemon;
mod edge;
mod journal;
mod once;
mod peer;

pub use daemon::{PublishError, publish};
pub use edge::EdgeError;
pub use journal::JournalError;
pub use once::{OnceError, Writing, publish_once};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;
use haproxy_wire::peers::{Entry, Lifetime, Schema};
use tokio::sync::watch;

use self::edge::Edge;
use self::journal::{Beginning, Journal};
use super::clock::now;
use crate::admin::{PeerStatus, ToldAll};
use crate::reputation::aggregate::{Aggregate, Moment, NodeNumber};
use crate::reputation::bans::{Ban, BanFault, Cause, Change, ChangeNumber};
use crate::reputation::ended::{self, Told};
use crate::reputation::guard::Hold;
use crate::reputation::guarded::{AddFault, Guarded, Outcome};
use crate::reputation::signal::LONGEST_BAN;
use crate::reputation::table::Taught;

/// For how long after a start without a state file the nodes' bans are news: who comes later may have missed
/// that some were lifted.
const ADOPTION: Duration = Duration::from_secs(300);
/// Faults of one peer that are told.
const MOST_FAULTS: usize = 20;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Publisher {
    state: Mutex<State>,
    changed: watch::Sender<ChangeNumber>,
    terms: Terms,
    edge: Option<Arc<Edge>>,
    began: Instant,
}

/// For how long what is done by hand or by a log-out holds, in seconds.
#[derive(Clone, Copy, Debug)]
struct Terms {
    pardon: u64,
    ended: u64,
}

#[derive(Debug)]
struct State {
    aggregate: Aggregate,
    bans: Guarded,
    journal: Journal,
    written: ChangeNumber,
    peers: Vec<PeerStatus>,
    adopting: Vec<bool>,
    holding: Option<HoldKind>,
    /// When the last entry was heard.
    moment: Moment,
}

impl State {
    /// The wall clock is asked once for all entries that a session reads together.
    fn moment(&mut self, steady: Instant) -> Moment {
        if self.moment.steady != steady {
            self.moment = Moment { steady, unix: now().seconds() };
        }
        self.moment
    }
}

/// Why bans are held, without the numbers: it is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HoldKind {
    Share,
    Growth,
}

const fn hold_kind(hold: &Hold) -> HoldKind {
    match hold {
        Hold::Share { .. } => HoldKind::Share,
        Hold::Growth { .. } => HoldKind::Growth,
    }
}

impl Publisher {
    fn new(
        aggregate: Aggregate,
        bans: Guarded,
        (journal, beginning): (Journal, Beginning),
        peers: Vec<PeerStatus>,
        terms: Terms,
        edge: Option<Arc<Edge>>,
    ) -> Self {
        let written = bans.bans().last_change();
        let adopting = peers.iter().map(|_| beginning == Beginning::Fresh).collect();
        let moment = Moment { steady: Instant::now(), unix: now().seconds() };
        let state = State { aggregate, bans, journal, written, peers, adopting, holding: None, moment };
        Self {
            state: Mutex::new(state),
            changed: watch::Sender::new(written),
            terms,
            edge,
            began: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of every change from now on.
    fn changes(&self) -> watch::Receiver<ChangeNumber> {
        self.changed.subscribe()
    }

    /// Writes down what changed, and only then tells the sessions: what was taught outlives a kill.
    fn commit(&self, state: &mut State) {
        let last = state.bans.bans().last_change();
        if last == state.written {
            return;
        }
        if let Err(error) = state.journal.write_after(state.bans.bans(), state.written) {
            // Bans are no reason to refuse work: what can't be written down still holds.
            tracing::error!(%error, "bans can't be written down: they would not outlive a restart");
        }
        state.written = last;
        self.changed.send_replace(last);
    }

    fn announce(&self, node: NodeNumber, name: &[u8], schema: &Schema) {
        let mut state = self.lock();
        let State { aggregate, peers, .. } = &mut *state;
        let unseen = aggregate.announce(node, name, schema, Instant::now());
        for signal in unseen {
            let fault = format!(
                "signal `{}` reads `{}` of `{}`, which this node's table doesn't store",
                signal.name, signal.value, signal.table
            );
            let Some(peer) = peers.get_mut(node.0) else { continue };
            note(peer, fault);
        }
    }

    fn hear(&self, node: NodeNumber, name: &[u8], entry: &Entry<'_>, lifetime: Lifetime, steady: Instant) {
        let mut state = self.lock();
        let moment = state.moment(steady);
        let State { aggregate, bans, peers, holding, .. } = &mut *state;
        if let Some(peer) = peers.get_mut(node.0) {
            peer.heard += 1;
        }
        let consequence = aggregate.hear(node, name, entry, lifetime, bans, moment);
        if name == ended::TABLE {
            self.hear_ended(&mut state, node, entry, lifetime, moment.unix);
            return;
        }
        let Some(consequence) = consequence else { return };
        let client = &consequence.client;
        match consequence.outcome {
            Ok(Outcome::Done(Change::Banned)) => {
                // The next hold is another one.
                *holding = None;
                if let Some(ban) = bans.bans().ban(client, moment.unix) {
                    tracing::info!(%client, action = ban.action.as_str(), until = ban.until.0, cause = ?ban.cause, "banned");
                }
            }
            Ok(Outcome::Done(Change::Remembered | Change::None)) => {}
            Ok(Outcome::Spared(never)) => tracing::debug!(%client, "not banned: {never}"),
            Ok(Outcome::Held(hold)) => {
                if *holding != Some(hold_kind(&hold)) {
                    *holding = Some(hold_kind(&hold));
                    tracing::error!(
                        ?hold,
                        "bans by signals are held: `countersign bans approve` lets them through"
                    );
                }
            }
            Err(fault) => tracing::error!(%client, "not banned: {fault}"),
        }
        self.commit(&mut state);
    }

    /// A node's table says that a log-in is over.
    fn hear_ended(
        &self,
        state: &mut State,
        node: NodeNumber,
        entry: &Entry<'_>,
        lifetime: Lifetime,
        at: UnixSeconds,
    ) {
        let State { bans, peers, .. } = &mut *state;
        let (Some(told), Some(peer)) = (Told::read(entry, lifetime), peers.get(node.0)) else { return };
        match bans.sign_out(&told, &peer.name, self.terms.ended, at) {
            Ok(true) => {
                tracing::info!(client = %told.client, node = peer.name, "signed out at the identity provider")
            }
            Ok(false) => {}
            Err(fault) => tracing::error!(client = %told.client, "not refused after its log-out: {fault}"),
        }
        self.commit(state);
    }

    /// A node's table says that somebody is banned. Only we write there: it is news where nothing was
    /// known at the start, and else something that we took back while the node was away.
    fn hear_verdict(&self, node: NodeNumber, client: &ClientKey, taught: Taught) -> Option<Taught> {
        let mut state = self.lock();
        let at = now().seconds();
        if taught.until <= at || state.bans.get(client, at).is_some() {
            return None;
        }
        let action = taught.action?;
        let adopts =
            state.adopting.get(node.0).copied().unwrap_or_default() && self.began.elapsed() < ADOPTION;
        if !adopts {
            return Some(Taught { action: None, until: taught.until });
        }
        let name = state.peers.get(node.0).map(|peer| peer.name.clone()).unwrap_or_default();
        let until = taught.until.min(at.plus(LONGEST_BAN));
        let ban = Ban { action, since: at, until, cause: Cause::Node { node: name } };
        match state.bans.add(client, ban, at) {
            Ok(()) => self.commit(&mut state),
            Err(fault) => tracing::error!(%client, "not taken from the node's table: {fault}"),
        }
        None
    }

    /// A node has told all that it held, so long after it was asked.
    fn heard_all(&self, node: NodeNumber, took: Duration) {
        let mut state = self.lock();
        if let Some(adopting) = state.adopting.get_mut(node.0) {
            *adopting = false;
        }
        if let Some(status) = state.peers.get_mut(node.0) {
            let took_millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            status.told_all = Some(ToldAll { at: now().seconds(), took_millis });
        }
    }

    fn approve(&self) -> Result<usize, BanFault> {
        let mut state = self.lock();
        let banned = state.bans.approve(now().seconds());
        state.holding = None;
        self.commit(&mut state);
        banned
    }

    fn add(&self, client: &ClientKey, ban: Ban) -> Result<(), AddFault> {
        let mut state = self.lock();
        state.bans.add(client, ban, now().seconds())?;
        self.commit(&mut state);
        Ok(())
    }

    fn remove(&self, client: &ClientKey) -> Option<(Ban, UnixSeconds)> {
        let mut state = self.lock();
        let at = now().seconds();
        let ban = state.bans.remove(client, self.terms.pardon, at)?;
        self.commit(&mut state);
        Some((ban, at.plus(self.terms.pardon)))
    }

    /// Forgets what is over; to be called now and then.
    fn tidy(&self) {
        if let Some(edge) = &self.edge {
            edge.tidy();
        }
        let mut state = self.lock();
        let State { bans, journal, .. } = &mut *state;
        let at = now().seconds();
        bans.expire(at);
        if let Err(error) = journal.compact_if_long(bans.bans()) {
            tracing::error!(%error, "the state file can't be written anew, and grows");
        }
    }
}

/// Says what is wrong with a peer, once.
fn note(peer: &mut PeerStatus, fault: String) {
    if peer.faults.len() < MOST_FAULTS && !peer.faults.contains(&fault) {
        tracing::error!(peer = peer.name, "{fault}");
        peer.faults.push(fault);
    }
}
