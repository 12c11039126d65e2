//! What the pipeline needs from the platform that it runs on.

use std::net::IpAddr;
use std::time::Duration;

use countersign_contract::route::{Penalty, Window};
use countersign_contract::time::UnixMillis;
use thiserror::Error;

use crate::certificate::ClientCertificate;
use crate::forward::Forward;
use crate::rate::{Counted, RateFault};
use crate::settings::{BackendName, HttpUrl};

/// The log endpoint of the records.
pub const LOG_ENDPOINT: &str = "countersign";
/// The secret with the private keys that assertions are signed with: a JWK, or a JWK Set.
pub const ASSERTION_KEY: &str = "assertion-key";
/// The secret with the keys of the list's fingerprints: `ID:KEY`, one or more with white space between them.
/// `_meta` of the list names the one that is in use.
pub const LIST_KEY: &str = "list-key";

/// The secret with the keys of sessions: `ID:KEY`, one or more with white space between them.
pub const SESSION_KEY: &str = "session-key";
/// The secret with the keys of the origin's receipts, as those of sessions. Without it none is read.
pub const RECEIPT_KEY: &str = "receipt-key";

/// The stores of items that the edge reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Settings and policy.
    Config,
    /// The list, published by the other side.
    List,
}

impl Store {
    /// The name that the service links it under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "countersign_config",
            Self::List => "countersign_list",
        }
    }
}

/// The name that the service links the secret store under.
pub const SECRET_STORE: &str = "countersign_secrets";

/// A store that can't be read. Never a panic: what that means for a request is the pipeline's to
/// decide.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreFault {
    /// The service has no store of this name.
    #[error("the service has no store `{0}`: expected it linked under this name")]
    Absent(&'static str),
    /// It is there and can't be read, e.g. a half-written file of the local server.
    #[error("store `{store}` can't be read: {status}")]
    Unreadable {
        /// The store.
        store: &'static str,
        /// What the platform says.
        status: String,
    },
}

/// Why an answer could not be had from a backend.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("backend `{backend}`: {reason}")]
pub struct SendFault {
    /// The backend's name.
    pub backend: String,
    /// What the platform says.
    pub reason: String,
}

/// Why a document was not fetched.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FetchFault {
    /// No answer.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// Not 200: redirects are not followed.
    #[error("the answer has status {0}, expected 200")]
    Status(u16),
    /// Longer than is read.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// Not what was expected.
    #[error("{0}")]
    Unusable(String),
}

/// The protocol that a request came by, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or older: exactly one `Host`.
    Http1,
    /// HTTP/2 or newer: `:authority` may stand in for it.
    Http2,
}

/// A request's head as the platform received it, nothing of it read yet. Names are lower case.
#[derive(Clone, Debug)]
pub struct Received {
    /// The URL as the platform holds it: scheme, `://`, host as sent, target as sent.
    pub url: Vec<u8>,
    /// The method.
    pub method: Vec<u8>,
    /// The protocol.
    pub protocol: Protocol,
    /// The peer's address.
    pub client: Option<IpAddr>,
    /// Every header's name.
    pub header_names: Vec<String>,
    /// Each `Host`.
    pub host: Vec<Vec<u8>>,
    /// Each `Cookie`.
    pub cookie: Vec<Vec<u8>>,
    /// Each `Authorization`.
    pub authorization: Vec<Vec<u8>>,
    /// Each `Countersign-Assertion`.
    pub assertion: Vec<Vec<u8>>,
    /// Each `Upgrade`.
    pub upgrade: Vec<Vec<u8>>,
    /// Each `Accept`.
    pub accept: Vec<Vec<u8>>,
    /// Each `Content-Type`.
    pub content_type: Vec<Vec<u8>>,
    /// Each `Content-Length`.
    pub content_length: Vec<Vec<u8>>,
    /// Each `Sec-Fetch-Mode`, what a browser says of what it does (Fetch Metadata).
    pub fetch_mode: Vec<Vec<u8>>,
    /// Each `Sec-Fetch-Dest`, what for.
    pub fetch_dest: Vec<Vec<u8>>,
    /// Each `Sec-Fetch-Site`, whose page had the browser do it.
    pub fetch_site: Vec<Vec<u8>>,
    /// Each `Origin`: whose page had the browser send it.
    pub origin: Vec<Vec<u8>>,
    /// Each `Access-Control-Request-Method`, of a preflight.
    pub asks_for_method: Vec<Vec<u8>>,
    /// Each `Access-Control-Request-Headers`, of a preflight.
    pub asks_for_headers: Vec<Vec<u8>>,
    /// Each `Signature` (RFC 9421).
    pub signature: Vec<Vec<u8>>,
    /// Each `Signature-Input` (RFC 9421).
    pub signature_input: Vec<Vec<u8>>,
    /// Each `Signature-Agent`, who a bot says that it is (Web Bot Auth).
    pub signature_agent: Vec<Vec<u8>>,
    /// What could not be read since it is longer than the platform's limits.
    pub too_large: Option<String>,
}

/// The head of the origin's answer; its body stays with the platform, which streams it.
#[derive(Clone, Debug)]
pub struct OriginHead {
    /// The status.
    pub status: u16,
    /// Every header's name, lower case.
    pub header_names: Vec<String>,
    /// Each `Countersign-Decision`.
    pub decisions: Vec<Vec<u8>>,
    /// Each `Countersign-Receipt`.
    pub receipts: Vec<Vec<u8>>,
}

/// Whether a request may have to be sent once more, elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// This is the last; its body goes along.
    Last,
    /// Another one may follow; the request has no body.
    MoreMayFollow,
}

/// A request of our own to an issuer. Redirects are not followed.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    /// The backend.
    pub backend: &'a BackendName,
    /// What is asked for.
    pub url: &'a HttpUrl,
    /// A form that is sent by POST, else it is a GET.
    pub form: Option<&'a Form>,
    /// The longest answer that is read, in bytes.
    pub most: usize,
}

/// A form (`application/x-www-form-urlencoded`) and who sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    /// `Authorization`.
    pub authorization: Option<String>,
    /// The body.
    pub body: String,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds a secret and a code.
        f.write_str("Form(..)")
    }
}

/// An answer of a backend, read whole.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// An object of the platform's cache.
#[derive(Clone, Debug)]
pub struct CacheEntry {
    /// Its key.
    pub key: String,
    /// How long it is fresh.
    pub max_age: Duration,
    /// How long after that it is served while one request makes it anew.
    pub stale: Duration,
}

/// Makes the content of a cache entry.
pub type Make<'a> = &'a dyn Fn() -> Result<Vec<u8>, FetchFault>;

/// The platform: stores, clock, randomness, log, cache and backends.
///
/// No method may panic on what a client sent or on a store that is missing or broken: on the
/// platform a panic is an outage.
pub trait Platform {
    /// The time now.
    fn now(&self) -> UnixMillis;

    /// How long this request has taken so far.
    fn elapsed(&self) -> Duration;

    /// 16 random bytes, or nothing where there is no randomness.
    fn random(&self) -> Option<[u8; 16]>;

    /// The version of this program, as the platform counts.
    fn service_version(&self) -> Option<u64>;

    /// The value of a store's item.
    ///
    /// # Errors
    /// [`StoreFault`] if the store can't be read; a missing item is `None`.
    fn item(&self, store: Store, key: &str) -> Result<Option<String>, StoreFault>;

    /// A secret.
    ///
    /// # Errors
    /// [`StoreFault`] if the store can't be read; a missing secret is `None`.
    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Writes one line to the log endpoint [`LOG_ENDPOINT`]; a log that can't be written to is no
    /// reason to refuse.
    fn log(&self, line: &str);

    /// The request's body, read whole; it still goes along when the request is sent on.
    ///
    /// # Errors
    /// [`FetchFault::TooLong`] above `most` bytes, [`FetchFault::Unreachable`] where it breaks off.
    fn body(&self, most: usize) -> Result<Vec<u8>, FetchFault>;

    /// The certificate that the client showed when it connected, where it did and the platform can tell. Each time
    /// is two calls to the platform, so it is asked for only where a token is bound to one.
    fn client_certificate(&self) -> Option<ClientCertificate>;

    /// Sends the request on, changed as `forward` says, and keeps the answer's body for delivery.
    ///
    /// # Errors
    /// [`SendFault`] if no answer came.
    fn send(&self, forward: &Forward, attempt: Attempt) -> Result<OriginHead, SendFault>;

    /// Has the platform join client and backend for a WebSocket, changed as `forward` says; no answer is seen.
    ///
    /// # Errors
    /// [`SendFault`] if the platform doesn't do that.
    fn hand_over(&self, forward: &Forward) -> Result<(), SendFault>;

    /// Asks an issuer for something, following no redirect.
    ///
    /// # Errors
    /// [`FetchFault::Unreachable`] without an answer, [`FetchFault::TooLong`] above `most` bytes.
    fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, FetchFault>;

    /// The content of a cache entry, made by `make` if it isn't there. Of many requests at once
    /// one makes it and the others wait. A stale entry is made anew by one request; where that
    /// fails the stale content is given.
    ///
    /// # Errors
    /// What `make` fails with, where nothing usable is there.
    fn cached(&self, entry: &CacheEntry, make: Make<'_>) -> Result<Vec<u8>, FetchFault>;

    /// Makes a cache entry anew, but only once in `cool_down`, by whomever; gives what is there
    /// afterwards.
    ///
    /// # Errors
    /// What `make` fails with, where nothing usable is there.
    fn cached_anew(
        &self,
        entry: &CacheEntry,
        cool_down: Duration,
        make: Make<'_>,
    ) -> Result<Vec<u8>, FetchFault>;

    /// Counts a request, and tells how many there were in the window, this one among them. Others count at the same
    /// time and elsewhere: it is an estimate.
    ///
    /// # Errors
    /// [`RateFault`] where it can't be counted.
    fn count(&self, counted: &Counted, window: Window) -> Result<u32, RateFault>;

    /// Whether somebody is in the penalty box.
    ///
    /// # Errors
    /// [`RateFault`] where nobody can look.
    fn is_penalised(&self, counted: &Counted) -> Result<bool, RateFault>;

    /// Puts somebody into the penalty box.
    ///
    /// # Errors
    /// [`RateFault`] where it can't be done.
    fn penalise(&self, counted: &Counted, penalty: Penalty) -> Result<(), RateFault>;
}
