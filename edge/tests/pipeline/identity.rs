//! Who is asking: tokens that are somebody, and what travels of them.

use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::issuer::token;
use crate::world::{NOW, World, get, routes};

#[test]
fn a_bearer_token_of_each_algorithm_says_who_it_is_and_under_which_key() {
    for (algorithm, key) in
        [(Algorithm::RS256, "rsa-1"), (Algorithm::ES256, "ec-1"), (Algorithm::EdDSA, "ed-1")]
    {
        let seen = World::new().ask(&get("/api/x").bearer(&token(algorithm).make()));
        let claims = seen.passed("forwarded").claims();
        assert_eq!((&claims["sub"], &claims["groups"]), (&json!("ann"), &json!(["engineering"])));
        assert_eq!(seen.record["subject"], "ann");
        assert_eq!(seen.record["groups"], json!(["engineering"]));
        assert_eq!(seen.record["token_kid"], key);
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
    let ann = World::new().session("ann", &[], 0);
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
fn access_tokens_say_that_they_are_and_lists_of_audiences_are_read() {
    let audiences = json!(["other", crate::issuer::AUDIENCE]);
    for typ in [json!("at+jwt"), json!("application/at+jwt"), json!("AT+JWT")] {
        let t = token(Algorithm::EdDSA).header("typ", typ).claim("aud", audiences.clone()).make();
        World::new().ask(&get("/api/x").bearer(&t)).passed("forwarded");
    }
}

/// Issuers that don't follow RFC 9068 don't say so; then what only an ID token has tells it apart.
#[test]
fn of_an_issuer_that_does_not_say_which_are_access_tokens_any_but_id_tokens_are_taken() {
    let plain = token(Algorithm::EdDSA).header("typ", json!("JWT"));
    let unnamed = token(Algorithm::EdDSA).without_header("typ");
    for t in [&plain, &unnamed] {
        World::new().ask(&get("/api/x").bearer(&t.make())).refused(401, "token-wrong-type");
    }
    let world = World::new().setting(|settings| settings["issuers"][0]["bearer_tokens"] = json!("jwt"));
    for t in [&plain, &unnamed, &token(Algorithm::EdDSA)] {
        world.ask(&get("/api/x").bearer(&t.make())).passed("forwarded");
    }
    for claim in ["nonce", "at_hash", "c_hash", "events"] {
        let id_token = plain.clone().claim(claim, json!("x")).make();
        world.ask(&get("/api/x").bearer(&id_token)).refused(401, "token-is-id-token");
    }
    // An ID token is for the client.
    let id_token = plain.clone().claim("aud", json!(crate::issuer::CLIENT)).make();
    world.ask(&get("/api/x").bearer(&id_token)).refused(401, "token-wrong-audience");
}

#[test]
fn an_issuer_without_an_audience_signs_no_bearer_tokens() {
    let world = World::new()
        .setting(|settings| drop(settings["issuers"][0].as_object_mut().unwrap().remove("audience")));
    let t = token(Algorithm::EdDSA).make();
    world.ask(&get("/api/x").bearer(&t)).refused(401, "token-not-accepted");
}

/// As Entra ID and others do when somebody is in too many groups.
#[test]
fn groups_that_are_too_many_to_be_listed_are_not_taken_for_none() {
    let without = token(Algorithm::EdDSA).without_claim("groups");
    for t in [
        without.clone().claim("_claim_names", json!({ "groups": "src1" })),
        without.clone().claim("hasgroups", json!(true)),
        without.clone().claim("hasgroups", json!("true")),
    ] {
        let seen = World::new().ask(&get("/api/x").bearer(&t.make()));
        seen.refused(403, "token-groups-overage");
    }
    for t in [without.clone().claim("_claim_names", json!({ "x": "src1" })), without] {
        World::new().ask(&get("/api/x").bearer(&t.make())).passed("forwarded");
    }
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
