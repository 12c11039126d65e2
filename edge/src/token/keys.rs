//! The keys of an issuer: a JWKS (RFC 7517) of which only what is fit to verify with is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::fault::shorten;
use super::presented::unique_members;
use crate::settings::SigningAlgorithm;

/// The longest key set that is read, in bytes.
pub const LONGEST_KEY_SET: usize = 256 * 1024;

/// The most keys of a set.
const MOST_KEYS: usize = 256;

/// RFC 7518 section 3.3 asks for 2048 bits; the library takes no more than 4096.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The members of a private JWK (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2): one prime
/// is as good as the private exponent.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The keys of one issuer that tokens can be verified with.
#[derive(Debug)]
pub struct KeySet(Vec<VerifyingKey>);

/// Why a document is not taken for an issuer's keys.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum KeySetFault {
    /// Not a JWKS.
    #[error("not a JWKS (RFC 7517): {0}")]
    NotAKeySet(String),
    /// More than any issuer needs: all of them are read for each token.
    #[error("it has {0} keys, expected at most {MOST_KEYS}")]
    TooMany(usize),
    /// None of its keys can be used.
    #[error(
        "none of its {0} keys can be used: expected RSA of 2048 to 4096 bits, P-256 or Ed25519, for signatures"
    )]
    NoUsableKey(usize),
}

/// Why no key fits a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// None of that id, or none at all for the algorithm: newer keys may have it.
    Unknown,
    /// The key of that id is for another algorithm.
    OtherAlgorithm,
    /// The token names no key and several could be meant.
    Ambiguous,
}

/// What a token asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'t> {
    /// The key's id (`kid`), where the token names one.
    pub id: Option<&'t str>,
    /// The algorithm.
    pub algorithm: SigningAlgorithm,
}

/// One key, for one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    id: Option<String>,
    algorithm: SigningAlgorithm,
    signature_length: usize,
    decoding: DecodingKey,
}

/// The members of a JWK that are looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS. Keys that are for something else, of another kind, too small or malformed are
    /// left out, since issuers publish such beside the others; so are all of an id and algorithm
    /// that stand there twice, since nothing tells which is meant.
    ///
    /// # Errors
    /// [`KeySetFault`] if no key is left.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetFault> {
        let mut set = unique_members(json).map_err(|e| KeySetFault::NotAKeySet(e.to_string()))?;
        let Some(Value::Array(keys)) = set.remove("keys") else {
            return Err(KeySetFault::NotAKeySet("expected an array `keys`".to_owned()));
        };
        let published = keys.len();
        if published > MOST_KEYS {
            return Err(KeySetFault::TooMany(published));
        }
        let usable: Vec<VerifyingKey> = keys.into_iter().filter_map(VerifyingKey::from_json).collect();
        let once = |key: &&VerifyingKey| {
            key.id.is_none()
                || usable
                    .iter()
                    .filter(|other| other.id == key.id && other.algorithm == key.algorithm)
                    .count()
                    == 1
        };
        let keys: Vec<VerifyingKey> = usable.iter().filter(once).cloned().collect();
        if keys.is_empty() { Err(KeySetFault::NoUsableKey(published)) } else { Ok(Self(keys)) }
    }

    /// The key that a token asks for.
    ///
    /// # Errors
    /// [`NoKey`] says why there is none.
    pub fn find(&self, wanted: Wanted<'_>) -> Result<&VerifyingKey, NoKey> {
        let mut fitting = self.0.iter().filter(|key| {
            key.algorithm == wanted.algorithm && wanted.id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
            (None, _) => {
                let same_id = |key: &VerifyingKey| wanted.id.is_some() && key.id.as_deref() == wanted.id;
                Err(if self.0.iter().any(same_id) { NoKey::OtherAlgorithm } else { NoKey::Unknown })
            }
        }
    }
}

impl VerifyingKey {
    fn from_json(json: Value) -> Option<Self> {
        // By hand, since a derived reader would take an array of the values as well.
        let members = json.as_object()?;
        // A key whose private half is published, or a part that gives it away, is anybody's.
        if PRIVATE_MEMBERS.iter().any(|name| members.get(*name).is_some_and(|said| !said.is_null())) {
            return None;
        }
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        if !jwk.is_for_verifying() {
            return None;
        }
        let (algorithm, signature_length, decoding) = match jwk.kty.as_str() {
            "RSA" => jwk.rsa()?,
            "EC" => jwk.p256()?,
            "OKP" => jwk.ed25519()?,
            _ => return None,
        };
        if !jwk.is_for(algorithm) {
            return None;
        }
        Some(Self { id: jwk.kid, algorithm, signature_length, decoding })
    }

    pub(super) const fn signature_length(&self) -> usize {
        self.signature_length
    }

    /// The key's id, for a message.
    pub(super) fn label(&self) -> String {
        self.id.as_deref().map_or_else(|| "without an id".to_owned(), shorten)
    }

    /// Whether `signature`, in base64url, is this key's over `message`. A key that turns out to be
    /// none, such as a point beside the curve, verifies nothing.
    pub(super) fn verifies(&self, signature: &str, message: &[u8]) -> bool {
        let algorithm = match self.algorithm {
            SigningAlgorithm::Rs256 => Algorithm::RS256,
            SigningAlgorithm::Es256 => Algorithm::ES256,
            SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        };
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, algorithm).unwrap_or(false)
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Jwk {
    fn is_for_verifying(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
    }

    fn is_for(&self, algorithm: SigningAlgorithm) -> bool {
        match (self.alg.as_deref(), algorithm) {
            (None, _) => true,
            // RFC 9864 gives Ed25519 a name of its own.
            (Some("Ed25519"), SigningAlgorithm::EdDsa) => true,
            (Some(name), algorithm) => name == algorithm.as_str(),
        }
    }

    fn rsa(&self) -> Option<(SigningAlgorithm, usize, DecodingKey)> {
        let modulus = decode(self.n.as_deref()?)?;
        let exponent = decode(self.e.as_deref()?)?;
        let bits = bits(&modulus);
        if !RSA_BITS.contains(&bits) || !is_exponent(&exponent) {
            return None;
        }
        let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
        Some((SigningAlgorithm::Rs256, bits.div_ceil(8), key))
    }

    fn p256(&self) -> Option<(SigningAlgorithm, usize, DecodingKey)> {
        let (x, y) = (self.x.as_deref()?, self.y.as_deref()?);
        if self.crv.as_deref() != Some("P-256") || decode(x)?.len() != 32 || decode(y)?.len() != 32 {
            return None;
        }
        Some((SigningAlgorithm::Es256, 64, DecodingKey::from_ec_components(x, y).ok()?))
    }

    fn ed25519(&self) -> Option<(SigningAlgorithm, usize, DecodingKey)> {
        let x = self.x.as_deref()?;
        // The library slices the first 32 bytes: fewer would be a panic.
        let bytes: [u8; 32] = decode(x)?.try_into().ok()?;
        if self.crv.as_deref() != Some("Ed25519") {
            return None;
        }
        // Under a key of small order anybody's signature verifies.
        let point = ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok()?;
        if point.is_weak() {
            return None;
        }
        Some((SigningAlgorithm::EdDsa, 64, DecodingKey::from_ed_components(x).ok()?))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn bits(big_endian: &[u8]) -> usize {
    let mut digits = big_endian.iter().skip_while(|digit| **digit == 0);
    digits.next().map_or(0, |first| (8 - first.leading_zeros() as usize) + 8 * digits.count())
}

/// Whether it is odd, at least 3, and of at most 32 bits: with 1 a message signs itself.
fn is_exponent(big_endian: &[u8]) -> bool {
    big_endian.len() <= 4
        && big_endian.iter().fold(0_u64, |value, digit| value << 8 | u64::from(*digit)) >= 3
        && big_endian.last().is_some_and(|last| last % 2 == 1)
}
