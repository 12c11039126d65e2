//! What happens when a store, the key, the policy or the origin can't be had.

use countersign_edge::platform::{OriginHead, SendFault};

use crate::world::{World, get};

#[track_caller]
fn unavailable(world: &World, reason: &str, detail: &str) {
    let seen = world.ask(&get("/static/x"));
    seen.answered(503, reason);
    assert!(seen.answer_header("retry-after").is_some());
    let said = seen.record["detail"].as_str().unwrap();
    assert!(said.contains(detail), "{said}");
}

#[test]
fn without_settings_nothing_passes() {
    for (fault, detail) in [
        (World::absent("countersign_config"), "no store"),
        (World::half_written("countersign_config"), "can't be read"),
    ] {
        let mut world = World::new();
        world.config = Err(fault);
        unavailable(&world, "settings-unreadable", detail);
    }
    let mut world = World::new();
    world.config.as_mut().unwrap().remove("settings");
    unavailable(&world, "settings-unreadable", "item `settings` is missing");
}

#[test]
fn without_a_key_nothing_passes_and_the_key_is_never_shown() {
    unavailable(&World::new().no_secrets(World::absent), "key-unreadable", "no store `countersign_secrets`");
    unavailable(&World::new().no_secrets(World::half_written), "key-unreadable", "can't be read");
    let with = |value: &str| {
        let mut world = World::new();
        world.secrets.as_mut().unwrap().insert("assertion-key".into(), value.as_bytes().to_vec());
        world
    };
    unavailable(&with("{"), "key-unreadable", "not a JWK");
    unavailable(
        &with(
            r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"c2VjcmV0"}"#,
        ),
        "key-unreadable",
        "`d` is not 32 bytes",
    );
    let without_public =
        r#"{"kty":"OKP","crv":"Ed25519","kid":"k","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
    unavailable(&with(without_public), "key-unreadable", "`x` is missing");
    let seen = with(without_public).ask(&get("/static/x"));
    assert!(!seen.record.to_string().contains("nWGxne"));
    let mut world = World::new();
    world.secrets.as_mut().unwrap().remove("assertion-key");
    unavailable(&world, "key-unreadable", "secret `assertion-key` is missing");
}

#[test]
fn a_shared_secret_signs_where_that_is_configured_on_purpose() {
    let mut world = World::new();
    let key = r#"{"kty":"oct","kid":"shared-1","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
    world.secrets.as_mut().unwrap().insert("assertion-key".into(), key.as_bytes().to_vec());
    let seen = world.ask(&get("/static/x"));
    let assertion = seen.passed("forwarded").assertion();
    assert_eq!(seen.record["kid"], "shared-1");
    let hop = world.ask(&get("/static/x").header("countersign-assertion", assertion.as_str()));
    assert_eq!(hop.passed("shielding-hop").assertion(), assertion);
}

#[test]
fn without_a_policy_nothing_passes() {
    let part = World::new().policy_part();
    for (item, value, detail) in [
        ("policy", None, "item `policy` is missing"),
        (part.as_str(), None, "is missing"),
        ("policy", Some("99"), "not a number of parts"),
        (part.as_str(), Some("{\"digest\":"), "not those that item `policy` was written with"),
    ] {
        let mut world = World::new();
        let config = world.config.as_mut().unwrap();
        match value {
            Some(value) => config.insert(item.into(), value.into()),
            None => config.remove(item),
        };
        unavailable(&world, "policy-unreadable", detail);
    }
    let mut routes = crate::world::routes();
    routes[1]["path"] = routes[0]["path"].clone();
    unavailable(&World::with_routes(&routes), "policy-unreadable", "routes 0 and 1");
}

#[test]
fn an_origin_that_cannot_be_had_is_503() {
    let mut world = World::new();
    world.origin = Err(SendFault { backend: "haproxy".into(), reason: "connection refused".into() });
    unavailable(&world, "origin-unreachable", "backend `haproxy`: connection refused");
    for status in [101, 199, 600, 999] {
        world.origin = Ok(OriginHead { status, header_names: vec![], decisions: vec![], receipts: vec![] });
        unavailable(&world, "origin-status", &status.to_string());
    }
}

#[test]
fn without_randomness_or_a_client_nothing_passes() {
    let mut world = World::new();
    world.random = None;
    unavailable(&world, "random-unavailable", "no random bytes");
    let mut ask = get("/static/x");
    ask.client = None;
    World::new().ask(&ask).refused(503, "client-unknown");
}
