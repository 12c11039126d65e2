//! Several data centres: which one a request goes to, and under what word.

use countersign_contract::decision_id::DecisionId;
use serde_json::{Value, json};

use crate::world::{Ask, NOW, Seen, Sent, World, get};

/// Two data centres, of which these can't be reached.
fn world(down: &[&'static str]) -> World {
    let mut world = World::new().setting(|settings| {
        settings["origins"] = json!([
            { "backend": "haproxy", "audience": "eu-1" }, { "backend": "haproxy-us", "audience": "us-1" },
            { "backend": "haproxy-ap", "audience": "ap-1" },
        ]);
    });
    world.unreachable.extend(down);
    world
}

fn backends(seen: &Seen) -> Vec<&str> {
    seen.unanswered.iter().chain(&seen.sent).map(|sent| sent.backend.as_str()).collect()
}

/// The id of the decision that an assertion says.
fn decision(sent: &Sent) -> DecisionId {
    sent.claims()["txn"].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_first_that_can_be_reached_gets_it() {
    for (down, expected) in [
        (&[][..], &["haproxy"][..]),
        (&["haproxy"], &["haproxy", "haproxy-us"]),
        (&["haproxy-us"], &["haproxy"]),
        (&["haproxy", "haproxy-us"], &["haproxy", "haproxy-us", "haproxy-ap"]),
    ] {
        let seen = world(down).ask(&get("/page/x?a=1"));
        seen.passed("forwarded");
        assert_eq!(backends(&seen), expected);
    }
}

/// An assertion is for one data centre and one attempt.
#[test]
fn each_attempt_has_an_assertion_and_a_decision_of_its_own() {
    let session = world(&[]).session("ann", &["engineering"], 0);
    let seen = world(&["haproxy", "haproxy-us"]).ask(&get("/api/x").session(&session));
    let last = seen.passed("forwarded");
    let attempts: Vec<&Sent> = seen.unanswered.iter().chain([last]).collect();
    let audiences: Vec<Value> = attempts.iter().map(|sent| sent.claims()["aud"].clone()).collect();
    assert_eq!(audiences, ["eu-1", "us-1", "ap-1"]);
    for sent in &attempts {
        let claims = sent.claims();
        assert_eq!((&claims["sub"], &claims["groups"]), (&json!("ann"), &json!(["engineering"])));
    }
    let decisions: Vec<DecisionId> = attempts.iter().map(|sent| decision(sent)).collect();
    assert!(decisions[0] != decisions[1] && decisions[1] != decisions[2] && decisions[0] != decisions[2]);
    // The request is known by the last; the record tells of the others, and why.
    assert_eq!(seen.record["decision_id"], decisions[2].to_string());
    let detail = seen.record["detail"].as_str().unwrap();
    for (backend, id) in [("haproxy", decisions[0]), ("haproxy-us", decisions[1])] {
        let said = format!("backend `{backend}`: connection refused, as decision `{id}`");
        assert!(detail.contains(&said), "{detail}");
    }
}

#[test]
fn only_what_can_be_repeated_is_sent_again() {
    let ask = || get("/page/x");
    for (ask, repeated) in [
        (ask(), true),
        (ask().method("HEAD"), true),
        (ask().method("OPTIONS"), true),
        (ask().header("content-length", "0"), true),
        (ask().method("POST"), false),
        (ask().method("POST").header("content-length", "0"), false),
        (ask().method("PUT").header("content-length", "3"), false),
        (ask().method("DELETE"), false),
        (ask().method("PATCH"), false),
        (ask().header("content-length", "3"), false),
        (ask().header("content-length", "0").header("content-length", "3"), false),
        (ask().header("content-length", ""), false),
        (ask().header("transfer-encoding", "chunked"), false),
    ] {
        let seen = world(&["haproxy"]).ask(&ask);
        if repeated {
            seen.passed("forwarded");
            assert_eq!(backends(&seen), ["haproxy", "haproxy-us"], "{ask:?}");
        } else {
            seen.answered(503, "origin-unreachable");
            assert_eq!(backends(&seen), ["haproxy"], "{ask:?}");
        }
    }
}

#[test]
fn where_none_can_be_reached_the_client_is_asked_for_patience() {
    let all = ["haproxy", "haproxy-us", "haproxy-ap"];
    let seen = world(&all).ask(&get("/page/x"));
    seen.answered(503, "origin-unreachable");
    assert_eq!(backends(&seen), all);
    assert_eq!(seen.answer_header("retry-after"), Some("1"));
    let last = seen.sent.as_ref().unwrap();
    assert_eq!(seen.record["decision_id"], decision(last).to_string());
    assert_eq!(seen.answer_header("countersign-decision"), seen.record["decision_id"].as_str());
}

/// An answer is an answer, also one that says no: another data centre is no second opinion.
#[test]
fn an_answer_of_the_first_is_final() {
    for status in [403, 404, 500, 502, 503] {
        let mut world = world(&[]);
        world.origin.as_mut().unwrap().status = status;
        let seen = world.ask(&get("/page/x"));
        seen.passed("forwarded");
        assert_eq!(backends(&seen), ["haproxy"]);
        assert_eq!(seen.record["origin_status"], status);
    }
}

/// Its body was for the edge, so it can be told elsewhere; issuers tell only once.
#[test]
fn a_log_out_of_the_issuer_is_told_to_the_first_that_can_be_reached() {
    let token = crate::issuer::token(jsonwebtoken::Algorithm::EdDSA)
        .header("typ", json!("logout+jwt"))
        .claim("aud", json!(crate::issuer::CLIENT))
        .claim("sid", json!("08a5"))
        .claim("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    let mut world = world(&["haproxy"]);
    world.body = format!("logout_token={}", token.make()).into_bytes();
    let seen = world.ask(&get("/.countersign/backchannel-logout").method("POST"));
    seen.answered(503, "logout-untold");
    assert_eq!(backends(&seen).len(), 2);
    assert!(seen.sent.as_ref().unwrap().all("content-length").is_empty());
}

fn hop(assertion: &str) -> Ask {
    get("/page/x").header("countersign-assertion", assertion)
}

#[test]
fn a_shielding_hop_goes_to_the_data_centre_that_its_assertion_is_for() {
    for (down, backend) in [(&[][..], "haproxy"), (&["haproxy"], "haproxy-us")] {
        let first = world(down).ask(&get("/page/x"));
        let assertion = first.passed("forwarded").assertion();
        let seen = world(&[]).ask(&hop(&assertion));
        let sent = seen.passed("shielding-hop");
        assert_eq!((sent.backend.as_str(), sent.assertion()), (backend, assertion));
        assert_eq!(seen.record["decision_id"], first.record["decision_id"]);
    }
}

#[test]
fn a_shielding_hop_is_never_sent_elsewhere() {
    let assertion = world(&[]).ask(&get("/page/x")).passed("forwarded").assertion();
    let seen = world(&["haproxy"]).ask(&hop(&assertion));
    seen.answered(503, "origin-unreachable");
    assert_eq!(backends(&seen), ["haproxy"]);
    // For a data centre that isn't among ours any more it proves nothing.
    let later = World::new().setting(|settings| settings["origins"][0]["audience"] = json!("us-1"));
    later.now.set(NOW + 1);
    let seen = later.ask(&hop(&assertion));
    let sent = seen.passed("forwarded");
    assert!(sent.assertion() != assertion && sent.claims()["aud"] == "us-1");
}
