//! Minting assertions, at the edge.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use super::claims::{Claims, MOST_GROUPS};
use super::keys::{Jwk, complaint, decode_32, usual_header};
use super::presented::{Algorithm, LONGEST_ASSERTION};
use crate::name::KeyId;

/// The private key that an edge service signs its assertions with.
pub struct AssertionSigner {
    id: KeyId,
    header: String,
    material: Material,
}

enum Material {
    Ed25519(Box<SigningKey>),
    Hs256(Box<Hmac<Sha256>>),
}

/// Why a private key can't be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SignerFault {
    /// Not a JWK.
    #[error("not a JWK (RFC 7517): {0}")]
    NotAKey(String),
    /// No usable `kid`.
    #[error("no usable `kid`: {0}")]
    KeyId(String),
    /// A key that can't sign.
    #[error("key `{kid}`: {reason}")]
    Unusable {
        /// The key's id.
        kid: String,
        /// What is wrong and what was expected.
        reason: &'static str,
    },
}

/// Why an assertion can't be minted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MintError {
    /// It would be refused for its size.
    #[error(
        "the assertion would be {0} bytes long, at most 4096 are accepted: fewer groups, or a shorter subject"
    )]
    TooLarge(usize),
    /// More groups than a verifier reads.
    #[error("the claims hold {0} groups, at most {MOST_GROUPS} are accepted")]
    TooManyGroups(usize),
    /// The claims can't be written.
    #[error("the claims can't be written as JSON: {0}")]
    Json(String),
}

impl AssertionSigner {
    /// Reads a private JWK: `OKP` with `crv` Ed25519 and `d`, or `oct` with `k` for HS256.
    ///
    /// # Errors
    /// [`SignerFault`] says what is missing or wrong; never what the key is.
    pub fn from_jwk(json: &[u8]) -> Result<Self, SignerFault> {
        let jwk: Jwk = serde_json::from_slice(json).map_err(|e| SignerFault::NotAKey(complaint(&e)))?;
        let id = jwk.id().map_err(SignerFault::KeyId)?;
        let material =
            jwk.signing_material().map_err(|reason| SignerFault::Unusable { kid: id.to_string(), reason })?;
        let header = usual_header(material.algorithm(), &id);
        Ok(Self { id, header, material })
    }

    /// The id of the key.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Signs `claims`: the value of the header [`crate::header::ASSERTION`].
    ///
    /// # Errors
    /// [`MintError`] if no verifier would read it.
    pub fn mint(&self, claims: &Claims) -> Result<String, MintError> {
        if claims.groups.len() > MOST_GROUPS {
            return Err(MintError::TooManyGroups(claims.groups.len()));
        }
        let json = serde_json::to_vec(claims).map_err(|e| MintError::Json(e.to_string()))?;
        let mut assertion = String::with_capacity(self.header.len() + json.len() * 4 / 3 + 96);
        assertion.push_str(&self.header);
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(json, &mut assertion);
        let signature = self.material.sign(assertion.as_bytes());
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        if assertion.len() > LONGEST_ASSERTION {
            return Err(MintError::TooLarge(assertion.len()));
        }
        Ok(assertion)
    }
}

impl Material {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::Hs256(keyed) => {
                keyed.as_ref().clone().chain_update(message).finalize().into_bytes().to_vec()
            }
        }
    }
}

impl Jwk {
    fn signing_material(&self) -> Result<Material, &'static str> {
        self.check_purpose("sign")?;
        match self.kty.as_str() {
            "OKP" => {
                self.check_ed25519()?;
                let seed = decode_32(self.d.as_deref().ok_or("`d` is missing: expected the private key")?)
                    .ok_or("`d` is not 32 bytes of base64url")?;
                let key = SigningKey::from_bytes(&seed);
                let public = key.verifying_key().to_bytes();
                if self.x.as_deref().is_some_and(|x| decode_32(x) != Some(public)) {
                    // Bytes first: to read them as a point takes a fifth of a signature.
                    self.ed25519_public()?;
                    return Err("`x` is not the public key of `d`");
                }
                Ok(Material::Ed25519(Box::new(key)))
            }
            "oct" => {
                let keyed = Hmac::new_from_slice(&self.secret()?).map_err(|_| "`k` can't key an HMAC")?;
                Ok(Material::Hs256(Box::new(keyed)))
            }
            _ => Err("`kty` is neither `OKP` nor `oct`"),
        }
    }
}

impl fmt::Debug for AssertionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionSigner")
            .field("id", &self.id)
            .field("algorithm", &self.material.algorithm())
            .finish_non_exhaustive()
    }
}
