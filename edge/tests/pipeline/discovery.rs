//! The issuer's discovery document: when it is asked for, what is taken for one, and how long it is kept.

use countersign_edge::platform::{FetchFault, Fetched};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::{Visit, page};
use crate::issuer::{self, ISSUER, key_set, published, token};
use crate::world::{Ask, NOW, Seen, World, get};

const KEYS_FRESH: u64 = 300;
/// How long a failure is remembered, in seconds.
const COOL_DOWN: u64 = 10;
const KEYS_STALE: u64 = 3600;
const DISCOVERY_FRESH: u64 = 3600;
const DISCOVERY_STALE: u64 = 86_400;

fn down() -> Result<Fetched, FetchFault> {
    Err(FetchFault::Unreachable("connection refused".to_owned()))
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Result<Fetched, FetchFault> {
    Ok(Fetched { status, body: body.into() })
}

fn changed(name: &str, value: Value) -> Result<Fetched, FetchFault> {
    let mut metadata = issuer::metadata();
    metadata[name] = value;
    answer(200, metadata.to_string())
}

/// A request of a program with a token that lives long.
fn by_token() -> Ask {
    get("/api/x").bearer(&token(Algorithm::EdDSA).claim("exp", json!(NOW + 1_000_000)).make())
}

#[track_caller]
fn needs_discovery_in_vain(world: &World) -> (Seen, Seen) {
    let tokens = world.ask(&by_token());
    tokens.refused(503, "keys-unavailable");
    let pages = world.ask(&page("/api/x"));
    pages.refused(503, "login-unavailable");
    for seen in [&tokens, &pages] {
        assert_eq!(seen.answer_header("retry-after"), Some("5"));
    }
    (tokens, pages)
}

#[test]
fn what_is_no_discovery_document_of_the_issuer_is_not_taken_for_one() {
    let http = |path: &str| json!(format!("http://idp.example.test/{path}"));
    for (metadata, why) in [
        (changed("issuer", json!("https://evil.example.test")), "of issuer `https://evil.example.test`"),
        (changed("issuer", json!(format!("{ISSUER}/"))), "of issuer"),
        (changed("issuer", json!("x".repeat(9000))), "of issuer `xxx"),
        (changed("issuer", json!(7)), "not a discovery document"),
        (changed("issuer", Value::Null), "not a discovery document"),
        // What has to be secret, or to be theirs, would travel in clear.
        (changed("jwks_uri", http("jwks")), "is not `https://`"),
        (changed("authorization_endpoint", http("auth")), "is not `https://`"),
        (changed("token_endpoint", http("token")), "is not `https://`"),
        (changed("end_session_endpoint", http("end")), "is not `https://`"),
        (changed("token_endpoint", json!("javascript:alert(1)")), "not a discovery document"),
        (changed("token_endpoint", json!("//evil.example.test")), "not a discovery document"),
        (changed("authorization_endpoint", json!(format!("{ISSUER}/auth#x"))), "not a discovery document"),
        (changed("authorization_endpoint", json!(format!("{ISSUER}/a b"))), "not a discovery document"),
        (changed("jwks_uri", Value::Null), "not a discovery document"),
        (answer(200, ""), "not a discovery document"),
        (answer(200, "<html>"), "not a discovery document"),
        (answer(200, "{}"), "not a discovery document"),
        (answer(200, "null"), "not a discovery document"),
        (answer(200, vec![0xff; 100]), "not a discovery document"),
        (answer(200, "[".repeat(60_000)), "not a discovery document"),
        (answer(200, vec![b' '; 10 * 1024 * 1024]), "longer than 65536 bytes"),
        (answer(302, issuer::metadata().to_string()), "status 302"),
        (answer(404, ""), "status 404"),
        (answer(500, issuer::metadata().to_string()), "status 500"),
        (down(), "connection refused"),
    ] {
        let world = World::new();
        *world.metadata.borrow_mut() = metadata;
        let (tokens, pages) = needs_discovery_in_vain(&world);
        for seen in [tokens, pages] {
            let detail = seen.record["detail"].as_str().unwrap();
            assert!(detail.contains(why), "{why}: {detail}");
            assert!(detail.len() < 600, "{}", detail.len());
        }
        assert_eq!(world.fetches.get(), 0, "no keys are asked for");
    }
}

#[test]
fn an_issuer_in_clear_may_have_its_endpoints_in_clear() {
    let metadata = issuer::metadata().to_string().replace("https://", "http://");
    let world = World::new().setting(|settings| {
        settings["issuers"][0]["issuer"] = json!(ISSUER.replace("https://", "http://"));
    });
    let url = format!("{}/.well-known/openid-configuration", ISSUER.replace("https://", "http://"));
    let mut world = world;
    world.elsewhere.insert(("idp", url), metadata.into_bytes());
    let seen = world.ask(&page("/api/x"));
    seen.refused(303, "identity-required");
    assert!(seen.answer_header("location").unwrap().starts_with("http://idp.example.test/auth?"));
}

#[test]
fn the_document_is_where_the_issuers_name_says() {
    // A name with a path, and one that ends with a slash (OpenID Connect Discovery section 4.1).
    for name in ["https://idp.example.test/realms/staff", "https://idp.example.test/realms/staff/"] {
        let mut world = World::new().setting(|settings| settings["issuers"][0]["issuer"] = json!(name));
        let mut metadata = issuer::metadata();
        metadata["issuer"] = json!(name);
        let url = "https://idp.example.test/realms/staff/.well-known/openid-configuration";
        world.elsewhere.insert(("idp", url.to_owned()), metadata.to_string().into());
        Visit::of(&world.ask(&page("/api/x")));
    }
}

#[test]
fn an_authorization_endpoint_may_have_a_query() {
    let world = World::new();
    *world.metadata.borrow_mut() =
        changed("authorization_endpoint", json!(format!("{ISSUER}/auth?tenant=a%26b")));
    let seen = world.ask(&page("/api/x"));
    let location = seen.answer_header("location").unwrap();
    assert!(location.starts_with(&format!("{ISSUER}/auth?tenant=a%26b&response_type=code&")), "{location}");
}

#[test]
fn keys_whose_place_the_settings_name_need_no_discovery() {
    let world =
        World::new().setting(|settings| settings["issuers"][0]["jwks_uri"] = json!(format!("{ISSUER}/jwks")));
    *world.metadata.borrow_mut() = down();
    world.ask(&by_token()).passed("forwarded");
    assert_eq!(world.fetches.get(), 1);
}

/// How long a program's tokens are taken while the issuer is down: as long as its keys are kept.
#[test]
fn an_outage_is_bridged_for_tokens_as_long_as_the_keys_are_kept() {
    let world = World::new();
    world.ask(&by_token()).passed("forwarded");
    *world.metadata.borrow_mut() = down();
    *world.key_server.borrow_mut() = down();
    for later in [KEYS_FRESH, KEYS_FRESH + 1, KEYS_FRESH + KEYS_STALE] {
        world.now.set(NOW + later);
        world.ask(&by_token()).passed("forwarded");
    }
    world.now.set(NOW + KEYS_FRESH + KEYS_STALE + 1);
    world.ask(&by_token()).refused(503, "keys-unavailable");
    // Soon after it is back, so are they.
    let back = World::new();
    world.metadata.swap(&back.metadata);
    world.key_server.swap(&back.key_server);
    world.ask(&by_token()).refused(503, "keys-unavailable");
    world.now.set(NOW + KEYS_FRESH + KEYS_STALE + 1 + COOL_DOWN + 1);
    world.ask(&by_token()).passed("forwarded");
}

/// One that is slow to fail must not hold up every request.
#[test]
fn an_issuer_that_fails_is_asked_at_most_once_in_its_cool_down() {
    let world = World::new();
    *world.key_server.borrow_mut() = answer(500, "");
    for _ in 0..5 {
        world.ask(&by_token()).refused(503, "keys-unavailable");
    }
    assert_eq!(world.fetches.get(), 1);
    world.now.set(NOW + COOL_DOWN + 1);
    world.ask(&by_token()).refused(503, "keys-unavailable");
    assert_eq!(world.fetches.get(), 2);
    // Nor where older keys are still at hand.
    let world = World::new();
    world.ask(&by_token()).passed("forwarded");
    *world.key_server.borrow_mut() = answer(500, "");
    world.now.set(NOW + KEYS_FRESH + 1);
    for _ in 0..5 {
        world.ask(&by_token()).passed("forwarded");
    }
    assert_eq!(world.fetches.get(), 2);
}

/// Where people sign in is known for a day longer: whether they can is the issuer's to say.
#[test]
fn an_outage_of_discovery_alone_is_bridged_for_a_day() {
    for outage in [down(), answer(500, ""), changed("issuer", json!("https://evil.example.test"))] {
        let world = World::new();
        world.ask(&page("/api/x")).refused(303, "identity-required");
        *world.metadata.borrow_mut() = outage;
        for later in [1, DISCOVERY_FRESH, DISCOVERY_FRESH + 1, DISCOVERY_FRESH + DISCOVERY_STALE] {
            world.now.set(NOW + later);
            world.ask(&page("/api/x")).refused(303, "identity-required");
            // New keys are found by it as well.
            world.ask(&by_token()).passed("forwarded");
        }
        world.now.set(NOW + DISCOVERY_FRESH + DISCOVERY_STALE + 1);
        world.ask(&page("/api/x")).refused(503, "login-unavailable");
    }
}

#[test]
fn a_document_that_changes_is_read_anew_when_its_time_is_over() {
    let world =
        World::new().setting(|settings| settings["issuers"][0]["discovery_max_age_seconds"] = json!(60));
    Visit::of(&world.ask(&page("/api/x")));
    *world.metadata.borrow_mut() = changed("authorization_endpoint", json!("https://new.example.test/auth"));
    let location = |later: u64| {
        world.now.set(NOW + later);
        world.ask(&page("/api/x")).answer_header("location").unwrap().to_owned()
    };
    assert!(location(60).starts_with(ISSUER));
    assert!(location(61).starts_with("https://new.example.test/auth?"));
}

#[test]
fn good_keys_are_replaced_by_good_keys_alone() {
    for body in [key_set(&[]), b"{}".to_vec(), b"".to_vec(), key_set(&[json!({ "kty": "oct", "k": "AA" })])] {
        let world = World::new();
        world.ask(&by_token()).passed("forwarded");
        *world.key_server.borrow_mut() = answer(200, body);
        world.now.set(NOW + KEYS_FRESH + 1);
        world.ask(&by_token()).passed("forwarded");
        // Also not by way of a key that isn't known.
        let unknown = token(Algorithm::EdDSA).header("kid", json!("new")).claim("exp", json!(NOW + 9000));
        world.ask(&get("/api/x").bearer(&unknown.make())).refused(401, "token-unknown-key");
        world.ask(&by_token()).passed("forwarded");
        // A key that is taken out is taken out.
        *world.key_server.borrow_mut() = answer(200, key_set(&[issuer::p256_jwk()]));
        world.now.set(NOW + 2 * KEYS_FRESH + 2);
        world.ask(&by_token()).refused(401, "token-unknown-key");
        *world.key_server.borrow_mut() = answer(200, published());
        world.now.set(NOW + 2 * KEYS_FRESH + 20);
        world.ask(&by_token()).passed("forwarded");
    }
}
