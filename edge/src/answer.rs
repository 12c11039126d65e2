//! What the client gets.

use countersign_contract::decision_id::DecisionId;
use countersign_contract::header;
use serde::Serialize;

use crate::platform::OriginHead;
use crate::refusal::{Refusal, Status};
use crate::scrub;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One of ours.
    Refused(RefusalAnswer),
    /// The origin's, with these changes; the platform holds its body.
    FromOrigin(OriginChanges),
}

/// A refusal: problem details (RFC 9457) that say little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalAnswer {
    /// The status.
    pub status: Status,
    /// All its headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, JSON.
    pub body: String,
}

/// The changes to the origin's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginChanges {
    /// Headers that are only for us.
    pub remove: Vec<String>,
    /// The value of `Countersign-Decision`.
    pub decision: String,
}

impl RefusalAnswer {
    /// The answer for a refusal.
    #[must_use]
    pub fn of(refusal: &Refusal, decision: DecisionId) -> Self {
        #[derive(Serialize)]
        struct Problem<'a> {
            title: &'a str,
            status: u16,
            decision_id: DecisionId,
        }
        let status = refusal.status();
        let problem = Problem { title: status.title(), status: status.code(), decision_id: decision };
        let mut headers = vec![
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
            (header::DECISION, decision.to_string()),
        ];
        headers.extend(refusal.retry_after().map(|seconds| ("retry-after", seconds.to_string())));
        headers.extend(refusal.challenge().map(|challenge| ("www-authenticate", challenge.to_owned())));
        if status == Status::MethodNotAllowed {
            headers.push(("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned()));
        }
        Self { status, headers, body: serde_json::to_string(&problem).unwrap_or_default() }
    }
}

impl OriginChanges {
    /// The changes to an answer of the origin.
    ///
    /// Its decision id is ours, unless it says that it found no valid assertion (`h-`): that one
    /// is what its records go by. One out of a cache is of an earlier request and gives way.
    #[must_use]
    pub fn of(origin: &OriginHead, ours: DecisionId) -> Self {
        let remove = origin.header_names.iter().filter(|name| scrub::is_own(name)).cloned().collect();
        let decision = origin_decision(origin).unwrap_or_else(|| ours.to_string());
        Self { remove, decision }
    }
}

/// The id that HAProxy made for a request in which it found no valid assertion.
#[must_use]
pub fn origin_decision(origin: &OriginHead) -> Option<String> {
    let [decision] = origin.decisions.as_slice() else { return None };
    let text = std::str::from_utf8(decision).ok()?;
    let is_id = text.strip_prefix("h-").is_some_and(|id| id.parse::<DecisionId>().is_ok());
    is_id.then(|| text.to_owned())
}
