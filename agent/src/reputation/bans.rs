//! Who is banned, why, until when, and who was pardoned; in the order in which it changed.

use std::collections::{BTreeMap, HashMap};

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ended::{Ended, Told};
use super::signal::{Rung, Signal, SignalName};
use super::table::Taught;

/// The most clients that are remembered at once: three times what the edge's list holds.
pub const MOST_CLIENTS: usize = 1_000_000;

/// All bans and pardons.
#[derive(Debug, Default)]
pub struct Bans {
    standings: HashMap<ClientKey, Standing>,
    changes: BTreeMap<ChangeNumber, ClientKey>,
    last: ChangeNumber,
}

/// Counts changes up, from 1; whoever has seen all up to one asks for those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeNumber(u64);

/// How a client stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What holds now.
    #[serde(flatten)]
    pub state: State,
    /// The offences that are remembered, one entry a signal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Past>,
    /// How often nodes said that this log-in is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    #[serde(skip)]
    change: ChangeNumber,
}

/// What holds for a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Banned until the ban ends.
    Banned(Ban),
    /// A ban was lifted by hand: until then no signal bans again.
    Pardoned {
        /// Until when.
        until: UnixSeconds,
    },
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// What is done.
    pub action: Action,
    /// Since when.
    pub since: UnixSeconds,
    /// Until when.
    pub until: UnixSeconds,
    /// Why.
    pub cause: Cause,
}

/// Why a client is banned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A signal.
    Signal(Offence),
    /// Somebody said so.
    Operator {
        /// In their words.
        reason: String,
    },
    /// The identity provider said that this log-in is over.
    SignedOut,
    /// A node's stick table said so when nothing was known here.
    Node {
        /// The node.
        node: String,
    },
}

/// What a signal saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offence {
    /// The signal.
    pub signal: SignalName,
    /// Its stick table.
    pub table: String,
    /// Its value.
    pub value: String,
    /// Its threshold.
    pub over: u64,
    /// What each node counted.
    pub counts: BTreeMap<String, u64>,
    /// Which rung of the ladder this is, from 1.
    pub rung: usize,
}

/// The last offence that a signal saw of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    signal: SignalName,
    rung: usize,
    /// When the ban for it ends.
    ends: UnixSeconds,
    /// For how long it is remembered.
    forgotten: UnixSeconds,
    /// What the nodes had counted together.
    total: u64,
}

/// Why a ban can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BanFault {
    /// Too many.
    #[error("{MOST_CLIENTS} clients are remembered already: expected room for one more")]
    Full,
    /// It would have ended.
    #[error("the ban has ended already: expected an end in the future")]
    Ended,
}

impl Bans {
    /// How a client stands, if anything holds for it.
    #[must_use]
    pub fn get(&self, client: &ClientKey, now: UnixSeconds) -> Option<&Standing> {
        self.standings.get(client).filter(|standing| standing.state.until() > now)
    }

    /// The ban of a client.
    #[must_use]
    pub fn ban(&self, client: &ClientKey, now: UnixSeconds) -> Option<&Ban> {
        match &self.get(client, now)?.state {
            State::Banned(ban) => Some(ban),
            State::Pardoned { .. } => None,
        }
    }

    /// Everybody for whom something holds, in the order in which it changed.
    pub fn iter(&self, now: UnixSeconds) -> impl Iterator<Item = (&ClientKey, &Standing)> {
        let of = |client| self.standings.get(client).map(|standing| (client, standing));
        self.changes.values().filter_map(of).filter(move |(_, standing)| standing.state.until() > now)
    }

    /// How many clients are remembered, their ended bans too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standings.len()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standings.is_empty()
    }

    /// Whether no further client can be remembered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.standings.len() >= MOST_CLIENTS
    }

    /// What the nodes together had counted at the last offence that is remembered.
    #[must_use]
    pub fn counted_at_last(&self, client: &ClientKey, signal: &SignalName) -> u64 {
        let past = self.standings.get(client).and_then(|standing| standing.past_of(signal));
        past.map_or(0, |past| past.total)
    }

    /// Whether an offence would be anything to the bans: not under a pardon, nor while a ban for it runs.
    #[must_use]
    pub fn would_ban(&self, client: &ClientKey, signal: &Signal, now: UnixSeconds) -> bool {
        let standing = self.standings.get(client);
        let state = standing.map(|standing| &standing.state).filter(|state| state.until() > now);
        let past = standing.and_then(|standing| standing.past_of(&signal.name));
        !matches!(state, Some(State::Pardoned { .. })) && climb(signal, past, now).is_some()
    }

    /// A signal saw an offence. Gives whether anything changed: not while a ban for it runs (one
    /// that lets requests pass is drawn out), not under a pardon, not where a harder ban holds.
    pub fn offend(
        &mut self,
        client: &ClientKey,
        signal: &Signal,
        counts: BTreeMap<String, u64>,
        now: UnixSeconds,
    ) -> Result<Change, BanFault> {
        let standing = self.standings.get(client);
        let state = standing.map(|standing| &standing.state).filter(|state| state.until() > now);
        if matches!(state, Some(State::Pardoned { .. })) {
            return Ok(Change::None);
        }
        let past = standing.and_then(|standing| standing.past_of(&signal.name));
        let Some((number, rung)) = climb(signal, past, now) else { return Ok(Change::None) };
        let total = counts.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let until = now.plus(rung.seconds);
        let remembered = Past {
            signal: signal.name.clone(),
            rung: number,
            ends: until,
            forgotten: until.plus(signal.remember_seconds),
            total,
        };
        let ban = Ban {
            action: rung.action,
            since: now,
            until,
            cause: Cause::Signal(Offence {
                signal: signal.name.clone(),
                table: signal.table.clone(),
                value: signal.value.to_string(),
                over: signal.over,
                counts,
                rung: number,
            }),
        };
        let harder = match state {
            Some(State::Banned(held)) => (ban.action, ban.until) > (held.action, held.until),
            _ => true,
        };
        let state = match (harder, state) {
            (false, Some(held)) => held.clone(),
            _ => State::Banned(ban),
        };
        self.set(client, state, Some(remembered))?;
        Ok(if harder { Change::Banned } else { Change::Remembered })
    }

    /// Bans somebody by hand, whatever held before.
    ///
    /// # Errors
    /// [`BanFault`].
    pub fn add(&mut self, client: &ClientKey, ban: Ban, now: UnixSeconds) -> Result<(), BanFault> {
        if ban.until <= now {
            return Err(BanFault::Ended);
        }
        self.set(client, State::Banned(ban), None)
    }

    /// A node says that a log-in is over: it is blocked for so many seconds from now, under a pardon too, unless
    /// it is blocked for longer. What the node has said before is no news. Gives whether it was any.
    ///
    /// # Errors
    /// [`BanFault`].
    pub fn sign_out(
        &mut self,
        told: &Told,
        node: &str,
        seconds: u64,
        now: UnixSeconds,
    ) -> Result<bool, BanFault> {
        let standing = self.standings.get(&told.client);
        let mut ended = standing.and_then(|standing| standing.ended.clone()).unwrap_or_default();
        if !ended.hear(node, told, now) {
            return Ok(false);
        }
        let until = now.plus(seconds);
        let state = match standing.map(|standing| &standing.state) {
            Some(State::Banned(held)) if held.action == Action::Block && held.until >= until => {
                State::Banned(held.clone())
            }
            _ => State::Banned(Ban { action: Action::Block, since: now, until, cause: Cause::SignedOut }),
        };
        self.set(&told.client, state, None)?;
        if let Some(standing) = self.standings.get_mut(&told.client) {
            standing.ended = Some(ended);
        }
        Ok(true)
    }

    /// Lifts a ban by hand, and pardons for a time. Gives the ban, if there was one.
    pub fn remove(&mut self, client: &ClientKey, pardon_seconds: u64, now: UnixSeconds) -> Option<Ban> {
        let ban = self.ban(client, now)?.clone();
        let until = now.plus(pardon_seconds.max(1));
        self.set(client, State::Pardoned { until }, None).ok()?;
        // The ban runs no longer, so that what comes after the pardon is a new offence.
        for past in self.standings.get_mut(client).into_iter().flat_map(|standing| &mut standing.past) {
            past.ends = past.ends.min(now);
        }
        Some(ban)
    }

    /// Takes what was written down of a client before, in place of what was known.
    ///
    /// # Errors
    /// [`BanFault::Full`].
    pub fn restore(&mut self, client: &ClientKey, standing: Standing) -> Result<(), BanFault> {
        self.set(client, standing.state, None)?;
        if let Some(held) = self.standings.get_mut(client) {
            (held.past, held.ended) = (standing.past, standing.ended);
        }
        Ok(())
    }

    /// Forgets whom nothing holds for any more. Whoever has seen all changes needs no word of it: every
    /// ban ends by itself wherever it was taught.
    pub fn expire(&mut self, now: UnixSeconds) {
        let changes = &mut self.changes;
        self.standings.retain(|_, standing| {
            standing.past.retain(|past| past.forgotten > now);
            standing.ended.take_if(|ended| !ended.lives(now));
            let remembered = !standing.past.is_empty() || standing.ended.is_some();
            let kept = standing.state.until() > now || remembered;
            if !kept {
                changes.remove(&standing.change);
            }
            kept
        });
    }

    /// The last change.
    #[must_use]
    pub const fn last_change(&self) -> ChangeNumber {
        self.last
    }

    /// The first change after one that was seen.
    #[must_use]
    pub fn change_after(&self, seen: ChangeNumber) -> Option<(ChangeNumber, &ClientKey, &Standing)> {
        let after = (std::ops::Bound::Excluded(seen), std::ops::Bound::Unbounded);
        let (number, client) = self.changes.range(after).next()?;
        self.standings.get(client).map(|standing| (*number, client, standing))
    }

    fn set(&mut self, client: &ClientKey, state: State, past: Option<Past>) -> Result<(), BanFault> {
        let full = self.standings.len() >= MOST_CLIENTS;
        let change = ChangeNumber(self.last.0 + 1);
        match self.standings.get_mut(client) {
            Some(standing) => {
                self.changes.remove(&standing.change);
                (standing.state, standing.change) = (state, change);
                standing.remember(past);
            }
            None if full => return Err(BanFault::Full),
            None => {
                let mut standing = Standing { state, past: Vec::new(), ended: None, change };
                standing.remember(past);
                self.standings.insert(client.clone(), standing);
            }
        }
        self.changes.insert(change, client.clone());
        self.last = change;
        Ok(())
    }
}

/// What an offence changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It will be remembered; what holds already is harder.
    Remembered,
    /// The client is banned, or for longer.
    Banned,
}

impl Standing {
    /// What is taught of it.
    #[must_use]
    pub fn taught(&self) -> Taught {
        match &self.state {
            State::Banned(ban) => Taught { action: Some(ban.action), until: ban.until },
            State::Pardoned { until } => Taught { action: None, until: *until },
        }
    }

    fn past_of(&self, signal: &SignalName) -> Option<&Past> {
        self.past.iter().find(|past| past.signal == *signal)
    }

    fn remember(&mut self, past: Option<Past>) {
        if let Some(past) = past {
            self.past.retain(|other| other.signal != past.signal);
            self.past.push(past);
        }
    }
}

impl State {
    /// When it ends.
    #[must_use]
    pub const fn until(&self) -> UnixSeconds {
        match self {
            Self::Banned(ban) => ban.until,
            Self::Pardoned { until } => *until,
        }
    }
}

/// The rung that an offence leads to, counted from 1; `None` while the ban for the last one runs and
/// has not to be drawn out.
fn climb(signal: &Signal, past: Option<&Past>, now: UnixSeconds) -> Option<(usize, Rung)> {
    let at = |number: usize| signal.rungs.get(number.saturating_sub(1)).map(|rung| (number, *rung));
    let highest = signal.rungs.len();
    match past.filter(|past| past.forgotten > now) {
        None => at(1),
        Some(past) if past.ends <= now => at((past.rung + 1).min(highest)),
        Some(past) => {
            let (number, rung) = at(past.rung.min(highest))?;
            let passes = matches!(rung.action, Action::Observe | Action::RequireIdentity);
            // Not at every request of somebody who goes on.
            let due = past.ends.since(now) <= rung.seconds / 2;
            (passes && due).then_some((number, rung))
        }
    }
}
