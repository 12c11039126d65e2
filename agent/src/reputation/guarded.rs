//! Bans behind the guard: what signals ask for is done, spared, or held for a person.

use std::collections::BTreeMap;

use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;

use super::bans::{Ban, BanFault, Bans, Change, Standing};
use super::ended::Told;
use super::guard::{Growth, Guard, Hold, NeverBanned};
use super::signal::Signal;

/// The most clients whose bans are held at once; of more, none is kept: a person decides about all.
const MOST_HELD: usize = 100_000;

/// For how long a ban waits, in seconds: after that its counts say nothing of who has the address now.
const HELD_FOR: u64 = 900;

/// Bans, and what stands before them.
#[derive(Debug)]
pub struct Guarded {
    bans: Bans,
    guard: Guard,
    growth: Growth,
    hold: Option<Hold>,
    last: Option<Hold>,
    held: BTreeMap<ClientKey, Held>,
    approved_until: UnixSeconds,
}

/// A ban that waits.
#[derive(Clone, Debug)]
struct Held {
    since: UnixSeconds,
    signal: Signal,
    counts: BTreeMap<String, u64>,
}

/// How many clients are seen, and how many of them are suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Clients that offend, or are half way there.
    pub suspects: usize,
    /// Clients seen lately.
    pub seen: usize,
}

/// What came of an offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What the bans made of it.
    Done(Change),
    /// The client is never banned.
    Spared(NeverBanned),
    /// It waits for a person.
    Held(Hold),
}

/// Why a ban by hand is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddFault {
    /// The client is never banned.
    #[error(transparent)]
    Never(#[from] NeverBanned),
    /// The bans can't take it.
    #[error(transparent)]
    Bans(#[from] BanFault),
}

impl Guarded {
    /// These bans behind this guard.
    #[must_use]
    pub fn new(bans: Bans, guard: Guard) -> Self {
        Self {
            bans,
            guard,
            growth: Growth::default(),
            hold: None,
            last: None,
            held: BTreeMap::new(),
            approved_until: UnixSeconds(0),
        }
    }

    /// The bans.
    #[must_use]
    pub const fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Why bans by signals are held, and how many clients wait.
    #[must_use]
    pub fn hold(&self) -> Option<(Hold, usize)> {
        let waiting = self.last.filter(|_| !self.held.is_empty());
        self.hold.or(waiting).map(|hold| (hold, self.held.len()))
    }

    /// A signal saw an offence; `crowd` is asked only where it would be a ban.
    ///
    /// # Errors
    /// [`BanFault`].
    pub fn offend(
        &mut self,
        client: &ClientKey,
        signal: &Signal,
        counts: BTreeMap<String, u64>,
        crowd: impl FnOnce() -> Crowd,
        now: UnixSeconds,
    ) -> Result<Outcome, BanFault> {
        if !self.bans.would_ban(client, signal, now) {
            return Ok(Outcome::Done(Change::None));
        }
        if let Err(never) = self.guard.may_ban(client) {
            return Ok(Outcome::Spared(never));
        }
        if self.approved_until <= now {
            let Crowd { suspects, seen } = crowd();
            self.hold = self.guard.share(suspects, seen).or_else(|| self.growth.one_more(&self.guard, now));
            if let Some(hold) = self.hold {
                self.last = Some(hold);
                if self.held.len() < MOST_HELD {
                    self.held.insert(client.clone(), Held { since: now, signal: signal.clone(), counts });
                }
                return Ok(Outcome::Held(hold));
            }
        }
        self.held.remove(client);
        self.bans.offend(client, signal, counts, now).map(Outcome::Done)
    }

    /// A person has looked: what is held is done, and for a time nothing more is held. Gives how many
    /// clients were banned.
    ///
    /// # Errors
    /// [`BanFault`]; what was done before stays.
    pub fn approve(&mut self, now: UnixSeconds) -> Result<usize, BanFault> {
        self.approved_until = now.plus(self.guard.approval_seconds);
        self.hold = None;
        let mut banned = 0;
        for (client, held) in std::mem::take(&mut self.held) {
            banned +=
                usize::from(self.bans.offend(&client, &held.signal, held.counts, now)? == Change::Banned);
        }
        Ok(banned)
    }

    /// Bans somebody by hand.
    ///
    /// # Errors
    /// [`AddFault`].
    pub fn add(&mut self, client: &ClientKey, ban: Ban, now: UnixSeconds) -> Result<(), AddFault> {
        self.guard.may_ban(client)?;
        Ok(self.bans.add(client, ban, now)?)
    }

    /// As [`Bans::sign_out`]: as by hand, since the identity provider is who knows.
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
        self.bans.sign_out(told, node, seconds, now)
    }

    /// As [`Bans::remove`].
    pub fn remove(&mut self, client: &ClientKey, pardon_seconds: u64, now: UnixSeconds) -> Option<Ban> {
        self.held.remove(client);
        self.bans.remove(client, pardon_seconds, now)
    }

    /// Lets those go whom nobody may ban: the guard may have been set otherwise when they were banned.
    pub fn spare(&mut self, now: UnixSeconds) -> usize {
        let spared: Vec<_> = self
            .bans
            .iter(now)
            .filter(|(client, _)| self.guard.may_ban(client).is_err())
            .map(|(client, _)| client.clone())
            .collect();
        spared.iter().filter_map(|client| self.bans.remove(client, 1, now)).count()
    }

    /// As [`Bans::get`].
    #[must_use]
    pub fn get(&self, client: &ClientKey, now: UnixSeconds) -> Option<&Standing> {
        self.bans.get(client, now)
    }

    /// As [`Bans::expire`].
    pub fn expire(&mut self, now: UnixSeconds) {
        self.held.retain(|_, held| now.since(held.since) < HELD_FOR);
        if self.held.is_empty() {
            (self.hold, self.last) = (None, None);
        }
        self.bans.expire(now);
    }
}
