//! What is noted of a request on its way, and the line that it becomes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use countersign_contract::assertion::Claims;
use countersign_contract::decision_id::DecisionId;
use countersign_contract::name::{ArmName, GroupName, KeyId, SessionId, Subject};
use countersign_contract::policy::PolicyDigest;
use countersign_contract::receipt::Receipt;
use countersign_contract::record::{DecisionRecord, IdSource, Tier, Verdict, WouldBe};
use countersign_contract::route::{Class, Mode, Route};
use countersign_contract::time::UnixMillis;

use crate::identify::Proof;
use crate::list::Standing;
use crate::platform::Received;
use crate::refusal::Refusal;
use crate::scrub::{Canonical, printable};
use crate::settings::Settings;

/// Why a request was let on: the other half of the closed list of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It was judged and found in order.
    Forwarded,
    /// The same of a WebSocket, which the platform has joined to HAProxy: its answer isn't seen.
    HandedOver,
    /// The route or the list only observes, and would have refused it.
    Observed,
    /// The route is off.
    NotJudged,
    /// An earlier hop has judged it.
    ShieldingHop,
    /// A browser asked what a page may send.
    Preflight,
    /// Somebody is on the way to the issuer.
    LoginStarted,
    /// Somebody has come back from the issuer, signed in.
    SignedIn,
    /// A session is due for renewal: a silent visit to the issuer.
    Renewal,
    /// Somebody has signed out.
    SignedOut,
    /// The issuer has told that a log-in is over, and the origin knows.
    LogInEnded,
}

impl Passage {
    /// The word in records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::HandedOver => "handed-over",
            Self::Observed => "observed",
            Self::NotJudged => "not-judged",
            Self::ShieldingHop => "shielding-hop",
            Self::Preflight => "preflight",
            Self::LoginStarted => "login-started",
            Self::SignedIn => "signed-in",
            Self::Renewal => "session-renewal",
            Self::SignedOut => "signed-out",
            Self::LogInEnded => "log-in-ended",
        }
    }
}

/// What has become known of one request.
#[derive(Debug)]
pub struct Journal {
    id: DecisionId,
    method: String,
    host: String,
    path: String,
    client: Option<IpAddr>,
    service: Option<(String, String)>,
    key: Option<KeyId>,
    policy: Option<PolicyDigest>,
    list: Standing,
    route: Option<(String, Mode, Class, String)>,
    arm: Option<ArmName>,
    identity: Option<(Subject, Option<SessionId>, Vec<GroupName>)>,
    proof: Option<Proof>,
    receipt: Option<Result<Receipt, String>>,
    would: Option<Refusal>,
    detail: Option<String>,
    origin_status: Option<u16>,
}

impl Journal {
    /// Begins with what was received, whether it can be read or not.
    #[must_use]
    pub fn begin(id: DecisionId, received: &Received) -> Self {
        Self {
            id,
            method: printable(&received.method),
            host: received.host.first().map(|host| printable(host)).unwrap_or_default(),
            path: path_of(&received.url),
            client: received.client.map(|client| client.to_canonical()),
            service: None,
            key: None,
            policy: None,
            list: Standing::default(),
            route: None,
            arm: None,
            identity: None,
            proof: None,
            receipt: None,
            would: None,
            detail: None,
            origin_status: None,
        }
    }

    /// The decision id.
    #[must_use]
    pub const fn id(&self) -> DecisionId {
        self.id
    }

    /// Goes on under the id of an earlier hop.
    pub fn continues(&mut self, id: DecisionId) {
        self.id = id;
    }

    /// Notes the settings.
    pub fn settings(&mut self, settings: &Settings) {
        self.service = Some((settings.service.to_string(), settings.environment.to_string()));
    }

    /// Notes the request in its canonical reading.
    pub fn request(&mut self, request: &Canonical<'_>) {
        self.host = request.authority.as_str().to_owned();
        self.path = request.target.path().chars().take(512).collect();
    }

    /// Notes the key that an assertion is signed with.
    pub fn key(&mut self, key: &KeyId) {
        self.key = Some(key.clone());
    }

    /// Notes the policy.
    pub fn policy(&mut self, digest: &PolicyDigest) {
        self.policy = Some(digest.clone());
    }

    /// Notes what the list says.
    pub fn list(&mut self, standing: &Standing) {
        self.list = standing.clone();
    }

    /// Notes the route.
    pub fn route(&mut self, route: &Route) {
        self.route = Some((route.name.to_string(), route.mode, route.class, route.pool.to_string()));
    }

    /// What a refusal does by the route's mode: refuses, is noted as what would have been, or nothing.
    ///
    /// # Errors
    /// The refusal, where the route is enforced.
    pub fn refuse(&mut self, refusal: Refusal, mode: Mode) -> Result<(), Refusal> {
        match mode {
            Mode::Enforce => return Err(refusal),
            Mode::Observe => self.would(refusal),
            Mode::Off => {}
        }
        Ok(())
    }

    /// Notes what the route makes of what is vouched for: another pool, an arm.
    pub fn vouched(&mut self, route: &Route, claims: &Claims) {
        if let Some((.., pool)) = &mut self.route {
            route.pool_for(claims).as_str().clone_into(pool);
        }
        self.arm.clone_from(&claims.arm);
    }

    /// Notes who is asking.
    pub fn identity(&mut self, subject: &Subject, session: Option<&SessionId>, groups: &[GroupName]) {
        self.identity = Some((subject.clone(), session.cloned(), groups.to_owned()));
    }

    /// Notes what they were known by.
    pub fn proof(&mut self, proof: &Proof) {
        self.proof = Some(proof.clone());
    }

    /// Notes what the origin's receipt says, or why it says nothing.
    pub fn receipt(&mut self, receipt: Result<Receipt, String>) {
        self.receipt = Some(receipt);
    }

    /// Whether keys for receipts are held, and the answer has no good one.
    #[must_use]
    pub const fn receipt_failed(&self) -> bool {
        matches!(self.receipt, Some(Err(_)))
    }

    /// Notes what a list or a route that only observes would have done. The first refusal would have ended
    /// the request, so it stays.
    pub fn would(&mut self, refusal: Refusal) {
        self.would.get_or_insert(refusal);
    }

    /// Whether something that only observes would have refused the request.
    #[must_use]
    pub const fn would_have_refused(&self) -> bool {
        self.would.is_some()
    }

    /// Notes something for people.
    pub fn detail(&mut self, detail: String) {
        self.detail = Some(match self.detail.take() {
            Some(before) => format!("{before}; {detail}"),
            None => detail,
        });
    }

    /// Notes the status of the origin's answer.
    pub fn origin_status(&mut self, status: u16) {
        self.origin_status = Some(status);
    }

    /// The line of JSON.
    #[must_use]
    pub fn line(
        &self,
        now: UnixMillis,
        took: Duration,
        outcome: &Result<Passage, Refusal>,
        answered: Option<u16>,
    ) -> String {
        let record = self.record(now.rfc3339(), micros(took), outcome, answered);
        // Strings and numbers only: there is nothing that JSON can't hold.
        serde_json::to_string(&record).unwrap_or_default()
    }

    fn record(
        &self,
        time: String,
        took: u64,
        outcome: &Result<Passage, Refusal>,
        status: Option<u16>,
    ) -> DecisionRecord<'_> {
        let (verdict, reason, why) = match outcome {
            Ok(passage) => (Verdict::Allow, passage.code(), None),
            Err(refusal) => (Verdict::Deny, refusal.code(), Some(refusal.to_string())),
        };
        let (token_kid, session_kid, bot_kid) = match &self.proof {
            Some(Proof::Bearer(key)) => (key.as_deref(), None, None),
            Some(Proof::Session { key, .. }) => (None, Some(key.as_str()), None),
            Some(Proof::Bot { key, .. }) => (None, None, Some(key.as_str())),
            None => (None, None, None),
        };
        let receipt = self.receipt.as_ref().and_then(|receipt| receipt.as_ref().ok());
        let detail = match (&self.detail, why) {
            (Some(noted), Some(why)) => Some(Cow::Owned(format!("{why}; {noted}"))),
            (Some(noted), None) => Some(Cow::Borrowed(noted.as_str())),
            (None, why) => why.map(Cow::Owned),
        };
        let (service, environment) = self.service.clone().unzip();
        let route = self.route.as_ref();
        DecisionRecord {
            time: Cow::Owned(time),
            tier: Tier::Edge,
            decision_id: Cow::Owned(self.id.to_string()),
            id_from: if self.key.is_some() { IdSource::Assertion } else { IdSource::Edge },
            verdict,
            status,
            reason: Cow::Borrowed(reason),
            detail,
            would: self.would.as_ref().map(|would| WouldBe {
                verdict: Verdict::Deny,
                status: would.status().code(),
                reason: Cow::Borrowed(would.code()),
                detail: Cow::Owned(would.to_string()),
            }),
            route: route.map(|(name, ..)| Cow::Borrowed(name.as_str())),
            mode: route.map(|(_, mode, ..)| Cow::Borrowed(mode.as_str())),
            class: route.map(|(_, _, class, _)| Cow::Borrowed(class.as_str())),
            pool: route.map(|(.., pool)| Cow::Borrowed(pool.as_str())),
            arm: self.arm.as_ref().map(|arm| Cow::Borrowed(arm.as_str())),
            method: unless_empty(&self.method),
            host: unless_empty(&self.host),
            path: unless_empty(&self.path),
            client_ip: self.client,
            subject: self.identity.as_ref().map(|(subject, ..)| Cow::Borrowed(subject.as_str())),
            session: self
                .identity
                .as_ref()
                .and_then(|(_, session, _)| Some(Cow::Borrowed(session.as_ref()?.as_str()))),
            groups: Cow::Borrowed(self.identity.as_ref().map_or(&[], |(.., groups)| groups.as_slice())),
            kid: self.key.as_ref().map(|key| Cow::Owned(key.to_string())),
            token_kid: token_kid.map(|key| key.chars().take(64).collect()),
            session_kid: session_kid.map(Cow::Borrowed),
            bot_kid: bot_kid.map(Cow::Borrowed),
            list_kid: self.list.key.as_ref().map(|key| Cow::Borrowed(key.as_str())),
            receipt_kid: receipt.map(|receipt| Cow::Borrowed(receipt.key.as_str())),
            service: service.map(Cow::Owned),
            environment: environment.map(Cow::Owned),
            policy: self.policy.as_ref().map(|digest| Cow::Owned(digest.to_string())),
            edge_policy: None,
            listed: self.list.listed.map(|listed| listed.record.action),
            list_generation: self.list.generation,
            list_fault: self.list.fault.as_ref().map(|fault| Cow::Owned(fault.to_string())),
            list_micros: self.list.took.map(micros),
            origin_status: self.origin_status,
            origin_verdict: receipt.map(|receipt| receipt.verdict),
            origin_reason: receipt.map(|receipt| Cow::Borrowed(receipt.reason.as_str())),
            receipt_fault: match &self.receipt {
                Some(Err(fault)) => Some(Cow::Borrowed(fault.as_str())),
                Some(Ok(_)) | None => None,
            },
            micros: took,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn unless_empty(text: &str) -> Option<Cow<'_, str>> {
    if text.is_empty() { None } else { Some(Cow::Borrowed(text)) }
}

/// The path in a URL that may be malformed: behind its authority, without query.
fn path_of(url: &[u8]) -> String {
    let text = printable(url);
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default().to_owned()
}
