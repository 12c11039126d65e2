//! Which keys are in use, and from when on one is of no use any more: judged from what decision records name.

mod standing;

pub(crate) use standing::Kid;
pub use standing::{Blind, InUse, Standing, Unnamed};

use std::collections::BTreeMap;
use std::fmt;

use countersign_contract::record::Tier;
use countersign_contract::time::UnixMillis;

/// Keys of one role whose use is followed; further ones are counted only.
const MOST_KEYS: usize = 1000;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The edge signs assertions with it, agents verify them.
    Assertion,
    /// The edge makes and reads session cookies with it.
    Session,
    /// Agents make receipts with it, the edge reads them.
    Receipt,
    /// The publisher makes the list with it, the edge reads it.
    List,
    /// The identity provider signs tokens with it, the edge verifies them.
    Token,
}

impl Role {
    /// Every role, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Assertion, Self::Session, Self::Receipt, Self::List, Self::Token];

    /// The role as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Session => "session",
            Self::Receipt => "receipt",
            Self::List => "list",
            Self::Token => "token",
        }
    }

    /// The tiers whose records name keys of this role; those of one do.
    #[must_use]
    pub const fn tiers(self) -> &'static [Tier] {
        match self {
            Self::Assertion => &[Tier::Edge, Tier::Agent],
            Self::Session | Self::Receipt | Self::List | Self::Token => &[Tier::Edge],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// For how long after its last use something made with a key may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So many seconds.
    Seconds(u64),
    /// Not known: what has to be given for it.
    Unknown(String),
    /// The key is held by somebody else, so there is nothing to take away.
    Elsewhere,
}

/// From the first to the last of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: UnixMillis,
    /// The last.
    pub last: UnixMillis,
}

impl Span {
    const fn at(time: UnixMillis) -> Self {
        Self { first: time, last: time }
    }

    fn with(self, time: UnixMillis) -> Self {
        Self { first: self.first.min(time), last: self.last.max(time) }
    }
}

/// When each tier was first and last seen to do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// The edge's records.
    pub edge: Option<Span>,
    /// The agents' records.
    pub agent: Option<Span>,
}

impl Spans {
    /// That of one tier.
    #[must_use]
    pub const fn of(&self, tier: Tier) -> Option<Span> {
        match tier {
            Tier::Edge => self.edge,
            Tier::Agent => self.agent,
        }
    }

    /// From the first to the last of both.
    #[must_use]
    pub fn both(&self) -> Option<Span> {
        match (self.edge, self.agent) {
            (Some(edge), Some(agent)) => Some(edge.with(agent.first).with(agent.last)),
            (edge, agent) => edge.or(agent),
        }
    }

    fn note(&mut self, tier: Tier, time: UnixMillis) {
        let span = match tier {
            Tier::Edge => &mut self.edge,
            Tier::Agent => &mut self.agent,
        };
        *span = Some(span.map_or(Span::at(time), |span| span.with(time)));
    }
}

/// What records say about the use of keys, as of one point in time.
#[derive(Clone, Debug)]
pub struct Usage {
    now: UnixMillis,
    records: Spans,
    keys: BTreeMap<Role, BTreeMap<String, Spans>>,
    beyond: u64,
}

impl Usage {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: UnixMillis) -> Self {
        Self { now, records: Spans::default(), keys: BTreeMap::new(), beyond: 0 }
    }

    /// Follows a key whatever else the records name.
    pub fn follow(&mut self, role: Role, kid: &str) {
        self.keys.entry(role).or_default().entry(kid.to_owned()).or_default();
    }

    /// Notes a record and the keys that it names.
    ///
    /// A record of a clock that runs ahead counts as use at this moment, never as proof that records are recent.
    pub fn note<'a>(
        &mut self,
        tier: Tier,
        time: UnixMillis,
        keys: impl IntoIterator<Item = (Role, &'a str)>,
    ) {
        if time <= self.now {
            self.records.note(tier, time);
        }
        let time = time.min(self.now);
        for (role, kid) in keys {
            let seen = self.keys.entry(role).or_default();
            if let Some(spans) = seen.get_mut(kid) {
                spans.note(tier, time);
            } else if seen.len() < MOST_KEYS {
                seen.entry(kid.to_owned()).or_default().note(tier, time);
            } else {
                self.beyond += 1;
            }
        }
    }

    /// As of when.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.now
    }

    /// From when to when there are records.
    #[must_use]
    pub const fn records(&self) -> &Spans {
        &self.records
    }

    /// How often a key was named that is not followed, since there are too many.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The keys of a role that are followed, with their use.
    pub fn keys(&self, role: Role) -> impl Iterator<Item = (&str, &Spans)> {
        self.keys.get(&role).into_iter().flatten().map(|(kid, spans)| (kid.as_str(), spans))
    }

    /// How a key stands.
    #[must_use]
    pub fn judge(&self, role: Role, kid: &str, hold: &Hold) -> Standing {
        let own = self.keys(role).find(|(other, _)| *other == kid).and_then(|(_, spans)| spans.both());
        let others = || {
            let others = self.keys(role).filter(|(other, _)| *other != kid);
            others.filter_map(|(other, spans)| Some((other, spans.both()?)))
        };
        let latest = others().max_by_key(|(_, span)| span.last);
        let hold = match hold {
            Hold::Seconds(seconds) => *seconds,
            Hold::Unknown(what) => return Standing::Unknown(Blind::Hold(what.clone())),
            Hold::Elsewhere => {
                let newest = own.is_some_and(|own| latest.is_none_or(|(_, other)| own.last >= other.last));
                return Standing::Elsewhere { newest };
            }
        };
        let Some(records) = self.best_records(role, hold) else {
            return Standing::Unknown(Blind::NoRecords(role.tiers()));
        };
        let start = self.now.0.saturating_sub(hold.saturating_mul(1000));
        if records.last.0 < start {
            return Standing::Unknown(Blind::Stale { records, hold });
        }
        let too_short = records.first.0 > start;
        let Some(own) = own else {
            return match latest {
                _ if too_short => Standing::Unknown(Blind::Short { records, hold }),
                None => Standing::Unnamed(Unnamed::NorAnother(role)),
                Some((other, span)) => {
                    let (other, until) = (other.to_owned(), after(span.first, hold));
                    Standing::Unnamed(if until <= records.last {
                        Unnamed::Safe { other, since: span.first }
                    } else {
                        Unnamed::NotYet { other, until }
                    })
                }
            };
        };
        let Some((newer, _)) = latest.filter(|(_, other)| other.last > own.last) else {
            return Standing::InUse(InUse::Newest);
        };
        let (newer, quiet) = (newer.to_owned(), after(own.last, hold));
        let replaced = others().any(|(_, other)| other.first > own.last);
        if records.last < quiet && !replaced {
            // Both were used by turns, so some edge may be about to use it again.
            return Standing::InUse(InUse::Again { newer, until: own.last, not_before: quiet });
        }
        if too_short {
            Standing::Unknown(Blind::Short { records, hold })
        } else if self.now < quiet {
            Standing::SafeAfter { time: quiet, newer }
        } else if records.last < quiet {
            Standing::Unknown(Blind::Behind { records, quiet })
        } else {
            Standing::SafeNow { since: quiet, newer }
        }
    }

    /// The records of one tier that say most about keys of a role: those that reach back for the hold
    /// time, if any do, and of these the most recent.
    fn best_records(&self, role: Role, hold: u64) -> Option<Span> {
        let start = self.now.0.saturating_sub(hold.saturating_mul(1000));
        let tiers = role.tiers().iter().filter_map(|tier| self.records.of(*tier));
        tiers.max_by_key(|span| {
            let recent = span.last.0 >= start;
            (recent && span.first.0 <= start, span.last)
        })
    }
}

const fn after(time: UnixMillis, seconds: u64) -> UnixMillis {
    UnixMillis(time.0.saturating_add(seconds.saturating_mul(1000)))
}
