//! Where a client stands in the list, without saying who it is.

use std::num::NonZeroU32;

use crate::client_key::ClientKey;
use crate::mac_keys::{MacKey, MacKeys, MacKeysFault};
use crate::name::KeyId;

/// The secret that fingerprints are keyed with: without it nobody can tell from the store who is
/// listed, or craft an address that collides with a listed one.
#[derive(Clone, Debug)]
pub struct ListKey(MacKey);

/// The list keys that are held, each under its id: while one is replaced by another, both are.
#[derive(Clone, Debug)]
pub struct ListKeys(MacKeys);

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
    /// [`MacKeysFault`] for anything else.
    pub fn from_base64url(text: &str) -> Result<Self, MacKeysFault> {
        MacKey::from_base64url(text).map(Self)
    }

    /// The fingerprint of a client: HMAC-SHA-256 over the bytes of its key.
    #[must_use]
    pub fn fingerprint(&self, client: &ClientKey) -> Fingerprint {
        let [a, b, c, d, e, f, w, x, y, z, p, q, r, s, ..] = self.0.mac(&client.to_bytes());
        let choices = [[w, x, y, z], [p, q, r, s]].map(u32::from_be_bytes);
        Fingerprint { mark: Mark([a, b, c, d, e, f]), choices }
    }
}

impl ListKeys {
    /// Reads `ID:KEY`, one or more with white space between them.
    ///
    /// # Errors
    /// [`MacKeysFault`]; no key is in it.
    pub fn parse(text: &str) -> Result<Self, MacKeysFault> {
        MacKeys::parse(text).map(Self)
    }

    /// All keys with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, ListKey)> {
        self.0.iter().map(|(id, key)| (id, ListKey(key.clone())))
    }

    /// The key of an id.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<ListKey> {
        self.0.get(id.as_str()).map(|(_, key)| ListKey(key.clone()))
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
