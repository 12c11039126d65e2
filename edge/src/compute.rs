//! The pipeline's platform: Fastly Compute.
//!
//! Built on the SDK's handles, since its `Request` parses the client's URL on the way out and
//! panics on a host that it dislikes. The handles leave target and method as they were received.

#[allow(unsafe_code)]
mod abi;
mod cache;
mod counters;
mod incoming;

use std::cell::{Cell, OnceCell};
use std::io::{Read as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use countersign_contract::decision_id::DecisionId;
use countersign_contract::route::{Penalty, Window};
use countersign_contract::time::UnixMillis;
use countersign_edge::answer::{Answer, OriginChanges, OwnAnswer};
use countersign_edge::certificate::ClientCertificate;
use countersign_edge::forward::{Body, Caching, Forward};
use countersign_edge::pipeline;
use countersign_edge::platform::{
    Attempt, CacheEntry, Fetch, FetchFault, Fetched, Form, LOG_ENDPOINT, Make, OriginHead, Platform,
    Protocol, Received, SECRET_STORE, SendFault, Store, StoreFault,
};
use countersign_edge::rate::{Counted, RateFault};
use countersign_edge::record::Journal;
use countersign_edge::refusal::Refusal;
use fastly::handle::{BodyHandle, CacheOverride, RequestHandle, ResponseHandle};
use fastly::http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use fastly::secret_store::{OpenError, SecretStore};

use counters::Counters;

/// Whether an answer has been begun: there can be no second one.
static ANSWERED: AtomicBool = AtomicBool::new(false);
/// What the panic hook has to know of the request.
static BEGUN: OnceLock<(DecisionId, Received)> = OnceLock::new();

/// Answers the client's request.
pub(crate) fn serve() {
    let started = Instant::now();
    std::panic::set_hook(Box::new(answer_a_panic));
    let (request, body) = fastly::handle::client_request_and_body();
    let received = incoming::read(&request);
    let platform = Compute {
        started,
        outgoing: Cell::new(Some((request, body))),
        origin: Cell::new(None),
        config: OnceCell::new(),
        list: OnceCell::new(),
        secrets: OnceCell::new(),
        counters: Counters::of_platform(),
    };
    let id = platform.random().map(DecisionId::from_random);
    if let Some(id) = id {
        // The only request of this sandbox: it can't have been set before.
        let _ = BEGUN.set((id, received.clone()));
    }
    let answer = pipeline::handle_as(&platform, &received, id);
    platform.deliver(answer);
}

struct Compute {
    started: Instant,
    /// The client's request, until it is sent on.
    outgoing: Cell<Option<(RequestHandle, BodyHandle)>>,
    /// The origin's answer, until it is delivered.
    origin: Cell<Option<(ResponseHandle, BodyHandle)>>,
    config: OnceCell<Result<abi::ConfigStore, StoreFault>>,
    list: OnceCell<Result<abi::ConfigStore, StoreFault>>,
    secrets: OnceCell<Result<SecretStore, StoreFault>>,
    counters: Counters,
}

impl Platform for Compute {
    fn now(&self) -> UnixMillis {
        now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn random(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok().map(|()| bytes)
    }

    fn service_version(&self) -> Option<u64> {
        std::env::var("FASTLY_SERVICE_VERSION").ok()?.parse().ok()
    }

    fn item(&self, store: Store, key: &str) -> Result<Option<String>, StoreFault> {
        let opened = match store {
            Store::Config => &self.config,
            Store::List => &self.list,
        };
        opened.get_or_init(|| abi::ConfigStore::open(store.name())).as_ref().map_err(Clone::clone)?.get(key)
    }

    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        let store = self.secrets.get_or_init(open_secrets).as_ref().map_err(Clone::clone)?;
        let secret = store.try_get(name).map_err(|e| secrets_unreadable(&e))?;
        let plaintext = secret.map(|secret| secret.try_plaintext()).transpose();
        plaintext.map(|bytes| bytes.map(|bytes| bytes.to_vec())).map_err(|e| secrets_unreadable(&e))
    }

    fn log(&self, line: &str) {
        abi::log(LOG_ENDPOINT, line);
    }

    fn body(&self, most: usize) -> Result<Vec<u8>, FetchFault> {
        let sent = || FetchFault::Unreachable("the request was sent before".to_owned());
        let (request, body) = self.outgoing.take().ok_or_else(sent)?;
        let bytes = read_at_most(body, most)?;
        let mut again = BodyHandle::new();
        again.write_all(&bytes).map_err(|e| FetchFault::Unreachable(e.to_string()))?;
        self.outgoing.set(Some((request, again)));
        Ok(bytes)
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        let (request, body) = self.outgoing.take()?;
        let certificate = abi::client_certificate(&request);
        self.outgoing.set(Some((request, body)));
        certificate
    }

    fn send(&self, forward: &Forward, attempt: Attempt) -> Result<OriginHead, SendFault> {
        let fault = |reason: String| SendFault { backend: forward.backend.to_string(), reason };
        let (mut request, body) =
            self.outgoing.take().ok_or_else(|| fault("the request was sent before".to_owned()))?;
        let body = match forward.body {
            Body::Sent => body,
            Body::Kept => BodyHandle::new(),
        };
        if attempt == Attempt::MoreMayFollow {
            let same = incoming::copy(&request).map_err(fault)?;
            self.outgoing.set(Some((same, BodyHandle::new())));
        }
        change(&mut request, forward).map_err(fault)?;
        // An HTTP/2 request goes to an HTTP/1.1 backend only when told so.
        request.set_version(match forward.protocol {
            Protocol::Http1 => Version::HTTP_11,
            Protocol::Http2 => Version::HTTP_2,
        });
        request.set_cache_override(&match forward.caching {
            Caching::Pass => CacheOverride::Pass,
            Caching::Allowed => CacheOverride::None,
        });
        let (response, body) =
            request.send(body, forward.backend.as_str()).map_err(|cause| fault(cause.to_string()))?;
        let head = incoming::read_origin(&response).map_err(fault)?;
        self.origin.set(Some((response, body)));
        Ok(head)
    }

    fn hand_over(&self, forward: &Forward) -> Result<(), SendFault> {
        let fault = |reason: String| SendFault { backend: forward.backend.to_string(), reason };
        let (mut request, _) =
            self.outgoing.take().ok_or_else(|| fault("the request was sent before".to_owned()))?;
        change(&mut request, forward).map_err(fault)?;
        request.handoff_websocket(forward.backend.as_str()).map_err(|cause| fault(cause.to_string()))?;
        ANSWERED.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, FetchFault> {
        let Fetch { backend, url, form, most } = *fetch;
        let mut request = RequestHandle::new();
        abi::set_url(&request, url.as_str()).map_err(|status| {
            FetchFault::Unreachable(format!("`{url}` is no URL to the platform: {status}"))
        })?;
        request
            .insert_header(&HeaderName::from_static("accept"), &HeaderValue::from_static("application/json"));
        // Our own cache keeps the keys, by our own rules.
        request.set_cache_override(&CacheOverride::Pass);
        let mut body = BodyHandle::new();
        if let Some(form) = form {
            fill_in(&mut request, &mut body, form)?;
        }
        let (response, body) = request
            .send(body, backend.as_str())
            .map_err(|cause| FetchFault::Unreachable(format!("backend `{backend}`: {cause}")))?;
        let status = abi::status(&response).map_err(FetchFault::Unreachable)?;
        let body = read_at_most(body, most)?;
        Ok(Fetched { status, body })
    }

    fn cached(&self, entry: &CacheEntry, make: Make<'_>) -> Result<Vec<u8>, FetchFault> {
        cache::cached(entry, make)
    }

    fn cached_anew(
        &self,
        entry: &CacheEntry,
        cool_down: Duration,
        make: Make<'_>,
    ) -> Result<Vec<u8>, FetchFault> {
        cache::cached_anew(entry, cool_down, make)
    }

    fn count(&self, counted: &Counted, window: Window) -> Result<u32, RateFault> {
        self.counters.count(counted, window)
    }

    fn is_penalised(&self, counted: &Counted) -> Result<bool, RateFault> {
        self.counters.is_penalised(counted)
    }

    fn penalise(&self, counted: &Counted, penalty: Penalty) -> Result<(), RateFault> {
        self.counters.penalise(counted, penalty)
    }
}

impl Compute {
    fn deliver(&self, answer: Answer) {
        match (answer, self.origin.take()) {
            (Answer::FromOrigin(changes), Some((response, body))) => pass_on(response, body, &changes),
            (Answer::FromOrigin(_), None) | (Answer::HandedOver, _) => {}
            (Answer::Own(answer), _) => send_own(&answer),
        }
    }
}

/// Takes out of a request and puts into it what `forward` says.
fn change(request: &mut RequestHandle, forward: &Forward) -> Result<(), String> {
    for name in &forward.remove {
        if let Ok(name) = HeaderName::try_from(name.as_str()) {
            request.remove_header(&name);
        }
    }
    for (name, value) in &forward.set {
        let value = HeaderValue::try_from(value.as_slice())
            .map_err(|_| format!("header `{name}` holds a control byte"))?;
        request.insert_header(&HeaderName::from_static(name), &value);
    }
    Ok(())
}

fn pass_on(mut response: ResponseHandle, mut body: BodyHandle, changes: &OriginChanges) {
    for name in &changes.remove {
        if let Ok(name) = HeaderName::try_from(name.as_str()) {
            response.remove_header(&name);
        }
    }
    if !changes.to_trailers.is_empty() {
        // There was none. A server that says so before it has heard the call to its end resets the stream, and what is
        // read of it then fails.
        body = BodyHandle::new();
        abi::append_trailer(&mut body, countersign_contract::header::DECISION, changes.decision.as_bytes());
    }
    for name in &changes.to_trailers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else { continue };
        for value in incoming::values(&response, &name).unwrap_or_default() {
            abi::append_trailer(&mut body, name.as_str(), value.as_bytes());
        }
        response.remove_header(&name);
    }
    for (name, value) in &changes.append {
        if let Ok(value) = HeaderValue::try_from(value.as_str()) {
            response.append_header(&HeaderName::from_static(name), &value);
        }
    }
    if let Ok(decision) = HeaderValue::try_from(changes.decision.as_str()) {
        response.insert_header(&HeaderName::from_static(countersign_contract::header::DECISION), &decision);
    }
    ANSWERED.store(true, Ordering::SeqCst);
    response.send_to_client(body);
}

fn send_own(answer: &OwnAnswer) {
    let mut response = ResponseHandle::new();
    if let Ok(status) = StatusCode::from_u16(answer.status) {
        response.set_status(status);
    }
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::try_from(value.as_str()) {
            response.append_header(&HeaderName::from_static(name), &value);
        }
    }
    let mut body = BodyHandle::new();
    // Without a body the status still says it.
    let _ = body.write_all(answer.body.as_bytes());
    for (name, value) in &answer.trailers {
        abi::append_trailer(&mut body, name, value.as_bytes());
    }
    ANSWERED.store(true, Ordering::SeqCst);
    response.send_to_client(body);
}

/// Answers in place of a panic, so that a client sees a refusal and not a trace: wasm can't unwind.
fn answer_a_panic(info: &std::panic::PanicHookInfo<'_>) {
    if !ANSWERED.load(Ordering::SeqCst) {
        let refusal = Refusal::InternalFault(info.to_string());
        let id = BEGUN.get().map_or(DecisionId::from_random([0; 16]), |(id, _)| *id);
        let received = BEGUN.get().map(|(_, received)| received);
        let answer = match received {
            Some(received) => OwnAnswer::refusal_to(received, &refusal, id),
            None => OwnAnswer::refusal(&refusal, id),
        };
        send_own(&answer.with_decision(id));
        if let Some(received) = received {
            let journal = Journal::begin(id, received);
            let status = refusal.status().code();
            let line = journal.line(now(), Duration::ZERO, &Err(refusal), Some(status));
            abi::log(LOG_ENDPOINT, &line);
        }
    }
    // 0: another status would have the platform answer for us.
    std::process::exit(0);
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn open_secrets() -> Result<SecretStore, StoreFault> {
    SecretStore::open(SECRET_STORE).map_err(|e| match e {
        OpenError::SecretStoreDoesNotExist(_) => StoreFault::Absent(SECRET_STORE),
        other => secrets_unreadable(&other),
    })
}

fn secrets_unreadable(fault: &dyn std::fmt::Display) -> StoreFault {
    StoreFault::Unreadable { store: SECRET_STORE, status: fault.to_string() }
}

/// Makes a request a form.
fn fill_in(request: &mut RequestHandle, body: &mut BodyHandle, form: &Form) -> Result<(), FetchFault> {
    const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.set_method(&Method::POST);
    request.insert_header(&HeaderName::from_static("content-type"), &FORM);
    if let Some(authorization) = &form.authorization {
        let value = HeaderValue::try_from(authorization.as_str())
            .map_err(|_| FetchFault::Unusable("the client's secret can't be sent".to_owned()))?;
        request.insert_header(&HeaderName::from_static("authorization"), &value);
    }
    body.write_all(form.body.as_bytes()).map_err(|e| FetchFault::Unreachable(e.to_string()))
}

/// Reads a body, but not more than `most` bytes of it.
fn read_at_most(body: BodyHandle, most: usize) -> Result<Vec<u8>, FetchFault> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    body.take(limit).read_to_end(&mut bytes).map_err(|e| FetchFault::Unreachable(e.to_string()))?;
    if bytes.len() > most { Err(FetchFault::TooLong(most)) } else { Ok(bytes) }
}
