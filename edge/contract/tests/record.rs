//! Records, and the ids and digests that join them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use std::borrow::Cow;

use base64::Engine as _;
use countersign_contract::binding::RequestBinding;
use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::decision_id::DecisionId;
use countersign_contract::list::Action;
use countersign_contract::record::{DecisionRecord, IdSource, Tier, Verdict, WouldBe};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn least() -> DecisionRecord<'static> {
    DecisionRecord {
        time: "2026-01-02T03:04:05.678Z".into(),
        tier: Tier::Agent,
        decision_id: "00112233445566778899aabbccddeeff".into(),
        id_from: IdSource::Haproxy,
        verdict: Verdict::Deny,
        status: None,
        reason: "assertion-missing".into(),
        detail: None,
        would: None,
        route: None,
        mode: None,
        class: None,
        pool: None,
        arm: None,
        method: None,
        host: None,
        path: None,
        client_ip: None,
        subject: None,
        session: None,
        groups: Cow::Borrowed(&[]),
        kid: None,
        token_kid: None,
        session_kid: None,
        bot_kid: None,
        list_kid: None,
        receipt_kid: None,
        service: None,
        environment: None,
        policy: None,
        edge_policy: None,
        listed: None,
        list_generation: None,
        list_fault: None,
        list_micros: None,
        origin_status: None,
        origin_verdict: None,
        origin_reason: None,
        receipt_fault: None,
        micros: 42,
    }
}

fn most() -> DecisionRecord<'static> {
    DecisionRecord {
        tier: Tier::Edge,
        id_from: IdSource::Assertion,
        verdict: Verdict::Allow,
        status: Some(200),
        detail: Some("a line\nbreak and a \"quote\"".into()),
        would: Some(WouldBe {
            verdict: Verdict::Deny,
            status: 403,
            reason: "permission-missing".into(),
            detail: "role `engineer`".into(),
        }),
        route: Some("api".into()),
        mode: Some("observe".into()),
        class: Some("private".into()),
        pool: Some("api".into()),
        arm: Some("canary".into()),
        method: Some("GET".into()),
        host: Some("www.example.test".into()),
        path: Some("/caf%C3%A9".into()),
        client_ip: Some("2001:db8::1".parse().unwrap()),
        subject: Some("al\u{2028}ice \u{1f511}".into()),
        session: Some("08a5".into()),
        groups: vec!["engineering".parse().unwrap(), "on call".parse().unwrap()].into(),
        kid: Some("edge-1".into()),
        token_kid: Some("idp-1".into()),
        session_kid: Some("s1".into()),
        bot_kid: Some("b1".into()),
        list_kid: Some("k1".into()),
        receipt_kid: Some("r1".into()),
        service: Some("edge-www".into()),
        environment: Some("production".into()),
        policy: Some("p".into()),
        edge_policy: Some("q".into()),
        listed: Some(Action::RequireIdentity),
        list_generation: Some(u64::MAX),
        list_fault: Some("garbled".into()),
        list_micros: Some(7),
        origin_status: Some(304),
        origin_verdict: Some(Verdict::Allow),
        origin_reason: Some("granted".into()),
        receipt_fault: Some("forged".into()),
        ..least()
    }
}

#[test]
fn absent_fields_are_absent() {
    let expected = json!({
        "time": "2026-01-02T03:04:05.678Z",
        "tier": "agent",
        "decision_id": "00112233445566778899aabbccddeeff",
        "id_from": "haproxy",
        "verdict": "deny",
        "reason": "assertion-missing",
        "micros": 42,
    });
    assert_eq!(serde_json::to_value(least()).unwrap(), expected);
}

#[test]
fn records_come_back_as_they_were_and_are_one_line() {
    for record in [least(), most()] {
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains(['\n', '\r']), "{line}");
        assert_eq!(serde_json::from_str::<DecisionRecord<'_>>(&line).unwrap(), record);
    }
    let names: Vec<String> =
        serde_json::to_value(most()).unwrap().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 40, "{names:?}");
}

#[test]
fn a_refusal_at_the_edge_says_that_its_id_is_the_edges_own() {
    for (source, word) in
        [(IdSource::Assertion, "assertion"), (IdSource::Haproxy, "haproxy"), (IdSource::Edge, "edge")]
    {
        assert_eq!(serde_json::to_value(source).unwrap(), Value::from(word));
    }
}

/// The layout of the digest, written down a second time.
fn by_hand(method: &str, authority: &str, target: &str) -> String {
    let mut bytes = b"countersign-request-v1\0".to_vec();
    for part in [method, authority, target] {
        bytes.extend((part.len() as u32).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

fn binding(method: &str, host: &str, target: &str) -> Option<RequestBinding> {
    let authority = Authority::parse(host.as_bytes()).ok()?;
    let target = Target::parse(target.as_bytes()).ok()?;
    Some(RequestBinding::of(Method::parse(method.as_bytes()).ok()?, &authority, &target))
}

/// Where one part ends and the next begins is part of the digest.
#[test]
fn parts_that_run_together_are_told_apart() {
    let same_text = [("GET", "aa.test", "/b"), ("GETa", "a.test", "/b"), ("GETaa", "test", "/b")];
    let mut seen = Vec::new();
    for (method, host, target) in same_text {
        let binding = binding(method, host, target).unwrap();
        assert!(!seen.contains(&binding), "{method} {host} {target}");
        seen.push(binding);
    }
}

proptest! {
    #[test]
    fn an_id_is_its_own_text(bytes in any::<[u8; 16]>()) {
        let id = DecisionId::from_random(bytes);
        let text = id.to_string();
        prop_assert_eq!(&text, &format!("{:032x}", u128::from_be_bytes(bytes)));
        prop_assert_eq!(text.parse(), Ok(id));
        prop_assert_eq!(id.as_bytes(), &bytes);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<DecisionId>(&json).unwrap(), id);
    }

    #[test]
    fn only_32_lower_case_digits_are_an_id(text in "[0-9a-fA-Fg\u{e9} -]{30,34}") {
        let right = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        prop_assert_eq!(text.parse::<DecisionId>().is_ok(), right);
    }

    #[test]
    fn a_digest_is_the_documented_one(
        method in "[A-Z-]{1,10}", host in "[a-z]{1,10}(\\.[a-z]{1,5}){0,2}", target in "/[a-z/]{0,20}(\\?[a-z=&]{0,20})?",
    ) {
        if let Some(binding) = binding(&method, &host, &target) {
            prop_assert_eq!(binding.to_string(), by_hand(&method, &host, &target));
            let json = serde_json::to_string(&binding).unwrap();
            prop_assert_eq!(serde_json::from_str::<RequestBinding>(&json).unwrap(), binding);
            // Through a value or a reader as well: then there is no text to borrow.
            prop_assert_eq!(serde_json::from_value::<RequestBinding>(json!(binding)).unwrap(), binding);
        }
    }

    #[test]
    fn other_requests_have_other_digests(
        one in ("(GET|PUT|G)", "(a|aa|ab)(\\.test)?", "/[ab]{0,2}(\\?[ab]{0,2})?"),
        two in ("(GET|PUT|G)", "(a|aa|ab)(\\.test)?", "/[ab]{0,2}(\\?[ab]{0,2})?"),
    ) {
        let (first, second) = (binding(&one.0, &one.1, &one.2), binding(&two.0, &two.1, &two.2));
        prop_assert_eq!(first == second, one == two);
    }
}
