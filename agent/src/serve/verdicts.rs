//! Answering HAProxy: NOTIFY in, verdict out, record kept.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use countersign_contract::name::GroupName;
use countersign_contract::policy::PolicyDigest;
use countersign_contract::receipt::ReceiptKeys;
use countersign_contract::record::Verdict as Said;
use countersign_contract::route::Class;
use haproxy_wire::spop::server::{Agent, Answer};
use haproxy_wire::spop::{Actions, Notify, Scope, TooLarge, Value};

use super::clock::now;
use crate::audit::{RecordSink, decision_id, record_of};
use crate::reason::Refusal;
use crate::reputation::list::List;
use crate::request::Request;
use crate::snapshot::CurrentSnapshot;
use crate::trust::ReplayLog;
use crate::verdict::{Ends, Outcome, Verdict, Word, decide};

/// The agent that HAProxy asks.
#[derive(Debug)]
pub struct Verdicts {
    snapshot: Arc<CurrentSnapshot>,
    used: ReplayLog,
    list: Arc<List>,
    records: Arc<RecordSink>,
}

impl Verdicts {
    /// An agent that decides from `snapshot`, remembers in `used`, knows `list` and writes to `records`.
    #[must_use]
    pub const fn new(
        snapshot: Arc<CurrentSnapshot>,
        used: ReplayLog,
        list: Arc<List>,
        records: Arc<RecordSink>,
    ) -> Self {
        Self { snapshot, used, list, records }
    }
}

impl Agent for Verdicts {
    fn notify(&self, notify: &Notify<'_>, actions: &mut Actions) -> Answer {
        let began = Instant::now();
        let time = now();
        let snapshot = self.snapshot.get();
        let (request, verdict) = match Request::from_notify(notify) {
            Ok(request) => (request, decide(&request, &snapshot, &self.used, &self.list, time.seconds())),
            Err(fault) => (Request::default(), Verdict::without_route(Refusal::Question(fault))),
        };
        let (id, id_from) = decision_id(&verdict, &request);
        let receipt = receipt_of(&verdict, snapshot.receipts.as_ref());
        let class = class_of(&verdict, snapshot.policy.digest());
        if write(actions, &verdict, &id, class, receipt.as_deref()).is_err() {
            // HAProxy takes an answer without a verdict for a refusal; half of one it would keep.
            actions.clear();
            tracing::error!(decision_id = id, "the verdict doesn't fit into a frame: raise `max-frame-size`");
        }
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.records.write(&record_of(&verdict, &request, &snapshot, (&id, id_from), time, micros));
        Answer::Ready
    }
}

/// The receipt of a verdict, where edge and agent share its id: an assertion was verified.
fn receipt_of(verdict: &Verdict<'_>, keys: Option<&ReceiptKeys>) -> Option<String> {
    let id = verdict.assertion()?.claims().txn;
    match &verdict.outcome {
        Outcome::Permit(permit) => keys?.make(id, Said::Allow, permit.basis().code()),
        Outcome::Ends(_) => keys?.make(id, Said::Allow, Ends::REASON),
        Outcome::Refusal(refusal) => keys?.make(id, Said::Deny, refusal.code()),
    }
}

/// What the edge's cache may have taken the route for: an edge that went by another policy, or by none that we know
/// of, may know it as public.
fn class_of(verdict: &Verdict<'_>, own: &PolicyDigest) -> Option<Class> {
    let route = verdict.route?;
    let of_edge = verdict.assertion().and_then(|assertion| assertion.claims().pol.as_ref());
    Some(if of_edge == Some(own) { route.class } else { Class::Public })
}

/// Writes the variables of a verdict, `verdict` itself last: HAProxy keeps what stands before a
/// fault, so nothing may be half-said once it reads `allow`.
fn write(
    actions: &mut Actions,
    verdict: &Verdict<'_>,
    id: &str,
    class: Option<Class>,
    receipt: Option<&str>,
) -> Result<(), TooLarge> {
    set_text(actions, "decision_id", id)?;
    if let Some(route) = verdict.route {
        set_text(actions, "route", route.name.as_str())?;
        set_text(actions, "mode", route.mode.as_str())?;
    }
    if let Some(class) = class {
        set_text(actions, "class", class.as_str())?;
    }
    // Of a word that says more than it may, nothing goes on: also where the route only observes.
    if let Some(vouched) = verdict.word.as_ref().and_then(Word::vouched) {
        let claims = vouched.claims();
        if let Some(subject) = &claims.sub {
            set_text(actions, "subject", subject.as_str())?;
        }
        if !claims.groups.is_empty() {
            set_text(actions, "groups", &joined(&claims.groups))?;
        }
        if let Some(bot) = &claims.bot {
            set_text(actions, "bot", bot.as_str())?;
        }
        if let Some(arm) = verdict.route.and_then(|route| route.arm_of(claims)) {
            set_text(actions, "arm", arm.as_str())?;
        }
        // An address as text would silently not be tracked in a stick table of addresses.
        let client_ip = match claims.ip.to_canonical() {
            IpAddr::V4(v4) => Value::Ipv4(v4),
            IpAddr::V6(v6) => Value::Ipv6(v6),
        };
        actions.set_var(Scope::Transaction, "client_ip", client_ip)?;
        if verdict.once.is_some() {
            set_text(actions, "once", id)?;
        }
    }
    if let Some(receipt) = receipt {
        set_text(actions, "receipt", receipt)?;
    }
    match &verdict.outcome {
        Outcome::Permit(permit) => {
            set_text(actions, "reason", permit.basis().code())?;
            set_text(actions, "pool", permit.pool().as_str())?;
            set_text(actions, "verdict", "allow")
        }
        Outcome::Ends(ends) => {
            set_text(actions, "reason", Ends::REASON)?;
            set_text(actions, "ends", &ends.client().to_string())?;
            set_text(actions, "verdict", "allow")
        }
        Outcome::Refusal(refusal) => {
            let status = refusal.status();
            set_text(actions, "reason", refusal.code())?;
            set_number(actions, "status", i32::from(status.code()))?;
            if let Some(seconds) = status.retry_after() {
                set_number(actions, "retry_after", i32::try_from(seconds).unwrap_or(i32::MAX))?;
            }
            set_text(actions, "verdict", "deny")
        }
    }
}

fn joined(groups: &[GroupName]) -> Cow<'_, str> {
    let Some((first, others)) = groups.split_first() else { return "".into() };
    others.iter().fold(Cow::from(first.as_str()), |joined, group| joined + "," + group.as_str())
}

fn set_text(actions: &mut Actions, name: &str, text: &str) -> Result<(), TooLarge> {
    actions.set_var(Scope::Transaction, name, Value::Str(text.as_bytes()))
}

fn set_number(actions: &mut Actions, name: &str, number: i32) -> Result<(), TooLarge> {
    actions.set_var(Scope::Transaction, name, Value::Int32(number))
}
