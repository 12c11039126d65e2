//! Where a client stands in the list, without saying who it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::client_key::ClientKey;

/// The secret that fingerprints are keyed with: without it nobody can tell from the store who is
/// listed, or craft an address that collides with a listed one.
#[derive(Clone)]
pub struct ListKey(Hmac<Sha256>);

/// Why a text is not a list key.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("a list key is 32 bytes in base64url without padding (43 characters)")]
pub struct ListKeyFault;

/// The keyed fingerprint of a client: 6 bytes for its record, 4 that choose its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    pub(super) record: [u8; 6],
    bucket: u32,
}

impl ListKey {
    /// Reads a key of 43 characters of base64url; white space around it is dropped.
    ///
    /// # Errors
    /// [`ListKeyFault`] for anything else.
    pub fn from_base64url(text: &str) -> Result<Self, ListKeyFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| ListKeyFault)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| ListKeyFault)?;
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| ListKeyFault)
    }

    /// The fingerprint of a client: HMAC-SHA-256 over the bytes of its key.
    #[must_use]
    pub fn fingerprint(&self, client: &ClientKey) -> Fingerprint {
        let tag: [u8; 32] = self.0.clone().chain_update(client.to_bytes()).finalize().into_bytes().into();
        let [a, b, c, d, e, f, w, x, y, z, ..] = tag;
        Fingerprint { record: [a, b, c, d, e, f], bucket: u32::from_be_bytes([w, x, y, z]) }
    }
}

impl std::fmt::Debug for ListKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListKey(..)")
    }
}

impl Fingerprint {
    /// The number of this client's bucket among `buckets`.
    #[must_use]
    pub fn bucket(&self, buckets: std::num::NonZeroU32) -> u32 {
        self.bucket % buckets
    }
}
