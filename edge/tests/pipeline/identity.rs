//! Who is asking: tokens that are somebody, and what travels of them.

use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::issuer::token;
use crate::world::{NOW, World, get, routes};

#[test]
fn each_algorithm_signs_in_by_cookie_and_by_bearer_token() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let t = token(algorithm).make();
        for ask in [get("/api/x").session(&t), get("/api/x").bearer(&t)] {
            let seen = World::new().ask(&ask);
            let claims = seen.passed("forwarded").claims();
            assert_eq!((&claims["sub"], &claims["groups"]), (&json!("ann"), &json!(["engineering"])));
            assert_eq!(seen.record["subject"], "ann");
            assert_eq!(seen.record["groups"], json!(["engineering"]));
        }
    }
}

#[test]
fn nobody_is_asked_to_sign_in_where_somebody_has_to_be() {
    let seen = World::new().ask(&get("/api/x"));
    seen.refused(401, "identity-required");
    assert_eq!(seen.answer_header("www-authenticate"), Some("Bearer"));
    let optional = World::new().ask(&get("/page/x"));
    assert!(optional.passed("forwarded").claims().get("sub").is_none());
}

#[test]
fn a_bad_token_is_refused_where_somebody_has_to_be_and_nobodys_elsewhere() {
    let expired = token(Algorithm::EdDSA).claim("exp", json!(NOW - 3600)).make();
    let seen = World::new().ask(&get("/api/x").bearer(&expired));
    seen.refused(401, "token-expired");
    assert_eq!(seen.answer_header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    let optional = World::new().ask(&get("/page/x").bearer(&expired));
    let sent = optional.passed("forwarded");
    assert!(sent.claims().get("sub").is_none() && sent.all("authorization").is_empty());
    assert!(optional.record["detail"].as_str().unwrap().contains("token-expired"));
}

#[test]
fn a_bearer_token_goes_before_a_session() {
    let bob = token(Algorithm::EdDSA).claim("sub", json!("bob")).make();
    let ann = token(Algorithm::EdDSA).make();
    let seen = World::new().ask(&get("/api/x").session(&ann).bearer(&bob));
    assert_eq!(seen.passed("forwarded").claims()["sub"], "bob");
    // A bad one isn't made good by the other.
    World::new().ask(&get("/api/x").session(&ann).bearer("x")).refused(401, "token-malformed-parts");
    // A scheme that isn't ours leaves the session alone.
    let basic = World::new().ask(&get("/api/x").session(&ann).header("authorization", "Basic eA=="));
    assert_eq!(basic.passed("forwarded").claims()["sub"], "ann");
}

#[test]
fn the_scheme_is_read_without_case_and_two_headers_are_refused() {
    let t = token(Algorithm::EdDSA).make();
    for value in [format!("bearer {t}"), format!("BEARER  {t} "), format!(" Bearer\t{t}")] {
        let seen = World::new().ask(&get("/api/x").header("authorization", value));
        assert!(seen.passed("forwarded").all("authorization").is_empty());
    }
    let two = get("/api/x").bearer(&t).header("authorization", "Basic eA==");
    World::new().ask(&two).refused(400, "authorization-repeated");
    for (value, reason) in [
        ("Bearer", "token-malformed-parts"),
        ("Bearer a b", "token-malformed-parts"),
        ("Bearerx", "identity-required"),
    ] {
        World::new().ask(&get("/api/x").header("authorization", value)).refused(401, reason);
    }
}

#[test]
fn only_groups_that_the_policy_names_travel_each_once() {
    let t = token(Algorithm::EdDSA)
        .claim("groups", json!(["suspended", "admins", "admins", "Admins", " admins", "a,b", ""]));
    let seen = World::new().ask(&get("/api/x").bearer(&t.make()));
    assert_eq!(seen.passed("forwarded").claims()["groups"], json!(["admins", "suspended"]));
    let none =
        World::new().ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).without_claim("groups").make()));
    assert!(none.passed("forwarded").claims().get("groups").is_none());
}

#[test]
fn groups_come_from_the_claim_of_the_settings() {
    let world = World::new().setting(|settings| settings["issuers"][0]["groups_claim"] = json!("roles"));
    let t = token(Algorithm::EdDSA).claim("roles", json!(["admins"])).make();
    assert_eq!(
        world.ask(&get("/api/x").bearer(&t)).passed("forwarded").claims()["groups"],
        json!(["admins"])
    );
}

#[test]
fn access_tokens_and_lists_of_audiences_are_read_too() {
    let kinds = [json!("at+jwt"), json!("application/at+jwt"), json!("jwt"), json!("AT+JWT")];
    for typ in kinds {
        let t =
            token(Algorithm::EdDSA).header("typ", typ).claim("aud", json!(["other", "countersign"])).make();
        World::new().ask(&get("/api/x").bearer(&t)).passed("forwarded");
    }
    World::new()
        .ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).without_header("typ").make()))
        .passed("forwarded");
}

#[test]
fn somebody_too_large_to_vouch_for_is_refused_not_cut() {
    let refused = |groups: &[String]| {
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let t = token(Algorithm::EdDSA).claim("groups", json!(groups)).make();
        World::with_policy(&routes(), &names)
            .ask(&get("/api/x").bearer(&t))
            .refused(403, "identity-too-large");
    };
    // Too long together, and too many.
    refused(&(0..40).map(|n| format!("{n:0>120}")).collect::<Vec<_>>());
    refused(&(0..65).map(|n| n.to_string()).collect::<Vec<_>>());
}
