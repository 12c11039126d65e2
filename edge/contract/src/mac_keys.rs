//! Shared keys that messages are authenticated with, several at a time, so that one can replace another.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::name::{KeyId, shown};

/// A key of 32 bytes for HMAC-SHA-256 (RFC 2104), as text 43 characters of base64url.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

/// One key or more, each under an id of its own, in the order of their text. As text `ID:KEY`, with white
/// space between them. A role has a type of its own around this one, so that no key serves two.
#[derive(Clone)]
pub struct MacKeys(Vec<(KeyId, MacKey)>);

/// Why a text holds no keys. No key is in it.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum MacKeysFault {
    /// Not the bytes of a key.
    #[error("a key is 32 bytes in base64url without padding (43 characters)")]
    Bytes,
    /// Not an id and a key.
    #[error("keys are `ID:KEY`, with white space between them: `{0}...` is not one")]
    Form(String),
    /// Two under one id, or none at all.
    #[error("keys are one or more, each under an id of its own")]
    Count,
}

impl MacKey {
    /// Reads a key of 43 characters of base64url; white space around it is dropped.
    ///
    /// # Errors
    /// [`MacKeysFault::Bytes`] for anything else.
    pub fn from_base64url(text: &str) -> Result<Self, MacKeysFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| MacKeysFault::Bytes)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| MacKeysFault::Bytes)?;
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| MacKeysFault::Bytes)
    }

    /// The MAC of a message.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Whether `mac` is this key's over `message`, compared in constant time.
    #[must_use]
    pub fn verifies(&self, message: &[u8], mac: &[u8]) -> bool {
        self.0.clone().chain_update(message).verify_slice(mac).is_ok()
    }
}

impl MacKeys {
    /// Reads `ID:KEY`, one or more with white space between them.
    ///
    /// # Errors
    /// [`MacKeysFault`]; no key is in it.
    pub fn parse(text: &str) -> Result<Self, MacKeysFault> {
        let mut keys = Vec::new();
        for item in text.split_whitespace() {
            // A key that was put there without its id must not get into a log.
            let fault = || MacKeysFault::Form(shown(&item.chars().take(4).collect::<String>()));
            let (id, key) = item.split_once(':').ok_or_else(fault)?;
            let id: KeyId = id.parse().map_err(|_| fault())?;
            if keys.iter().any(|(other, _)| *other == id) {
                return Err(MacKeysFault::Count);
            }
            keys.push((id, MacKey::from_base64url(key)?));
        }
        if keys.is_empty() { Err(MacKeysFault::Count) } else { Ok(Self(keys)) }
    }

    /// All keys with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &MacKey)> {
        self.0.iter().map(|(id, key)| (id, key))
    }

    /// The key of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<(&KeyId, &MacKey)> {
        self.iter().find(|(own, _)| own.as_str() == id)
    }

    /// The key that new messages are made with: the one of an id, else the first.
    #[must_use]
    pub fn current(&self, id: Option<&KeyId>) -> Option<(&KeyId, &MacKey)> {
        match id {
            Some(id) => self.get(id.as_str()),
            None => self.iter().next(),
        }
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

impl fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(id, _)| id)).finish()
    }
}
