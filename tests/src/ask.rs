//! A request of a scene, and what came of it.

use std::net::Ipv4Addr;

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

    /// With a session token in the session cookie, among others.
    #[must_use]
    pub fn cookie(self, token: &str) -> Self {
        self.header("Cookie", &format!("theme=dark; {SESSION_COOKIE}={token}; lang=en"))
    }

    /// With an assertion.
    #[must_use]
    pub fn assertion(self, assertion: &str) -> Self {
        self.header(HEADER, assertion)
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
