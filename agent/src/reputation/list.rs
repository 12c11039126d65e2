//! What an agent was taught of clients, for decisions: in memory, no network.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_contract::assertion::Claims;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;
use dashmap::DashMap;

use super::table::Taught;

/// The longest wait that a client is told, in seconds.
const LONGEST_WAIT: u32 = 86_400;

/// The clients that the publisher has listed.
#[derive(Debug, Default)]
pub struct List {
    addresses: DashMap<ClientKey, Entry>,
    subjects: DashMap<String, Entry>,
    sessions: DashMap<String, Entry>,
    len: AtomicUsize,
}

/// Which teaching an entry is from: a whole one replaces all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Teaching(pub u64);

/// What holds for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What is done.
    pub action: Action,
    /// Whom it was said of.
    pub of: Of,
    /// For how many seconds more, a day at most.
    pub seconds: u32,
}

/// Whom something is said of, by what weighs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// One log-in of somebody, who may sign in again.
    LogIn,
    /// Somebody, or their address.
    Client,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    action: Action,
    until: UnixSeconds,
    teaching: Teaching,
}

impl List {
    /// How many clients are listed, those whose time is over and that were not swept yet too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether nobody is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes what was taught of a client.
    pub fn set(&self, client: ClientKey, taught: Taught, teaching: Teaching) {
        let listed = taught.action.map(|action| Entry { action, until: taught.until, teaching });
        match (client, listed) {
            (ClientKey::Subject(subject), Some(listed)) => {
                self.subjects.insert(subject.into(), listed);
            }
            (ClientKey::Subject(subject), None) => {
                self.subjects.remove(subject.as_str());
            }
            (ClientKey::Session(session), Some(listed)) => {
                self.sessions.insert(session.into(), listed);
            }
            (ClientKey::Session(session), None) => {
                self.sessions.remove(session.as_str());
            }
            (address, Some(listed)) => {
                self.addresses.insert(address, listed);
            }
            (address, None) => {
                self.addresses.remove(&address);
            }
        }
        self.count();
    }

    /// Keeps what this teaching or a later one said: it was whole, so whatever it did not say is over.
    pub fn keep_since(&self, teaching: Teaching) {
        self.addresses.retain(|_, listed| listed.teaching >= teaching);
        self.subjects.retain(|_, listed| listed.teaching >= teaching);
        self.sessions.retain(|_, listed| listed.teaching >= teaching);
        self.count();
    }

    /// Lets go whose time is over.
    pub fn expire(&self, now: UnixSeconds) {
        self.addresses.retain(|_, listed| listed.until > now);
        self.subjects.retain(|_, listed| listed.until > now);
        self.sessions.retain(|_, listed| listed.until > now);
        self.count();
    }

    fn count(&self) {
        self.len.store(self.addresses.len() + self.subjects.len() + self.sessions.len(), Ordering::Relaxed);
    }

    /// The hardest of what holds for a client: of the address, of who is signed in, of their log-in, and of what HAProxy's
    /// own table told.
    #[must_use]
    pub fn find(&self, claims: &Claims, told: Option<Action>, now: UnixSeconds) -> Option<Listed> {
        let told = told.map(|action| Listed { action, of: Of::Client, seconds: 1 });
        if self.is_empty() {
            return told;
        }
        let of_address = self.addresses.get(&ClientKey::of_address(claims.ip)).map(|entry| *entry);
        let of_subject =
            claims.sub.as_ref().and_then(|subject| self.subjects.get(subject.as_str())).map(|entry| *entry);
        let of_session =
            claims.sid.as_ref().and_then(|session| self.sessions.get(session.as_str())).map(|entry| *entry);
        let of_client = of_address.into_iter().chain(of_subject).map(|entry| (entry, Of::Client));
        let held = of_client
            .chain(of_session.map(|entry| (entry, Of::LogIn)))
            .filter(|(entry, _)| entry.until > now)
            .map(|(entry, of)| entry.listed(of, now));
        held.chain(told).max_by_key(|listed| (listed.action, listed.of, listed.seconds))
    }
}

impl Entry {
    fn listed(&self, of: Of, now: UnixSeconds) -> Listed {
        let seconds = u32::try_from(self.until.since(now)).unwrap_or(LONGEST_WAIT);
        Listed { action: self.action, of, seconds: seconds.clamp(1, LONGEST_WAIT) }
    }
}
