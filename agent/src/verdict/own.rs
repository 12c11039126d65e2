//! Paths that are Countersign's own, whatever the policy says: a log-in that is over is told of on one of them.

use countersign_contract::client_key::ClientKey;
use countersign_contract::header::SIGNED_OUT_PATH;
use countersign_contract::name::SessionId;
use countersign_contract::route::Replay;
use countersign_contract::time::UnixSeconds;

use super::{Asked, Outcome, Verdict, Word, judge};
use crate::reason::Refusal;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trust::{ReplayLog, Vouched};

/// A log-in is over, as an edge service says that may say so: only a verdict on [`SIGNED_OUT_PATH`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends(SessionId);

impl Ends {
    /// The word for it in verdicts, records and metrics.
    pub const REASON: &str = "signed-out";

    /// The log-in. As text it is what the publisher hears: `session:ID`.
    #[must_use]
    pub fn client(&self) -> ClientKey {
        ClientKey::Session(self.0.clone())
    }

    fn of(vouched: &Vouched) -> Result<Self, Refusal> {
        vouched.claims().ends.clone().map(Self).ok_or(Refusal::OwnPath)
    }
}

/// Decides about a request for a path of our own.
pub(super) fn decide<'a>(
    request: &Request<'_>,
    asked: &Asked<'_>,
    snapshot: &Snapshot,
    used: &ReplayLog,
    now: UnixSeconds,
) -> Verdict<'a> {
    // The whole target: a query would be a second spelling.
    if asked.target.as_str() != SIGNED_OUT_PATH || asked.method.as_str() != "POST" {
        return Verdict::without_route(Refusal::OwnPath);
    }
    let word = Word::of(request, asked, snapshot, now);
    let (outcome, once) = match judge(&word, Replay::Once, used, now, Ends::of) {
        Ok((ends, once)) => (Outcome::Ends(ends), once),
        Err(refusal) => (Outcome::Refusal(refusal), None),
    };
    Verdict { outcome, would: None, route: None, word: Some(word), listed: None, once }
}
