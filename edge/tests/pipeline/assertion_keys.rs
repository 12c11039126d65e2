//! The keys that the edge signs with, while one replaces the other.

use serde_json::{Value, json};

use crate::world::{EDGE_KEY, World, get};

/// RFC 8032 section 7.1, test 2.
fn second() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": "edge-2",
            "x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
            "d": "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs" })
}

fn first() -> Value {
    serde_json::from_str(EDGE_KEY).unwrap()
}

fn world(keys: &[Value], named: Option<&str>) -> World {
    let world = World::new().with_secret("assertion-key", &json!({ "keys": keys }).to_string());
    match named {
        Some(name) => world.setting(|settings| settings["assertion_key"] = json!(name)),
        None => world,
    }
}

/// The key that signs: the only one that the assertion verifies under.
fn signer(signing: &World) -> String {
    let seen = signing.ask(&get("/page/x"));
    let ask = get("/page/x").header("countersign-assertion", seen.passed("forwarded").assertion());
    let verifies = |key: &Value| {
        let only_this = world(std::slice::from_ref(key), None);
        only_this.ask(&ask).record["reason"] == "shielding-hop"
    };
    let kids: Vec<Value> =
        [first(), second()].iter().filter(|key| verifies(key)).map(|key| key["kid"].clone()).collect();
    assert_eq!(kids, [seen.record["kid"].clone()]);
    kids[0].as_str().unwrap().to_owned()
}

#[test]
fn the_settings_name_the_key_that_signs() {
    assert_eq!(signer(&world(&[first(), second()], None)), "edge-1");
    assert_eq!(signer(&world(&[second(), first()], None)), "edge-2");
    for name in ["edge-1", "edge-2"] {
        assert_eq!(signer(&world(&[first(), second()], Some(name))), name);
    }
    // A single key that isn't in a set.
    let single = World::new().setting(|settings| settings["assertion_key"] = json!("edge-1"));
    assert_eq!(signer(&single), "edge-1");
}

#[test]
fn a_key_that_is_not_there_is_a_mistake_that_is_told() {
    for world in [
        world(&[first(), second()], Some("edge-3")),
        World::new().setting(|settings| settings["assertion_key"] = json!("edge-2")),
    ] {
        let seen = world.ask(&get("/page/x"));
        seen.refused(503, "key-unreadable");
        assert_eq!(seen.answer_header("retry-after"), Some("30"));
        let detail = seen.record["detail"].as_str().unwrap();
        assert!(detail.contains("has no key `edge-") && detail.contains("assertion_key"), "{detail}");
    }
}

#[test]
fn a_secret_that_is_no_set_of_keys_signs_nothing_and_is_not_written_down() {
    for secret in [
        "",
        "[]",
        r#"{"keys":[]}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":["c2VjcmV0"]}"#,
        r#"{"keys":[{"kid":"edge-1","d":"c2VjcmV0"}]}"#,
        r#"{"keys":[{"kid":"edge-1","kty":"OKP","crv":"Ed25519","d":"c2VjcmV0"}]}"#,
    ] {
        let seen = World::new().with_secret("assertion-key", secret).ask(&get("/page/x"));
        seen.refused(503, "key-unreadable");
        assert!(!seen.record.to_string().contains("c2VjcmV0"), "{}", seen.record);
    }
}

/// While a key is replaced, some locations sign with the one and some with the other.
#[test]
fn a_shielding_hop_is_known_by_either_key() {
    let both = [first(), second()];
    for name in ["edge-1", "edge-2"] {
        let there = world(&both, Some(name));
        let assertion = there.ask(&get("/page/x")).passed("forwarded").assertion();
        for here in ["edge-1", "edge-2"] {
            let ask = get("/page/x").header("countersign-assertion", assertion.as_str());
            let seen = world(&both, Some(here)).ask(&ask);
            assert_eq!(seen.passed("shielding-hop").assertion(), assertion);
            assert_eq!(seen.record["kid"], name);
        }
        // Once it is gone it proves nothing.
        let gone = if name == "edge-1" { second() } else { first() };
        let ask = get("/page/x").header("countersign-assertion", assertion.as_str());
        let seen = world(&[gone], None).ask(&ask);
        assert_ne!(seen.passed("forwarded").assertion(), assertion);
    }
}
