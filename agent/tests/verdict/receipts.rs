//! Receipts: what was decided, said so that the edge can tell who decided it.

use countersign_contract::decision_id::DecisionId;
use countersign_contract::record::Verdict;

use crate::stage::{API, Asked, SHOP_KEY, Stage, receipt_keys};

#[test]
fn every_decision_about_a_verified_assertion_has_a_receipt() {
    let stage = Stage::new(10);
    let overstated = API.by(SHOP_KEY, &["engineering"], |_| {});
    for (asked, verdict, reason) in [
        (API.signed(&["engineering"]), Verdict::Allow, "granted"),
        (API.signed(&["nobody"]), Verdict::Deny, "permission-missing"),
        (overstated, Verdict::Deny, "key-of-another-service"),
        (Asked { target: "/beta/x", ..API }.signed(&["engineering"]), Verdict::Allow, "observed"),
        (Asked { target: "/legacy/x", ..API }.signed(&["engineering"]), Verdict::Allow, "not-judged"),
    ] {
        let (order, variables) = stage.ask(&asked);
        let id: DecisionId = variables["decision_id"].parse().unwrap();
        let receipt = receipt_keys().verify(id, variables["receipt"].as_bytes()).unwrap();
        assert_eq!((receipt.verdict, receipt.reason.as_str()), (verdict, reason));
        assert_eq!(order.last().map(String::as_str), Some("verdict"));
    }
}

#[test]
fn without_a_common_id_there_is_none() {
    let stage = Stage::new(10);
    let bound_elsewhere = Asked { target: "/api/y", ..API.signed(&["engineering"]) };
    for asked in [API, bound_elsewhere, Asked { target: "/nowhere", ..API }.signed(&["engineering"])] {
        let (_, variables) = stage.ask(&asked);
        assert!(!variables.contains_key("receipt"), "{variables:?}");
    }
}

#[test]
fn a_receipt_is_the_documented_one() {
    let documented = include_str!("../../../docs/protocol.md");
    let made = receipt_keys().make(DecisionId::from_random([7; 16]), Verdict::Deny, "replayed").unwrap();
    let mac = made.strip_prefix("r1~deny~replayed~").unwrap();
    assert!(documented.contains(&format!("# {mac}=\n")), "{mac}");
}
