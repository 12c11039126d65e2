//! What ties an assertion to one request.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::canonical::{Authority, Method, Target};

/// Keeps these digests apart from every other use of SHA-256, and names the layout below.
const VERSION_TAG: &[u8] = b"countersign-request-v1\0";

/// The digest of one request: SHA-256 over the version tag, then method, authority and target
/// (path and query as received), each behind its length as four bytes, most significant first.
///
/// On the wire (`req` of an assertion) it is 43 characters of base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "Cow<'_, str>")]
pub struct RequestBinding([u8; 32]);

/// Why a text is not a request binding.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("a request binding is 43 characters of base64url")]
pub struct NotABinding;

impl RequestBinding {
    /// Digests a request. Only canonical parts can be given, so equal requests give equal digests.
    #[must_use]
    pub fn of(method: Method<'_>, authority: &Authority<'_>, target: &Target<'_>) -> Self {
        Self::of_parts(method.as_str(), authority.as_str(), target.as_str())
    }

    fn of_parts(method: &str, authority: &str, target: &str) -> Self {
        let mut hash = Sha256::new_with_prefix(VERSION_TAG);
        for part in [method, authority, target] {
            // Canonical parts are bounded far below 4 GiB.
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Says which part of the request an assertion was made for differs from the one at hand.
    ///
    /// `claimed` is the digest of the assertion, `hosts` are other hosts it may have been made
    /// for. The digest doesn't tell what went into it, so the answer is found by trying: nine
    /// methods and [`MOST_HOSTS_TRIED`] hosts, as long as less than [`MOST_BYTES_TRIED`] are
    /// hashed. Where a long target uses that up, the answer is [`Difference::Path`].
    #[must_use]
    pub fn difference<'h>(
        claimed: Self,
        method: Method<'_>,
        authority: &Authority<'_>,
        target: &Target<'_>,
        hosts: impl Iterator<Item = &'h str>,
    ) -> Difference {
        let (authority, target) = (authority.as_str(), target.as_str());
        let tries = MOST_BYTES_TRIED / (target.len() + authority.len() + 64);
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
        let mut tried = methods.iter().take(tries);
        if tried.any(|other| Self::of_parts(other, authority, target) == claimed) {
            return Difference::Method;
        }
        let mut hosts = hosts.take(tries.saturating_sub(methods.len()).min(MOST_HOSTS_TRIED));
        if hosts.any(|other| Self::of_parts(method.as_str(), other, target) == claimed) {
            return Difference::Host;
        }
        Difference::Path
    }
}

/// How many hosts [`RequestBinding::difference`] tries.
pub const MOST_HOSTS_TRIED: usize = 32;

/// How many bytes [`RequestBinding::difference`] hashes: about what one signature costs, since
/// whoever has no key can ask for this work.
pub const MOST_BYTES_TRIED: usize = 16 * 1024;

/// Which part of a request an assertion was made for differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Another method, everything else equal.
    Method,
    /// Another host that we know, everything else equal.
    Host,
    /// Neither of those alone: another path or query, more than one part, or a target too long to
    /// find out.
    Path,
}

impl fmt::Display for RequestBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for RequestBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RequestBinding> for String {
    fn from(binding: RequestBinding) -> Self {
        binding.to_string()
    }
}

impl TryFrom<Cow<'_, str>> for RequestBinding {
    type Error = NotABinding;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::try_from(text.as_ref())
    }
}

impl TryFrom<&str> for RequestBinding {
    type Error = NotABinding;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(NotABinding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, RequestBinding};
    use crate::canonical::{Authority, Method, Target};

    fn binding(method: &str, host: &str, target: &str) -> RequestBinding {
        RequestBinding::of(
            Method::parse(method.as_bytes()).unwrap(),
            &Authority::parse(host.as_bytes()).unwrap(),
            &Target::parse(target.as_bytes()).unwrap(),
        )
    }

    #[test]
    fn the_digest_is_the_documented_one() {
        // printf 'countersign-request-v1\0\0\0\0\3GET\0\0\0\20www.example.test\0\0\0\6/api?x' |
        //   openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(
            binding("GET", "www.example.test", "/api?x").to_string(),
            "IMwVxVaueR4UUiAPZdm_UQlHqjxFJzYavZLDspS2sR4"
        );
    }

    #[test]
    fn host_case_and_default_port_do_not_change_it_and_all_else_does() {
        let one = binding("GET", "www.example.test", "/a?b");
        assert_eq!(one, binding("GET", "WWW.example.TEST:443", "/a?b"));
        for (method, host, target) in [
            ("POST", "www.example.test", "/a?b"),
            ("GET", "www.example.test:8080", "/a?b"),
            ("GET", "www.example.test", "/a"),
            ("GET", "www.example.test", "/a?"),
            ("GET", "www.example.test", "/a?B"),
        ] {
            assert_ne!(one, binding(method, host, target), "{method} {host} {target}");
        }
    }

    #[test]
    fn the_differing_part_is_named() {
        let method = Method::parse(b"GET").unwrap();
        let authority = Authority::parse(b"www.example.test").unwrap();
        let target = Target::parse(b"/a").unwrap();
        let differs = |claimed| {
            RequestBinding::difference(
                claimed,
                method,
                &authority,
                &target,
                ["shop.example.test"].into_iter(),
            )
        };
        assert_eq!(differs(binding("DELETE", "www.example.test", "/a")), Difference::Method);
        assert_eq!(differs(binding("GET", "shop.example.test", "/a")), Difference::Host);
        assert_eq!(differs(binding("GET", "www.example.test", "/b")), Difference::Path);
        assert_eq!(differs(binding("POST", "www.example.test", "/b")), Difference::Path);
    }
}
