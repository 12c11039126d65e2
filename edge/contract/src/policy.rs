//! The policy as both tiers read it: the routes, and the digest that says they read the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::experiment::Experiment;
use crate::name::{ExperimentName, GroupName};
use crate::route::Route;

/// The digest of a policy: the first 16 bytes of SHA-256 over its compiled form, as 32 lower-case
/// hexadecimal digits. Travels in every assertion, so that the origin sees which policy an edge used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PolicyDigest(String);

/// Why a text is not a policy digest.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("a policy digest is 32 lower-case hexadecimal digits")]
pub struct NotADigest;

impl PolicyDigest {
    /// Digests the compiled form of a policy.
    #[must_use]
    pub fn of(compiled: &[u8]) -> Self {
        let digest = Sha256::digest(compiled);
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<PolicyDigest> for String {
    fn from(digest: PolicyDigest) -> Self {
        digest.0
    }
}

impl TryFrom<String> for PolicyDigest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(is_digit) { Ok(Self(text)) } else { Err(NotADigest) }
    }
}

/// What the edge needs of the policy. Kept in its config store in parts, since an item holds 8000
/// characters: `policy.D.0`, `policy.D.1`, …, where D is the digest of them together. The item
/// `policy` says how many there are and their digest. Written last, it switches from one policy to
/// the next at once, while the parts of both lie there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgePolicy {
    /// The digest of the policy that this was compiled from.
    pub digest: PolicyDigest,
    /// Every group that the policy names: only these travel in assertions.
    pub groups: BTreeSet<GroupName>,
    /// The experiments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub experiments: BTreeMap<ExperimentName, Experiment>,
    /// The routes.
    pub routes: Vec<Route>,
}

/// The most parts that a policy is cut into: with `settings`, `policy` and a list look-up, well
/// inside the 32 look-ups that the platform grants a request.
const MOST_PARTS: usize = 16;
/// Longest value of an item, in bytes. The compiled form may hold characters of several bytes;
/// the store counts characters, so counting bytes is on the safe side.
const PART_BYTES: usize = 8000;
/// The item of the number of parts and their digest, with a space between.
const ITEM: &str = "policy";

/// Why a compiled policy can't be stored or read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EdgePolicyFault {
    /// Too large for the store.
    #[error("the compiled policy has {0} bytes, at most {most} fit into the edge's store", most = MOST_PARTS * PART_BYTES)]
    TooLarge(usize),
    /// An item is missing.
    #[error("item `{0}` is missing")]
    Missing(String),
    /// The head can't be read.
    #[error("item `policy` is not a number of parts from 1 to 16, a space and their digest")]
    Head,
    /// The parts are not those that the head was written with.
    #[error("the policy's parts are not those that item `policy` was written with: write them again")]
    Mixed,
    /// The parts don't make up a policy.
    #[error("the policy's items can't be read: {0}")]
    Json(String),
}

impl EdgePolicy {
    /// The items of the store, names and values, in the order in which they are to be written.
    ///
    /// # Errors
    /// [`EdgePolicyFault::TooLarge`] if they don't fit.
    pub fn to_items(&self) -> Result<Vec<(String, String)>, EdgePolicyFault> {
        let json = serde_json::to_string(self).map_err(|e| EdgePolicyFault::Json(e.to_string()))?;
        let digest = PolicyDigest::of(json.as_bytes());
        let mut items = Vec::new();
        let mut rest = json.as_str();
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(PART_BYTES);
            let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            items.push((part_key(&digest, items.len()), part.to_owned()));
            rest = after;
        }
        if items.len() > MOST_PARTS {
            return Err(EdgePolicyFault::TooLarge(json.len()));
        }
        items.push((ITEM.to_owned(), format!("{} {digest}", items.len())));
        Ok(items)
    }

    /// Reads the items of the store through `item`.
    ///
    /// # Errors
    /// [`EdgePolicyFault`] if one is missing or they can't be read together.
    pub fn from_items(item: impl Fn(&str) -> Option<String>) -> Result<Self, EdgePolicyFault> {
        let read = |name: String| item(&name).ok_or(EdgePolicyFault::Missing(name));
        let head = read(ITEM.to_owned())?;
        let (parts, digest) = head.split_once(' ').ok_or(EdgePolicyFault::Head)?;
        let digest = PolicyDigest::try_from(digest.to_owned()).map_err(|_| EdgePolicyFault::Head)?;
        let parts = (1..=MOST_PARTS).find(|n| n.to_string() == parts).ok_or(EdgePolicyFault::Head)?;
        let mut json = String::new();
        for part in 0..parts {
            json.push_str(&read(part_key(&digest, part))?);
        }
        if PolicyDigest::of(json.as_bytes()) != digest {
            return Err(EdgePolicyFault::Mixed);
        }
        serde_json::from_str(&json).map_err(|e| EdgePolicyFault::Json(e.to_string()))
    }
}

/// The item of one part. Sixteen digits tell the few policies of one store apart.
fn part_key(digest: &PolicyDigest, part: usize) -> String {
    let digits = digest.as_str();
    format!("{ITEM}.{}.{part}", digits.get(..16).unwrap_or(digits))
}
