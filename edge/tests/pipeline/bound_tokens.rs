//! Access tokens that are bound to whoever they were issued to.

use countersign_edge::certificate::{ClientCertificate, Standing, Thumbprint};
use jsonwebtoken::Algorithm::EdDSA;
use serde_json::{Value, json};

use crate::exchange::Seen;
use crate::issuer::token;
use crate::world::{NOW, World, get};

/// RFC 8705 appendix A: a certificate that somebody made for himself, and its `x5t#S256`.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
";
const THUMBPRINT: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
/// The thumbprint of no certificate here.
const ANOTHER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Asks with a token of that `cnf`, over a connection with that certificate.
fn ask(certificate: Option<(&str, Standing)>, confirmation: Value) -> (Seen, usize) {
    let mut world = World::new();
    world.certificate = certificate
        .map(|(pem, standing)| ClientCertificate::from_pem(pem.as_bytes(), standing).expect("a certificate"));
    let seen = world.ask(&get("/api/x").bearer(&token(EdDSA).claim("cnf", confirmation).make()));
    (seen, world.certificate_looks.get())
}

#[test]
fn a_token_counts_over_a_connection_with_the_certificate_that_it_is_bound_to() {
    for standing in [Standing::Trusted, Standing::UnknownAuthority] {
        let (seen, looks) = ask(Some((CERTIFICATE, standing)), json!({ "x5t#S256": THUMBPRINT }));
        assert_eq!(seen.passed("forwarded").claims()["sub"], "ann");
        assert_eq!(looks, 1);
    }
}

#[test]
fn a_token_that_was_stolen_counts_over_no_other_connection() {
    let bound = json!({ "x5t#S256": THUMBPRINT });
    let (seen, _) = ask(None, bound.clone());
    seen.refused(401, "token-certificate");
    assert_eq!(seen.answer_header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    assert!(seen.record["detail"].as_str().unwrap().contains("the connection has none"));
    // The thief has a certificate of his own.
    let (seen, _) = ask(Some((CERTIFICATE, Standing::Trusted)), json!({ "x5t#S256": ANOTHER }));
    seen.refused(401, "token-certificate");
    assert!(seen.record["detail"].as_str().unwrap().contains("another"));
    // What the platform says to be expired, revoked or damaged proves nothing.
    let (seen, _) = ask(Some((CERTIFICATE, Standing::Refused)), bound.clone());
    seen.refused(401, "token-certificate");
    // Where nobody has to be signed in it is nobody's.
    let stolen = token(EdDSA).claim("cnf", bound).make();
    let optional = World::new().ask(&get("/page/x").bearer(&stolen));
    assert!(optional.passed("forwarded").claims().get("sub").is_none());
    assert!(optional.record["detail"].as_str().unwrap().contains("token-certificate"));
}

#[test]
fn a_token_that_is_bound_in_another_way_is_no_bearer_token() {
    let both = json!({ "x5t#S256": THUMBPRINT, "jkt": ANOTHER });
    for confirmation in [
        // DPoP (RFC 9449 section 6.1).
        json!({ "jkt": ANOTHER }),
        // RFC 7800 sections 3.2 to 3.5.
        json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": ANOTHER } }),
        json!({ "jwe": "a.b.c.d.e" }),
        json!({ "kid": "k1" }),
        json!({ "jku": "https://evil.test/jwks", "kid": "k1" }),
        json!({ "x5t#S512": ANOTHER }),
        json!({ "X5T#S256": THUMBPRINT }),
        both,
    ] {
        let (seen, looks) = ask(Some((CERTIFICATE, Standing::Trusted)), confirmation);
        seen.refused(401, "token-confirmation");
        assert_eq!(looks, 0, "the platform is asked in vain");
    }
}

#[test]
fn a_binding_that_cannot_be_read_binds_to_nobody() {
    let padded = format!("{THUMBPRINT}=");
    let short = THUMBPRINT.get(1..).unwrap();
    for confirmation in [
        Value::Null,
        json!(THUMBPRINT),
        json!([{ "x5t#S256": THUMBPRINT }]),
        json!({}),
        json!({ "x5t#S256": null }),
        json!({ "x5t#S256": 7 }),
        json!({ "x5t#S256": "" }),
        json!({ "x5t#S256": [THUMBPRINT] }),
        json!({ "x5t#S256": padded }),
        json!({ "x5t#S256": short }),
        json!({ "x5t#S256": THUMBPRINT.replace('L', "+") }),
    ] {
        let (seen, looks) = ask(Some((CERTIFICATE, Standing::Trusted)), confirmation.clone());
        seen.refused(401, "token-malformed-claims");
        assert!(seen.record["detail"].as_str().unwrap().contains("`cnf`"), "{confirmation}");
        assert_eq!(looks, 0);
    }
}

#[test]
fn whoever_brings_a_certificate_and_a_plain_token_is_asked_for_nothing_more() {
    let mut world = World::new();
    world.certificate = ClientCertificate::from_pem(CERTIFICATE.as_bytes(), Standing::Refused);
    world.ask(&get("/api/x").bearer(&token(EdDSA).make())).passed("forwarded");
    world.ask(&get("/static/x")).passed("forwarded");
    assert_eq!(world.certificate_looks.get(), 0);
}

#[test]
fn a_bound_token_of_somebody_else_is_refused_for_that_before_keys_are_fetched() {
    let world = World::new();
    let forged = token(EdDSA).claim("cnf", json!({ "x5t#S256": THUMBPRINT })).header("kid", json!("new"));
    world.ask(&get("/api/x").bearer(&forged.make())).refused(401, "token-certificate");
    assert_eq!(world.fetches.get(), 0);
    // And for its age before its binding.
    let old = forged.claim("exp", json!(NOW - 3600));
    world.ask(&get("/api/x").bearer(&old.make())).refused(401, "token-expired");
}

#[test]
fn the_certificate_is_read_as_the_platform_gives_it() {
    let of = |pem: &str| ClientCertificate::from_pem(pem.as_bytes(), Standing::Trusted);
    let expected = Thumbprint::parse(THUMBPRINT).unwrap();
    let chain = format!("{CERTIFICATE}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    for pem in [
        CERTIFICATE.to_owned(),
        CERTIFICATE.replace('\n', "\r\n"),
        CERTIFICATE.trim_end().to_owned(),
        format!("subject=/CN=mtls\n{CERTIFICATE}"),
        chain,
    ] {
        assert_eq!(of(&pem).unwrap().thumbprint(), expected, "{pem}");
    }
    let begin = "-----BEGIN CERTIFICATE-----";
    for none in [
        "",
        "x",
        begin,
        &CERTIFICATE.replace("END", "BEGIN"),
        &CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY"),
        &CERTIFICATE.replace("MIIB", "M!IB"),
        &CERTIFICATE.replace("SY=", "SY"),
        &format!("{begin}\n-----END CERTIFICATE-----\n"),
    ] {
        assert_eq!(of(none), None, "{none}");
    }
    assert_eq!(ClientCertificate::from_pem(&[0x30, 0x82, 0xff], Standing::Trusted), None);
}
