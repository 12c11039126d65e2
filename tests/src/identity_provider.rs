//! A stand-in for the identity provider: publishes a JWKS and mints the tokens a log-in would give.
//!
//! It speaks no OpenID Connect: no discovery, no authorization endpoint, no code exchange. It is for the
//! scenes that are about something else than who somebody is; those have a real provider, see
//! [`crate::oidc_provider`].

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{EncodingKey, Header};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use serde_json::{Value, json};

use crate::der;
use crate::http_server::{HttpServer, Reply};
use crate::trouble::Trouble;

/// The issuer that the edge is told to trust.
pub const ISSUER: &str = "https://idp.example.test";
/// The audience of its tokens.
pub const AUDIENCE: &str = "countersign";
/// How long a token lives, in seconds.
pub const TOKEN_LIFETIME: u64 = 3600;

/// The algorithms it signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl TokenAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a JOSE header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// One signing key with its public half as a JWK.
#[derive(Debug, Clone)]
struct Key {
    algorithm: TokenAlgorithm,
    id: String,
    private: EncodingKey,
    public: Value,
}

/// The running stand-in.
#[derive(Debug)]
pub struct IdentityProvider {
    server: HttpServer,
    keys: Arc<RwLock<Vec<Key>>>,
    fetched: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
}

impl IdentityProvider {
    /// Makes keys and serves them at `/jwks`.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound, [`Trouble::Unexpected`] without randomness.
    pub async fn start() -> Result<Self, Trouble> {
        let keys = Arc::new(RwLock::new(vec![rsa_key()?, p256_key("ec-1")?, ed25519_key("ed-1")?]));
        let fetched = Arc::new(AtomicU64::new(0));
        let fails = Arc::new(AtomicBool::new(false));
        let (published, counter, failing) = (Arc::clone(&keys), Arc::clone(&fetched), Arc::clone(&fails));
        let server = HttpServer::start("the identity provider", move |received| {
            if !received.line.starts_with("GET /jwks ") {
                return Reply::status(404);
            }
            counter.fetch_add(1, Ordering::Relaxed);
            if failing.load(Ordering::Relaxed) {
                return Reply::status(500);
            }
            let keys = published.read().unwrap_or_else(PoisonError::into_inner);
            Reply::json(&json!({ "keys": keys.iter().map(|key| key.public.clone()).collect::<Vec<_>>() }))
        })
        .await?;
        Ok(Self { server, keys, fetched, fails })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often its keys were fetched.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// From now on it answers with status 500.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// From now on EdDSA tokens are signed by a new key; the old one stays published.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn rotate(&self) -> Result<(), Trouble> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let id = format!("ed-{}", keys.len());
        keys.insert(0, ed25519_key(&id)?);
        Ok(())
    }

    /// A token as a log-in gives it: good for [`TOKEN_LIFETIME`] from now.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when it cannot be signed.
    pub fn token(
        &self,
        algorithm: TokenAlgorithm,
        subject: &str,
        groups: &[&str],
    ) -> Result<String, Trouble> {
        let now = now();
        self.token_of(algorithm, &claims(subject, groups, now, now + TOKEN_LIFETIME))
    }

    /// A token with any claims, signed by the newest key of `algorithm`.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when it cannot be signed.
    pub fn token_of(&self, algorithm: TokenAlgorithm, claims: &Value) -> Result<String, Trouble> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys
            .iter()
            .find(|key| key.algorithm == algorithm)
            .ok_or_else(|| Trouble::unexpected("a key", algorithm.name()))?;
        sign(key, claims)
    }

    /// A token that names a published key but is signed by another one.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when it cannot be signed.
    pub fn forged_token(&self, subject: &str, groups: &[&str]) -> Result<String, Trouble> {
        let now = now();
        sign(&ed25519_key("ed-1")?, &claims(subject, groups, now, now + TOKEN_LIFETIME))
    }
}

/// The claims of a token.
#[must_use]
pub fn claims(subject: &str, groups: &[&str], issued: u64, expires: u64) -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "groups": groups,
        "iat": issued,
        "exp": expires,
    })
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

/// Fresh random bytes.
///
/// # Errors
/// [`Trouble::Unexpected`] when the system has no randomness.
pub fn random<const N: usize>() -> Result<[u8; N], Trouble> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Trouble::unexpected("randomness", error.to_string()))?;
    Ok(bytes)
}

fn sign(key: &Key, claims: &Value) -> Result<String, Trouble> {
    let mut header = Header::new(key.algorithm.of_library());
    header.kid = Some(key.id.clone());
    header.typ = Some("at+jwt".into());
    jsonwebtoken::encode(&header, claims, &key.private)
        .map_err(|error| Trouble::unexpected("a signed token", error.to_string()))
}

fn ed25519_key(id: &str) -> Result<Key, Trouble> {
    let key = SigningKey::from_bytes(&random()?);
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    Ok(Key {
        algorithm: TokenAlgorithm::EdDsa,
        id: id.into(),
        private: EncodingKey::from_ed_der(&der::ed25519_private_key(key.as_bytes())),
        public: json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": id, "x": x }),
    })
}

fn p256_key(id: &str) -> Result<Key, Trouble> {
    let scalar: [u8; 32] = random()?;
    // All but one in 2^32 random numbers are below the order of the curve.
    let key = p256::SecretKey::from_slice(&scalar)
        .map_err(|error| Trouble::unexpected("a P-256 key", error.to_string()))?;
    let point = key.public_key().to_encoded_point(false);
    let coordinate =
        |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.copied().unwrap_or_default());
    Ok(Key {
        algorithm: TokenAlgorithm::Es256,
        id: id.into(),
        private: EncodingKey::from_ec_der(&der::p256_private_key(&scalar)),
        public: json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
            "x": coordinate(point.x()), "y": coordinate(point.y()),
        }),
    })
}

/// The key pair of RFC 7515 appendix A.2.1: a fresh RSA key takes seconds to find, and what it
/// protects here is a test.
fn rsa_key() -> Result<Key, Trouble> {
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const E: &str = "AQAB";
    const D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
    const P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
    const Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
    const DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
    const DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
    const QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
    let numbers = [N, E, D, P, Q, DP, DQ, QI]
        .iter()
        .map(|number| URL_SAFE_NO_PAD.decode(number))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Trouble::unexpected("base64url", error.to_string()))?;
    Ok(Key {
        algorithm: TokenAlgorithm::Rs256,
        id: "rs-1".into(),
        private: EncodingKey::from_rsa_der(&der::rsa_private_key(&numbers)),
        public: json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rs-1", "n": N, "e": E }),
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::{AUDIENCE, TokenAlgorithm, claims, ed25519_key, now, p256_key, rsa_key, sign};

    #[test]
    fn every_key_signs_what_its_published_half_verifies() {
        for key in [rsa_key().unwrap(), p256_key("ec").unwrap(), ed25519_key("ed").unwrap()] {
            let token = sign(&key, &claims("user", &["a"], now(), now() + 60)).unwrap();
            let jwk: Jwk = serde_json::from_value(key.public.clone()).unwrap();
            let mut validation = Validation::new(key.algorithm.of_library());
            validation.set_audience(&[AUDIENCE]);
            let read =
                jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation);
            assert_eq!(read.unwrap().claims["sub"], "user", "{}", key.algorithm.name());
        }
    }

    #[test]
    fn the_rsa_key_makes_the_signature_of_rfc_7515_appendix_a_2() {
        let input = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let key = rsa_key().unwrap();
        let made =
            jsonwebtoken::crypto::sign(input.as_bytes(), &key.private, TokenAlgorithm::Rs256.of_library())
                .unwrap();
        assert_eq!(made, signature);
    }
}
