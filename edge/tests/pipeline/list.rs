//! The list: what it takes away, and what it only notes.

use countersign_contract::list::Action;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::issuer::token;
use crate::listing::Listing;
use crate::world::{NOW, World, get};

#[test]
fn a_blocked_client_is_turned_away_and_others_are_not() {
    let world = World::new().listing(&[("192.0.2.7", Action::Block)]);
    let seen = world.ask(&get("/static/x"));
    seen.refused(403, "listed-block");
    assert_eq!((&seen.record["list_generation"], &seen.record["listed"]), (&json!(7), &json!("block")));
    let other = world.ask(&get("/static/x").from("192.0.2.8"));
    other.passed("forwarded");
    assert_eq!(other.record.get("listed"), None);
    // The same client by its IPv4-mapped address.
    let mapped = world.ask(&get("/static/x").from("::ffff:192.0.2.7"));
    mapped.refused(403, "listed-block");
    assert_eq!(mapped.record["client_ip"], "192.0.2.7");
}

#[test]
fn a_network_of_ipv6_is_one_client() {
    let world = World::new().listing(&[("2001:db8:1:2::1", Action::Block)]);
    world.ask(&get("/static/x").from("2001:db8:1:2:ffff::9")).refused(403, "listed-block");
    world.ask(&get("/static/x").from("2001:db8:1:3::1")).passed("forwarded");
}

#[test]
fn a_throttled_client_is_told_when_to_come_back() {
    let mut list = Listing::of(&[("192.0.2.7", Action::Throttle)]);
    list.seconds = 2 * 86_400;
    let world = World::new().with_list(&list);
    for (passed, told) in [(0, "86400"), (86_400, "86400"), (2 * 86_400 - 10, "10"), (2 * 86_400 - 1, "1")] {
        world.now.set(NOW + passed);
        let seen = world.ask(&get("/static/x"));
        seen.refused(429, "listed-throttle");
        assert_eq!(seen.answer_header("retry-after"), Some(told));
    }
    // The record has run out.
    world.now.set(NOW + 2 * 86_400);
    world.ask(&get("/static/x")).passed("forwarded");
}

#[test]
fn a_client_that_has_to_sign_in_passes_signed_in_only() {
    let world = World::new().listing(&[("192.0.2.7", Action::RequireIdentity)]);
    let good = token(Algorithm::EdDSA).make();
    for target in ["/static/x", "/page/x", "/beta/x", "/old/x"] {
        let seen = world.ask(&get(target));
        seen.refused(401, "listed-require-identity");
        assert_eq!(seen.answer_header("www-authenticate"), Some("Bearer"));
        let signed_in = world.ask(&get(target).bearer(&good));
        assert!(signed_in.sent.is_some(), "{target}");
        assert_eq!(signed_in.record["listed"], "require-identity");
    }
    let bad = world.ask(&get("/page/x").session("no-token"));
    bad.refused(401, "listed-require-identity");
    assert!(bad.record["detail"].as_str().unwrap().contains("session-malformed"));
    // A public route learns that it was somebody, for the origin's own list, and nothing of who.
    let public = world.ask(&get("/static/x").bearer(&good));
    let claims = public.passed("forwarded").claims();
    assert_eq!((claims.get("sub"), claims.get("known")), (None, Some(&json!(true))));
    // Where it learns who, and where the list asks for nobody, there is nothing to say.
    let page = world.ask(&get("/page/x").bearer(&good));
    assert!(page.passed("forwarded").claims().get("known").is_none());
    let other = world.ask(&get("/static/x").bearer(&good).from("192.0.2.8"));
    assert!(other.passed("forwarded").claims().get("known").is_none());
    assert!(public.record.get("subject").is_none());
}

#[test]
fn the_action_observe_is_noted_and_changes_nothing() {
    let seen = World::new().listing(&[("192.0.2.7", Action::Observe)]).ask(&get("/static/x"));
    assert_eq!(seen.passed("forwarded").claims()["rep"], 7);
    assert_eq!((&seen.record["listed"], seen.record.get("would")), (&json!("observe"), None));
}

#[test]
fn a_list_that_is_only_observed_refuses_nobody_and_says_whom_it_would() {
    let would = [
        (Action::Block, 403, "listed-block"),
        (Action::Throttle, 429, "listed-throttle"),
        (Action::RequireIdentity, 401, "listed-require-identity"),
    ];
    for (action, status, reason) in would {
        let world = World::new().with_list(&Listing::of(&[("192.0.2.7", action)]).observed());
        for target in ["/static/x", "/page/x", "/old/x", "/beta/x"] {
            let seen = world.ask(&get(target));
            assert_eq!(seen.passed("observed").claims()["rep"], 7);
            let would = &seen.record["would"];
            assert_eq!((&would["verdict"], &would["status"]), (&json!("deny"), &json!(status)), "{target}");
            assert_eq!((&would["reason"], &seen.record["listed"]), (&json!(reason), &json!(action.as_str())));
        }
        world.ask(&get("/static/x").from("192.0.2.8")).passed("forwarded");
    }
}

#[test]
fn a_list_that_is_only_observed_hides_no_other_refusal() {
    let world = World::new().with_list(&Listing::of(&[("192.0.2.7", Action::Block)]).observed());
    let seen = world.ask(&get("/api/x"));
    seen.refused(401, "identity-required");
    assert_eq!(seen.record["would"]["reason"], "listed-block");
}

/// What is looked at for such a list alone must not become a refusal by itself.
#[test]
fn a_list_that_is_only_observed_judges_no_credential_of_a_public_route() {
    let world = World::new().with_list(&Listing::of(&[("192.0.2.7", Action::RequireIdentity)]).observed());
    let good = token(Algorithm::EdDSA).make();
    let signed_in = world.ask(&get("/static/x").bearer(&good));
    assert!(signed_in.passed("forwarded").claims().get("sub").is_none());
    let two = world.ask(&get("/static/x").session("x").session("x"));
    two.passed("observed");
    assert!(two.record["detail"].as_str().unwrap().contains("session-repeated"));
    assert_eq!(two.record["would"]["reason"], "listed-require-identity");
}
