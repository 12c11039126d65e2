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

/// Nobody is vouched for rather than half of somebody, and the request passes.
#[test]
fn somebody_too_large_to_vouch_for_passes_where_nothing_is_enforced() {
    let names: Vec<String> = (0..65).map(|n| format!("group-{n}")).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with_policy(&crate::world::routes(), &groups);
    let token = token(Algorithm::EdDSA).claim("groups", names.clone().into()).make();
    for (target, reason) in [("/beta/x", "observed"), ("/old/x", "not-judged")] {
        let seen = world.ask(&get(target).bearer(&token));
        let claims = seen.passed(reason).claims();
        assert!(claims.get("sub").is_none() && claims.get("groups").is_none(), "{claims}");
        assert_eq!(seen.record.get("subject"), None);
        let said =
            if reason == "observed" { &seen.record["would"]["detail"] } else { &seen.record["detail"] };
        assert!(said.as_str().is_some_and(|said| said.contains("65 groups")), "{}", seen.record);
    }
    world.ask(&get("/api/x").bearer(&token)).refused(403, "identity-too-large");
}

/// An application that reads its own token goes on doing so until its route is enforced.
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
        // The session is ours: no application has ever read it.
        assert_eq!(sent.all("cookie"), ["a=1"], "{target}");
    }
}
