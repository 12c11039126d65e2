//! Vectors of the RFCs, and a second implementation beside ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod judging;

use countersign_contract::assertion::{AssertionSigner, Claims, TYPE};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use judging::{
    ED_KID, HS_KID, RFC7515_K, RFC8037_D, RFC8037_X, claims, decode, ed_key, ed_signer, encode, hs_signer,
    judge,
};

/// RFC 8037 appendix A.4: the payload `Example of Ed25519 signing` under the key of A.1.
const RFC8037_A4: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// RFC 7515 appendix A.1.1: HS256 under the symmetric key given there.
const RFC7515_A1: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// RFC 7515 appendix A.5: unsecured, `{"alg":"none"}`.
const RFC7515_A5: &str = "eyJhbGciOiJub25lIn0.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";

/// The keys of the vectors are the keys of [`judging`]: what verifies the RFC's own bytes in a
/// second implementation is then held against what we sign with the same keys.
#[test]
fn the_second_implementation_agrees_with_the_rfcs() {
    for (token, key, algorithm) in [
        (RFC8037_A4, DecodingKey::from_ed_components(RFC8037_X).unwrap(), Algorithm::EdDSA),
        (RFC7515_A1, DecodingKey::from_secret(&decode(RFC7515_K)), Algorithm::HS256),
    ] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap());
    }
    for (token, key, algorithm) in [
        (RFC8037_A4, ed_key(RFC8037_D), Algorithm::EdDSA),
        (RFC7515_A1, EncodingKey::from_secret(&decode(RFC7515_K)), Algorithm::HS256),
    ] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap(), signature);
    }
}

#[test]
fn the_tokens_of_the_rfcs_are_not_assertions() {
    for (token, code) in [
        // None of them has our `typ`, and that is looked at before the algorithm.
        (RFC8037_A4, "wrong-type"),
        (RFC7515_A1, "wrong-type"),
        (RFC7515_A5, "wrong-type"),
    ] {
        assert_eq!(judge(token).unwrap_err().code(), code, "{token}");
    }
}

/// The same three under a header that is ours in all but what the RFC's example is about.
#[test]
fn dressed_up_they_are_refused_for_what_they_are() {
    for (token, alg, kid, code) in [
        (RFC8037_A4, "EdDSA", ED_KID, "malformed-claims"),
        (RFC7515_A1, "HS256", HS_KID, "malformed-claims"),
        (RFC7515_A5, "none", ED_KID, "algorithm-none"),
    ] {
        let (_, rest) = token.split_once('.').unwrap();
        let header = encode(judging::header(alg, kid));
        assert_eq!(judge(format!("{header}.{rest}")).unwrap_err().code(), code, "{token}");
    }
}

#[test]
fn the_public_key_of_rfc_8037_belongs_to_its_private_key() {
    let pair = |x: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","d":"{RFC8037_D}","x":"{x}"}}"#);
    assert!(AssertionSigner::from_jwk(pair(RFC8037_X).as_bytes()).is_ok());
    // RFC 8032 section 7.1, TEST 2: the public key of another pair.
    let other = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";
    let fault = AssertionSigner::from_jwk(pair(other).as_bytes()).unwrap_err().to_string();
    assert!(fault.contains("`x` is not the public key of `d`"), "{fault}");
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["eu-1"]);
    validation.set_issuer(&["edge-www"]);
    // The fixture lives at a time of its own.
    validation.validate_exp = false;
    validation
}

#[test]
fn what_we_mint_verifies_in_the_second_implementation() {
    for (signer, key, algorithm) in [
        (ed_signer(), DecodingKey::from_ed_components(RFC8037_X).unwrap(), Algorithm::EdDSA),
        (hs_signer(), DecodingKey::from_secret(&decode(RFC7515_K)), Algorithm::HS256),
    ] {
        let token = signer.mint(&claims()).unwrap();
        let read = jsonwebtoken::decode::<Claims>(&token, &key, &validation(algorithm)).unwrap();
        assert_eq!(read.claims, claims());
        assert_eq!(read.header.typ.as_deref(), Some(TYPE));
        assert_eq!(read.header.kid.as_deref(), Some(signer.id().as_str()));
    }
}

#[test]
fn what_the_second_implementation_mints_verifies_here() {
    for (kid, key, algorithm) in [
        (ED_KID, ed_key(RFC8037_D), Algorithm::EdDSA),
        (HS_KID, EncodingKey::from_secret(&decode(RFC7515_K)), Algorithm::HS256),
    ] {
        let mut header = Header::new(algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(kid.to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        assert_eq!(judge(&token).unwrap().claims(), &claims());
        // Its default header says `JWT`: a token of another purpose under the same key.
        header.typ = Header::new(algorithm).typ;
        let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        assert_eq!(judge(&token).unwrap_err().code(), "wrong-type");
    }
}
