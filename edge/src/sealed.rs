//! What we give a browser to keep, so that nobody else can make it up: a compact JWS (RFC 7515) under HS256
//! with keys that only the edge holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::mac_keys::{MacKey, MacKeys, MacKeysFault};
use countersign_contract::name::KeyId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::platform::{Platform, SESSION_KEY, StoreFault};

/// The longest that is read, in bytes: browsers keep no longer cookie.
pub const LONGEST: usize = 4096;

/// The keys of sessions and log-ins. One role: no other key gets in here.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    keys: MacKeys,
    current: KeyId,
}

/// Why there are no keys.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SessionKeysFault {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The secret is missing.
    #[error("secret `{SESSION_KEY}` is missing: expected the output of `countersign keys session`")]
    Missing,
    /// It holds no keys.
    #[error("secret `{SESSION_KEY}`: {0}")]
    Keys(#[from] MacKeysFault),
    /// The settings name a key that isn't there.
    #[error("secret `{SESSION_KEY}` has no key `{0}`, which `session_key` of the settings names")]
    Unknown(KeyId),
}

/// What a seal is for: no seal of one kind stands in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who is signed in.
    Session,
    /// A log-in that was begun.
    Attempt,
}

/// Why something sealed is not ours.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealFault {
    /// Too long, or not three parts.
    #[error("it is no compact JWS of at most {LONGEST} bytes")]
    Malformed,
    /// Of another kind, or under a key that isn't held any more.
    #[error("it is of another kind, or under a key that is not held")]
    UnknownKey,
    /// The MAC isn't the key's.
    #[error("it is not sealed by key `{0}`")]
    Forged(KeyId),
    /// What is in it isn't what we seal today.
    #[error("what is in it can't be read: {0}")]
    Content(String),
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::Session => "countersign-session+jwt",
            Self::Attempt => "countersign-login+jwt",
        }
    }

    /// The header of everything that we seal. A key id holds nothing that JSON would escape.
    fn header(self, key: &KeyId) -> String {
        URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{key}","typ":"{}"}}"#, self.typ()))
    }
}

impl SessionKeys {
    /// Reads the secret; new seals are made with the key that the settings name, else with the first.
    ///
    /// # Errors
    /// [`SessionKeysFault`].
    pub fn load(platform: &impl Platform, wanted: Option<&KeyId>) -> Result<Self, SessionKeysFault> {
        let secret = platform.secret(SESSION_KEY)?.ok_or(SessionKeysFault::Missing)?;
        Self::parse(std::str::from_utf8(&secret).map_err(|_| MacKeysFault::Bytes)?, wanted)
    }

    /// Reads the secret's text: `ID:KEY`, one or more with white space between them.
    ///
    /// # Errors
    /// [`SessionKeysFault`].
    pub fn parse(text: &str, wanted: Option<&KeyId>) -> Result<Self, SessionKeysFault> {
        let keys = MacKeys::parse(text)?;
        match (keys.current(wanted), wanted) {
            (Some((current, _)), _) => {
                let current = current.clone();
                Ok(Self { keys, current })
            }
            (None, Some(wanted)) => Err(SessionKeysFault::Unknown(wanted.clone())),
            (None, None) => Err(SessionKeysFault::Missing),
        }
    }

    /// Seals something under the current key.
    #[must_use]
    pub fn seal(&self, kind: Kind, content: &impl Serialize) -> String {
        let json = serde_json::to_vec(content).unwrap_or_default();
        let signed = format!("{}.{}", kind.header(&self.current), URL_SAFE_NO_PAD.encode(json));
        let mac = self.key(self.current.as_str()).map(|(_, key)| key.mac(signed.as_bytes()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.unwrap_or_default()))
    }

    /// Opens what was sealed under any of the keys.
    ///
    /// # Errors
    /// [`SealFault`].
    pub fn open<T: DeserializeOwned>(&self, kind: Kind, sealed: &[u8]) -> Result<(&KeyId, T), SealFault> {
        let text = std::str::from_utf8(sealed).ok().filter(|text| text.len() <= LONGEST);
        let (signed, mac) = text.and_then(|text| text.rsplit_once('.')).ok_or(SealFault::Malformed)?;
        let (header, content) = signed.split_once('.').ok_or(SealFault::Malformed)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| SealFault::Malformed)?;
        // We are the only ones who make these: the header is exactly ours or it is none.
        let (id, key) =
            self.keys.iter().find(|(id, _)| kind.header(id) == header).ok_or(SealFault::UnknownKey)?;
        if !key.verifies(signed.as_bytes(), &mac) {
            return Err(SealFault::Forged(id.clone()));
        }
        let json = URL_SAFE_NO_PAD.decode(content).map_err(|_| SealFault::Malformed)?;
        let content = serde_json::from_slice(&json).map_err(|e| SealFault::Content(e.to_string()))?;
        Ok((id, content))
    }

    /// A value that only we can tell from `seed`, for a use of its own.
    #[must_use]
    pub fn derive(&self, key: &KeyId, purpose: &str, seed: &str) -> Option<String> {
        let (_, key) = self.key(key.as_str())?;
        Some(URL_SAFE_NO_PAD.encode(key.mac(format!("countersign-{purpose}-1~{seed}").as_bytes())))
    }

    /// The key that new seals are made with.
    #[must_use]
    pub const fn current(&self) -> &KeyId {
        &self.current
    }

    fn key(&self, id: &str) -> Option<(&KeyId, &MacKey)> {
        self.keys.get(id)
    }
}
