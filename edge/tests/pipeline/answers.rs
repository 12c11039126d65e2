//! What the client gets, and what the record holds.

use countersign_edge::answer::Answer;
use countersign_edge::platform::OriginHead;
use serde_json::{Value, json};

use crate::world::{World, get};

const OURS: &str = "30313233343536373839616263646566";

#[test]
fn a_refusal_says_title_status_and_id_and_nothing_more() {
    let seen = World::new().ask(&get("/api/secret?token=1"));
    let answer = seen.own();
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body, json!({ "title": "Unauthorized", "status": 401, "decision_id": OURS }));
    let names: Vec<&str> = answer.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["cache-control", "content-type", "www-authenticate", "countersign-decision"]);
    assert_eq!(seen.answer_header("content-type"), Some("application/problem+json"));
    assert_eq!(seen.answer_header("cache-control"), Some("no-store"));
    assert_eq!(seen.answer_header("countersign-decision"), Some(OURS));
}

#[test]
fn the_answer_of_the_origin_keeps_only_the_decision_id_of_ours() {
    let names =
        ["content-type", "countersign-decision", "countersign-subject", "countersign_x", "set-cookie"];
    let answer = |decisions: &[&str]| OriginHead {
        status: 404,
        header_names: names.map(str::to_owned).to_vec(),
        decisions: decisions.iter().map(|decision| decision.as_bytes().to_vec()).collect(),
        receipts: vec![],
    };
    let refused_there = "h-00112233445566778899aabbccddeeff";
    for (decisions, expected) in [
        (&[OURS][..], OURS),
        (&[][..], OURS),
        // Out of a cache, from an earlier request.
        (&["ffffffffffffffffffffffffffffffff"][..], OURS),
        (&["nonsense"][..], OURS),
        (&["h-nonsense"][..], OURS),
        (&[OURS, refused_there][..], OURS),
        (&[refused_there][..], refused_there),
    ] {
        let mut world = World::new();
        world.origin = Ok(answer(decisions));
        let seen = world.ask(&get("/static/x"));
        let Answer::FromOrigin(changes) = &seen.answer else { panic!("refused") };
        assert_eq!(changes.decision, expected);
        assert_eq!(changes.remove, ["countersign-decision", "countersign-subject", "countersign_x"]);
        assert_eq!(seen.record["origin_status"], 404);
        assert_eq!(seen.record["decision_id"], OURS);
        assert_eq!(seen.record.get("detail").is_some(), expected == refused_there);
    }
}

#[test]
fn the_record_holds_what_an_operator_needs_and_no_query() {
    let seen = World::new().ask(&get("/page/x?token=secret"));
    let mut record = seen.record.clone();
    record["policy"] = json!("digest");
    assert_eq!(
        record,
        json!({
            "time": "2026-11-18T11:06:40.250Z", "tier": "edge", "decision_id": OURS, "id_from": "assertion",
            "verdict": "allow", "reason": "forwarded", "route": "page", "mode": "enforce", "class": "private",
            "pool": "web", "method": "GET", "host": "www.example.test", "path": "/page/x",
            "client_ip": "192.0.2.7", "kid": "edge-1", "list_kid": "k1", "service": "edge-www", "environment": "production",
            "policy": "digest", "list_generation": 7, "list_micros": 0, "origin_status": 200, "micros": 1234,
        })
    );
    let refused = World::new().ask(&get("//x?token=secret"));
    assert_eq!(refused.record["path"], "//x");
    // No assertion carries this id.
    assert_eq!(refused.record["id_from"], "edge");
    assert!(!refused.record.to_string().contains("secret"));
}
