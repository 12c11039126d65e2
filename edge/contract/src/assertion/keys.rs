//! The keys that assertions are verified with.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::error::Category;
use sha2::Sha256;
use thiserror::Error;

use super::TYPE;
use super::presented::Algorithm;
use crate::name::KeyId;

/// The keys that assertions may be signed with, by `kid`. One role, one ring: no key of another
/// purpose can get in here.
#[derive(Clone, Debug)]
pub struct AssertionKeys {
    keys: Vec<AssertionKey>,
}

/// One key of the ring, parsed once.
#[derive(Clone)]
pub(super) struct AssertionKey {
    id: KeyId,
    usual_header: String,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Ed25519(Box<VerifyingKey>),
    // Keyed once: cloning the state is cheaper than deriving both pads again.
    Hs256(Box<Hmac<Sha256>>),
}

/// Whether a set of keys may hold shared secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedSecrets {
    /// Public keys only: whoever holds the set can verify and never sign.
    Refused,
    /// HS256 secrets too, configured on purpose: whoever holds the set can also sign.
    Accepted,
}

/// Why a set of keys can't be used. Positions count from 1.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyFault {
    /// Not a JWKS.
    #[error("not a JWKS (RFC 7517): {0}")]
    NotAKeySet(String),
    /// No key.
    #[error("the set holds no key: expected at least one")]
    Empty,
    /// A key without a usable `kid`.
    #[error("key {position} has no usable `kid`: {reason}")]
    KeyId {
        /// Which key.
        position: usize,
        /// What is wrong.
        reason: String,
    },
    /// Two keys of one `kid`.
    #[error("two keys have the `kid` `{0}`: expected each once")]
    Duplicate(String),
    /// A key that can't be used.
    #[error("key `{kid}`: {reason}")]
    Unusable {
        /// The key's id.
        kid: String,
        /// What is wrong and what was expected.
        reason: &'static str,
    },
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// The members of a JWK (RFC 7517, RFC 8037) that we look at.
#[derive(Deserialize)]
pub(super) struct Jwk {
    pub(super) kty: String,
    pub(super) kid: Option<String>,
    pub(super) crv: Option<String>,
    pub(super) alg: Option<String>,
    #[serde(rename = "use")]
    pub(super) usage: Option<String>,
    pub(super) key_ops: Option<Vec<String>>,
    pub(super) x: Option<String>,
    pub(super) d: Option<String>,
    pub(super) k: Option<String>,
}

impl AssertionKeys {
    /// Reads a JWKS of Ed25519 public keys and, where accepted, HS256 secrets.
    ///
    /// # Errors
    /// [`KeyFault`] for the first key that can't be used: a set is taken whole or not at all, so
    /// that a typing mistake never drops a key in silence.
    pub fn from_jwks(json: &[u8], secrets: SharedSecrets) -> Result<Self, KeyFault> {
        let set: KeySet = serde_json::from_slice(json).map_err(|e| KeyFault::NotAKeySet(complaint(&e)))?;
        let mut keys = BTreeMap::new();
        for (index, jwk) in set.keys.iter().enumerate() {
            let position = index + 1;
            let id = jwk.id().map_err(|reason| KeyFault::KeyId { position, reason })?;
            let material = jwk
                .verifying_material(secrets)
                .map_err(|reason| KeyFault::Unusable { kid: id.to_string(), reason })?;
            let usual_header = usual_header(material.algorithm(), &id);
            if keys.insert(id.clone(), AssertionKey { id: id.clone(), usual_header, material }).is_some() {
                return Err(KeyFault::Duplicate(id.to_string()));
            }
        }
        if keys.is_empty() {
            return Err(KeyFault::Empty);
        }
        Ok(Self { keys: keys.into_values().collect() })
    }

    /// This ring and another one.
    ///
    /// # Errors
    /// [`KeyFault::Duplicate`] if both hold a key of one `kid`.
    pub fn joined(mut self, other: Self) -> Result<Self, KeyFault> {
        for key in other.keys {
            if self.get(&key.id).is_some() {
                return Err(KeyFault::Duplicate(key.id.to_string()));
            }
            self.keys.push(key);
        }
        Ok(self)
    }

    /// The ids of the keys held.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().map(|key| &key.id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &AssertionKey> {
        self.keys.iter()
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<&AssertionKey> {
        self.keys.iter().find(|key| key.id == *id)
    }
}

impl AssertionKey {
    pub(super) const fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn usual_header(&self) -> &str {
        &self.usual_header
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.material.algorithm()
    }

    pub(super) const fn signature_length(&self) -> usize {
        match self.material {
            Material::Ed25519(_) => 64,
            Material::Hs256(_) => 32,
        }
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Material::Hs256(keyed) => {
                keyed.as_ref().clone().chain_update(message).verify_slice(signature).is_ok()
            }
        }
    }
}

impl Material {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }
}

impl Jwk {
    pub(super) fn id(&self) -> Result<KeyId, String> {
        let text = self.kid.as_deref().ok_or("it is missing")?;
        text.parse().map_err(|e: crate::name::NotAName| e.to_string())
    }

    fn verifying_material(&self, secrets: SharedSecrets) -> Result<Material, &'static str> {
        self.check_purpose("verify")?;
        match (self.kty.as_str(), secrets) {
            ("OKP", _) => {
                if self.d.is_some() {
                    return Err("it holds the private part `d`: expected the public key only");
                }
                self.ed25519_public().map(|key| Material::Ed25519(Box::new(key)))
            }
            ("oct", SharedSecrets::Accepted) => {
                let secret = self.secret()?;
                let keyed = Hmac::new_from_slice(&secret).map_err(|_| "`k` can't key an HMAC")?;
                Ok(Material::Hs256(Box::new(keyed)))
            }
            ("oct", SharedSecrets::Refused) => {
                Err("it is a shared secret: expected a public key, or the file of shared secrets on purpose")
            }
            _ => Err("`kty` is not `OKP`: expected an Ed25519 key (RFC 8037)"),
        }
    }

    /// Checks what the key says it is for: signatures, and `operation` where `key_ops` lists any.
    pub(super) fn check_purpose(&self, operation: &str) -> Result<(), &'static str> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err("`use` is not `sig`");
        }
        if self.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == operation)) {
            return Err("`key_ops` does not list what it is to be used for");
        }
        Ok(())
    }

    pub(super) fn ed25519_public(&self) -> Result<VerifyingKey, &'static str> {
        self.check_ed25519()?;
        let bytes = decode_32(self.x.as_deref().ok_or("`x` is missing")?)
            .ok_or("`x` is not 32 bytes of base64url")?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| "`x` is not a point of the curve")?;
        // Under a key of small order anybody's signature verifies.
        if key.is_weak() { Err("`x` is a point of small order") } else { Ok(key) }
    }

    pub(super) fn check_ed25519(&self) -> Result<(), &'static str> {
        if self.crv.as_deref() != Some("Ed25519") {
            return Err("`crv` is not `Ed25519`");
        }
        match self.alg.as_deref() {
            None | Some("EdDSA" | "Ed25519") => Ok(()),
            Some(_) => Err("`alg` is not `EdDSA`"),
        }
    }

    pub(super) fn secret(&self) -> Result<Vec<u8>, &'static str> {
        if !matches!(self.alg.as_deref(), None | Some("HS256")) {
            return Err("`alg` is not `HS256`");
        }
        let encoded = self.k.as_deref().ok_or("`k` is missing")?;
        let secret = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| "`k` is not base64url")?;
        // RFC 7518 section 3.2: a key of the size of the hash output or larger.
        if secret.len() < 32 { Err("`k` is shorter than 32 bytes") } else { Ok(secret) }
    }
}

/// What is wrong with the JSON of a key, and where, without a word of what it holds.
pub(super) fn complaint(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Io | Category::Syntax => "no JSON",
        Category::Data => "a member that is missing, stands there twice or is of the wrong type",
        Category::Eof => "it ends too early",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

pub(super) fn decode_32(text: &str) -> Option<[u8; 32]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

/// The first part of every assertion that we mint with a key.
pub(super) fn usual_header(algorithm: Algorithm, id: &KeyId) -> String {
    // A key id holds nothing that JSON would escape.
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{}","kid":"{id}","typ":"{TYPE}"}}"#, algorithm.as_str()))
}

impl std::fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssertionKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
