//! A token as it was presented: its shape and header read, nothing of it believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::jose::JoseHeader;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};

use super::LONGEST_TOKEN;
use super::claims::Claims;
use super::fault::{TokenFault, shorten};
use super::keys::VerifyingKey;
use crate::settings::SigningAlgorithm;

/// Header parameters that change what is signed, that must be understood, or that bring the key
/// along (RFC 7515 section 4.1, RFC 7797): `jsonwebtoken` reads over them.
const REFUSED_PARAMETERS: [&str; 7] = ["crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"];

/// A token whose parts were told apart and whose header was read.
#[derive(Debug)]
pub(super) struct Presented<'t> {
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    kind: Kind,
    claims: &'t str,
    signature: &'t str,
    signed: &'t str,
}

impl<'t> Presented<'t> {
    pub(super) fn parse(token: &'t [u8]) -> Result<Self, TokenFault> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenFault::TooLarge(token.len()));
        }
        let text = std::str::from_utf8(token).map_err(|_| TokenFault::MalformedParts("it is not ASCII"))?;
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return Err(TokenFault::MalformedParts("a byte that is neither base64url nor `.`"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::MalformedParts("expected exactly two `.`"));
        };
        let signed = text
            .get(..header.len() + 1 + claims.len())
            .ok_or(TokenFault::MalformedParts("expected exactly two `.`"))?;
        let Header { algorithm, key_id, kind } = Header::parse(header)?;
        Ok(Self { algorithm, key_id, kind, claims, signature, signed })
    }

    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(super) fn claims(&self) -> Result<Claims, TokenFault> {
        let json = URL_SAFE_NO_PAD
            .decode(self.claims)
            .map_err(|e| TokenFault::MalformedClaims(format!("not base64url: {e}")))?;
        Claims::parse(&json)
    }

    pub(super) fn check_signature(&self, key: &VerifyingKey) -> Result<(), TokenFault> {
        let signature = URL_SAFE_NO_PAD
            .decode(self.signature)
            .map_err(|_| TokenFault::MalformedSignature("it is not base64url"))?;
        if signature.len() != key.signature_length() {
            return Err(TokenFault::MalformedSignature("its length is not that of the key"));
        }
        if key.verifies(self.signature, self.signed.as_bytes()) {
            Ok(())
        } else {
            Err(TokenFault::SignatureInvalid(key.label()))
        }
    }
}

/// What is taken from a JOSE header.
struct Header {
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    kind: Kind,
}

impl Header {
    fn parse(encoded: &str) -> Result<Self, TokenFault> {
        let json = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|e| TokenFault::MalformedHeader(format!("not base64url: {e}")))?;
        let raw: JoseHeader =
            serde_json::from_slice(&json).map_err(|e| TokenFault::MalformedHeader(e.to_string()))?;
        if let Some(name) = raw.others.iter().find(|name| REFUSED_PARAMETERS.contains(&name.as_str())) {
            return Err(TokenFault::HeaderParameter(name.clone()));
        }
        let algorithm = match raw.alg.as_deref() {
            Some(none) if none.eq_ignore_ascii_case("none") => {
                return Err(TokenFault::AlgorithmNone(none.to_owned()));
            }
            Some(name) => SigningAlgorithm::from_name(name)
                .ok_or_else(|| TokenFault::AlgorithmRefused(shorten(name)))?,
            None => return Err(TokenFault::AlgorithmRefused("missing".to_owned())),
        };
        Ok(Self { algorithm, key_id: raw.kid, kind: Kind::of(raw.typ.as_deref()) })
    }
}

/// What kind of token it says to be by its `typ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `JWT`, or nothing (RFC 7519 section 5.1): an ID token, or of an issuer that doesn't say.
    Jwt,
    /// `at+jwt` (RFC 9068 section 2.1).
    AccessToken,
    /// `logout+jwt` (OpenID Connect Back-Channel Logout 1.0 section 2.4).
    LogoutToken,
    /// Another: our own assertions, events, DPoP proofs.
    Other(String),
}

impl Kind {
    fn of(typ: Option<&str>) -> Self {
        let Some(typ) = typ else { return Self::Jwt };
        // RFC 7515 section 4.1.9: a media type, compared without case, `application/` left out.
        let lower = typ.to_ascii_lowercase();
        match lower.strip_prefix("application/").unwrap_or(&lower) {
            "jwt" => Self::Jwt,
            "at+jwt" => Self::AccessToken,
            "logout+jwt" => Self::LogoutToken,
            _ => Self::Other(shorten(typ)),
        }
    }

    /// Refuses a token of another kind.
    pub(super) fn refuse(&self, expected: &'static str) -> TokenFault {
        let said = match self {
            Self::Jwt => "JWT",
            Self::AccessToken => "at+jwt",
            Self::LogoutToken => "logout+jwt",
            Self::Other(other) => other,
        };
        TokenFault::WrongType { said: said.to_owned(), expected }
    }
}

/// Reads a text that is one object, refusing a name that stands there twice: parsers disagree on
/// which one counts (RFC 7519 section 4, RFC 7517 section 5).
pub(crate) fn unique_members(json: &[u8]) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let members = UniqueMembers.deserialize(&mut reader)?;
    reader.end()?;
    Ok(members)
}

struct UniqueMembers;

impl<'de> DeserializeSeed<'de> for UniqueMembers {
    type Value = serde_json::Map<String, serde_json::Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = serde_json::Map<String, serde_json::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = serde_json::Map::new();
        while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("`{}` stands there twice", shorten(&name))));
            }
            members.insert(name, value);
        }
        Ok(members)
    }
}
