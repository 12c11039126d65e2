//! Experiments: who belongs to which arm of one (A/B), the same arm each time.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::decision_id::DecisionId;
use crate::name::{ArmName, ExperimentName, Subject};

/// The largest share of an arm.
pub const LARGEST_SHARE: u32 = 10_000;

/// An experiment: its arms and their shares, parts of the sum of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The share of each arm, at most [`LARGEST_SHARE`]; 0 is nobody's.
    pub arms: BTreeMap<ArmName, u32>,
}

/// Who is put into an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Participant<'a> {
    /// Who is signed in: the same arm on all their devices.
    Subject(&'a Subject),
    /// A browser of nobody known, by an id of its own.
    Visitor(VisitorId),
}

/// The id of a browser in which nobody is signed in: 128 random bits, written as a decision id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VisitorId(DecisionId);

impl VisitorId {
    /// An id of random bytes.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(DecisionId::from_random(bytes))
    }

    /// Reads the digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        std::str::from_utf8(text).ok()?.parse().ok().map(Self)
    }
}

impl fmt::Display for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Experiment {
    /// The arm of somebody: by a hash of the experiment's name and who it is, so that arms of two experiments have
    /// nothing to do with each other. `None` where all shares are 0.
    ///
    /// The arms lie side by side in the order of their names. So where the first one's share grows, whoever was in
    /// it stays.
    #[must_use]
    pub fn arm_of(&self, name: &ExperimentName, participant: Participant<'_>) -> Option<&ArmName> {
        let total: u64 = self.arms.values().map(|share| u64::from(*share)).sum();
        // A fraction of 2^64 of the whole, without the bias of a remainder.
        let place = (u128::from(hash(name, participant)) * u128::from(total)) >> 64;
        let mut end = 0;
        self.arms.iter().find_map(|(arm, share)| {
            end += u128::from(*share);
            (place < end).then_some(arm)
        })
    }
}

fn hash(name: &ExperimentName, participant: Participant<'_>) -> u64 {
    let mut hash = Sha256::new_with_prefix(b"countersign experiment\0");
    // No name has a NUL.
    hash.update(name.as_str());
    match participant {
        Participant::Subject(subject) => {
            hash.update(b"\0s");
            hash.update(subject.as_str());
        }
        Participant::Visitor(id) => {
            hash.update(b"\0v");
            hash.update(id.0.as_bytes());
        }
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
