//! Which sets of keys are taken, and which mistakes in them are named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod judging;

use countersign_contract::assertion::{AssertionKeys, AssertionSigner, KeyFault, SharedSecrets};
use judging::{RFC7515_K, RFC8037_D, RFC8037_X, encode};

fn read(set: &str) -> Result<AssertionKeys, KeyFault> {
    AssertionKeys::from_jwks(set.as_bytes(), SharedSecrets::Refused)
}

/// A set of one public key with other members put in.
fn with(members: &str) -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{RFC8037_X}"{members}}}]}}"#)
}

fn with_x(x: &str) -> String {
    with("").replace(RFC8037_X, x)
}

#[test]
fn ordinary_sets_are_taken() {
    for set in [
        with(""),
        with(r#","use":"sig","alg":"EdDSA","key_ops":["verify"]"#),
        with(r#","alg":"Ed25519""#),
        with(r#","key_ops":["sign","verify"]"#),
        // RFC 7517 section 4: members that aren't understood are left alone.
        with(r#","x5t":"AAAA","comment":{"by":"ops"}"#),
    ] {
        let keys = read(&set).unwrap();
        assert_eq!(keys.ids().map(ToString::to_string).collect::<Vec<_>>(), ["k"]);
    }
}

#[test]
fn every_mistake_in_a_set_is_named() {
    for (set, says) in [
        (with(&format!(r#","d":"{RFC8037_D}""#)), "holds the private part `d`"),
        (with(r#","use":"enc""#), "`use` is not `sig`"),
        (with(r#","use":"""#), "`use` is not `sig`"),
        (with(r#","key_ops":["sign"]"#), "`key_ops` does not list"),
        (with(r#","key_ops":[]"#), "`key_ops` does not list"),
        (with(r#","key_ops":"verify""#), "not a JWKS"),
        (with(r#","alg":"ES256""#), "`alg` is not `EdDSA`"),
        (with(r#","alg":"HS256""#), "`alg` is not `EdDSA`"),
        (with(r#","alg":"none""#), "`alg` is not `EdDSA`"),
        (with("").replace("Ed25519", "X25519"), "`crv` is not `Ed25519`"),
        (with("").replace("Ed25519", "Ed448"), "`crv` is not `Ed25519`"),
        (with("").replace(r#""crv":"Ed25519","#, ""), "`crv` is not `Ed25519`"),
        (with("").replace("OKP", "EC"), "`kty` is not `OKP`"),
        (with("").replace("OKP", "RSA"), "`kty` is not `OKP`"),
        (with("").replace("OKP", "okp"), "`kty` is not `OKP`"),
        (with("").replace(r#""kty":"OKP","#, ""), "not a JWKS"),
        (with("").replace(r#""kid":"k","#, ""), "key 1 has no usable `kid`: it is missing"),
        (
            with("").replace(r#""kid":"k""#, r#""kid":"a b""#),
            "key 1 has no usable `kid`: `a b` is not a key id",
        ),
        (with(&format!(r#","x":"{RFC8037_X}""#)), "not a JWKS"),
        (with_x(""), "`x` is not 32 bytes of base64url"),
        (with_x("AAAA"), "`x` is not 32 bytes of base64url"),
        (with_x(&format!("{RFC8037_X}=")), "`x` is not 32 bytes of base64url"),
        (with_x(&encode([1; 33])), "`x` is not 32 bytes of base64url"),
        // y = 2 has no x on the curve.
        (with_x(&encode(point(&[2], 0))), "`x` is not a point of the curve"),
        (r#"{"keys":[]}"#.to_owned(), "the set holds no key"),
        (r#"{"keys":{}}"#.to_owned(), "not a JWKS"),
        (r#"{"key":[]}"#.to_owned(), "not a JWKS"),
        ("[]".to_owned(), "not a JWKS"),
        (String::new(), "not a JWKS"),
        ("-----BEGIN PUBLIC KEY-----".to_owned(), "not a JWKS"),
        (judging::ed_private(), "not a JWKS"),
    ] {
        let fault = read(&set).expect_err(&set).to_string();
        assert!(fault.contains(says), "{set}: `{fault}` does not say `{says}`");
    }
}

#[test]
fn two_keys_of_one_id_are_refused() {
    let one = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{RFC8037_X}"}}"#);
    assert_eq!(
        read(&format!(r#"{{"keys":[{one},{one}]}}"#)).unwrap_err(),
        KeyFault::Duplicate("k".to_owned())
    );
    let joined = read(&with("")).unwrap().joined(read(&with("")).unwrap());
    assert_eq!(joined.unwrap_err(), KeyFault::Duplicate("k".to_owned()));
    let other = read(&with("").replace(r#""kid":"k""#, r#""kid":"l""#)).unwrap();
    assert_eq!(read(&with("")).unwrap().joined(other).unwrap().ids().count(), 2);
}

#[test]
fn a_bad_key_spoils_the_whole_set() {
    let good = with("").replace("]}", "");
    let set = format!(r#"{good},{{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}}]}}"#);
    assert_eq!(
        read(&set).unwrap_err(),
        KeyFault::Unusable {
            kid: "r".to_owned(),
            reason: "`kty` is not `OKP`: expected an Ed25519 key (RFC 8037)"
        }
    );
}

/// 32 bytes, least significant first: `low`, then `fill`, with the top bit as it is in `fill`.
fn point(low: &[u8], fill: u8) -> [u8; 32] {
    let mut bytes = [fill; 32];
    for (byte, low) in bytes.iter_mut().zip(low) {
        *byte = *low;
    }
    bytes
}

/// Under such a key the zero signature verifies over half of all messages or over all of them.
/// The eight points of small order have 14 encodings: y = 0, 1, -1, and the two of order eight,
/// with either sign, and y = 0 and 1 once more as p and p + 1 (table 1 of the paper by Chalkias,
/// Garillot, Nikolaenko, "Taming the many EdDSAs", 2020).
#[test]
fn every_encoding_of_a_point_of_small_order_is_refused() {
    let order_8 = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut without_sign = vec![point(&[0], 0), point(&[1], 0), order_8[0], order_8[1]];
    for low in [0xec, 0xed, 0xee] {
        let mut bytes = point(&[low], 0xff);
        bytes[31] = 0x7f;
        without_sign.push(bytes);
    }
    for bytes in without_sign {
        for sign in [0, 0x80] {
            let mut bytes = bytes;
            bytes[31] |= sign;
            let fault = read(&with_x(&encode(bytes))).expect_err("a point of small order").to_string();
            assert!(fault.contains("small order"), "{bytes:02x?}: {fault}");
        }
    }
}

#[test]
fn a_shared_secret_is_taken_only_on_purpose() {
    let set = |k: &str, more: &str| format!(r#"{{"keys":[{{"kty":"oct","kid":"s","k":"{k}"{more}}}]}}"#);
    let accepted = |set: &str| AssertionKeys::from_jwks(set.as_bytes(), SharedSecrets::Accepted);
    assert!(read(&set(RFC7515_K, "")).unwrap_err().to_string().contains("shared secret"));
    assert!(accepted(&set(RFC7515_K, "")).is_ok());
    assert!(accepted(&set(&encode([7; 32]), r#","alg":"HS256""#)).is_ok());
    for (set, says) in [
        (set(&encode([7; 31]), ""), "`k` is shorter than 32 bytes"),
        (set("", ""), "`k` is shorter than 32 bytes"),
        (set("not base64url!", ""), "`k` is not base64url"),
        (set(RFC7515_K, r#","alg":"HS512""#), "`alg` is not `HS256`"),
        (set(RFC7515_K, r#","use":"enc""#), "`use` is not `sig`"),
        (set(RFC7515_K, r#","key_ops":["encrypt"]"#), "`key_ops`"),
        (r#"{"keys":[{"kty":"oct","kid":"s"}]}"#.to_owned(), "`k` is missing"),
    ] {
        let fault = accepted(&set).expect_err(&set).to_string();
        assert!(fault.contains(says), "{set}: `{fault}` does not say `{says}`");
    }
}

#[test]
fn a_private_key_that_cannot_sign_is_named() {
    let key = |members: &str| format!(r#"{{"kid":"k",{members}}}"#);
    let ed = |members: &str| key(&format!(r#""kty":"OKP","crv":"Ed25519"{members}"#));
    for (jwk, says) in [
        (ed(&format!(r#","x":"{RFC8037_X}""#)), "`d` is missing"),
        (ed(r#","d":"AAAA""#), "`d` is not 32 bytes"),
        (ed(&format!(r#","d":"{RFC8037_D}","key_ops":["verify"]"#)), "`key_ops`"),
        (ed(&format!(r#","d":"{RFC8037_D}","use":"enc""#)), "`use`"),
        (ed(&format!(r#","d":"{RFC8037_D}","alg":"RS256""#)), "`alg`"),
        (key(&format!(r#""kty":"OKP","crv":"X25519","d":"{RFC8037_D}""#)), "`crv`"),
        (key(r#""kty":"EC""#), "`kty`"),
        (key(&format!(r#""kty":"oct","k":"{}""#, encode([7; 16]))), "shorter than 32 bytes"),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{RFC8037_D}"}}"#), "`kid`"),
        ("{}".to_owned(), "not a JWK"),
    ] {
        let fault = AssertionSigner::from_jwk(jwk.as_bytes()).expect_err(&jwk).to_string();
        assert!(fault.contains(says), "{jwk}: `{fault}` does not say `{says}`");
    }
}

/// A secret that was put in the wrong place must not end up in a log.
#[test]
fn no_fault_and_no_debug_text_shows_a_secret() {
    let digits = "1234567890123456789";
    for secret_in_the_wrong_place in [
        format!("\"{RFC8037_D}\""),
        format!("[\"{RFC8037_D}\"]"),
        digits.to_owned(),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","d":{digits}}}"#),
        format!(r#"{{"kty":"oct","kid":"k","key_ops":"{RFC8037_D}"}}"#),
        format!(r#"{{"kty":"oct","kid":"k","k":["{RFC8037_D}"]}}"#),
        format!(r#"{{"keys":["{RFC8037_D}"]}}"#),
        format!(r#"{{"keys":"{RFC8037_D}"}}"#),
    ] {
        let bytes = secret_in_the_wrong_place.as_bytes();
        let faults = [
            AssertionSigner::from_jwk(bytes).map(drop).unwrap_err().to_string(),
            AssertionKeys::from_jwks(bytes, SharedSecrets::Accepted).map(drop).unwrap_err().to_string(),
        ];
        for fault in faults {
            assert!(!fault.contains(RFC8037_D) && !fault.contains(digits), "{fault}");
        }
    }
    for shown in [
        format!("{:?}", judging::ed_signer()),
        format!("{:?}", judging::hs_signer()),
        format!("{:?}", judging::keys()),
    ] {
        assert!(!shown.contains(RFC8037_D) && !shown.contains(RFC7515_K), "{shown}");
        assert!(!shown.contains("157, 97"), "{shown}");
    }
}
