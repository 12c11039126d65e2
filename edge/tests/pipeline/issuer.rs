//! An identity provider's keys and the tokens it makes; the maker is `jsonwebtoken`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::world::NOW;

pub(crate) const ISSUER: &str = "https://idp.example.test";
pub(crate) const AUDIENCE: &str = "https://www.example.test/";
/// The id that the provider knows the edge by.
pub(crate) const CLIENT: &str = "countersign";

/// RFC 7515 appendix A.2.1: n, e, d, p, q, dp, dq, qi.
const RSA: [&str; 8] = [
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "AQAB",
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
];
/// RFC 7515 appendix A.3.1: x, y, d.
const P256: [&str; 3] = [
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
];
/// RFC 8037 appendix A.1: x, d.
const ED25519: [&str; 2] =
    ["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"];

pub(crate) fn rsa_jwk() -> Value {
    json!({ "kty": "RSA", "kid": "rsa-1", "use": "sig", "n": RSA[0], "e": RSA[1] })
}

pub(crate) fn p256_jwk() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "kid": "ec-1", "alg": "ES256", "x": P256[0], "y": P256[1] })
}

pub(crate) fn ed25519_jwk() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed-1", "x": ED25519[0] })
}

pub(crate) fn key_set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// The three keys that the provider of the tests publishes.
pub(crate) fn published() -> Vec<u8> {
    key_set(&[rsa_jwk(), p256_jwk(), ed25519_jwk()])
}

/// The provider's discovery document.
pub(crate) fn metadata() -> Value {
    json!({
        "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks"),
        "authorization_endpoint": format!("{ISSUER}/auth"), "token_endpoint": format!("{ISSUER}/token"),
        "end_session_endpoint": format!("{ISSUER}/session/end"),
        "authorization_response_iss_parameter_supported": true,
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
    })
}

/// A token in the making.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signer: Algorithm,
}

/// A good token of `ann`, who is an engineer, signed by the key of that algorithm.
pub(crate) fn token(signer: Algorithm) -> Token {
    let (alg, kid) = match signer {
        Algorithm::RS256 => ("RS256", "rsa-1"),
        Algorithm::ES256 => ("ES256", "ec-1"),
        _ => ("EdDSA", "ed-1"),
    };
    Token {
        header: json!({ "alg": alg, "kid": kid, "typ": "at+jwt" }),
        claims: json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "groups": ["engineering", "book-club"],
            "iat": NOW - 60, "exp": NOW + 600,
        }),
        signer,
    }
}

impl Token {
    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        self.header[name] = value;
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.as_object_mut().unwrap().remove(name);
        self
    }

    pub(crate) fn without_claim(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    pub(crate) fn make(&self) -> String {
        sign(&self.header.to_string(), &self.claims.to_string(), self.signer)
    }
}

/// A token of any header and claims, also ones that aren't JSON.
pub(crate) fn sign(header: &str, claims: &str, signer: Algorithm) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &private_key(signer), signer).unwrap();
    format!("{signed}.{signature}")
}

fn private_key(signer: Algorithm) -> EncodingKey {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    match signer {
        // RFC 8017 appendix A.1.2: version 0 and the eight numbers.
        Algorithm::RS256 => {
            let numbers = RSA.iter().flat_map(|number| integer(&decode(number)));
            EncodingKey::from_rsa_der(&element(
                0x30,
                &integer(&[0]).into_iter().chain(numbers).collect::<Vec<_>>(),
            ))
        }
        // PKCS #8 (RFC 5958) of an ECPrivateKey (RFC 5915) on prime256v1 (RFC 5480).
        Algorithm::ES256 => {
            let front = b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\
                          \x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
            EncodingKey::from_ec_der(&[&front[..], &decode(P256[2])].concat())
        }
        // PKCS #8 of an Ed25519 seed (RFC 8410 section 7).
        Algorithm::EdDSA => {
            let front = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
            EncodingKey::from_ed_der(&[&front[..], &decode(ED25519[1])].concat())
        }
        // The classic confusion: the public key's text as a shared secret.
        _ => EncodingKey::from_secret(RSA[0].as_bytes()),
    }
}

fn integer(big_endian: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if big_endian[0] >= 0x80 { &[0] } else { &[] };
    element(0x02, &[sign, big_endian].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut bytes = vec![tag];
    match length {
        0..0x80 => bytes.push(length.to_be_bytes()[1]),
        0x80..0x100 => bytes.extend([0x81, length.to_be_bytes()[1]]),
        _ => bytes.extend([&[0x82][..], &length.to_be_bytes()].concat()),
    }
    bytes.extend_from_slice(content);
    bytes
}
