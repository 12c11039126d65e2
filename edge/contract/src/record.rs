//! The decision record: one line of JSON a decision at each tier, with the same field names.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::list::Action;
use crate::name::GroupName;

/// One decision, as one tier saw it. Joined with the other tier's by `decision_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord<'a> {
    /// When, RFC 3339 in UTC with milliseconds.
    pub time: Cow<'a, str>,
    /// Which tier wrote it.
    pub tier: Tier,
    /// The decision id.
    pub decision_id: Cow<'a, str>,
    /// Who made that id.
    pub id_from: IdSource,
    /// What was done.
    pub verdict: Verdict,
    /// The status of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why, as a word.
    pub reason: Cow<'a, str>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    /// What it would have been, where the route or the edge's list only observes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<WouldBe<'a>>,
    /// The route that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Cow<'a, str>>,
    /// The route's mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Cow<'a, str>>,
    /// The route's class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Cow<'a, str>>,
    /// The pool that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Cow<'a, str>>,
    /// The arm of the route's experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<Cow<'a, str>>,
    /// The request's method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// The request's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Cow<'a, str>>,
    /// The request's path, never its query: that may hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// The client's address; at the agent only from a verified assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<std::net::IpAddr>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Cow<'a, str>>,
    /// The log-in that they are known by, which `countersign revoke --session` takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// Their groups.
    #[serde(default, skip_serializing_if = "<[GroupName]>::is_empty")]
    pub groups: Cow<'a, [GroupName]>,
    /// The key of the assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<Cow<'a, str>>,
    /// At the edge: the key of the issuer that the shown token is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_kid: Option<Cow<'a, str>>,
    /// At the edge: the key of the session cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_kid: Option<Cow<'a, str>>,
    /// At the edge: the key of a bot's signature, the thumbprint that its directory has it under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_kid: Option<Cow<'a, str>>,
    /// At the edge: the key that the list is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_kid: Option<Cow<'a, str>>,
    /// At the edge: the key of the origin's receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_kid: Option<Cow<'a, str>>,
    /// The edge service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Cow<'a, str>>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Cow<'a, str>>,
    /// The digest of the policy that this tier used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Cow<'a, str>>,
    /// At the agent: the digest of the edge's policy where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_policy: Option<Cow<'a, str>>,
    /// What this tier's list says of the client, refused for it or not: the hardest action over its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Action>,
    /// At the edge: the generation of the list that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_generation: Option<u64>,
    /// At the edge: why the list could not be read, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_fault: Option<Cow<'a, str>>,
    /// At the edge: how much of `micros` looking the client up in the list took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_micros: Option<u64>,
    /// At the edge: the status of the answer that came from the origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_status: Option<u16>,
    /// At the edge: what the agent decided, where a receipt proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_verdict: Option<Verdict>,
    /// At the edge: the agent's reason, where a receipt proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_reason: Option<Cow<'a, str>>,
    /// At the edge: why the answer of the origin proves no decision, where the edge holds keys for receipts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_fault: Option<Cow<'a, str>>,
    /// How long this tier took, in microseconds; at the edge with the origin's time.
    pub micros: u64,
}

/// What a route or a list that only observes would have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldBe<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// The status.
    pub status: u16,
    /// Why, as a word.
    pub reason: Cow<'a, str>,
    /// Why, for people.
    pub detail: Cow<'a, str>,
}

/// The two tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Fastly Compute.
    Edge,
    /// Beside HAProxy.
    Agent,
}

/// Who made a decision id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdSource {
    /// The edge, which sent it on: it is the assertion's `txn`.
    Assertion,
    /// HAProxy: there was no valid assertion.
    Haproxy,
    /// The edge, for a request that it refused before there was an assertion.
    Edge,
}

/// What a tier did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Let it on.
    Allow,
    /// Refused it.
    Deny,
}

impl Verdict {
    /// The word for it in records and receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// The verdict of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Allow, Self::Deny].into_iter().find(|verdict| verdict.as_str() == word)
    }
}
