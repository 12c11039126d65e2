//! Countersign's own paths: one of them ends a log-in, the others are nobody's.

use countersign_contract::assertion::Claims;

use crate::stage::{API, Asked, SHOP_KEY, Stage, WWW_KEY};

const SIGNED_OUT: Asked = Asked { method: "POST", target: "/.countersign/backchannel-logout", ..API };

fn ends(claims: &mut Claims) {
    claims.ends = Some("08a5".parse().unwrap());
}

#[test]
fn a_log_in_that_is_over_is_told_and_goes_to_no_pool() {
    let stage = Stage::new(10);
    let asked = SIGNED_OUT.vouched(&[], ends);
    let (order, variables) = stage.ask(&asked);
    assert_eq!(order, ["decision_id", "client_ip", "once", "receipt", "reason", "ends", "verdict"]);
    for (name, value) in [("verdict", "allow"), ("reason", "signed-out"), ("ends", "session:08a5")] {
        assert_eq!(variables[name], value);
    }
    assert_eq!(variables["once"], variables["decision_id"]);
    assert_eq!(stage.refused(&asked), ("replayed".to_owned(), "403".to_owned()));
    let records = stage.records();
    assert_eq!((records[0]["reason"].as_str(), records[0].get("route")), (Some("signed-out"), None));
    assert!(records[0]["detail"].as_str().unwrap().contains("`session:08a5`"));
}

#[test]
fn every_other_word_on_a_path_of_our_own_is_refused() {
    let stage = Stage::new(20);
    let cases = [
        (Asked { method: "GET", ..SIGNED_OUT }.vouched(&[], ends), "own-path"),
        (Asked { method: "PUT", ..SIGNED_OUT }.vouched(&[], ends), "own-path"),
        (Asked { target: "/.countersign/backchannel-logout?a", ..SIGNED_OUT }.vouched(&[], ends), "own-path"),
        (Asked { target: "/.countersign/backchannel-logout?", ..SIGNED_OUT }.vouched(&[], ends), "own-path"),
        (Asked { target: "/.countersign/backchannel-logout/", ..SIGNED_OUT }.vouched(&[], ends), "own-path"),
        (Asked { target: "/.countersign/callback", ..SIGNED_OUT }.vouched(&[], ends), "own-path"),
        (Asked { target: "/.countersign/callback", ..API }.signed(&["admins"]), "own-path"),
        (SIGNED_OUT.signed(&["admins"]), "own-path"),
        (SIGNED_OUT, "assertion-missing"),
        (SIGNED_OUT.by(SHOP_KEY, &[], ends), "key-of-another-service"),
        (
            SIGNED_OUT.by(SHOP_KEY, &[], |claims| {
                ends(claims);
                claims.iss = "edge-shop".parse().unwrap();
            }),
            "host-not-vouched",
        ),
    ];
    for (asked, reason) in &cases {
        let (said, _) = stage.refused(asked);
        assert_eq!(said, *reason, "{} {}", asked.method, asked.target);
        assert!(!stage.ask(asked).1.contains_key("ends"));
    }
}

#[test]
fn a_log_in_ends_on_no_other_path() {
    let stage = Stage::new(10);
    let misplaced = || API.by(WWW_KEY, &["engineering"], ends);
    assert_eq!(stage.refused(&misplaced()), ("ends-misplaced".to_owned(), "403".to_owned()));
    let (_, variables) = stage.ask(&Asked { target: "/beta/x", ..API }.vouched(&["admins"], ends));
    assert_eq!((variables["verdict"].as_str(), variables.get("ends")), ("allow", None));
    assert_eq!(stage.records()[1]["would"]["reason"], "ends-misplaced");
}

/// Who runs the edge of one host must not be able to sign out the people of another.
#[test]
fn only_a_service_that_people_sign_in_to_ends_log_ins() {
    let stage = Stage::new(10);
    let by_shop = Asked { host: "eu.shop.example.test", ..SIGNED_OUT }.by(SHOP_KEY, &[], |claims| {
        ends(claims);
        claims.iss = "edge-shop".parse().unwrap();
    });
    assert_eq!(stage.refused(&by_shop), ("log-out-not-vouched".to_owned(), "403".to_owned()));
    assert_eq!(stage.ask(&SIGNED_OUT.vouched(&[], ends)).1["verdict"], "allow");
}

#[test]
fn the_longest_log_in_fits_haproxys_table() {
    let stage = Stage::new(10);
    let longest = "s".repeat(255);
    let asked = SIGNED_OUT.vouched(&[], |claims| claims.ends = Some(longest.parse().unwrap()));
    let told = stage.ask(&asked).1["ends"].len();
    let table = include_str!("../../../haproxy/countersign-backend.cfg");
    let line = table.lines().find(|line| line.contains("table cs_ended ")).unwrap();
    let length: usize =
        line.split_whitespace().skip_while(|word| *word != "len").nth(1).unwrap().parse().unwrap();
    assert!(told <= length, "{told} bytes, and a key of more than {length} is cut");
    assert!("s".repeat(256).parse::<countersign_contract::name::SessionId>().is_err());
}
