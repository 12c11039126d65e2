//! Where a client stands in the list, without saying who it is.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::client_key::ClientKey;
use crate::name::{KeyId, shown};

/// The secret that fingerprints are keyed with: without it nobody can tell from the store who is
/// listed, or craft an address that collides with a listed one.
#[derive(Clone)]
pub struct ListKey(Hmac<Sha256>);

/// The list keys that are held, each under its id: while one is replaced by another, both are.
#[derive(Clone)]
pub struct ListKeys(BTreeMap<KeyId, ListKey>);

/// Why a text holds no list keys.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum ListKeyFault {
    /// Not the bytes of a key.
    #[error("a list key is 32 bytes in base64url without padding (43 characters)")]
    Bytes,
    /// Not an id and a key.
    #[error("list keys are `ID:KEY`, with white space between them: `{0}...` is not one")]
    Form(String),
    /// Two under one id, or none at all.
    #[error("list keys are one or more, each under an id of its own")]
    Count,
}

/// What stands in a record for a client: 6 bytes of its keyed fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub [u8; 6]);

/// The keyed fingerprint of a client: its mark, and what chooses its two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    mark: Mark,
    choices: [u32; 2],
}

impl ListKey {
    /// Reads a key of 43 characters of base64url; white space around it is dropped.
    ///
    /// # Errors
    /// [`ListKeyFault`] for anything else.
    pub fn from_base64url(text: &str) -> Result<Self, ListKeyFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| ListKeyFault::Bytes)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| ListKeyFault::Bytes)?;
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| ListKeyFault::Bytes)
    }

    /// The fingerprint of a client: HMAC-SHA-256 over the bytes of its key.
    #[must_use]
    pub fn fingerprint(&self, client: &ClientKey) -> Fingerprint {
        let tag: [u8; 32] = self.0.clone().chain_update(client.to_bytes()).finalize().into_bytes().into();
        let [a, b, c, d, e, f, w, x, y, z, p, q, r, s, ..] = tag;
        let choices = [[w, x, y, z], [p, q, r, s]].map(u32::from_be_bytes);
        Fingerprint { mark: Mark([a, b, c, d, e, f]), choices }
    }
}

impl ListKeys {
    /// Reads `ID:KEY`, one or more with white space between them.
    ///
    /// # Errors
    /// [`ListKeyFault`]; no key is in it.
    pub fn parse(text: &str) -> Result<Self, ListKeyFault> {
        let mut keys = BTreeMap::new();
        for item in text.split_whitespace() {
            // A key that was put there without its id must not get into a log.
            let fault = || ListKeyFault::Form(shown(&item.chars().take(4).collect::<String>()));
            let (id, key) = item.split_once(':').ok_or_else(fault)?;
            let id: KeyId = id.parse().map_err(|_| fault())?;
            if keys.insert(id, ListKey::from_base64url(key)?).is_some() {
                return Err(ListKeyFault::Count);
            }
        }
        if keys.is_empty() { Err(ListKeyFault::Count) } else { Ok(Self(keys)) }
    }

    /// All keys with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &ListKey)> {
        self.0.iter()
    }

    /// The key of an id.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&ListKey> {
        self.0.get(id)
    }
}

impl fmt::Debug for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListKey(..)")
    }
}

impl fmt::Debug for ListKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Fingerprint {
    /// What stands in this client's record.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.mark
    }

    /// The two buckets among `buckets` that may hold this client's record. With two to choose from, full
    /// stores fill evenly: a single choice would overflow some bucket long before the others are full.
    #[must_use]
    pub fn buckets(&self, buckets: NonZeroU32) -> [u32; 2] {
        let [first, second] = self.choices.map(|choice| choice % buckets);
        // The same one twice would be no choice.
        [first, if first == second { (first + 1) % buckets } else { second }]
    }
}
