//! What the client gets.

use countersign_contract::decision_id::DecisionId;
use countersign_contract::header;
use serde::Serialize;

use crate::grpc;
use crate::platform::{OriginHead, Received};
use crate::refusal::Refusal;
use crate::scrub;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One of ours.
    Own(OwnAnswer),
    /// The origin's, with these changes; the platform holds its body.
    FromOrigin(OriginChanges),
    /// Whatever HAProxy gives a client that the platform has joined to it.
    HandedOver,
}

/// An answer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAnswer {
    /// The status.
    pub status: u16,
    /// All its headers but the decision id; `set-cookie` may be there more than once.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// What stands behind the body.
    pub trailers: Vec<(&'static str, String)>,
}

/// The changes to the origin's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginChanges {
    /// Headers that are only for us, or that we say.
    pub remove: Vec<String>,
    /// Headers that are appended after that.
    pub append: Vec<(&'static str, String)>,
    /// Headers that go to the answer's end.
    pub to_trailers: Vec<String>,
    /// The value of `Countersign-Decision`.
    pub decision: String,
}

/// What an answer says beside what it says by itself, whoever gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    remove: Vec<&'static str>,
    append: Vec<(&'static str, String)>,
}

impl Additions {
    /// Takes a header out.
    pub fn remove(&mut self, name: &'static str) {
        self.remove.push(name);
    }

    /// Appends one after that.
    pub fn append(&mut self, name: &'static str, value: String) {
        self.append.push((name, value));
    }
}

impl OwnAnswer {
    /// The answer for a refusal, as whoever asked can read it.
    #[must_use]
    pub fn refusal_to(received: &Received, refusal: &Refusal, decision: DecisionId) -> Self {
        if grpc::is_call(received) { grpc::refusal(refusal) } else { Self::refusal(refusal, decision) }
    }

    /// The answer for a refusal: problem details (RFC 9457) that say little.
    #[must_use]
    pub fn refusal(refusal: &Refusal, decision: DecisionId) -> Self {
        #[derive(Serialize)]
        struct Problem<'a> {
            title: &'a str,
            status: u16,
            decision_id: DecisionId,
        }
        let status = refusal.status();
        let problem = Problem { title: status.title(), status: status.code(), decision_id: decision };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        Self::of(refusal, "application/problem+json", body)
    }

    /// The same as a page for people, who come here on their way to sign in.
    #[must_use]
    pub fn page(refusal: &Refusal, decision: DecisionId) -> Self {
        let title = refusal.status().title();
        // Nothing of what anybody sent is in it.
        let body = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\
             <p>Signing in or out did not work out. <a href=\"/\">Try again</a>.\
             <p><small>{decision}</small></html>\n"
        );
        let mut page = Self::of(refusal, "text/html; charset=utf-8", body);
        page.headers
            .push(("content-security-policy", "default-src 'none'; frame-ancestors 'none'".to_owned()));
        page.headers.push(no_referrer());
        page
    }

    /// A redirect by GET (RFC 9110 section 15.4.4).
    #[must_use]
    pub fn see_other(location: String) -> Self {
        let mut answer = Self::empty(303);
        answer.headers.push(("location", location));
        answer.headers.push(no_referrer());
        answer
    }

    /// Nothing but a status.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        let headers = vec![("cache-control", "no-store".to_owned())];
        Self { status, headers, body: String::new(), trailers: Vec::new() }
    }

    /// The same with a cookie more.
    #[must_use]
    pub fn with_cookie(mut self, cookie: String) -> Self {
        self.headers.push(("set-cookie", cookie));
        self
    }

    /// The same with what is said beside it. It never had a header that is taken out.
    #[must_use]
    pub fn with(mut self, additions: Additions) -> Self {
        self.headers.extend(additions.append);
        self
    }

    /// The same with the decision id; at the end of a call too, where its client's error has it from.
    #[must_use]
    pub fn with_decision(mut self, decision: DecisionId) -> Self {
        if !self.trailers.is_empty() {
            self.trailers.push((header::DECISION, decision.to_string()));
        }
        self.headers.push((header::DECISION, decision.to_string()));
        self
    }

    pub(crate) fn of(refusal: &Refusal, content_type: &str, body: String) -> Self {
        let mut answer = Self::empty(refusal.status().code());
        answer.headers.push(("content-type", content_type.to_owned()));
        answer.headers.extend(refusal.retry_after().map(|seconds| ("retry-after", seconds.to_string())));
        answer
            .headers
            .extend(refusal.challenge().map(|challenge| ("www-authenticate", challenge.to_owned())));
        answer.headers.extend(refusal.allow().map(|methods| ("allow", methods.to_owned())));
        answer.body = body;
        answer
    }
}

impl OriginChanges {
    /// The changes to an answer of the origin.
    ///
    /// Its decision id is ours, unless it says that it found no valid assertion (`h-`): that one
    /// is what its records go by. One out of a cache is of an earlier request and gives way.
    #[must_use]
    pub fn of(received: &Received, origin: &OriginHead, ours: DecisionId, additions: Additions) -> Self {
        let Additions { remove, append } = additions;
        let is_removed = |name: &&String| scrub::is_own(name) || remove.contains(&name.as_str());
        let remove: Vec<String> = origin.header_names.iter().filter(is_removed).cloned().collect();
        let mut to_trailers = grpc::trailers(received, origin);
        to_trailers.retain(|name| !remove.contains(name));
        let decision = origin_decision(origin).unwrap_or_else(|| ours.to_string());
        Self { remove, append, to_trailers, decision }
    }
}

/// The address that is left may hold a code, which is nobody else's.
fn no_referrer() -> (&'static str, String) {
    ("referrer-policy", "no-referrer".to_owned())
}

/// The id that HAProxy made for a request in which it found no valid assertion.
#[must_use]
pub fn origin_decision(origin: &OriginHead) -> Option<String> {
    let [decision] = origin.decisions.as_slice() else { return None };
    let text = std::str::from_utf8(decision).ok()?;
    let is_id = text.strip_prefix("h-").is_some_and(|id| id.parse::<DecisionId>().is_ok());
    is_id.then(|| text.to_owned())
}
