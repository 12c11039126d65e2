//! The keys that this edge signs with, and knows its own assertions by.

use countersign_contract::assertion::{AssertionKeys, AssertionSigner, KeyFault, SharedSecrets, SignerFault};
use countersign_contract::name::KeyId;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::platform::{ASSERTION_KEY, Platform, StoreFault};

/// The private keys: while one replaces another, both.
pub struct SigningKeys(Vec<Map<String, Value>>);

/// Why there is no key to sign with. The texts never say what the key is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SigningKeyFault {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The secret is missing.
    #[error(
        "secret `{ASSERTION_KEY}` is missing: expected the private JWK of `countersign keys generate`, or a JWK Set of several"
    )]
    Missing,
    /// The settings name a key that isn't there.
    #[error("secret `{ASSERTION_KEY}` has no key `{0}`, which `assertion_key` of the settings names")]
    Unknown(String),
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

impl SigningKeys {
    /// Reads the secret: a private JWK, or a JWK Set of them.
    ///
    /// # Errors
    /// [`SigningKeyFault`] says what is missing or wrong.
    pub fn load(platform: &impl Platform) -> Result<Self, SigningKeyFault> {
        let secret = platform.secret(ASSERTION_KEY)?.ok_or(SigningKeyFault::Missing)?;
        Self::parse(&secret)
    }

    /// Reads a private JWK, or a JWK Set of them.
    ///
    /// # Errors
    /// [`SigningKeyFault`] says what is missing or wrong.
    pub fn parse(json: &[u8]) -> Result<Self, SigningKeyFault> {
        // No text of the secret gets into a message.
        let not_json = || SigningKeyFault::Signer("not a JWK or a JWK Set (RFC 7517)".to_owned());
        let mut members: Map<String, Value> = serde_json::from_slice(json).map_err(|_| not_json())?;
        let keys: Vec<_> = match members.remove("keys") {
            None => vec![members],
            Some(Value::Array(keys)) => keys
                .into_iter()
                .map(|key| if let Value::Object(key) = key { Ok(key) } else { Err(not_json()) })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(not_json()),
        };
        if keys.is_empty() { Err(SigningKeyFault::Missing) } else { Ok(Self(keys)) }
    }

    /// The key that signs: the one that is named, else the first.
    ///
    /// # Errors
    /// [`SigningKeyFault`] if it isn't there, or can't sign.
    pub fn signer(&self, wanted: Option<&KeyId>) -> Result<AssertionSigner, SigningKeyFault> {
        let is_wanted = |key: &&Map<String, Value>| {
            wanted.is_none_or(|wanted| key.get("kid").and_then(Value::as_str) == Some(wanted.as_str()))
        };
        let key = self.0.iter().find(is_wanted);
        let key =
            key.ok_or_else(|| SigningKeyFault::Unknown(wanted.map(KeyId::to_string).unwrap_or_default()))?;
        // Without it a shield would not know what another location signed.
        if key.get("kty").is_some_and(|kty| kty == "OKP") && !key.contains_key("x") {
            return Err(SigningKeyFault::Public("`x` is missing".to_owned()));
        }
        Ok(AssertionSigner::from_jwk(Value::Object(key.clone()).to_string().as_bytes())?)
    }

    /// What an agent would hold of these keys: verifies our own assertions, and no others.
    ///
    /// # Errors
    /// [`SigningKeyFault`] if one of them has no public half.
    pub fn own(&self) -> Result<AssertionKeys, SigningKeyFault> {
        let public = self.0.iter().cloned().map(|mut key| {
            key.remove("d");
            key.remove("key_ops");
            key
        });
        let public = json!({ "keys": public.collect::<Vec<_>>() }).to_string();
        Ok(AssertionKeys::from_jwks(public.as_bytes(), SharedSecrets::Accepted)?)
    }
}
