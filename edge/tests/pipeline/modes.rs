//! Routes that only observe, and routes that are off.

use jsonwebtoken::Algorithm;

use crate::issuer::token;
use crate::world::{World, get};

#[test]
fn a_route_in_observe_passes_and_says_what_it_would_have_been() {
    let world = World::new();
    let seen = world.ask(&get("/beta/x"));
    let sent = seen.passed("observed");
    assert!(sent.claims().get("sub").is_none());
    assert_eq!(seen.record["mode"], "observe");
    let would = &seen.record["would"];
    assert_eq!((&would["verdict"], &would["status"]), (&"deny".into(), &401.into()));
    assert_eq!(would["reason"], "identity-required");

    let bad = world.ask(&get("/beta/x").bearer("x"));
    bad.passed("observed");
    assert_eq!(bad.record["would"]["reason"], "token-malformed-parts");

    let good = world.ask(&get("/beta/x").bearer(&token(Algorithm::EdDSA).make()));
    assert_eq!(good.passed("forwarded").claims()["sub"], "ann");
    assert!(good.record.get("would").is_none());
}

#[test]
fn a_route_in_observe_does_not_wait_for_the_identity_provider() {
    let world = World::new();
    *world.key_server.borrow_mut() = Err(countersign_edge::platform::FetchFault::Status(500));
    let seen = world.ask(&get("/beta/x").bearer(&token(Algorithm::EdDSA).make()));
    seen.passed("observed");
    assert_eq!(seen.record["would"]["reason"], "keys-unavailable");
    assert_eq!(seen.record["would"]["status"], 503);
}

#[test]
fn a_route_that_is_off_is_not_judged() {
    let world = World::new();
    let nobody = world.ask(&get("/old/x"));
    assert!(nobody.passed("not-judged").claims().get("sub").is_none());
    assert!(nobody.record.get("would").is_none());
    world.ask(&get("/old/x").bearer("x")).passed("not-judged");
}

/// An application that reads its own token or cookie goes on doing so until its route is enforced.
#[test]
fn credentials_end_at_the_edge_only_where_the_route_is_enforced() {
    let token = token(Algorithm::EdDSA).make();
    let cookie = format!("a=1; {}={token}", crate::world::COOKIE);
    for (target, reason, kept) in
        [("/api/x", "forwarded", false), ("/beta/x", "forwarded", true), ("/old/x", "not-judged", true)]
    {
        let seen = World::new().ask(&get(target).bearer(&token).header("cookie", cookie.as_str()));
        let sent = seen.passed(reason);
        assert_eq!(!sent.all("authorization").is_empty(), kept, "{target}");
        assert_eq!(sent.all("cookie"), [if kept { cookie.as_str() } else { "a=1" }], "{target}");
    }
}
