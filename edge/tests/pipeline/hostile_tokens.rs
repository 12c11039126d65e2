//! Tokens that are nobody's, each refused with the reason that it deserves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm::{ES256, EdDSA, HS256, RS256};
use serde_json::json;

use crate::issuer::{Token, sign, token};
use crate::world::{NOW, World, get};

#[track_caller]
fn refused(token: &str, reason: &str) {
    let world = World::new();
    let seen = world.ask(&get("/api/x").bearer(token));
    seen.refused(401, reason);
    // Nothing of the token gets outside.
    assert!(!seen.own().body.contains("token"));
}

#[test]
fn shapes() {
    let good = token(EdDSA).make();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    for bad in ["x", "a.b", "a.b.c.d", &format!("{good}."), &format!("{good}="), "a.b.c/d"] {
        refused(bad, "token-malformed-parts");
    }
    refused(&format!(".{claims}.{signature}"), "token-malformed-header");
    refused(&format!("{header}..{signature}"), "token-malformed-claims");
    refused(&format!("{signed}."), "token-malformed-signature");
    refused(
        &format!("{signed}.{}", signature.get(..signature.len() - 2).unwrap()),
        "token-malformed-signature",
    );
    refused(&format!("{signed}.A"), "token-malformed-signature");
    refused(&format!("{good}{}", "A".repeat(9000)), "token-too-large");
    // An encrypted token (RFC 7516) has five parts.
    refused("a.b.c.d.e", "token-malformed-parts");
}

#[test]
fn headers() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jwk", json!({})),
        ("jku", json!("https://evil.test/jwks")),
        ("x5u", json!("https://evil.test/x5u")),
        ("x5c", json!(["MII"])),
    ] {
        refused(&token(EdDSA).header(name, value).make(), "token-header-parameter");
    }
    for typ in
        ["JWT", "countersign+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "application/logout+jwt", ""]
    {
        refused(&token(EdDSA).header("typ", json!(typ)).make(), "token-wrong-type");
    }
    for alg in ["none", "None", "NONE"] {
        let t = token(EdDSA).header("alg", json!(alg)).make();
        refused(&t, "token-algorithm-none");
        refused(&format!("{}.", t.rsplit_once('.').unwrap().0), "token-algorithm-none");
    }
    for alg in ["HS256", "RS384", "PS256", "ES384", "ES256K", "eddsa", "Ed25519", ""] {
        refused(&token(EdDSA).header("alg", json!(alg)).make(), "token-algorithm-refused");
    }
    refused(&token(EdDSA).without_header("alg").make(), "token-algorithm-refused");
    let claims = token(EdDSA).claims.to_string();
    for header in [
        "",
        "[]",
        "1",
        "{",
        r#"{"alg":1}"#,
        r#"{"alg":"EdDSA","alg":"none"}"#,
        r#"{"alg":"EdDSA","kid":7}"#,
        r#"{"alg":"EdDSA"}x"#,
    ] {
        refused(&sign(header, &claims, EdDSA), "token-malformed-header");
    }
}

/// HS256 keyed with the RSA key's public text: the library would take the header's word for it.
#[test]
fn a_public_key_is_never_a_shared_secret() {
    let confused = Token { signer: HS256, ..token(RS256).header("alg", json!("HS256")) };
    refused(&confused.make(), "token-algorithm-refused");
}

#[test]
fn claims() {
    for (name, value, reason) in [
        ("iss", json!("https://idp.evil.test"), "token-wrong-issuer"),
        ("iss", json!("https://idp.example.test/"), "token-wrong-issuer"),
        ("iss", json!("HTTPS://idp.example.test"), "token-wrong-issuer"),
        ("iss", json!(["https://idp.example.test"]), "token-malformed-claims"),
        ("aud", json!("other"), "token-wrong-audience"),
        ("aud", json!(["a", "b"]), "token-wrong-audience"),
        ("aud", json!([]), "token-wrong-audience"),
        ("aud", json!([crate::issuer::AUDIENCE, 1]), "token-malformed-claims"),
        ("aud", json!({}), "token-malformed-claims"),
        ("exp", json!(NOW - 31), "token-expired"),
        ("exp", json!(NOW - 30), "token-expired"),
        ("exp", json!("9999999999"), "token-malformed-claims"),
        ("exp", json!(-1), "token-malformed-claims"),
        ("exp", json!(1e300), "token-malformed-claims"),
        ("exp", json!(u64::MAX), "token-malformed-claims"),
        ("nbf", json!(NOW + 31), "token-not-yet-valid"),
        ("nbf", json!("soon"), "token-malformed-claims"),
        ("iat", json!(NOW + 31), "token-issued-in-future"),
        ("sub", json!(""), "token-subject-refused"),
        ("sub", json!("a\r\nX: y"), "token-subject-refused"),
        ("sub", json!(" ann"), "token-subject-refused"),
        ("sub", json!("x".repeat(256)), "token-subject-refused"),
        ("sub", json!(7), "token-malformed-claims"),
        ("groups", json!("admins"), "token-groups-malformed"),
        ("groups", json!(["admins", 1]), "token-groups-malformed"),
        ("groups", json!({ "admins": true }), "token-groups-malformed"),
    ] {
        refused(&token(EdDSA).claim(name, value).make(), reason);
    }
    for (name, reason) in [
        ("iss", "token-issuer-missing"),
        ("aud", "token-audience-missing"),
        ("exp", "token-expiry-missing"),
        ("sub", "token-subject-missing"),
    ] {
        refused(&token(EdDSA).without_claim(name).make(), reason);
        refused(&token(EdDSA).claim(name, json!(null)).make(), reason);
    }
    let header = token(EdDSA).header.to_string();
    let good = token(EdDSA).claims.to_string();
    let twice = good.replacen('{', r#"{"sub":"root","#, 1);
    for claims in ["", "[]", "null", "{", &twice, &format!("{good}x"), &"[".repeat(3000)] {
        refused(&sign(&header, claims, EdDSA), "token-malformed-claims");
    }
}

#[test]
fn times_are_taken_with_the_skew_of_the_settings() {
    for t in [
        token(EdDSA).claim("exp", json!(NOW - 29)),
        token(EdDSA).claim("nbf", json!(NOW + 30)),
        token(EdDSA).claim("iat", json!(NOW + 30)),
        token(EdDSA).claim("exp", json!(NOW as f64 + 0.5)),
    ] {
        World::new().ask(&get("/api/x").bearer(&t.make())).passed("forwarded");
    }
}

#[test]
fn keys() {
    refused(&token(EdDSA).header("kid", json!("nope")).make(), "token-unknown-key");
    refused(&token(EdDSA).header("kid", json!("")).make(), "token-unknown-key");
    refused(&token(EdDSA).header("kid", json!("rsa-1")).make(), "token-algorithm-mismatch");
    refused(&token(RS256).header("kid", json!("ec-1")).make(), "token-algorithm-mismatch");
    // Without a `kid` the one key of the algorithm is meant.
    World::new().ask(&get("/api/x").bearer(&token(ES256).without_header("kid").make())).passed("forwarded");
}

#[test]
fn signatures() {
    for algorithm in [RS256, ES256, EdDSA] {
        let good = token(algorithm).make();
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[7] ^= 1;
        refused(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes)), "token-signature-invalid");
        for filler in [0, 0xff] {
            let same = vec![filler; bytes.len()];
            refused(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(same)), "token-signature-invalid");
        }
        // Other claims under the same signature.
        let other = token(algorithm).claim("sub", json!("root")).make();
        refused(&format!("{}.{signature}", other.rsplit_once('.').unwrap().0), "token-signature-invalid");
    }
}

#[test]
fn our_own_assertion_is_nobodys_session() {
    let world = World::new();
    let seen = world.ask(&get("/api/x").bearer(&token(EdDSA).make()));
    let assertion = seen.passed("forwarded").assertion();
    world.ask(&get("/api/y").bearer(&assertion)).refused(401, "token-wrong-type");
}

#[test]
fn an_issuer_signs_only_with_its_own_algorithms() {
    let world = World::new().setting(|settings| settings["issuers"][0]["algorithms"] = json!(["ES256"]));
    world.ask(&get("/api/x").bearer(&token(ES256).make())).passed("forwarded");
    world.ask(&get("/api/x").bearer(&token(RS256).make())).refused(401, "token-algorithm-refused");
}
