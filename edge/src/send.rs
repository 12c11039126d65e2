//! Sending a request on: to the first data centre that can be reached, under a word for that one.

use countersign_contract::decision_id::DecisionId;
use countersign_contract::header;
use countersign_contract::route::Class;

use crate::credential::{self, CookieChange};
use crate::forward::{Body, Caching, Credentials, Forward, Handling};
use crate::grpc;
use crate::platform::{Attempt, OriginHead, Platform, Protocol, Received};
use crate::record::Journal;
use crate::refusal::Refusal;
use crate::scrub::{self, Canonical};
use crate::settings::{BackendName, Origin, Settings};

/// Headers that say something of a body.
const OF_BODY: [&str; 5] =
    ["content-length", "content-type", "content-encoding", "expect", "transfer-encoding"];

/// A request that is to be sent on.
pub struct Outgoing<'a, P> {
    /// Sends it.
    pub platform: &'a P,
    /// As it came.
    pub received: &'a Received,
    /// As it was read.
    pub request: &'a Canonical<'a>,
    /// The settings.
    pub settings: &'a Settings,
}

impl<P: Platform> Outgoing<'_, P> {
    /// Sends it under what `vouch` signs, and where a data centre can't be reached to the next one, under a
    /// decision of its own: an assertion is for one data centre, and for one attempt.
    ///
    /// # Errors
    /// [`Refusal`] of `vouch`, or where no origin gave an answer.
    pub fn send(
        &self,
        handling: Handling,
        journal: &mut Journal,
        mut vouch: impl FnMut(&Origin, &mut Journal) -> Result<String, Refusal>,
    ) -> Result<OriginHead, Refusal> {
        let mut failed = None;
        for (origin, backend, attempt) in self.attempts(handling)? {
            if let Some(fault) = failed.take() {
                journal.detail(format!("{fault}, as decision `{}`", journal.id()));
                let random = self.platform.random().ok_or(Refusal::RandomUnavailable)?;
                journal.continues(DecisionId::from_random(random));
            }
            let assertion = vouch(origin, journal)?;
            let forward = self.forward(handling, backend, assertion.into_bytes());
            match self.platform.send(&forward, attempt) {
                Ok(answered) => return check_status(answered),
                Err(fault) => failed = Some(fault),
            }
        }
        Err(failed.map_or(Refusal::InternalFault("there is no origin".to_owned()), Refusal::from))
    }

    /// Sends it under the assertion that it came with.
    ///
    /// # Errors
    /// [`Refusal`] where the origin gave no answer.
    pub fn pass_through(&self, handling: Handling, origin: &Origin) -> Result<OriginHead, Refusal> {
        let assertion = self.received.assertion.first().cloned().unwrap_or_default();
        let (_, backend) = self.backend_of(origin).ok_or(Refusal::GrpcUnconfigured)?;
        let forward = self.forward(handling, backend, assertion);
        check_status(self.platform.send(&forward, Attempt::Last)?)
    }

    /// Every origin for a request that can be repeated; of others nobody knows how much has arrived.
    fn attempts(&self, handling: Handling) -> Result<Vec<(&Origin, &BackendName, Attempt)>, Refusal> {
        let mut backends: Vec<_> =
            self.settings.origins.iter().filter_map(|origin| self.backend_of(origin)).collect();
        if !(handling.body == Body::Kept || self.can_be_repeated()) {
            backends.truncate(1);
        }
        let last = backends.len().checked_sub(1).ok_or(Refusal::GrpcUnconfigured)?;
        let attempt = |index| if index == last { Attempt::Last } else { Attempt::MoreMayFollow };
        let backends = backends.into_iter().enumerate();
        Ok(backends.map(|(index, (origin, backend))| (origin, backend, attempt(index))).collect())
    }

    /// The backend of a data centre that speaks as the request does.
    fn backend_of<'o>(&self, origin: &'o Origin) -> Option<(&'o Origin, &'o BackendName)> {
        let is_call = grpc::is_call(self.received);
        let backend = if is_call { origin.grpc_backend.as_ref()? } else { &origin.backend };
        Some((origin, backend))
    }

    /// Whether it changes nothing (RFC 9110 section 9.2.1) and has no body.
    fn can_be_repeated(&self) -> bool {
        let has_body = self.received.header_names.iter().any(|name| name == "transfer-encoding")
            || self.received.content_length.iter().any(|length| length.trim_ascii() != b"0");
        self.request.method.is_safe() && !has_body
    }

    /// What goes to HAProxy: the request as sent, without what only we may say and without what proves
    /// who is asking, under exactly one assertion.
    #[must_use]
    pub fn forward(&self, handling: Handling, backend: &BackendName, assertion: Vec<u8>) -> Forward {
        let Self { received, request, .. } = self;
        let mut remove: Vec<String> =
            received.header_names.iter().filter(|name| scrub::is_dropped(name)).cloned().collect();
        let mut set = vec![(header::ASSERTION, assertion)];
        if received.host.is_empty() {
            // HTTP/1.1 towards HAProxy wants one, and it has to be the one that is bound.
            set.push(("host", request.host.to_vec()));
        }
        let Handling { class, credentials, body } = handling;
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        let caching = if class == Class::Public && is_read { Caching::Allowed } else { Caching::Pass };
        // No cache looks at the body of a GET, and an application may: what one client sends would be everybody's answer.
        let body = if caching == Caching::Allowed { Body::Kept } else { body };
        if body == Body::Kept {
            remove.extend(OF_BODY.map(str::to_owned));
        }
        if class == Class::Public {
            remove.extend(["authorization".to_owned(), "cookie".to_owned()]);
        } else {
            if credentials == Credentials::Removed && credential::has_bearer(received) {
                remove.push("authorization".to_owned());
            }
            match credential::without_own_cookies(received) {
                CookieChange::Removed => remove.push("cookie".to_owned()),
                CookieChange::Replaced(others) => set.push(("cookie", others)),
                CookieChange::Kept => {}
            }
        }
        let protocol = if grpc::is_call(received) {
            // That its client reads trailers is said from hop to hop.
            set.push(("te", b"trailers".to_vec()));
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        Forward { backend: backend.clone(), remove, set, body, caching, protocol }
    }
}

fn check_status(origin: OriginHead) -> Result<OriginHead, Refusal> {
    if (200..600).contains(&origin.status) { Ok(origin) } else { Err(Refusal::OriginStatus(origin.status)) }
}
