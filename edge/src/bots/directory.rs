//! The keys of a bot: its HTTP Message Signatures Directory, a JWKS of which only Ed25519 keys are taken.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::token::presented::unique_members;

/// The longest directory that is read, in bytes.
pub const LONGEST_DIRECTORY: usize = 64 * 1024;

/// The keys that a directory publishes.
#[derive(Debug)]
pub struct Directory(Vec<Key>);

/// Why a document is not taken for a directory.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DirectoryFault {
    /// Not a JWKS.
    #[error("not a JWKS (RFC 7517): {0}")]
    NotAKeySet(String),
    /// None of its keys can be used.
    #[error("none of its {0} keys can be used: expected Ed25519 for signatures (RFC 8037)")]
    NoUsableKey(usize),
}

/// A public key, under the only name that counts: its own thumbprint.
#[derive(Clone, Debug)]
pub struct Key {
    thumbprint: String,
    key: VerifyingKey,
}

impl Directory {
    /// Reads a directory. What is for something else, of another kind or malformed is left out. A key's
    /// `kid`, `nbf` and `exp` are not looked at: what is published counts, under its thumbprint.
    ///
    /// # Errors
    /// [`DirectoryFault`] if no key is left.
    pub fn parse(json: &[u8]) -> Result<Self, DirectoryFault> {
        let mut set = unique_members(json).map_err(|e| DirectoryFault::NotAKeySet(e.to_string()))?;
        let Some(Value::Array(jwks)) = set.remove("keys") else {
            return Err(DirectoryFault::NotAKeySet("expected an array `keys`".to_owned()));
        };
        let keys: Vec<Key> = jwks.iter().filter_map(|jwk| Key::from_jwk(jwk.as_object()?)).collect();
        if keys.is_empty() { Err(DirectoryFault::NoUsableKey(jwks.len())) } else { Ok(Self(keys)) }
    }

    /// The key of a thumbprint.
    #[must_use]
    pub fn find(&self, thumbprint: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.thumbprint == thumbprint)
    }
}

impl Key {
    fn from_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let is = |name: &str, expected: &str| jwk.get(name).and_then(Value::as_str) == Some(expected);
        let may_be = |name: &str, expected: &[&str]| match jwk.get(name) {
            None | Some(Value::Null) => true,
            Some(said) => said.as_str().is_some_and(|said| expected.contains(&said)),
        };
        let may_verify = match jwk.get("key_ops") {
            None | Some(Value::Null) => true,
            Some(ops) => ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")),
        };
        // A key whose private half is published is anybody's.
        let is_private = jwk.get("d").is_some_and(|said| !said.is_null());
        if is_private
            || !is("kty", "OKP")
            || !is("crv", "Ed25519")
            || !may_be("use", &["sig"])
            || !may_be("alg", &["EdDSA", "Ed25519", "ed25519"])
            || !may_verify
        {
            return None;
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(jwk.get("x")?.as_str()?).ok()?.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        // Under a key of small order anybody's signature verifies.
        (!key.is_weak()).then(|| Self { thumbprint: thumbprint(&bytes), key })
    }

    /// The key's name: its JWK thumbprint by SHA-256 (RFC 7638, RFC 8037 appendix A.3), in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether a signature is this key's over a message (RFC 9421 section 3.3.6).
    #[must_use]
    pub fn verifies(&self, signature: &[u8; 64], message: &[u8]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

fn thumbprint(public_key: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}
