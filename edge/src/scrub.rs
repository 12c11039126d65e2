//! The first look at a request: one reading of its target, host and method, or none; and the
//! headers that a client may not bring along.

use countersign_contract::canonical::{
    Authority, Method, NotAMethod, NotAnAuthority, NotCanonical as TargetFault, Target,
};
use countersign_contract::header;
use thiserror::Error;

use crate::platform::{Protocol, Received};

/// Headers that end at this hop (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2), or that would
/// have the next one drop what we add or tunnel what nobody judged. `Proxy-Authorization` is
/// [forbidden](header::FORBIDDEN_FROM_CLIENTS) with its twins.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings"];

/// Methods that the platform takes for an order to its cache.
const ORDERS: [&str; 2] = ["PURGE", "FASTLYPURGE"];

/// A request read in the one way that every part of the path reads it.
#[derive(Clone, Debug)]
pub struct Canonical<'r> {
    /// The method.
    pub method: Method<'r>,
    /// The host.
    pub authority: Authority<'r>,
    /// The target, as sent.
    pub target: Target<'r>,
    /// The host as sent.
    pub host: &'r [u8],
}

/// Why a request's head is refused unread.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotCanonical {
    /// Not one `Host`, or over HTTP/2 more than one.
    #[error("the request has {0} `Host` headers, expected exactly one")]
    HostCount(usize),
    /// The platform's URL isn't the host and an origin-form target.
    #[error("the URL `{url}` is not the scheme, the host `{host}` and a target that starts with `/`")]
    Url {
        /// What the platform gives.
        url: String,
        /// What the client sent as host.
        host: String,
    },
    /// The host is odd.
    #[error("{code}: {0}", code = .0.code())]
    Host(#[from] NotAnAuthority),
    /// The target is odd.
    #[error("{code}: {0}", code = .0.code())]
    Target(#[from] TargetFault),
    /// The method is odd.
    #[error("method-malformed: {0}")]
    Method(#[from] NotAMethod),
}

impl<'r> Canonical<'r> {
    /// Reads a request.
    ///
    /// The platform's URL is taken apart by comparing, never by parsing: what stands before the
    /// target has to be the host that was sent, byte for byte but for case.
    ///
    /// # Errors
    /// [`NotCanonical`] says what could be read in two ways.
    pub fn read(received: &'r Received) -> Result<Self, NotCanonical> {
        let method = Method::parse(&received.method)?;
        let (host, target) = match (received.host.as_slice(), received.protocol) {
            ([host], _) => (host.as_slice(), target_behind(&received.url, host)?),
            // HTTP/2 sends `:authority`, which the platform shows in the URL only.
            ([], Protocol::Http2) => authority_and_target(&received.url)?,
            (hosts, _) => return Err(NotCanonical::HostCount(hosts.len())),
        };
        let authority = Authority::parse(host)?;
        let target = Target::parse(target)?;
        Ok(Self { method, authority, target, host })
    }

    /// Whether no route can open this method.
    #[must_use]
    pub fn is_refused_method(&self) -> bool {
        let is_order = |order: &&str| order.eq_ignore_ascii_case(self.method.as_str());
        self.method.is_refused() || ORDERS.iter().any(is_order)
    }
}

fn target_behind<'r>(url: &'r [u8], host: &[u8]) -> Result<&'r [u8], NotCanonical> {
    let not_a_url = || NotCanonical::Url { url: printable(url), host: printable(host) };
    let rest = without_scheme(url).ok_or_else(not_a_url)?;
    let (front, target) = rest.split_at_checked(host.len()).ok_or_else(not_a_url)?;
    if front.eq_ignore_ascii_case(host) && target.first() == Some(&b'/') {
        Ok(target)
    } else {
        Err(not_a_url())
    }
}

fn authority_and_target(url: &[u8]) -> Result<(&[u8], &[u8]), NotCanonical> {
    let not_a_url = || NotCanonical::Url { url: printable(url), host: String::new() };
    let rest = without_scheme(url).ok_or_else(not_a_url)?;
    let slash = rest.iter().position(|byte| *byte == b'/').ok_or_else(not_a_url)?;
    rest.split_at_checked(slash).ok_or_else(not_a_url)
}

fn without_scheme(url: &[u8]) -> Option<&[u8]> {
    url.strip_prefix(b"https://").or_else(|| url.strip_prefix(b"http://"))
}

/// At most 256 characters of what somebody sent, without its query, for the log.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let path = bytes.split(|byte| *byte == b'?').next().unwrap_or_default();
    String::from_utf8_lossy(path).chars().take(256).collect()
}

/// Whether a header of this name goes no further than here.
#[must_use]
pub fn is_dropped(name: &str) -> bool {
    header::is_forbidden_from_clients(name)
        || HOP_BY_HOP.iter().any(|hop_by_hop| hop_by_hop.eq_ignore_ascii_case(name))
}

/// Whether a header of an answer is only for us.
#[must_use]
pub fn is_own(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    header::OWN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}
