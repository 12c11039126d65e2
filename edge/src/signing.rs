//! The key that this edge signs with, and knows its own assertions by.

use countersign_contract::assertion::{AssertionKeys, AssertionSigner, KeyFault, SharedSecrets, SignerFault};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::platform::{ASSERTION_KEY, Platform, StoreFault};

/// The signing key and its public half.
#[derive(Debug)]
pub struct SigningKey {
    signer: AssertionSigner,
    own: AssertionKeys,
}

/// Why there is no key to sign with. The texts never say what the key is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SigningKeyFault {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The secret is missing.
    #[error("secret `{ASSERTION_KEY}` is missing: expected the private JWK of `countersign keys generate`")]
    Missing,
    /// It can't sign.
    #[error("secret `{ASSERTION_KEY}`: {0}")]
    Signer(String),
    /// Its public half can't be told.
    #[error("secret `{ASSERTION_KEY}`, its public half: {0}")]
    Public(String),
}

impl From<SignerFault> for SigningKeyFault {
    fn from(fault: SignerFault) -> Self {
        Self::Signer(fault.to_string())
    }
}

impl From<KeyFault> for SigningKeyFault {
    fn from(fault: KeyFault) -> Self {
        Self::Public(fault.to_string())
    }
}

impl SigningKey {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`SigningKeyFault`] says what is missing or wrong.
    pub fn load(platform: &impl Platform) -> Result<Self, SigningKeyFault> {
        let secret = platform.secret(ASSERTION_KEY)?.ok_or(SigningKeyFault::Missing)?;
        Self::from_jwk(&secret)
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// [`SigningKeyFault`] says what is missing or wrong.
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, SigningKeyFault> {
        let signer = AssertionSigner::from_jwk(jwk)?;
        let mut members: Map<String, Value> =
            serde_json::from_slice(jwk).map_err(|e| SigningKeyFault::Public(e.to_string()))?;
        // What is left is what an agent would hold of this key.
        members.remove("d");
        members.remove("key_ops");
        let public = json!({ "keys": [members] }).to_string();
        let own = AssertionKeys::from_jwks(public.as_bytes(), SharedSecrets::Accepted)?;
        Ok(Self { signer, own })
    }

    /// Signs assertions.
    #[must_use]
    pub const fn signer(&self) -> &AssertionSigner {
        &self.signer
    }

    /// Verifies our own assertions, and no others.
    #[must_use]
    pub const fn own(&self) -> &AssertionKeys {
        &self.own
    }
}
