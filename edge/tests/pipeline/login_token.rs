//! The end of a log-in: what the token endpoint answers, and the ID token that it gives.

use countersign_edge::platform::{FetchFault, Fetched};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::{Browser, Visit, claims, fails};
use crate::issuer::{self, CLIENT, Token};
use crate::world::{NOW, Seen, World, get, routes};

/// Comes back from a visit to which the token endpoint answers what `prepare` makes it.
fn ends(world: &World, prepare: impl FnOnce(&World, &Visit)) -> (Seen, Option<String>) {
    let mut browser = Browser::new(world);
    let visit = browser.visit("/api/x");
    prepare(world, &visit);
    let seen = browser.open(&visit.back(&[("code", "c0de")]));
    (seen, browser.session().cloned())
}

#[track_caller]
fn refused(change: impl FnOnce(Token) -> Token, status: u16, reason: &str) {
    let world = World::new();
    let (seen, session) = ends(&world, |world, visit| world.will_issue(&change(visit.id_token())));
    fails(&seen, status, reason);
    assert_eq!(session, None);
}

#[track_caller]
fn taken(change: impl FnOnce(Token) -> Token) -> Value {
    let world = World::new();
    let (seen, session) = ends(&world, |world, visit| world.will_issue(&change(visit.id_token())));
    seen.done(303, "signed-in");
    claims(&session.unwrap())
}

#[test]
fn what_the_token_endpoint_answers_instead_of_tokens_signs_nobody_in() {
    for (status, body, answer, reason) in [
        (400, r#"{"error":"invalid_grant"}"#, 400, "login-code-refused"),
        (401, r#"{"error":"invalid_client"}"#, 400, "login-code-refused"),
        (400, "<html>", 400, "login-code-refused"),
        (400, "", 400, "login-code-refused"),
        (500, r#"{"error":"server_error"}"#, 503, "login-unavailable"),
        (503, "", 503, "login-unavailable"),
        (302, "", 503, "login-unavailable"),
        (403, "", 503, "login-unavailable"),
        (404, "", 503, "login-unavailable"),
        (429, "", 503, "login-unavailable"),
        (201, "", 503, "login-unavailable"),
        (200, "", 503, "login-unavailable"),
        (200, "<html>", 503, "login-unavailable"),
        (200, "{}", 503, "login-unavailable"),
        (200, "[]", 503, "login-unavailable"),
        (200, "null", 503, "login-unavailable"),
        (200, r#"{"id_token":null}"#, 503, "login-unavailable"),
        (200, r#"{"id_token":7}"#, 503, "login-unavailable"),
        (200, r#"{"id_token":"a","id_token":"b"}"#, 503, "login-unavailable"),
        (200, r#"{"access_token":"a","token_type":"Bearer"}"#, 503, "login-unavailable"),
        (200, r#"{"id_token":""}"#, 403, "token-malformed-parts"),
        (200, r#"{"id_token":"a.b.c"}"#, 403, "token-malformed-header"),
    ] {
        let world = World::new();
        let (seen, session) = ends(&world, |world, _| world.will_answer(status, body));
        fails(&seen, answer, reason);
        assert_eq!(session, None);
        assert_eq!(world.redeemed.take().len(), 1, "a code is tried once");
    }
}

#[test]
fn a_token_endpoint_that_cannot_be_had_asks_for_patience() {
    for fault in [
        FetchFault::Unreachable("connection refused".to_owned()),
        FetchFault::TooLong(65_536),
        FetchFault::Status(500),
    ] {
        let world = World::new();
        let (seen, _) = ends(&world, |world, _| *world.token_endpoint.borrow_mut() = Err(fault));
        fails(&seen, 503, "login-unavailable");
        assert_eq!(seen.answer_header("retry-after"), Some("5"));
    }
    // It says no more than is read.
    let world = World::new();
    let (seen, _) = ends(&world, |world, visit| {
        let long = json!({ "id_token": visit.id_token().make(), "x": "x".repeat(64 * 1024) });
        world.will_answer(200, long.to_string());
    });
    fails(&seen, 503, "login-unavailable");
}

/// What it says of why is for the log, and short there.
#[test]
fn an_error_of_the_issuer_is_noted_briefly() {
    let long = "e".repeat(3000);
    let world = World::new();
    let (seen, _) = ends(&world, |world, _| world.will_answer(400, json!({ "error": long }).to_string()));
    fails(&seen, 400, "login-code-refused");
    assert!(seen.record["detail"].as_str().unwrap().len() < 200);
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let seen = browser.open(&visit.back(&[("error", &long)]));
    fails(&seen, 403, "login-refused");
    assert!(seen.record["detail"].as_str().unwrap().len() < 200);
}

#[test]
fn the_issuer_may_say_no() {
    for error in ["access_denied", "login_required", "unauthorized_client", "", "anything else"] {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let visit = browser.visit("/api/x");
        let seen = browser.open(&visit.back(&[("error", error), ("error_description", "no")]));
        fails(&seen, 403, "login-refused");
        assert!(world.redeemed.take().is_empty());
        assert!(seen.record["detail"].as_str().unwrap().contains(error));
    }
    // Or that it can't say.
    for error in ["server_error", "temporarily_unavailable"] {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let visit = browser.visit("/api/x");
        fails(&browser.open(&visit.back(&[("error", error)])), 503, "login-unavailable");
    }
}

#[test]
fn an_id_token_of_another_log_in_client_or_issuer_is_refused() {
    refused(|t| t.without_claim("nonce"), 403, "token-nonce-missing");
    refused(|t| t.claim("nonce", json!("other")), 403, "token-nonce-mismatch");
    refused(|t| t.claim("aud", json!("other")), 403, "token-wrong-audience");
    // An access token for the origin is no ID token.
    refused(|t| t.claim("aud", json!(issuer::AUDIENCE)), 403, "token-wrong-audience");
    refused(|t| t.header("typ", json!("at+jwt")), 403, "token-wrong-type");
    refused(|t| t.header("typ", json!("logout+jwt")), 403, "token-wrong-type");
    refused(|t| t.claim("aud", json!([CLIENT, "other"])), 403, "token-wrong-party");
    refused(|t| t.claim("azp", json!("other")), 403, "token-wrong-party");
    refused(|t| t.claim("iss", json!("https://evil.example.test")), 403, "token-wrong-issuer");
    refused(|t| t.claim("sub", json!("")), 403, "token-subject-refused");
    assert_eq!(taken(|t| t.without_header("typ"))["sub"], "ann");
    assert_eq!(taken(|t| t.claim("aud", json!([CLIENT, "x"])).claim("azp", json!(CLIENT)))["sub"], "ann");
}

#[test]
fn an_id_token_has_its_time() {
    refused(|t| t.claim("exp", json!(NOW - 30)), 403, "token-expired");
    refused(|t| t.without_claim("exp"), 403, "token-expiry-missing");
    refused(|t| t.without_claim("iat"), 403, "token-issued-missing");
    refused(|t| t.claim("iat", json!(NOW + 31)), 403, "token-issued-in-future");
    refused(|t| t.claim("nbf", json!(NOW + 31)), 403, "token-not-yet-valid");
    assert_eq!(taken(|t| t.claim("exp", json!(NOW - 29)).claim("iat", json!(NOW + 30)))["sub"], "ann");
}

#[test]
fn an_id_token_is_signed_by_a_key_of_the_issuer() {
    refused(|t| t.header("alg", json!("none")), 403, "token-algorithm-none");
    refused(|t| t.header("alg", json!("RS512")), 403, "token-algorithm-refused");
    refused(|t| t.header("kid", json!("nope")), 403, "token-unknown-key");
    refused(|t| t.header("kid", json!("rsa-1")), 403, "token-algorithm-mismatch");
    // The client's secret is a key of no token.
    refused(
        |t| Token { signer: Algorithm::HS256, ..t.header("alg", json!("HS256")) },
        403,
        "token-algorithm-refused",
    );
    let world = World::new();
    let (seen, _) = ends(&world, |world, visit| {
        let forged = visit.id_token().make().replacen('.', ".e30", 1);
        world.will_answer(200, json!({ "id_token": forged }).to_string());
    });
    assert_eq!(seen.own().status, 403);
    // An issuer whose keys can't be had is down, not wrong.
    let world = World::new();
    *world.key_server.borrow_mut() = Err(FetchFault::Unreachable("connection refused".to_owned()));
    let (seen, _) = ends(&world, |world, visit| world.will_issue(&visit.id_token()));
    fails(&seen, 503, "keys-unavailable");
    assert_eq!(seen.answer_header("retry-after"), Some("5"));
}

/// To sign in again would not help: the page says so, and the record what would.
#[test]
fn groups_that_do_not_fit_are_never_cut() {
    refused(|t| t.without_claim("groups").claim("hasgroups", json!(true)), 403, "token-groups-overage");
    let elsewhere = json!({ "groups": "src1" });
    refused(|t| t.without_claim("groups").claim("_claim_names", elsewhere), 403, "token-groups-overage");
    refused(|t| t.claim("groups", json!("admins")), 403, "token-groups-malformed");
    let many: Vec<String> = (0..40).map(|n| format!("{n:0>120}")).collect();
    let names: Vec<&str> = many.iter().map(String::as_str).collect();
    // More than the policy names is nothing to it.
    let long = json!(many);
    assert_eq!(taken(move |t| t.claim("groups", long)).get("groups"), None);
    let world = World::with_policy(&routes(), &names);
    let (seen, session) =
        ends(&world, |world, visit| world.will_issue(&visit.id_token().claim("groups", json!(many))));
    fails(&seen, 403, "identity-too-large");
    assert_eq!(session, None);
}

#[test]
fn a_session_that_is_made_is_one_that_browsers_keep_and_the_edge_reads() {
    // As many groups as fit.
    for count in 1..40 {
        let groups: Vec<String> = (0..count).map(|n| format!("{n:0>100}")).collect();
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let world = World::with_policy(&routes(), &names);
        let (seen, session) =
            ends(&world, |world, visit| world.will_issue(&visit.id_token().claim("groups", json!(groups))));
        let Some(session) = session else {
            fails(&seen, 403, "identity-too-large");
            assert!(count > 10, "{count}");
            return;
        };
        assert!(crate::world::COOKIE.len() + session.len() < 4096);
        assert_eq!(world.ask(&get("/page/x").session(&session)).record["session_kid"], "s1");
    }
    panic!("any number fits");
}

#[test]
fn discovery_that_fails_on_the_way_back_signs_nobody_in() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let broken = World::new();
    *broken.metadata.borrow_mut() = Ok(Fetched { status: 200, body: b"{}".to_vec() });
    let mut late = Browser::new(&broken);
    late.jar.clone_from(&browser.jar);
    fails(&late.sign_in(&visit), 503, "login-unavailable");
    assert!(broken.redeemed.take().is_empty());
}
