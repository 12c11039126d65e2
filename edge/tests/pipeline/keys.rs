//! The issuers' keys: which are used, how they are kept, and when they are fetched.

use countersign_edge::platform::{FetchFault, Fetched};
use countersign_edge::settings::SigningAlgorithm;
use countersign_edge::token::{KeySet, KeySetFault, NoKey, Wanted};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::issuer::{ed25519_jwk, key_set, p256_jwk, published, rsa_jwk, token};
use crate::world::{NOW, World, get};

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

#[test]
fn keys_that_are_not_fit_to_verify_with_are_left_out() {
    let small = "A".repeat(171);
    for unfit in [
        with(rsa_jwk(), "use", json!("enc")),
        with(rsa_jwk(), "key_ops", json!(["sign"])),
        with(rsa_jwk(), "alg", json!("RS512")),
        with(rsa_jwk(), "alg", json!("PS256")),
        with(rsa_jwk(), "d", json!("AQAB")),
        with(rsa_jwk(), "e", json!("AQ")),
        with(rsa_jwk(), "e", json!("Ag")),
        with(rsa_jwk(), "e", json!("AQAAAAE")),
        // 1024 bits, and 2048 of which the first are zero.
        with(rsa_jwk(), "n", json!(format!("_{small}"))),
        with(rsa_jwk(), "n", json!(format!("{}_{small}", "A".repeat(171)))),
        with(rsa_jwk(), "n", json!("_".repeat(1000))),
        with(rsa_jwk(), "n", json!("?")),
        with(rsa_jwk(), "n", json!(7)),
        with(rsa_jwk(), "kty", json!("oct")),
        with(p256_jwk(), "crv", json!("P-384")),
        with(p256_jwk(), "alg", json!("ES384")),
        with(p256_jwk(), "x", json!("AA")),
        with(p256_jwk(), "kty", json!("OKP")),
        with(ed25519_jwk(), "crv", json!("X25519")),
        with(ed25519_jwk(), "x", json!("AA")),
        // The neutral element: a key of small order.
        with(ed25519_jwk(), "x", json!("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        with(ed25519_jwk(), "kty", json!("EC")),
        json!({ "kty": "oct", "kid": "s", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ" }),
        json!("no object"),
    ] {
        assert_eq!(
            KeySet::parse(&key_set(std::slice::from_ref(&unfit))).unwrap_err(),
            KeySetFault::NoUsableKey(1),
            "{unfit}"
        );
        // Beside good ones it does no harm.
        assert!(KeySet::parse(&key_set(&[unfit, p256_jwk()])).is_ok());
    }
    for not_a_set in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
        assert!(
            matches!(KeySet::parse(not_a_set.as_bytes()), Err(KeySetFault::NotAKeySet(_))),
            "{not_a_set}"
        );
    }
}

#[test]
fn a_point_beside_the_curve_verifies_nothing() {
    let beside = with(p256_jwk(), "y", p256_jwk()["x"].clone());
    let world = World::new();
    *world.key_server.borrow_mut() = Ok(Fetched { status: 200, body: key_set(&[beside]) });
    world.ask(&get("/api/x").bearer(&token(Algorithm::ES256).make())).refused(401, "token-signature-invalid");
}

#[test]
fn of_two_keys_with_one_name_none_is_used() {
    let other = with(ed25519_jwk(), "x", json!("PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"));
    let keys = KeySet::parse(&key_set(&[ed25519_jwk(), other.clone(), p256_jwk()])).unwrap();
    let wanted = |id| Wanted { id, algorithm: SigningAlgorithm::EdDsa };
    assert_eq!(keys.find(wanted(Some("ed-1"))).unwrap_err(), NoKey::Unknown);
    // Without names nothing tells them apart.
    let nameless = |mut key: Value| {
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    let keys = KeySet::parse(&key_set(&[nameless(ed25519_jwk()), nameless(other)])).unwrap();
    assert_eq!(keys.find(wanted(None)).unwrap_err(), NoKey::Ambiguous);
    assert_eq!(keys.find(wanted(Some("ed-1"))).unwrap_err(), NoKey::Unknown);
}

#[test]
fn a_token_without_key_id_is_refused_where_several_keys_could_be_meant() {
    let other = with(
        with(ed25519_jwk(), "x", json!("PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw")),
        "kid",
        json!("ed-2"),
    );
    let world = World::new();
    *world.key_server.borrow_mut() = Ok(Fetched { status: 200, body: key_set(&[ed25519_jwk(), other]) });
    let t = token(Algorithm::EdDSA).without_header("kid").make();
    world.ask(&get("/api/x").bearer(&t)).refused(401, "token-key-id-missing");
}

#[test]
fn keys_are_fetched_once_and_kept() {
    let world = World::new();
    let t = token(Algorithm::EdDSA).make();
    for _ in 0..5 {
        world.ask(&get("/api/x").bearer(&t)).passed("forwarded");
    }
    assert_eq!(world.fetches.get(), 1);
    // Nothing is fetched for a token that is refused by its claims.
    let world = World::new();
    world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).claim("aud", json!("x")).make()));
    assert_eq!(world.fetches.get(), 0);
}

#[test]
fn a_new_key_is_fetched_at_once_but_not_more_than_once_in_the_cool_down() {
    let world = World::new();
    let renamed = token(Algorithm::EdDSA).header("kid", json!("ed-2")).make();
    world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).make())).passed("forwarded");
    for _ in 0..4 {
        world.ask(&get("/api/x").bearer(&renamed)).refused(401, "token-unknown-key");
    }
    assert_eq!(world.fetches.get(), 2);
    let rotated = key_set(&[with(ed25519_jwk(), "kid", json!("ed-2"))]);
    *world.key_server.borrow_mut() = Ok(Fetched { status: 200, body: rotated });
    world.ask(&get("/api/x").bearer(&renamed)).refused(401, "token-unknown-key");
    world.now.set(NOW + 10);
    world.ask(&get("/api/x").bearer(&renamed)).passed("forwarded");
    assert_eq!(world.fetches.get(), 3);
}

#[test]
fn an_outage_of_the_provider_is_bridged_by_the_keys_at_hand() {
    let world = World::new();
    let t = token(Algorithm::EdDSA).claim("exp", json!(NOW + 100_000)).make();
    world.ask(&get("/api/x").bearer(&t)).passed("forwarded");
    *world.key_server.borrow_mut() = Err(FetchFault::Unreachable("connection refused".to_owned()));
    for later in [301, 3900] {
        world.now.set(NOW + later);
        world.ask(&get("/api/x").bearer(&t)).passed("forwarded");
    }
    // An unknown key is an unknown key, not an outage.
    let unknown =
        token(Algorithm::EdDSA).header("kid", json!("ed-9")).claim("exp", json!(NOW + 100_000)).make();
    world.ask(&get("/api/x").bearer(&unknown)).refused(401, "token-unknown-key");
    world.now.set(NOW + 3901);
    let seen = world.ask(&get("/api/x").bearer(&t));
    seen.refused(503, "keys-unavailable");
    assert_eq!(seen.answer_header("retry-after"), Some("5"));
    // Nobody has to be signed in there.
    world.ask(&get("/page/x").bearer(&t)).passed("forwarded");
}

#[test]
fn what_is_not_a_key_set_is_never_taken_for_one() {
    let too_long = [published(), vec![b' '; 256 * 1024]].concat();
    let error_page = Fetched { status: 200, body: b"<html>try later</html>".to_vec() };
    for (answer, detail) in [
        (Fetched { status: 302, body: published() }, "status 302"),
        (Fetched { status: 500, body: published() }, "status 500"),
        (Fetched { status: 204, body: vec![] }, "status 204"),
        (Fetched { status: 200, body: too_long }, "longer than 262144 bytes"),
        (Fetched { status: 200, body: key_set(&[]) }, "none of its 0 keys"),
        (error_page.clone(), "not a JWKS"),
    ] {
        let world = World::new();
        *world.key_server.borrow_mut() = Ok(answer);
        let seen = world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).make()));
        seen.refused(503, "keys-unavailable");
        let said = seen.record["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{said}");
    }
    // It doesn't replace good keys either.
    let world = World::new();
    let t = token(Algorithm::EdDSA).make();
    world.ask(&get("/api/x").bearer(&t)).passed("forwarded");
    *world.key_server.borrow_mut() = Ok(error_page);
    world.now.set(NOW + 301);
    world.ask(&get("/api/x").bearer(&t)).passed("forwarded");
}
