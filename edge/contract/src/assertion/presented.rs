//! An assertion as it was presented: its shape read, nothing of it believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TYPE;
use super::claims::{Claims, MOST_GROUPS, VERSION};
use super::fault::AssertionFault;
use super::keys::{AssertionKey, AssertionKeys};
use crate::jose::JoseHeader;
use crate::name::{KeyId, shown};

/// The longest assertion that is read, in bytes.
pub const LONGEST_ASSERTION: usize = 4096;

/// The algorithms that a key of ours can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// HMAC with SHA-256 (RFC 7518 section 3.2): whoever verifies could also sign.
    Hs256,
}

impl Algorithm {
    /// The name in a JOSE header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// An assertion whose parts were told apart and whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Presented<'a> {
    /// Takes the one header that a request may carry.
    ///
    /// `count` is how many there were, `value` the last of them; of several none is read.
    ///
    /// # Errors
    /// [`AssertionFault`]: none or several headers, too long, or not three parts of base64url.
    pub fn from_headers(count: usize, value: Option<&'a [u8]>) -> Result<Self, AssertionFault> {
        match (count, value) {
            (0, _) | (1, None) => Err(AssertionFault::Missing),
            (1, Some(value)) => Self::parse(value),
            (several, _) => Err(AssertionFault::Repeated(several)),
        }
    }

    /// Takes one header's value apart.
    ///
    /// # Errors
    /// [`AssertionFault`]: too long, or not three parts of base64url.
    pub fn parse(value: &'a [u8]) -> Result<Self, AssertionFault> {
        if value.len() > LONGEST_ASSERTION {
            return Err(AssertionFault::TooLarge(value.len()));
        }
        let text = std::str::from_utf8(value).map_err(|_| AssertionFault::MalformedParts("not ASCII"))?;
        if !is_base64url_or_dots(value) {
            return Err(AssertionFault::MalformedParts("a byte that is not base64url or `.`"));
        }
        let (signed, signature) =
            text.rsplit_once('.').ok_or(AssertionFault::MalformedParts("there is no `.`"))?;
        let (header, claims) =
            signed.split_once('.').ok_or(AssertionFault::MalformedParts("there is only one `.`"))?;
        if claims.contains('.') {
            return Err(AssertionFault::MalformedParts("there are more than two `.`"));
        }
        Ok(Self { header, claims, signature, signed })
    }

    /// The key that the header names, if we hold it and it is for the algorithm that is named.
    pub(super) fn key<'k>(&self, keys: &'k AssertionKeys) -> Result<&'k AssertionKey, AssertionFault> {
        // Every good assertion of a key begins with the same bytes; compare before parsing.
        if let Some(key) = keys.iter().find(|key| key.usual_header() == self.header) {
            return Ok(key);
        }
        let header = self.header()?;
        let key = keys.get(&header.kid).ok_or_else(|| AssertionFault::UnknownKey(header.kid.to_string()))?;
        if key.algorithm() == header.alg {
            Ok(key)
        } else {
            Err(AssertionFault::AlgorithmMismatch {
                kid: header.kid.to_string(),
                said: header.alg.as_str(),
                expected: key.algorithm().as_str(),
            })
        }
    }

    fn header(&self) -> Result<Header, AssertionFault> {
        let bytes = URL_SAFE_NO_PAD
            .decode(self.header)
            .map_err(|e| AssertionFault::MalformedHeader(format!("not base64url: {e}")))?;
        let raw: JoseHeader =
            serde_json::from_slice(&bytes).map_err(|e| AssertionFault::MalformedHeader(complaint(&e)))?;
        if let Some(name) = raw.others.first() {
            return Err(AssertionFault::HeaderParameter(shown(name)));
        }
        match raw.typ {
            Some(typ) if typ == TYPE => {}
            other => return Err(AssertionFault::WrongType(shown(other.as_deref().unwrap_or("missing")))),
        }
        let alg = match raw.alg.as_deref() {
            Some("EdDSA") => Algorithm::EdDsa,
            Some("HS256") => Algorithm::Hs256,
            Some(none) if none.eq_ignore_ascii_case("none") => {
                return Err(AssertionFault::AlgorithmNone(none.to_owned()));
            }
            other => return Err(AssertionFault::AlgorithmRefused(shown(other.unwrap_or("missing")))),
        };
        let kid = raw.kid.ok_or_else(|| AssertionFault::KeyIdMissing("it is missing".to_owned()))?;
        let kid = kid.parse::<KeyId>().map_err(|e| AssertionFault::KeyIdMissing(e.to_string()))?;
        Ok(Header { alg, kid })
    }

    /// The claims, as said. Their times, audience and binding are still to be checked.
    pub(super) fn claims(&self) -> Result<Claims, AssertionFault> {
        let bytes = URL_SAFE_NO_PAD
            .decode(self.claims)
            .map_err(|e| AssertionFault::MalformedClaims(format!("not base64url: {e}")))?;
        let bytes = bytes.as_slice();
        // A derived reader would take an array of the members in their order as well.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(AssertionFault::MalformedClaims("they are not an object".to_owned()));
        }
        let claims: Claims = serde_json::from_slice(bytes).map_err(|e| self.claims_fault(bytes, &e))?;
        if claims.v != VERSION {
            return Err(AssertionFault::UnsupportedVersion(claims.v));
        }
        if claims.groups.len() > MOST_GROUPS {
            return Err(AssertionFault::MalformedClaims(format!(
                "claim `groups` has {} items, expected at most {MOST_GROUPS}",
                claims.groups.len()
            )));
        }
        Ok(claims)
    }

    /// A newer version may well lack a claim of ours: its version is the fault to report.
    fn claims_fault(&self, bytes: &[u8], error: &serde_json::Error) -> AssertionFault {
        #[derive(serde::Deserialize)]
        struct Version {
            v: u8,
        }
        match serde_json::from_slice(bytes) {
            Ok(Version { v }) if v != VERSION => AssertionFault::UnsupportedVersion(v),
            _ => AssertionFault::MalformedClaims(complaint(error)),
        }
    }

    /// Checks the signature over header and claims by `key`.
    pub(super) fn check_signature(&self, key: &AssertionKey) -> Result<(), AssertionFault> {
        // A slice of the longest signature plus one, so that a longer one is told from a broken one.
        let mut buffer = [0; 66];
        let length = URL_SAFE_NO_PAD.decode_slice(self.signature, &mut buffer).map_err(|e| {
            AssertionFault::MalformedSignature(match e {
                base64::DecodeSliceError::OutputSliceTooSmall => "longer than 64 bytes",
                base64::DecodeSliceError::DecodeError(_) => "not base64url",
            })
        })?;
        let signature = buffer.get(..length).unwrap_or_default();
        if signature.len() != key.signature_length() {
            return Err(AssertionFault::MalformedSignature("its length is not that of the algorithm"));
        }
        if key.verifies(self.signed.as_bytes(), signature) {
            Ok(())
        } else {
            Err(AssertionFault::SignatureInvalid(key.id().to_string()))
        }
    }
}

/// Without a way out at the first odd byte, so that the compiler looks at many bytes at once.
fn is_base64url_or_dots(value: &[u8]) -> bool {
    !value.iter().fold(false, |odd, &byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        let mark = (byte == b'-') | (byte == b'_') | (byte == b'.');
        odd | !(letter | digit | mark)
    })
}

struct Header {
    alg: Algorithm,
    kid: KeyId,
}

/// What is wrong with some JSON, cut short: the message repeats text of whoever sent it.
fn complaint(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}
