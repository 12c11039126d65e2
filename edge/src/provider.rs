//! The identity provider: its discovery document and its keys, fetched and kept.

use std::cell::RefCell;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::platform::{CacheEntry, Fetch, FetchFault, Platform};
use crate::settings::{BackendName, HttpUrl, Issuer};
use crate::token::{KeySet, KeySetFault, LONGEST_KEY_SET, NoKey, TokenFault, VerifyingKey, Wanted};

/// The longest discovery document that is read, in bytes.
const LONGEST_METADATA: usize = 64 * 1024;
/// How long a discovery document bridges an outage of the issuer, in seconds: where things are seldom changes.
const METADATA_STALE_SECONDS: u64 = 86_400;
/// How long it is believed that an issuer answers, or doesn't, in seconds.
const ANSWERS_SECONDS: u64 = 30;

/// The document of OpenID Connect Discovery 1.0 section 3, what is used of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    issuer: String,
    jwks_uri: HttpUrl,
    /// Where people are sent to sign in.
    pub authorization_endpoint: HttpUrl,
    /// Where a code becomes tokens.
    pub token_endpoint: HttpUrl,
    /// Where people are sent to sign out (OpenID Connect RP-Initiated Logout 1.0).
    #[serde(default)]
    pub end_session_endpoint: Option<HttpUrl>,
    /// Whether it says who it is with each answer (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Why a discovery document can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MetadataFault {
    /// Not the JSON that is expected.
    #[error("not a discovery document (OpenID Connect Discovery 1.0 section 3): {0}")]
    Json(String),
    /// Another issuer's.
    #[error("it is of issuer `{0}`, expected the one of the settings")]
    OtherIssuer(String),
    /// Something that has to be secret would travel in clear.
    #[error("`{0}` is not `https://`, as the issuer is")]
    Insecure(HttpUrl),
}

impl Metadata {
    /// Reads an issuer's document.
    ///
    /// # Errors
    /// [`MetadataFault`] where it isn't one, or another issuer's.
    pub fn parse(json: &[u8], issuer: &Issuer) -> Result<Self, MetadataFault> {
        let metadata: Self = serde_json::from_slice(json).map_err(|e| MetadataFault::Json(e.to_string()))?;
        if metadata.issuer != issuer.issuer.as_str() {
            return Err(MetadataFault::OtherIssuer(metadata.issuer.chars().take(128).collect()));
        }
        let Self { jwks_uri, authorization_endpoint, token_endpoint, end_session_endpoint, .. } = &metadata;
        let urls = [jwks_uri, authorization_endpoint, token_endpoint].into_iter().chain(end_session_endpoint);
        let insecure = urls.into_iter().find(|url| issuer.issuer.is_secure() && !url.is_secure()).cloned();
        insecure.map_or(Ok(metadata), |url| Err(MetadataFault::Insecure(url)))
    }

    /// The issuer's document, from the cache where it is there.
    ///
    /// # Errors
    /// [`FetchFault`] where none can be had.
    pub fn of(platform: &impl Platform, issuer: &Issuer) -> Result<Self, FetchFault> {
        let entry = CacheEntry {
            key: format!("countersign-discovery-1 {}", issuer.issuer),
            max_age: Duration::from_secs(issuer.discovery_max_age_seconds),
            stale: Duration::from_secs(METADATA_STALE_SECONDS),
        };
        let document = platform.cached(&entry, &|| Self::fetch(platform, issuer))?;
        Self::parse(&document, issuer).map_err(|fault| FetchFault::Unusable(fault.to_string()))
    }

    /// Asks for it, or says how that went a moment ago.
    fn fetch(platform: &impl Platform, issuer: &Issuer) -> Result<Vec<u8>, FetchFault> {
        let what = format!("discovery {}", issuer.issuer);
        remembered(platform, &what, issuer.refetch_cooldown_seconds, || Self::fetch_now(platform, issuer))
    }

    fn fetch_now(platform: &impl Platform, issuer: &Issuer) -> Result<Vec<u8>, FetchFault> {
        let base = issuer.issuer.as_str().trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let url = HttpUrl::try_from(url).map_err(|fault| FetchFault::Unusable(fault.to_string()))?;
        let document = get(platform, &issuer.backend, &url, LONGEST_METADATA)?;
        Self::parse(&document, issuer).map_err(|fault| FetchFault::Unusable(fault.to_string()))?;
        Ok(document)
    }
}

/// Why the issuer doesn't answer at present, if it doesn't: nobody who can still go on is sent to one that
/// doesn't. Asked at most once in half a minute.
pub fn outage(platform: &impl Platform, issuer: &Issuer) -> Option<FetchFault> {
    let what = format!("answers {}", issuer.issuer);
    remembered(platform, &what, ANSWERS_SECONDS, || Metadata::fetch_now(platform, issuer)).err()
}

/// The key that a token asks for, of its issuer's alone: from the cache, and where it isn't there
/// from a set that is fetched anew, at most once in the issuer's cool-down.
///
/// # Errors
/// [`TokenFault`] says why there is none.
pub fn find_key(
    platform: &impl Platform,
    issuer: &Issuer,
    wanted: Wanted<'_>,
) -> Result<VerifyingKey, TokenFault> {
    let entry = CacheEntry {
        key: format!("countersign-jwks-1 {}", issuer.issuer),
        max_age: Duration::from_secs(issuer.jwks_max_age_seconds),
        stale: Duration::from_secs(issuer.jwks_stale_seconds),
    };
    let fetch = || fetch_keys(platform, issuer);
    let what = format!("keys {}", issuer.issuer);
    let fetch_or_fault = || remembered(platform, &what, issuer.refetch_cooldown_seconds, fetch);
    let unavailable =
        |fault: FetchFault| TokenFault::KeysUnavailable { issuer: issuer.name.to_string(), fault };
    let unusable = |fault: KeySetFault| unavailable(FetchFault::Unusable(fault.to_string()));

    let cached = platform.cached(&entry, &fetch_or_fault).map_err(unavailable)?;
    let found = KeySet::parse(&cached).map_err(unusable)?.find(wanted).cloned();
    let found = match found {
        Err(NoKey::Unknown) => {
            let cool_down = Duration::from_secs(issuer.refetch_cooldown_seconds);
            match platform.cached_anew(&entry, cool_down, &fetch) {
                Ok(newer) => KeySet::parse(&newer).map_err(unusable)?.find(wanted).cloned(),
                // The known keys are still good; this one just isn't among them.
                Err(_) => Err(NoKey::Unknown),
            }
        }
        found => found,
    };
    let id = || wanted.id.unwrap_or("without an id").chars().take(64).collect::<String>();
    found.map_err(|none| match none {
        NoKey::Unknown => TokenFault::UnknownKey(id()),
        NoKey::OtherAlgorithm => TokenFault::AlgorithmMismatch { kid: id(), said: wanted.algorithm.as_str() },
        NoKey::Ambiguous => TokenFault::KeyIdMissing,
    })
}

/// What `fetch` gives, asked at most once in a cool-down, in seconds, for the same `what`: one that is slow to
/// fail must not hold up every request.
pub(crate) fn remembered(
    platform: &impl Platform,
    what: &str,
    cool_down: u64,
    fetch: impl Fn() -> Result<Vec<u8>, FetchFault>,
) -> Result<Vec<u8>, FetchFault> {
    const FETCHED: u8 = b'+';
    const FAILED: u8 = b'-';
    let attempt = CacheEntry {
        key: format!("countersign-attempt-1 {what}"),
        max_age: Duration::from_secs(cool_down),
        stale: Duration::ZERO,
    };
    let own_fault = RefCell::new(None);
    let outcome = platform.cached(&attempt, &|| {
        let (mark, content) = match fetch() {
            Ok(content) => (FETCHED, content),
            Err(fault) => {
                let text = fault.to_string().into_bytes();
                own_fault.replace(Some(fault));
                (FAILED, text)
            }
        };
        Ok([&[mark], content.as_slice()].concat())
    })?;
    match (outcome.split_first(), own_fault.into_inner()) {
        (_, Some(fault)) => Err(fault),
        (Some((&FETCHED, content)), None) => Ok(content.to_vec()),
        (Some((_, fault)), None) => {
            Err(FetchFault::Unusable(format!("a moment ago: {}", String::from_utf8_lossy(fault))))
        }
        (None, None) => Err(FetchFault::Unusable("an attempt that was not kept".to_owned())),
    }
}

/// Fetches an issuer's keys. Only a set that holds a usable key gets into the cache, so that an
/// error page never replaces good keys.
fn fetch_keys(platform: &impl Platform, issuer: &Issuer) -> Result<Vec<u8>, FetchFault> {
    let url = match &issuer.jwks_uri {
        Some(url) => url.clone(),
        None => Metadata::of(platform, issuer)?.jwks_uri,
    };
    let backend = issuer.jwks_backend.as_ref().unwrap_or(&issuer.backend);
    let keys = get(platform, backend, &url, LONGEST_KEY_SET)?;
    KeySet::parse(&keys).map_err(|fault| FetchFault::Unusable(fault.to_string()))?;
    Ok(keys)
}

/// Fetches a document of at most `most` bytes.
pub(crate) fn get(
    platform: &impl Platform,
    backend: &BackendName,
    url: &HttpUrl,
    most: usize,
) -> Result<Vec<u8>, FetchFault> {
    let fetched = platform.fetch(&Fetch { backend, url, form: None, most })?;
    if fetched.status != 200 {
        return Err(FetchFault::Status(fetched.status));
    }
    if fetched.body.len() > most {
        return Err(FetchFault::TooLong(most));
    }
    Ok(fetched.body)
}
