//! The policy's way through the edge's store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use std::collections::{BTreeMap, BTreeSet};

use countersign_contract::canonical::Allowance;
use countersign_contract::experiment::Experiment;
use countersign_contract::policy::{EdgePolicy, EdgePolicyFault, PolicyDigest};
use countersign_contract::route::{Bots, Class, Cors, Identity, Mode, Rate, RateKey, Replay, Route, Upgrade};
use proptest::prelude::*;

fn route(number: usize) -> Route {
    Route {
        name: format!("route-{number}").parse().unwrap(),
        hosts: vec!["www.example.test".parse().unwrap(), "*.example.test".parse().unwrap()],
        path: format!("/api/{number}/*/caf%C3%A9/**").parse().unwrap(),
        methods: ["GET", "POST"].map(|method| method.parse().unwrap()).into(),
        class: Class::Private,
        mode: Mode::Observe,
        identity: Identity::Optional,
        permission: Some("api.use".parse().unwrap()),
        deny_groups: ["suspended".parse().unwrap()].into(),
        replay: Some(Replay::Once),
        pool: "api".parse().unwrap(),
        bots: Bots::Any,
        bot_pool: None,
        bot_rate: None,
        rate: None,
        experiment: None,
        arm_pools: BTreeMap::new(),
        cors: None,
        upgrade: Upgrade::None,
        allow: vec![Allowance::Semicolon, Allowance::EncodedSlash],
    }
}

fn policy(routes: usize, groups: impl IntoIterator<Item = String>) -> EdgePolicy {
    EdgePolicy {
        digest: PolicyDigest::of(b"version = 1"),
        groups: groups.into_iter().map(|group| group.parse().unwrap()).collect(),
        experiments: BTreeMap::new(),
        routes: (0..routes).map(route).collect(),
    }
}

fn stored(policy: &EdgePolicy) -> BTreeMap<String, String> {
    policy.to_items().unwrap().into_iter().collect()
}

fn read(items: &BTreeMap<String, String>) -> Result<EdgePolicy, EdgePolicyFault> {
    EdgePolicy::from_items(|name| items.get(name).cloned())
}

/// Every key that may be left out.
#[test]
fn what_only_some_routes_say_comes_back_too() {
    let rate: Rate =
        serde_json::from_str(r#"{"requests":600,"seconds":60,"by":"address","penalty_seconds":120}"#)
            .unwrap();
    let cors: Cors = serde_json::from_str(
        r#"{"origins":{"these":["https://app.example.test"]},"headers":["x-trace"],"expose":["x-total"],
            "credentials":"include","max_age_seconds":600}"#,
    )
    .unwrap();
    let full = Route {
        bots: Bots::Verified,
        bot_pool: Some("bots".parse().unwrap()),
        bot_rate: Some(Rate { by: RateKey::Subject, penalty_seconds: None, ..rate }),
        rate: Some(rate),
        experiment: Some("checkout".parse().unwrap()),
        arm_pools: [("canary".parse().unwrap(), "next".parse().unwrap())].into(),
        cors: Some(cors),
        upgrade: Upgrade::Websocket,
        ..route(0)
    };
    let arms = [("canary".parse().unwrap(), 10), ("control".parse().unwrap(), 90)].into();
    let policy = EdgePolicy {
        experiments: [("checkout".parse().unwrap(), Experiment { arms })].into(),
        routes: vec![route(1), full],
        ..policy(0, [])
    };
    assert_eq!(read(&stored(&policy)).unwrap(), policy);
}

#[test]
fn a_policy_comes_back_as_it_was() {
    for routes in [0, 1, 20, 200] {
        let policy = policy(routes, ["engineering".to_owned(), "Site Reliability".to_owned()]);
        let items = stored(&policy);
        assert!(items.len() > routes / 40, "{} items", items.len());
        assert_eq!(read(&items).unwrap(), policy);
        let digest = items["policy"].split(' ').nth(1).unwrap();
        let keys: BTreeSet<String> =
            (0..items.len() - 1).map(|part| format!("policy.{}.{part}", &digest[..16])).collect();
        assert_eq!(items.keys().skip(1).cloned().collect::<BTreeSet<_>>(), keys);
    }
}

#[test]
fn parts_are_cut_between_characters_and_fit_the_store() {
    // Names of one to four bytes a character move the cut to every position in a character.
    for shift in 0..8 {
        let groups = (0..400).map(|n| format!("{}{n}\u{e9}\u{20ac}\u{1f511}\u{1f511}", "a".repeat(shift)));
        let policy = policy(2, groups);
        let items = stored(&policy);
        assert!(items.len() > 2);
        assert!(items.values().all(|value| value.len() <= 8000 && !value.is_empty()));
        assert_eq!(read(&items).unwrap(), policy);
    }
}

#[test]
fn a_policy_that_does_not_fit_is_refused() {
    let fault = policy(2000, []).to_items().unwrap_err();
    assert!(matches!(fault, EdgePolicyFault::TooLarge(bytes) if bytes > 128_000), "{fault}");
}

#[test]
fn missing_and_garbled_items_are_named() {
    let items = stored(&policy(60, []));
    assert!(items.len() > 3);
    for name in items.keys() {
        let mut without = items.clone();
        without.remove(name);
        assert_eq!(read(&without), Err(EdgePolicyFault::Missing(name.clone())));
    }
    let head = &items["policy"];
    let digest = head.split(' ').nth(1).unwrap();
    let parts = items.len() - 1;
    for wrong in [
        String::new(),
        "two".to_owned(),
        format!("0 {digest}"),
        format!("-1 {digest}"),
        format!("17 {digest}"),
        format!("+{parts} {digest}"),
        format!("0{parts} {digest}"),
        format!("{parts}"),
        format!("{parts} "),
        format!("{parts} {}", digest.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        format!(" {head}"),
        format!("{head} "),
        "99999999999999999999 00".to_owned(),
    ] {
        let mut changed = items.clone();
        changed.insert("policy".to_owned(), wrong.clone());
        assert_eq!(read(&changed), Err(EdgePolicyFault::Head), "`{wrong}`");
    }
}

/// A store changes item by item: while a new policy is on its way, parts of two lie there side by
/// side. The head, written last, is what switches.
#[test]
fn a_new_policy_takes_over_at_once_when_its_head_is_written() {
    let (one, mut two) = (policy(60, []), policy(60, []));
    for route in &mut two.routes {
        route.mode = Mode::Enforce;
    }
    let mut store = stored(&one);
    for (name, value) in two.to_items().unwrap() {
        assert_eq!(read(&store).as_ref(), Ok(&one), "before `{name}`");
        store.insert(name, value);
    }
    assert_eq!(read(&store), Ok(two));
}

#[test]
fn parts_that_the_head_was_not_written_with_are_no_policy() {
    let items = stored(&policy(60, []));
    let parts: Vec<&String> = items.keys().skip(1).collect();
    let mut swapped = items.clone();
    swapped.insert(parts[0].clone(), items[parts[1]].clone());
    assert_eq!(read(&swapped), Err(EdgePolicyFault::Mixed));
}

#[test]
fn what_the_digest_is_of_can_be_done_by_hand() {
    // printf 'version = 1' | sha256sum | cut -c -32
    assert_eq!(PolicyDigest::of(b"version = 1").as_str(), "4eab33c0b9ba9ded10e2a046539031d6");
    for wrong in ["", "4eab33c0b9ba9ded10e2a046539031d60", &"A".repeat(32), &"g".repeat(32)] {
        assert!(PolicyDigest::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}

#[test]
fn a_member_that_nobody_knows_is_no_policy() {
    let json = serde_json::to_string(&policy(1, [])).unwrap();
    for (from, to) in [
        ("\"mode\":\"observe\"", "\"mode\":\"Observe\""),
        ("\"mode\":\"observe\"", "\"mode\":\"observe\",\"mdoe\":\"enforce\""),
        ("\"routes\"", "\"roles\":[],\"routes\""),
        ("\"pool\":\"api\"", "\"pool\":\"API\""),
        ("*.example.test", "*.*.test"),
    ] {
        let changed = json.replace(from, to);
        assert_ne!(changed, json, "{from}");
        assert!(serde_json::from_str::<EdgePolicy>(&changed).is_err(), "{to}");
    }
}

proptest! {
    #[test]
    fn any_items_are_answered_without_a_panic(head in ".{0,40}", part in ".{0,100}") {
        let read = EdgePolicy::from_items(|name| Some(if name == "policy" { head.clone() } else { part.clone() }));
        prop_assert!(read.is_err());
    }

    #[test]
    fn one_changed_character_is_seen(at in any::<proptest::sample::Index>(), letter in "[a-z]") {
        let items = stored(&policy(5, []));
        let mut changed = items.clone();
        let value = changed.values_mut().nth(1).unwrap();
        let at = at.index(value.len());
        value.replace_range(at..=at, &letter);
        prop_assert!(changed == items || read(&changed).is_err());
    }
}

/// The digest of a policy that says nothing of bots must stay what it was before there were any.
#[test]
fn what_a_route_says_nothing_of_does_not_stand_in_its_compiled_form() {
    let silent = serde_json::to_value(route(1)).unwrap();
    assert!(silent.get("bots").is_none(), "{silent}");
    assert_eq!(serde_json::from_value::<Route>(silent.clone()).unwrap().bots, Bots::Any);
    for (word, bots) in [("verified", Bots::Verified), ("none", Bots::None)] {
        let mut said = silent.clone();
        said["bots"] = word.into();
        let read: Route = serde_json::from_value(said.clone()).unwrap();
        assert_eq!(read.bots, bots);
        assert_eq!(serde_json::to_value(read).unwrap(), said);
    }
}
