//! What an edge service may say, and how its table is checked.

use countersign::trust::{Service, Services, ServicesFault};
use countersign_contract::assertion::Claims;

use crate::stage::{API, Asked, IDLE_KEY, Key, SHOP_KEY, Stage, WWW_KEY, keys, service};

const SHOP: Asked = Asked { host: "eu.shop.example.test", ..API };

fn by_shop(asked: Asked, groups: &[&str]) -> Asked {
    asked.by(SHOP_KEY, groups, |claims| claims.iss = "edge-shop".parse().unwrap())
}

#[test]
fn a_service_says_what_it_may() {
    let stage = Stage::new(10);
    for asked in [
        by_shop(SHOP, &["engineering"]),
        by_shop(Asked { host: "EU.shop.example.test:443", ..SHOP }, &["engineering"]),
        SHOP.signed(&["engineering"]),
    ] {
        let (_, variables) = stage.ask(&asked);
        assert_eq!((variables["verdict"].as_str(), variables["subject"].as_str()), ("allow", "alice"));
    }
}

#[test]
fn each_word_too_many_has_its_own_reason() {
    let stage = Stage::new(10);
    let said =
        |key: Key, asked: Asked, groups: &[&str], change: fn(&mut Claims)| asked.by(key, groups, change);
    let shop: fn(&mut Claims) = |claims| claims.iss = "edge-shop".parse().unwrap();
    let cases: [(Asked, &str); 8] = [
        (
            said(WWW_KEY, API, &["engineering"], |claims| claims.iss = "edge-www2".parse().unwrap()),
            "service-unknown",
        ),
        (said(SHOP_KEY, API, &["engineering"], |_| {}), "key-of-another-service"),
        (said(WWW_KEY, SHOP, &["engineering"], shop), "key-of-another-service"),
        (said(IDLE_KEY, API, &["engineering"], |_| {}), "key-of-another-service"),
        (said(SHOP_KEY, API, &["engineering"], shop), "host-not-vouched"),
        (by_shop(SHOP, &["engineering", "admins"]), "group-not-vouched"),
        (
            said(WWW_KEY, API, &["engineering"], |claims| claims.env = "preview".parse().unwrap()),
            "environment-not-vouched",
        ),
        (
            said(WWW_KEY, API, &["engineering"], |claims| claims.env = "staging".parse().unwrap()),
            "wrong-environment",
        ),
    ];
    for (asked, reason) in &cases {
        assert_eq!(stage.refused(asked), ((*reason).to_owned(), "403".to_owned()));
    }
    let records = stage.records();
    let group = &records[5];
    assert!(group["detail"].as_str().unwrap().contains("`edge-shop` says group `admins`"), "{group}");
    // It was verified: whoever looks into it finds the edge's record, the service and its key.
    assert_eq!((group["id_from"].as_str(), group["kid"].as_str()), (Some("assertion"), Some("k2")));
}

/// Its people are those of its own identity provider, whatever another one calls its own.
#[test]
fn a_service_speaks_of_nobody_but_its_own_people() {
    let of = |subject: &str, session: Option<&str>| {
        let (subject, session) = (subject.to_owned(), session.map(str::to_owned));
        move |claims: &mut Claims| {
            claims.sub = Some(subject.parse().unwrap());
            claims.sid = session.as_ref().map(|session| session.parse().unwrap());
        }
    };
    let stage = Stage::with_service(|service| service.subject_prefixes = Some(vec!["partner".to_owned()]));
    for (subject, session) in [("partner:alice", None), ("partner:alice", Some("partner:1"))] {
        assert_eq!(stage.ask(&API.vouched(&["engineering"], of(subject, session))).1["verdict"], "allow");
    }
    for (subject, session) in
        [("alice", None), ("partnership:alice", None), ("partner", None), ("partner:alice", Some("1"))]
    {
        let refused = stage.refused(&API.vouched(&["engineering"], of(subject, session)));
        assert_eq!(refused, ("subject-not-vouched".to_owned(), "403".to_owned()), "{subject}");
    }
}

#[test]
fn a_service_may_be_of_a_second_environment() {
    let stage = Stage::new(10);
    let asked = SHOP.by(SHOP_KEY, &["engineering"], |claims| {
        claims.iss = "edge-shop".parse().unwrap();
        claims.env = "preview".parse().unwrap();
    });
    assert_eq!(stage.ask(&asked).1["verdict"], "allow");
}

#[test]
fn of_a_word_too_many_nothing_goes_on_where_a_route_refuses_nobody() {
    let stage = Stage::new(10);
    for (target, reason) in [("/beta/x", "observed"), ("/legacy/x", "not-judged")] {
        let (_, variables) = stage.ask(&by_shop(Asked { target, ..API }, &["admins"]));
        assert_eq!((variables["verdict"].as_str(), variables["reason"].as_str()), ("allow", reason));
        for name in ["subject", "groups", "client_ip"] {
            assert!(!variables.contains_key(name), "{variables:?}");
        }
    }
    assert_eq!(stage.records()[0]["would"]["reason"], "host-not-vouched");
}

#[test]
fn a_word_too_many_is_used_up_all_the_same() {
    let stage = Stage::new(10);
    let asked = by_shop(Asked { method: "POST", target: "/admin/x", ..API }, &["engineering"]);
    assert_eq!(stage.refused(&asked).0, "host-not-vouched");
    assert_eq!(stage.refused(&asked).0, "replayed");
}

#[test]
fn services_that_can_not_be_told_apart_are_refused() {
    let own = "production".parse().unwrap();
    let new = |services| Services::new(services, &own).map(|_| ()).unwrap_err();
    let one = || service("a", "k1", &["a.test"]);
    assert_eq!(new(vec![]), ServicesFault::None);
    for (list, empty) in [
        ("keys", Service { keys: vec![], ..one() }),
        ("hosts", Service { hosts: vec![], ..one() }),
        ("environments", Service { environments: Some(vec![]), ..one() }),
        ("subject_prefixes", Service { subject_prefixes: Some(vec![]), ..one() }),
    ] {
        assert_eq!(new(vec![empty]), ServicesFault::Empty { service: "a".parse().unwrap(), list });
    }
    assert_eq!(new(vec![one(), service("a", "k2", &["b.test"])]), ServicesFault::Twice("a".parse().unwrap()));
    assert_eq!(new(vec![one(), one()]), ServicesFault::Twice("a".parse().unwrap()));
    let shared = new(vec![one(), service("b", "k1", &["b.test"])]).to_string();
    assert!(["`k1`", "`a`", "`b`"].iter().all(|name| shared.contains(name)), "{shared}");
}

#[test]
fn a_key_that_is_not_held_and_one_that_signs_for_nobody_are_found() {
    let own = "production".parse().unwrap();
    let services =
        Services::new(vec![service("a", "k1", &["a.test"]), service("b", "k9", &["b.test"])], &own);
    let (services, keys) = (services.unwrap(), keys());
    let missing: Vec<_> = services.keys_not_held(&keys).map(|(name, key)| format!("{name} {key}")).collect();
    assert_eq!(missing, ["b k9"]);
    let idle: Vec<_> =
        keys.ids().filter(|key| services.of_key(key).is_none()).map(ToString::to_string).collect();
    assert_eq!(idle, ["k2", "k3"]);
}
