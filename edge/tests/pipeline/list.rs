//! The list: what it takes away, and that it takes nothing away when it is broken.

use countersign_contract::list::Action;
use jsonwebtoken::Algorithm;

use crate::issuer::token;
use crate::world::{NOW, World, get};

#[test]
fn a_blocked_client_is_turned_away_and_others_are_not() {
    let world = World::new().listing(&[("192.0.2.7", Action::Block)]);
    let seen = world.ask(&get("/static/x"));
    seen.refused(403, "listed-block");
    assert_eq!(seen.record["list_generation"], 7);
    world.ask(&get("/static/x").from("192.0.2.8")).passed("forwarded");
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
    let world = World::new().listing(&[("192.0.2.7", Action::Throttle)]);
    let seen = world.ask(&get("/static/x"));
    seen.refused(429, "listed-throttle");
    assert_eq!(seen.answer_header("retry-after"), Some("3600"));
    world.now.set(NOW + 3590);
    assert_eq!(world.ask(&get("/static/x")).answer_header("retry-after"), Some("10"));
    // The record has run out.
    world.now.set(NOW + 3600);
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
        assert!(world.ask(&get(target).session(&good)).sent.is_some(), "{target}");
    }
    let bad = world.ask(&get("/page/x").session("no-token"));
    bad.refused(401, "listed-require-identity");
    assert!(bad.record["detail"].as_str().unwrap().contains("token-malformed-parts"));
    // A public route learns nothing of who it was.
    let public = world.ask(&get("/static/x").session(&good));
    assert!(public.passed("forwarded").claims().get("sub").is_none());
    assert!(public.record.get("subject").is_none());
}

#[test]
fn observe_changes_nothing() {
    let world = World::new().listing(&[("192.0.2.7", Action::Observe)]);
    world.ask(&get("/static/x")).passed("forwarded");
}

/// Breaks one part of a world.
type Break = fn(&mut World);

#[test]
fn a_list_that_cannot_be_read_turns_nobody_away_and_is_noted() {
    let listed = [("192.0.2.7", Action::Block)];
    let broken: [(&str, Break); 9] = [
        ("no store `countersign_list`", |world| world.list = Err(World::absent("countersign_list"))),
        ("store `countersign_list` can't be read", |world| {
            world.list = Err(World::half_written("countersign_list"))
        }),
        ("item `_meta` is missing", |world| drop(world.list.as_mut().unwrap().remove("_meta"))),
        ("item `_meta` can't be read", |world| {
            drop(world.list.as_mut().unwrap().insert("_meta".into(), "{".into()))
        }),
        ("layout 9", |world| {
            let meta = r#"{"layout":9,"buckets":3,"generation":7,"epoch":1,"writer":"tests"}"#;
            world.list.as_mut().unwrap().insert("_meta".into(), meta.into());
        }),
        ("is missing", |world| world.list.as_mut().unwrap().retain(|key, _| key == "_meta")),
        ("the bucket has 3 characters", |world| {
            let items = world.list.as_mut().unwrap();
            items.iter_mut().filter(|(key, _)| *key != "_meta").for_each(|(_, value)| *value = "abc".into());
        }),
        ("secret `list-key` is missing", |world| drop(world.secrets.as_mut().unwrap().remove("list-key"))),
        ("a list key is 32 bytes", |world| {
            world.secrets.as_mut().unwrap().insert("list-key".into(), b"\xff".to_vec());
        }),
    ];
    for (fault, break_it) in broken {
        let mut world = World::new().listing(&listed);
        break_it(&mut world);
        let seen = world.ask(&get("/static/x"));
        seen.passed("forwarded");
        let noted = seen.record["list_fault"].as_str().unwrap_or_default();
        assert!(noted.contains(fault), "{fault}: {noted}");
    }
}
