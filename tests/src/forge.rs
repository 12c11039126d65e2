//! Assertions made by hand: good ones, and one for each way to be bad.
//!
//! They are plain JSON, base64url and signatures, made here and not by the code that verifies
//! them, so that a fault shared by minting and verifying cannot hide.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::Request;
use crate::identity_provider::{now, random};
use crate::trouble::Trouble;

/// The header that carries an assertion.
pub const HEADER: &str = "Countersign-Assertion";
/// The client address that good assertions name (RFC 5737, for documentation).
pub const CLIENT: &str = "192.0.2.10";
/// How long good assertions live, in seconds.
pub const LIFETIME: u64 = 30;

/// Whom an assertion speaks of.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// The verified subject; empty for nobody.
    pub subject: &'static str,
    /// Their groups.
    pub groups: &'static [&'static str],
}

/// A member of the engineering group.
pub const ENGINEER: Sender = Sender { subject: "ann", groups: &["engineering"] };
/// A member of the admins group.
pub const ADMIN: Sender = Sender { subject: "root-of-all", groups: &["admins"] };
/// Nobody signed in.
pub const NOBODY: Sender = Sender { subject: "", groups: &[] };

/// Holds the edge's private key, as nobody but the edge should.
#[derive(Debug)]
pub struct Forge {
    key: SigningKey,
    key_id: String,
    /// What `iss` says.
    pub service: &'static str,
    /// What `aud` says.
    pub audience: &'static str,
    /// What `env` says.
    pub environment: &'static str,
}

impl Forge {
    /// Reads the private JWK that `countersign keys generate` wrote.
    ///
    /// # Errors
    /// [`Trouble::Io`] or [`Trouble::Unexpected`] when it is not there or not an Ed25519 key.
    pub fn open(
        private_key: &Path,
        service: &'static str,
        audience: &'static str,
        environment: &'static str,
    ) -> Result<Self, Trouble> {
        let text =
            std::fs::read_to_string(private_key).map_err(Trouble::io("read the edge's private key"))?;
        let jwk: Value = serde_json::from_str(&text).unwrap_or_default();
        let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let seed = URL_SAFE_NO_PAD.decode(member("d")).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let seed = seed.ok_or_else(|| Trouble::unexpected("a private Ed25519 JWK", "something else"))?;
        Ok(Self { key: SigningKey::from_bytes(&seed), key_id: member("kid"), service, audience, environment })
    }

    /// The assertion that the edge would make for `request`, still open to changes.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn draft(&self, request: &Request, sender: Sender) -> Result<Draft, Trouble> {
        let mut claims = Map::new();
        let now = now();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("v", json!(1));
        set("iss", json!(self.service));
        set("aud", json!(self.audience));
        set("iat", json!(now));
        set("exp", json!(now + LIFETIME));
        set("txn", json!(decision_id()?));
        set("req", json!(binding(&request.method, request.host(), &request.target)));
        set("ip", json!(CLIENT));
        if !sender.subject.is_empty() {
            set("sub", json!(sender.subject));
            set("groups", json!(sender.groups));
        }
        set("env", json!(self.environment));
        let mut header = Map::new();
        header.insert("alg".into(), json!("EdDSA"));
        header.insert("kid".into(), json!(self.key_id));
        header.insert("typ".into(), json!("countersign+jwt"));
        Ok(Draft { header, claims })
    }

    /// A good assertion for `request`.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn good(&self, request: &Request, sender: Sender) -> Result<String, Trouble> {
        Ok(self.draft(request, sender)?.signed(self))
    }

    /// The public key, as text and as bytes: what a thief of the JWKS has.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

/// An assertion before its signature.
#[derive(Debug, Clone)]
pub struct Draft {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Draft {
    /// Replaces or adds a claim; null takes it away.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        put(&mut self.claims, name, value);
        self
    }

    /// Replaces or adds a parameter of the JOSE header; null takes it away.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: Value) -> Self {
        put(&mut self.header, name, value);
        self
    }

    /// The claim `txn`: what the decision id would be.
    #[must_use]
    pub fn decision_id(&self) -> String {
        self.claims.get("txn").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Signed by the edge's key, whatever the header says.
    #[must_use]
    pub fn signed(&self, forge: &Forge) -> String {
        self.with_signature(|input| forge.key.sign(input).to_bytes().to_vec())
    }

    /// Signed by a key that nobody was told of.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn signed_by_a_stranger(&self) -> Result<String, Trouble> {
        let stranger = SigningKey::from_bytes(&random()?);
        Ok(self.with_signature(|input| stranger.sign(input).to_bytes().to_vec()))
    }

    /// With an HMAC keyed by the public key: the confusion of RFC 8725 section 2.1.
    #[must_use]
    pub fn hmac_with_the_public_key(&self, forge: &Forge) -> String {
        self.with_signature(|input| {
            Hmac::<Sha256>::new_from_slice(&forge.public_key())
                .map(|keyed| keyed.chain_update(input).finalize().into_bytes().to_vec())
                .unwrap_or_default()
        })
    }

    /// Without a signature: `header.claims.`
    #[must_use]
    pub fn unsigned(&self) -> String {
        self.with_signature(|_| Vec::new())
    }

    /// These claims under the signature of another assertion.
    #[must_use]
    pub fn under_the_signature_of(&self, other: &str) -> String {
        let signature = other.rsplit('.').next().unwrap_or_default();
        format!("{}.{signature}", self.signing_input())
    }

    fn with_signature(&self, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let input = self.signing_input();
        let signature = URL_SAFE_NO_PAD.encode(sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    fn signing_input(&self) -> String {
        let encode =
            |part: &Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part.clone()).to_string());
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }
}

fn put(map: &mut Map<String, Value>, name: &str, value: Value) {
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
}

/// A fresh decision id: 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// [`Trouble::Unexpected`] without randomness.
pub fn decision_id() -> Result<String, Trouble> {
    let bytes: [u8; 16] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The documented request binding over exactly these texts, canonical or not.
#[must_use]
pub fn binding(method: &str, authority: &str, target: &str) -> String {
    let mut hash = Sha256::new_with_prefix(b"countersign-request-v1\0");
    for part in [method, authority, target] {
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::binding;

    #[test]
    fn the_binding_is_the_documented_one() {
        // printf 'countersign-request-v1\0\0\0\0\3GET\0\0\0\20www.example.test\0\0\0\6/api?x' |
        //   openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(
            binding("GET", "www.example.test", "/api?x"),
            "IMwVxVaueR4UUiAPZdm_UQlHqjxFJzYavZLDspS2sR4"
        );
    }
}
