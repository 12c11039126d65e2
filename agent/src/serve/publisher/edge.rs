//! Bringing the list to the edge's store: one call at a time, for as long as the publisher runs.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_contract::list::{ListKeys, Record};
use countersign_contract::mac_keys::MacKeysFault;
use countersign_contract::name::KeyId;
use countersign_contract::time::{UnixMillis, UnixSeconds};
use thiserror::Error;

use super::Publisher;
use crate::admin::EdgeStatus;
use crate::publish::api::{Api, Token, TokenError};
use crate::publish::budget::Budget;
use crate::publish::publication::{Failure, Publication, Reading, Rules, Task};
use crate::reputation::bans::{Bans, ChangeNumber, Standing, State};
use crate::serve::clock::now;
use crate::settings::{Access, Edge as Settings};

/// The longest wait before the clock is looked at again.
const LONGEST_WAIT: u64 = 60_000;

/// Why the edge's store can't be written.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The token can't be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The list keys can't be read.
    #[error("list keys {file}: {source}", file = file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The list keys are none.
    #[error("list keys {file}: {source}", file = file.display())]
    Keys {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: MacKeysFault,
    },
    /// The list key in use is not among them.
    #[error("list keys {file}: `{key}` is not among them: expected the key that `edge.list_key` names", file = file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
        /// The key's id.
        key: KeyId,
    },
    /// The target is not named.
    #[error("the store is not named: expected `edge.store`, or `edge.service` and `edge.dictionary`")]
    NoTarget,
}

/// The edge's store, and what is on its way there.
#[derive(Debug)]
pub(super) struct Edge {
    api: Api,
    propagation: u64,
    state: Mutex<On>,
}

#[derive(Debug)]
struct On {
    publication: Publication,
    seen: ChangeNumber,
    fault: Option<String>,
}

impl Edge {
    /// Reads token and keys.
    pub(super) fn new(settings: &Settings) -> Result<Self, EdgeError> {
        let token = Token::read(&settings.token)?;
        let file = settings.list_keys.clone();
        let text = std::fs::read_to_string(&file)
            .map_err(|source| EdgeError::Read { file: file.clone(), source })?;
        let keys = ListKeys::parse(&text).map_err(|source| EdgeError::Keys { file: file.clone(), source })?;
        let keys: HashMap<_, _> = keys.iter().map(|(id, key)| (id.clone(), key)).collect();
        if !keys.contains_key(&settings.list_key) {
            return Err(EdgeError::NoKey { file, key: settings.list_key.clone() });
        }
        let rules = Rules {
            buckets: settings.buckets,
            key: settings.list_key.clone(),
            keys,
            mode: settings.mode,
            writer: format!("countersign-{}", std::process::id()),
            settle: settings.propagation_seconds.saturating_mul(1000),
            gather: settings.gather_millis,
            reconcile: settings.reconcile_seconds.max(1).saturating_mul(1000),
            reading: match settings.access {
                Access::ReadWrite => Reading::Possible,
                Access::WriteOnly => Reading::Impossible,
            },
        };
        let budget = Budget::new(settings.flushes_per_hour, settings.flushes_for_lifts);
        let publication = Publication::new(rules, budget, now());
        let target = settings.target().ok_or(EdgeError::NoTarget)?;
        Ok(Self {
            api: Api::new(&settings.api, target, token),
            propagation: settings.propagation_seconds,
            state: Mutex::new(On { publication, seen: ChangeNumber::default(), fault: None }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, On> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what changed.
    pub(super) fn follow(&self, bans: &Bans, at: UnixMillis) {
        let mut on = self.lock();
        let On { publication, seen, .. } = &mut *on;
        while let Some((number, client, standing)) = bans.change_after(*seen) {
            *seen = number;
            publication.set(client, record_of(standing, at.seconds()), at);
        }
    }

    /// What is to be done now.
    pub(super) fn next(&self, at: UnixMillis) -> Task {
        self.lock().publication.next(at)
    }

    /// Whether the store holds all that it should.
    pub(super) fn is_settled(&self, at: UnixMillis) -> bool {
        self.lock().publication.is_settled(at)
    }

    /// Does what is to be done, but for waiting. Blocks while it speaks with the API.
    pub(super) fn perform(&self, task: &Task) {
        match task {
            Task::Wait(_) => {}
            Task::List if self.lock().publication.reading() == Reading::Impossible => {
                self.lock().publication.unlistable(now());
            }
            Task::List => match self.api.list(now()) {
                Ok(items) => {
                    let mut on = self.lock();
                    on.publication.listed(items, now());
                    on.fault = None;
                }
                Err(error) => self.failed(&error.to_string(), error.failure(now())),
            },
            Task::Write(operations) => {
                self.lock().publication.writes(now());
                match self.api.write(operations, now()) {
                    Ok(told) => {
                        let mut on = self.lock();
                        on.publication.wrote(operations, told, now());
                        on.fault = None;
                        tracing::info!(operations = operations.len(), "written to the edge's store");
                    }
                    Err(error) => self.failed(&error.to_string(), error.failure(now())),
                }
            }
        }
    }

    fn failed(&self, why: &str, failure: Failure) {
        let mut on = self.lock();
        on.publication.failed(failure, jitter(), now());
        if on.fault.as_deref() != Some(why) {
            tracing::warn!("the edge's store: {why}");
        }
        on.fault = Some(why.to_owned());
    }

    /// Forgets what is over.
    pub(super) fn tidy(&self) {
        self.lock().publication.expire(now());
    }

    pub(super) fn status(&self) -> EdgeStatus {
        let at = now();
        let on = self.lock();
        let settled = on.publication.settled();
        let waits = !on.publication.is_settled(at);
        let everywhere = settled.map(|settled| settled.at.seconds().plus(self.propagation));
        EdgeStatus {
            generation: settled.map(|settled| settled.generation),
            since: settled.map(|settled| settled.at.seconds()),
            everywhere: everywhere.filter(|_| !waits),
            listed: on.publication.wanted(),
            left_out: on.publication.left_out(),
            writes: on.publication.writes_used(at),
            fault: on.fault.clone(),
        }
    }
}

/// What the list is to say of a client.
fn record_of(standing: &Standing, at: UnixSeconds) -> Option<Record> {
    match &standing.state {
        State::Banned(ban) if ban.until > at => Some(Record { action: ban.action, expires: ban.until }),
        State::Banned(_) | State::Pardoned { .. } => None,
    }
}

/// Publishes until it is dropped.
pub(super) async fn publish(publisher: Arc<Publisher>, edge: Arc<Edge>) {
    let mut changes = publisher.changes();
    loop {
        changes.mark_unchanged();
        edge.follow(publisher.lock().bans.bans(), now());
        match edge.next(now()) {
            Task::Wait(until) => {
                let wait = until.0.saturating_sub(now().0).clamp(1, LONGEST_WAIT);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                    changed = changes.changed() => if changed.is_err() { return },
                }
            }
            task => {
                let edge = Arc::clone(&edge);
                let performed = tokio::task::spawn_blocking(move || edge.perform(&task)).await;
                if performed.is_err() {
                    tracing::error!("a call of the API was cut off");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// From 0 to 1.
fn jitter() -> f64 {
    let mut random = [0; 2];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u16::from_le_bytes(random)) / 65_535.0,
        Err(_) => 1.0,
    }
}
