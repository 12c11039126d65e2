//! What is an offence: a value of a stick table over a threshold.

use std::fmt;
use std::str::FromStr;

use countersign_contract::list::Action;
use haproxy_wire::peers::{Arity, DataType, Shape};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest ban, in seconds: HAProxy counts the life of an entry in 31 bits of milliseconds.
pub const LONGEST_BAN: u64 = 24 * 86_400;

/// Which value of which table, over which threshold, means what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Its name, in explanations and records.
    pub name: SignalName,
    /// The stick table, as HAProxy's configuration names it.
    pub table: String,
    /// The value, as `gpc_rate[0]` or `http_req_rate`.
    pub value: TableValue,
    /// An offence is more than so many, summed over all nodes: of a rate in one period of the
    /// table, of a counter since the last offence.
    pub over: u64,
    /// For how long an offence is remembered: the next one within this time climbs a rung.
    #[serde(default = "day")]
    pub remember_seconds: u64,
    /// What is done at the first offence, at the second, and so on; the last one stays.
    pub rungs: Vec<Rung>,
}

const fn day() -> u64 {
    86_400
}

/// What is done at an offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// What.
    pub action: Action,
    /// For how long.
    pub seconds: u64,
}

/// The name of a signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalName(String);

impl SignalName {
    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value of a stick table's entries: a data type and, of an array, which element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TableValue {
    /// The data type.
    pub data_type: DataType,
    /// The element; 0 where there is only one.
    pub index: u8,
}

/// Text that is no value of a table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a value of a stick table: expected a counter or rate as `http_req_rate`, or of an array as `gpc_rate[0]`"
)]
pub struct NotAValue(String);

impl FromStr for TableValue {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let fault = || NotAValue(text.to_owned());
        let (name, index) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| fault())?)),
            None => (text, None),
        };
        let data_type = DataType::ALL.into_iter().find(|data_type| data_type.name() == name);
        let data_type = data_type.ok_or_else(fault)?;
        let counts = matches!(data_type.shape(), Shape::Unsigned | Shape::Counter | Shape::Rate);
        match (data_type.arity(), index) {
            (Arity::One, None) if counts => Ok(Self { data_type, index: 0 }),
            (Arity::Many, Some(index)) if counts => Ok(Self { data_type, index }),
            _ => Err(fault()),
        }
    }
}

impl TryFrom<String> for TableValue {
    type Error = NotAValue;

    fn try_from(text: String) -> Result<Self, NotAValue> {
        text.parse()
    }
}

impl fmt::Display for TableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data_type.arity() {
            Arity::One => write!(f, "{}", self.data_type),
            Arity::Many => write!(f, "{}[{}]", self.data_type, self.index),
        }
    }
}

/// Why a signal can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignalFault {
    /// Two have one name.
    #[error("two signals are named `{0}`: expected a name of its own for each")]
    Twice(SignalName),
    /// Nothing would be done.
    #[error(
        "signal `{0}` has no `rungs`: expected at least one, as `[{{ action = \"throttle\", seconds = 300 }}]`"
    )]
    NoRungs(SignalName),
    /// A rung is too short or too long.
    #[error("signal `{0}` has a rung of {1} s: expected 1 to {LONGEST_BAN}")]
    Seconds(SignalName, u64),
    /// The ladder goes down.
    #[error("signal `{0}` has a rung that is milder than the one before: expected them to go up")]
    Descends(SignalName),
    /// An address would be blocked at once.
    #[error(
        "signal `{0}` blocks an address at its first offence: expected `throttle` or milder first, \
         since many people may share an address; `bans add` blocks by hand"
    )]
    BlocksAtOnce(SignalName),
}

impl Signal {
    /// Whether the table's keys are subjects, which nobody shares; by the name, as the shipped files have it.
    #[must_use]
    pub fn is_of_subjects(&self) -> bool {
        self.table.ends_with("_subject")
    }

    /// Checks signals against each other and the ladder.
    ///
    /// # Errors
    /// The first [`SignalFault`].
    pub fn check(signals: &[Self]) -> Result<(), SignalFault> {
        for (at, signal) in signals.iter().enumerate() {
            let name = || signal.name.clone();
            if signals.iter().take(at).any(|other| other.name == signal.name) {
                return Err(SignalFault::Twice(name()));
            }
            let Some(first) = signal.rungs.first() else { return Err(SignalFault::NoRungs(name())) };
            if let Some(rung) = signal.rungs.iter().find(|rung| !(1..=LONGEST_BAN).contains(&rung.seconds)) {
                return Err(SignalFault::Seconds(name(), rung.seconds));
            }
            if !signal.rungs.is_sorted_by_key(|rung| rung.action) {
                return Err(SignalFault::Descends(name()));
            }
            if first.action == Action::Block && !signal.is_of_subjects() {
                return Err(SignalFault::BlocksAtOnce(name()));
            }
        }
        Ok(())
    }
}
