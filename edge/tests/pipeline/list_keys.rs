//! The keys that a client is looked up by: its address, and once it is signed in who it is and which
//! log-in.

use countersign_contract::list::Action;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::issuer::token;
use crate::listing::Listing;
use crate::world::{World, get};

#[test]
fn whoever_is_listed_by_subject_is_turned_away_wherever_they_are_known() {
    let world =
        World::new().listing(&[("subject:ann", Action::Block), ("subject:bob", Action::RequireIdentity)]);
    let ann = token(Algorithm::EdDSA).make();
    for target in ["/api/x", "/page/x", "/beta/x", "/old/x"] {
        let seen = world.ask(&get(target).bearer(&ann));
        seen.refused(403, "listed-block");
        assert_eq!((&seen.record["subject"], &seen.record["listed"]), (&json!("ann"), &json!("block")));
        assert!(seen.record["detail"].as_str().unwrap().contains("by its subject"));
    }
    // Nobody pays for who else is behind their address.
    world.ask(&get("/page/x")).passed("forwarded");
    let bob = token(Algorithm::EdDSA).claim("sub", json!("bob")).make();
    let seen = world.ask(&get("/api/x").bearer(&bob));
    seen.passed("forwarded");
    assert_eq!(seen.record["listed"], "require-identity");
    // Nobody is known on a public route.
    world.ask(&get("/static/x").bearer(&ann)).passed("forwarded");
}

#[test]
fn a_listed_log_in_is_turned_away_and_the_next_one_is_not() {
    let world =
        World::new().listing(&[("session:08a5", Action::Throttle), ("session:token-1", Action::Block)]);
    let ask = |sid: serde_json::Value, jti: serde_json::Value| {
        let token = token(Algorithm::EdDSA).claim("sid", sid).claim("jti", jti).make();
        world.ask(&get("/api/x").bearer(&token))
    };
    let seen = ask(json!("08a5"), json!("token-2"));
    seen.refused(429, "listed-throttle");
    assert!(seen.record["detail"].as_str().unwrap().contains("by its session"));
    assert_eq!(seen.answer_header("retry-after"), Some("3600"));
    ask(json!("08a6"), json!("token-2")).passed("forwarded");
    // The log-in counts where the token names it, else the token.
    ask(json!("08a6"), json!("token-1")).passed("forwarded");
    for none in [json!(null), json!(7), json!(""), json!(" 08a5"), json!("s".repeat(256))] {
        ask(none, json!("token-1")).refused(401, "session-revoked");
    }
    ask(json!(null), json!(["token-1"])).passed("forwarded");
}

#[test]
fn the_hardest_over_all_keys_counts() {
    let ann = token(Algorithm::EdDSA).claim("sid", json!("08a5")).make();
    for (address, subject, session, status) in [
        (Action::Observe, Action::Throttle, Action::Block, 401),
        (Action::RequireIdentity, Action::Block, Action::Throttle, 403),
        (Action::RequireIdentity, Action::Observe, Action::Throttle, 429),
    ] {
        let listed = [("192.0.2.7", address), ("subject:ann", subject), ("session:08a5", session)];
        let seen = World::new().listing(&listed).ask(&get("/api/x").bearer(&ann));
        let reason = match status {
            401 => "session-revoked",
            403 => "listed-block",
            _ => "listed-throttle",
        };
        seen.refused(status, reason);
    }
    // Who has to sign in on a public route is known there, but not noted.
    let listed = [("192.0.2.7", Action::RequireIdentity), ("subject:ann", Action::Block)];
    let seen = World::new().listing(&listed).ask(&get("/static/x").bearer(&ann));
    seen.refused(403, "listed-block");
    assert_eq!(seen.record.get("subject"), None);
}

#[test]
fn a_list_that_is_only_observed_looks_everybody_up() {
    let listed = [("192.0.2.7", Action::Throttle), ("subject:ann", Action::Block)];
    let world = World::new().with_list(&Listing::of(&listed).observed());
    let seen = world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).make()));
    assert_eq!(seen.passed("observed").claims()["sub"], "ann");
    // The address would have ended it.
    assert_eq!((&seen.record["listed"], &seen.record["would"]["status"]), (&json!("block"), &json!(429)));
}

#[test]
fn an_address_is_looked_up_before_anybody_is_identified() {
    let world = World::new().listing(&[("192.0.2.7", Action::Block)]);
    let seen = world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).make()));
    seen.refused(403, "listed-block");
    assert_eq!((world.fetches.get(), seen.record.get("subject")), (0, None));
}

#[test]
fn only_a_verified_token_says_whom_to_look_up() {
    let list = Listing::of(&[("subject:ann", Action::Block)]);
    let (ann, bob) = (token(Algorithm::EdDSA), token(Algorithm::EdDSA).claim("sub", json!("bob")));
    let forged = [ann.make().rsplit_once('.').unwrap().0, bob.make().rsplit_once('.').unwrap().1].join(".");
    let seen = World::new().with_list(&list).ask(&get("/page/x").bearer(&forged));
    seen.passed("forwarded");
    assert_eq!(seen.list_items().len(), 3);
}

/// The platform allows 32 look-ups a request; the policy takes at most 16 and its pointer, settings one.
#[test]
fn the_list_takes_at_most_seven_look_ups_of_a_bucket_or_head() {
    let list = Listing::of(&[("192.0.2.7", Action::RequireIdentity)]);
    let ann = token(Algorithm::EdDSA).claim("sid", json!("08a5")).make();
    let seen = World::new().with_list(&list).ask(&get("/api/x").bearer(&ann));
    seen.passed("forwarded");
    let keys = ["192.0.2.7", "subject:ann", "session:08a5"].map(|key| list.buckets_of(key));
    let expected: Vec<&str> =
        ["_meta"].into_iter().chain(keys.iter().flatten().map(String::as_str)).collect();
    assert_eq!(seen.list_items(), expected);
    let nobody = World::new().with_list(&list).ask(&get("/static/x").from("192.0.2.8"));
    assert_eq!(nobody.list_items().len(), 3);
}
