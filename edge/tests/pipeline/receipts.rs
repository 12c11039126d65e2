//! The origin's receipt in the edge's record. It changes nothing for the client.

use countersign_contract::decision_id::DecisionId;
use countersign_contract::receipt::ReceiptKeys;
use countersign_contract::record::Verdict;
use countersign_edge::platform::OriginHead;
use serde_json::{Value, json};

use crate::world::{Seen, World, get};

const KEYS: &str =
    "r2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8 r1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// The decision id of the first request of a world.
const FIRST: [u8; 16] = *b"0123456789abcdef";

fn receipt(keys: &str, id: [u8; 16], verdict: Verdict, reason: &str) -> Vec<u8> {
    let keys = ReceiptKeys::parse(keys).unwrap();
    keys.make(DecisionId::from_random(id), verdict, reason).unwrap().into_bytes()
}

fn granted() -> Vec<u8> {
    receipt(KEYS, FIRST, Verdict::Allow, "granted")
}

fn answers(world: &mut World, status: u16, receipts: &[Vec<u8>]) {
    world.origin = Ok(OriginHead {
        status,
        header_names: vec!["countersign-receipt".to_owned()],
        decisions: vec![],
        receipts: receipts.to_vec(),
    });
}

fn ask(secret: Option<&str>, receipts: &[Vec<u8>]) -> Seen {
    let mut world = World::new();
    if let Some(keys) = secret {
        world = world.with_secret("receipt-key", keys);
    }
    answers(&mut world, 200, receipts);
    let seen = world.ask(&get("/page/x"));
    seen.passed("forwarded");
    seen
}

/// The verdict, the reason and the key that the record tells of.
fn told(seen: &Seen) -> [&Value; 3] {
    ["origin_verdict", "origin_reason", "receipt_kid"].map(|name| &seen.record[name])
}

#[track_caller]
fn faulty(seen: &Seen, why: &str) {
    assert_eq!(told(seen), [&Value::Null; 3]);
    let fault = seen.record["receipt_fault"].as_str().unwrap();
    assert!(fault.contains(why), "{fault}");
}

#[test]
fn a_receipt_says_what_the_origin_decided() {
    let seen = ask(Some(KEYS), &[granted()]);
    assert_eq!(told(&seen), [&json!("allow"), &json!("granted"), &json!("r2")]);
    assert!(seen.record.get("receipt_fault").is_none());
    // Under the old key as well, and of a refusal.
    let (_, old) = KEYS.split_once(' ').unwrap();
    let mut world = World::new().with_secret("receipt-key", KEYS);
    answers(&mut world, 403, &[receipt(old, FIRST, Verdict::Deny, "permission-missing")]);
    let seen = world.ask(&get("/page/x"));
    seen.passed("forwarded");
    assert_eq!(told(&seen), [&json!("deny"), &json!("permission-missing"), &json!("r1")]);
}

#[test]
fn a_receipt_that_is_not_for_this_decision_says_nothing() {
    let changed = |from: &str, to: &str| String::from_utf8(granted()).unwrap().replace(from, to).into_bytes();
    for (receipts, why) in [
        (vec![], "no receipt"),
        (vec![granted(), granted()], "2 receipts"),
        (vec![receipt(KEYS, [7; 16], Verdict::Allow, "granted")], "for this decision"),
        (vec![changed("allow", "deny")], "for this decision"),
        (vec![changed("granted", "replayed")], "for this decision"),
        (vec![changed("r2~", "r1~")], "for this decision"),
        (vec![changed("r2~", "r9~")], "key `r9`, which is not held"),
        (vec![b"r2~allow~granted~".to_vec()], "for this decision"),
        (vec![b"made-up".to_vec()], "KID~VERDICT~REASON~MAC"),
        (vec![vec![]], "KID~VERDICT~REASON~MAC"),
        (vec![vec![0xff; 40]], "KID~VERDICT~REASON~MAC"),
        (vec![vec![b'a'; 100_000]], "KID~VERDICT~REASON~MAC"),
        (vec![[granted(), vec![b'A'; 300]].concat()], "KID~VERDICT~REASON~MAC"),
    ] {
        let seen = ask(Some(KEYS), &receipts);
        faulty(&seen, why);
        assert!(seen.record.to_string().len() < 2000);
    }
}

#[test]
fn without_keys_no_receipt_is_looked_for() {
    for receipts in [vec![], vec![granted()], vec![b"made-up".to_vec()]] {
        let seen = ask(None, &receipts);
        assert_eq!(told(&seen), [&Value::Null; 3]);
        assert!(seen.record.get("receipt_fault").is_none());
    }
}

#[test]
fn keys_that_cannot_be_read_are_noted_and_stop_nobody() {
    for secret in ["", "r1", "r1:AA", "r1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8!"] {
        let seen = ask(Some(secret), &[granted()]);
        faulty(&seen, "secret `receipt-key`");
        assert!(!seen.record.to_string().contains("AAECAwQF"), "no key is written down");
    }
    let mut world = World::new();
    world.secrets.as_mut().unwrap().insert("receipt-key".to_owned(), vec![0xff, 0xfe]);
    let seen = world.ask(&get("/page/x"));
    seen.passed("forwarded");
    faulty(&seen, "not UTF-8");
}

/// The receipt that counts is that of the attempt which was answered.
#[test]
fn after_a_fail_over_the_receipt_is_for_the_second_decision() {
    let second = {
        let mut id = FIRST;
        id[15] += 1;
        id
    };
    for (id, is_good) in [(second, true), (FIRST, false)] {
        let mut world = World::new().with_secret("receipt-key", KEYS).setting(|settings| {
            settings["origins"] = json!([{ "backend": "haproxy", "audience": "eu-1" },
                                         { "backend": "haproxy-us", "audience": "us-1" }]);
        });
        world.unreachable.insert("haproxy");
        answers(&mut world, 200, &[receipt(KEYS, id, Verdict::Allow, "granted")]);
        let seen = world.ask(&get("/page/x"));
        seen.passed("forwarded");
        assert_eq!(seen.record.get("receipt_fault").is_none(), is_good);
        assert_eq!(seen.record["origin_verdict"] == "allow", is_good);
    }
}

/// The shield goes on under the decision of the earlier hop, and reads the receipt for that.
#[test]
fn a_shielding_hop_reads_the_receipt_of_the_earlier_decision() {
    let assertion = World::new().ask(&get("/page/x")).passed("forwarded").assertion();
    let mut world = World::new().with_secret("receipt-key", KEYS);
    world.random = Some([7; 16]);
    answers(&mut world, 200, &[granted()]);
    let seen = world.ask(&get("/page/x").header("countersign-assertion", assertion));
    seen.passed("shielding-hop");
    assert_eq!(seen.record["origin_verdict"], "allow");
}

#[test]
fn a_receipt_never_reaches_the_client_and_none_of_a_client_counts() {
    use countersign_edge::answer::Answer;
    let seen = ask(Some(KEYS), &[granted()]);
    let Answer::FromOrigin(changes) = &seen.answer else { panic!("{:?}", seen.answer) };
    assert_eq!(changes.remove, ["countersign-receipt"]);
    let world = World::new().with_secret("receipt-key", KEYS);
    let seen = world.ask(&get("/page/x").header("countersign-receipt", granted()));
    assert!(seen.passed("forwarded").all("countersign-receipt").is_empty());
    faulty(&seen, "no receipt");
}
