//! Session cookies: which are somebody, and which keys they are under.

use countersign_edge::sealed::{Kind, SessionKeys};
use serde_json::{Value, json};

use crate::browser::{Browser, page};
use crate::world::{HOST, NOW, SESSION_KEYS, World, get, routes};

/// A session of `ann` that is changed before it is sealed.
fn changed(name: &str, value: Value) -> String {
    let world = World::new();
    let mut session = world.new_session("ann", &["engineering"]);
    session[name] = value;
    world.seal(&session)
}

/// Programs are told that they are nobody, browsers are sent to sign in, and a page that is for everybody is
/// shown to nobody.
#[track_caller]
fn nobody(world: &World, session: &str, reason: &str) {
    let seen = world.ask(&get("/api/x").session(session));
    seen.refused(401, reason);
    assert_eq!(seen.answer_header("www-authenticate"), Some("Bearer"));
    world.ask(&page("/api/x").session(session)).refused(303, reason);
    let optional = world.ask(&page("/page/x").session(session));
    let sent = optional.passed("forwarded");
    assert!(sent.claims().get("sub").is_none());
    assert_eq!(sent.all("cookie"), ["theme=dark; lang=en"]);
    assert!(optional.record["detail"].as_str().unwrap().contains(reason));
    let observed = world.ask(&page("/beta/x").session(session));
    assert!(observed.passed("observed").claims().get("sub").is_none());
    assert_eq!(observed.record["would"]["reason"], reason);
}

#[test]
fn a_session_is_for_its_host_its_issuer_and_its_time() {
    for (name, value, reason) in [
        ("host", json!("shop.example.test"), "session-of-another-host"),
        ("host", json!("WWW.example.test"), "session-of-another-host"),
        ("iss", json!("guests"), "session-of-another-issuer"),
        ("iat", json!(NOW + 6), "session-from-the-future"),
        ("exp", json!(NOW), "session-expired"),
        ("exp", json!(0), "session-expired"),
        ("v", json!(2), "session-malformed"),
        ("v", json!(0), "session-malformed"),
        ("v", json!("1"), "session-malformed"),
        ("sub", json!(""), "session-malformed"),
        ("sub", json!(" ann"), "session-malformed"),
        ("sid", json!(7), "session-malformed"),
        ("groups", json!("admins"), "session-malformed"),
        ("exp", json!(-1), "session-malformed"),
    ] {
        nobody(&World::new(), &changed(name, value), reason);
    }
    for (name, value) in [("iat", json!(NOW + 5)), ("exp", json!(NOW + 1)), ("sid", Value::Null)] {
        let seen = World::new().ask(&get("/api/x").session(&changed(name, value)));
        assert_eq!(seen.passed("forwarded").claims()["sub"], "ann");
    }
}

#[test]
fn what_is_in_a_cookie_is_ours_or_nothing() {
    let world = World::new();
    for content in [json!(null), json!([]), json!({}), json!("ann"), json!({ "sub": "ann" })] {
        nobody(&world, &world.seal(&content), "session-malformed");
    }
    let good = world.session("ann", &[], 0);
    for (cookie, reason) in [
        ("x".to_owned(), "session-malformed"),
        ("..".to_owned(), "session-unknown-key"),
        ("a.b".to_owned(), "session-malformed"),
        ("a.b.c".to_owned(), "session-malformed"),
        (format!("{good}."), "session-forged"),
        (format!(".{good}"), "session-unknown-key"),
        (format!("{good}A"), "session-forged"),
        (format!("\"{good}\""), "session-malformed"),
        ("A".repeat(4097), "session-malformed"),
        (format!("{good}{}", "A".repeat(4096)), "session-malformed"),
    ] {
        nobody(&world, &cookie, reason);
    }
    let odd =
        get("/api/x").header("cookie", [b"__Host-countersign-session=".to_vec(), vec![0xff; 9]].concat());
    world.ask(&odd).refused(401, "session-malformed");
}

#[test]
fn any_byte_that_is_changed_makes_it_nobodys() {
    let world = World::new();
    let good = world.session("ann", &["engineering"], 0);
    for place in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let seen = world.ask(&get("/api/x").session(&String::from_utf8(bytes).unwrap()));
        let reasons = ["session-forged", "session-malformed", "session-unknown-key"];
        assert!(reasons.contains(&seen.record["reason"].as_str().unwrap()), "{place}: {}", seen.record);
        assert!(seen.sent.is_none());
    }
    // The signature of one over the content of another.
    let other = world.session("root", &["admins"], 0);
    let (content, _) = other.rsplit_once('.').unwrap();
    let (_, mac) = good.rsplit_once('.').unwrap();
    nobody(&world, &format!("{content}.{mac}"), "session-forged");
    // Sealed by a key that isn't ours under the name of ours, and not sealed at all.
    let stranger = World::new().with_secret("session-key", "s1:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8");
    nobody(&world, &stranger.session("ann", &[], 0), "session-forged");
    let (unsealed, _) = good.rsplit_once('.').unwrap();
    nobody(&world, &format!("{unsealed}."), "session-forged");
}

#[test]
fn groups_that_the_policy_names_no_more_travel_no_more() {
    let session = World::new().session("ann", &["engineering", "book-club"], 0);
    let seen = World::new().ask(&get("/api/x").session(&session));
    assert_eq!(seen.passed("forwarded").claims()["groups"], json!(["engineering"]));
}

/// An issuer that was taken over is cut back in the settings: that holds for who has signed in before, too.
#[test]
fn groups_that_the_issuer_may_speak_of_no_more_travel_no_more() {
    let session = World::new().session("ann", &["admins", "engineering"], 0);
    let world = World::new().setting(|settings| settings["issuers"][0]["groups"] = json!(["engineering"]));
    let seen = world.ask(&get("/api/x").session(&session));
    assert_eq!(seen.passed("forwarded").claims()["groups"], json!(["engineering"]));
}

#[test]
fn one_key_replaces_another_and_nobody_is_signed_out() {
    let old = World::new().session("ann", &[], 0);
    let mut kids = vec![];
    // The settings name the second key; both are there.
    let world = World::new().setting(|settings| settings["session_key"] = json!("s2"));
    let seen = world.ask(&get("/api/x").session(&old));
    seen.passed("forwarded");
    kids.push(seen.record["session_kid"].clone());
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    browser.sign_in(&visit).done(303, "signed-in");
    kids.push(browser.open("/api/x").record["session_kid"].clone());
    assert_eq!(kids, ["s1", "s2"]);
    // The first one is gone: whoever has only that is asked to sign in again, by no fault of the server.
    let (_, second) = SESSION_KEYS.split_once(' ').unwrap();
    let world = World::new().with_secret("session-key", second);
    nobody(&world, &old, "session-unknown-key");
    world.ask(&get("/api/x").session(browser.session().unwrap())).passed("forwarded");
}

#[test]
fn an_attempt_that_was_begun_under_the_old_key_is_ended_under_the_new() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let rotated = World::new().setting(|settings| settings["session_key"] = json!("s2"));
    let mut later = Browser::new(&rotated);
    later.jar.clone_from(&browser.jar);
    later.sign_in(&visit).done(303, "signed-in");
    assert_eq!(later.open("/api/x").record["session_kid"], "s2");
}

#[test]
fn without_session_keys_a_session_is_an_outage_and_nobody_elses_concern() {
    let session = World::new().session("ann", &[], 0);
    for world in [
        World::new().without_secret("session-key"),
        World::new().with_secret("session-key", "s1:AA"),
        World::new().with_secret("session-key", ""),
        World::new().setting(|settings| settings["session_key"] = json!("s9")),
    ] {
        for ask in [get("/api/x"), page("/api/x")] {
            let seen = world.ask(&ask.session(&session));
            seen.refused(503, "session-keys-unreadable");
            assert_eq!(seen.answer_header("retry-after"), Some("30"));
            assert!(!seen.record.to_string().contains("AAECAwQF"), "no key is written down");
        }
        world.ask(&get("/api/x")).refused(401, "identity-required");
        let bearer = crate::issuer::token(jsonwebtoken::Algorithm::EdDSA).make();
        world.ask(&get("/api/x").bearer(&bearer)).passed("forwarded");
        world.ask(&get("/page/x").session(&session)).passed("forwarded");
    }
    // No store of secrets is more: there is no key to sign with either.
    let world = World::new().no_secrets(World::absent);
    world.ask(&get("/api/x").session(&session)).refused(503, "key-unreadable");
}

/// A host that comes with a port of its own, and one in capitals.
#[test]
fn the_host_of_a_session_is_the_canonical_one() {
    let session = World::new().session("ann", &[], 0);
    for host in ["WWW.Example.test", "www.example.test:443"] {
        World::new().ask(&get("/api/x").host(host).session(&session)).passed("forwarded");
    }
    let mut routes = routes();
    routes[0]["hosts"] = json!([HOST, "shop.example.test"]);
    let world = World::with_routes(&routes).setting(|settings| {
        settings["logins"][0]["hosts"] = json!([HOST, "shop.example.test"]);
    });
    let shop = world.ask(&get("/api/x").host("shop.example.test").session(&session));
    shop.refused(401, "session-of-another-host");
    let keys = SessionKeys::load(&world, None).unwrap();
    let mut for_shop = world.new_session("ann", &[]);
    for_shop["host"] = json!("shop.example.test");
    let for_shop = keys.seal(Kind::Session, &for_shop);
    world.ask(&get("/api/x").host("shop.example.test").session(&for_shop)).passed("forwarded");
    world.ask(&get("/api/x").session(&for_shop)).refused(401, "session-of-another-host");
}
