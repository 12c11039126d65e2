//! A request of a scene, and what came of it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::application::SeenByApplication;
use crate::client::{Answer, Request};
use crate::forge::HEADER;
use crate::records::Joined;
use crate::world::SESSION_COOKIE;

/// A request and the text by which its traces are found.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The request.
    pub request: Request,
    /// Occurs in the path of this request and of no other.
    pub marker: String,
}

/// Gives every request of a stage its marker.
#[derive(Debug, Default)]
pub struct Markers(AtomicU64);

impl Markers {
    /// A request for `path` and one more segment that occurs nowhere else.
    #[must_use]
    pub fn ask(&self, host: &str, method: &str, path: &str) -> Ask {
        let marker = format!("scene-{:06}-end", self.0.fetch_add(1, Ordering::Relaxed));
        let request = Request::new(method, host, &format!("{path}/{marker}"));
        Ask { request, marker }
    }
}

impl Ask {
    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With a session token as bearer.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a text in the session cookie, among others.
    #[must_use]
    pub fn cookie(self, token: &str) -> Self {
        self.header("Cookie", &format!("theme=dark; {SESSION_COOKIE}={token}; lang=en"))
    }

    /// With an assertion.
    #[must_use]
    pub fn assertion(self, assertion: &str) -> Self {
        self.header(HEADER, assertion)
    }

    /// To be answered with this status by the application, if it gets there.
    #[must_use]
    pub fn answered(mut self, status: u16) -> Self {
        self.wish("status", &status.to_string());
        self
    }

    /// To be answered with this header line too, if it gets there.
    #[must_use]
    pub fn answered_with(mut self, name: &str, value: &str) -> Self {
        self.wish("header", &format!("{name}: {value}"));
        self
    }

    fn wish(&mut self, name: &str, value: &str) {
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let separator = if self.request.target.contains('?') { '&' } else { '?' };
        self.request.target.push_str(&format!("{separator}{name}={value}"));
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// From another loopback address.
    #[must_use]
    pub fn from(mut self, address: Ipv4Addr) -> Self {
        self.request = self.request.from(address);
        self
    }
}

/// What came of one request, on all tiers.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The answer.
    pub answer: Answer,
    /// What the application saw; `None` when no application answered.
    pub application: Option<SeenByApplication>,
    /// The decision id as the client or the application learnt it.
    pub decision_id: Option<String>,
    /// What the tiers wrote.
    pub records: Joined,
}

impl Observed {
    /// Reads the answer, beside what the tiers wrote.
    #[must_use]
    pub fn new(answer: Answer, records: Joined) -> Self {
        let application = SeenByApplication::read(&answer.json());
        let decision_id = decision_id(&answer);
        Self { answer, application, decision_id, records }
    }

    /// Whether the application saw exactly one line of `name`, with this value.
    #[must_use]
    pub fn application_saw(&self, name: &str, value: &str) -> bool {
        self.application.as_ref().is_some_and(|seen| seen.only(name) == Some(value))
    }

    /// Whether an application answered and saw no line of `name`.
    #[must_use]
    pub fn application_saw_no(&self, name: &str) -> bool {
        self.application.as_ref().is_some_and(|seen| seen.all(name).next().is_none())
    }
}

/// The decision id as the client or the application learnt it.
#[must_use]
pub fn decision_id(answer: &Answer) -> Option<String> {
    let body = answer.json();
    let of_application = || SeenByApplication::read(&body)?.only("countersign-decision").map(str::to_owned);
    answer
        .header("countersign-decision")
        .or_else(|| body.get("decision_id").and_then(Value::as_str))
        .map(str::to_owned)
        .or_else(of_application)
}
