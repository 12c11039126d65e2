//! From a verdict to its record.

use std::borrow::Cow;

use countersign_contract::record::{DecisionRecord, IdSource, Tier, Verdict as Said, WouldBe};
use countersign_contract::time::UnixMillis;

use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::verdict::{Ends, Outcome, Verdict};

/// The id of a decision and who made it: the assertion's where it holds, else HAProxy's own id,
/// marked by `h-`.
#[must_use]
pub fn decision_id(verdict: &Verdict<'_>, request: &Request<'_>) -> (String, IdSource) {
    match verdict.assertion() {
        Some(assertion) => (assertion.claims().txn.to_string(), IdSource::Assertion),
        None => {
            let digits = request.id.iter().filter(|byte| byte.is_ascii_hexdigit());
            let id = digits.take(32).map(|byte| char::from(byte.to_ascii_lowercase()));
            (std::iter::once("h-").flat_map(str::chars).chain(id).collect(), IdSource::Haproxy)
        }
    }
}

/// The record of a verdict.
#[must_use]
pub fn record_of<'a>(
    verdict: &'a Verdict<'_>,
    request: &Request<'a>,
    snapshot: &'a Snapshot,
    id: (&'a str, IdSource),
    time: UnixMillis,
    micros: u64,
) -> DecisionRecord<'a> {
    let claims = verdict.assertion().map(|assertion| assertion.claims());
    let own_policy = snapshot.policy.digest();
    let (outcome, status, reason, detail, pool) = match &verdict.outcome {
        Outcome::Permit(permit) => {
            (Said::Allow, None, permit.basis().code(), None, Some(permit.pool().as_str()))
        }
        Outcome::Ends(ends) => {
            let detail = format!("`{}` is over", ends.client());
            (Said::Allow, None, Ends::REASON, Some(detail.into()), None)
        }
        Outcome::Refusal(refusal) => {
            let status = Some(refusal.status().code());
            (Said::Deny, status, refusal.code(), Some(refusal.to_string().into()), None)
        }
    };
    let would = verdict.would.as_ref().map(|refusal| WouldBe {
        verdict: Said::Deny,
        status: refusal.status().code(),
        reason: refusal.code().into(),
        detail: refusal.to_string().into(),
    });
    DecisionRecord {
        time: time.rfc3339().into(),
        tier: Tier::Agent,
        decision_id: id.0.into(),
        id_from: id.1,
        verdict: outcome,
        status,
        reason: reason.into(),
        detail,
        would,
        route: verdict.route.map(|route| route.name.as_str().into()),
        mode: verdict.route.map(|route| route.mode.as_str().into()),
        class: verdict.route.map(|route| route.class.as_str().into()),
        pool: pool.map(Cow::from),
        arm: claims.and_then(|claims| claims.arm.as_ref()).map(|arm| arm.as_str().into()),
        method: Some(String::from_utf8_lossy(request.method)),
        host: Some(String::from_utf8_lossy(request.host)),
        path: Some(path_of(request.target)),
        client_ip: claims.map(|claims| claims.ip),
        subject: claims.and_then(|claims| claims.sub.as_ref()).map(|subject| subject.as_str().into()),
        session: claims.and_then(|claims| claims.sid.as_ref()).map(|session| session.as_str().into()),
        groups: claims.map(|claims| claims.groups.as_slice()).unwrap_or_default().into(),
        kid: verdict.assertion().map(|assertion| assertion.key().as_str().into()),
        token_kid: None,
        session_kid: None,
        bot_kid: None,
        list_kid: None,
        receipt_kid: None,
        service: claims.map(|claims| claims.iss.as_str().into()),
        environment: claims.map(|claims| claims.env.as_str().into()),
        policy: Some(own_policy.as_str().into()),
        edge_policy: claims
            .and_then(|claims| claims.pol.as_ref())
            .filter(|digest| *digest != own_policy)
            .map(|digest| digest.as_str().into()),
        listed: verdict.listed,
        list_generation: claims.and_then(|claims| claims.rep),
        list_fault: None,
        list_micros: None,
        origin_status: None,
        origin_verdict: None,
        origin_reason: None,
        receipt_fault: None,
        micros,
    }
}

/// The path without its query, which may hold secrets; cut where somebody sends a very long one.
fn path_of(target: &[u8]) -> Cow<'_, str> {
    const LONGEST: usize = 1024;
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    String::from_utf8_lossy(path.get(..LONGEST).unwrap_or(path))
}
