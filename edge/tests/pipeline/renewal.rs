//! Sessions that are renewed at the issuer with the next page that is opened, and what happens if it is down.

use countersign_edge::platform::{FetchFault, Fetched};
use serde_json::json;

use crate::browser::{Browser, RENEWED, Visit, claims, page};
use crate::world::{COOKIE, NOW, World, get};

fn down() -> FetchFault {
    FetchFault::Unreachable("connection refused".to_owned())
}

/// A browser of `ann`, who signed in `ago` seconds ago.
fn signed_in(world: &World, ago: u64) -> Browser<'_> {
    let mut browser = Browser::new(world);
    browser.jar.insert(COOKIE.to_owned(), world.session("ann", &["engineering"], ago));
    browser
}

#[test]
fn a_session_is_renewed_by_the_first_page_after_its_time() {
    let world = World::new();
    signed_in(&world, 599).open("/api/x").passed("forwarded");
    for target in ["/api/x?a=1", "/page/x?a=1"] {
        let mut browser = signed_in(&world, 600);
        let old = browser.session().unwrap().clone();
        let seen = browser.open(target);
        seen.done(303, "session-renewal");
        assert!(seen.sent.is_none());
        let visit = Visit::of(&seen);
        assert_eq!(visit.parameters["prompt"], "none");
        let cookies = seen.set_cookies();
        let marker = cookies.iter().find(|(cookie, _)| cookie.starts_with(RENEWED)).unwrap();
        assert_eq!(
            *marker,
            ("__Host-countersign-renewed=1", "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60")
        );
        assert_eq!(browser.session(), Some(&old), "it stands until there is a new one");
        let seen = browser.sign_in(&visit);
        seen.done(303, "signed-in");
        assert_eq!(seen.answer_header("location"), Some(target));
        assert_eq!(claims(browser.session().unwrap())["exp"], NOW + 3600);
        browser.open(target).passed("forwarded");
    }
}

#[test]
fn whatever_is_no_page_goes_on_with_the_session_that_is_there() {
    let world = World::new();
    let session = world.session("ann", &[], 3599);
    for ask in [
        get("/api/x"),
        get("/api/x").header("sec-fetch-mode", "cors"),
        page("/api/x").method("POST"),
        page("/beta/x"),
        page("/old/x"),
        page("/static/x"),
    ] {
        let seen = world.ask(&ask.session(&session));
        assert!(seen.sent.is_some(), "{}", seen.record);
    }
    let seen = world.ask(&get("/api/x").session(&session));
    assert_eq!(seen.passed("forwarded").claims()["sub"], "ann");
}

#[test]
fn a_renewal_is_tried_once_a_minute() {
    let world = World::new();
    let mut browser = signed_in(&world, 600);
    Visit::of(&browser.open("/api/x"));
    assert_eq!(browser.jar[RENEWED], "1");
    let seen = browser.open("/api/x");
    let sent = seen.passed("forwarded");
    assert_eq!(sent.claims()["sub"], "ann");
    assert!(sent.all("cookie").is_empty(), "no cookie of ours goes further: {:?}", sent.all("cookie"));
    // The browser forgets the marker.
    browser.jar.remove(RENEWED);
    browser.open("/api/x").done(303, "session-renewal");
    // One that stands there twice is one.
    let twice = format!("{RENEWED}=1; {RENEWED}=1; {COOKIE}={}", world.session("ann", &[], 600));
    world.ask(&page("/api/x").header("cookie", twice)).passed("forwarded");
}

#[test]
fn where_the_issuer_has_to_ask_people_are_asked() {
    for error in ["login_required", "interaction_required", "consent_required", "account_selection_required"]
    {
        let world = World::new();
        let mut browser = signed_in(&world, 600);
        let silent = browser.visit("/api/x?a=1");
        let seen = browser.open(&silent.back(&[("error", error)]));
        seen.done(303, "login-started");
        let asked = Visit::of(&seen);
        assert!(!asked.parameters.contains_key("prompt"));
        assert_ne!(asked.state(), silent.state());
        assert_eq!(browser.attempts(), 1, "the silent attempt is over");
        let seen = browser.sign_in(&asked);
        assert_eq!(seen.answer_header("location"), Some("/api/x?a=1"));
        // Once they were asked, no is no.
        let mut browser = Browser::new(&world);
        let asked = browser.visit("/api/x");
        browser.open(&asked.back(&[("error", error)])).refused(403, "login-refused");
    }
    let world = World::new();
    let mut browser = signed_in(&world, 600);
    let silent = browser.visit("/api/x");
    browser.open(&silent.back(&[("error", "access_denied")])).refused(403, "login-refused");
}

/// Signing out in another tab must not be undone by a renewal that was on its way, and nobody becomes another
/// without a visit that shows.
#[test]
fn a_renewal_is_of_the_session_that_is_there() {
    let world = World::new();
    let change: [fn(&mut Browser<'_>); 3] = [
        |browser| drop(browser.send(page("/.countersign/logout"))),
        |browser| drop(browser.jar.remove(COOKIE)),
        |browser| drop(browser.jar.insert(COOKIE.to_owned(), "x.y.z".to_owned())),
    ];
    for change in change {
        let mut browser = signed_in(&world, 600);
        let silent = browser.visit("/api/x?a=1");
        change(&mut browser);
        let seen = browser.sign_in(&silent);
        seen.done(303, "login-started");
        assert!(!Visit::of(&seen).parameters.contains_key("prompt"));
        assert!(seen.set_cookies().iter().all(|(cookie, _)| !cookie.starts_with(COOKIE)));
        let seen = browser.sign_in(&Visit::of(&seen));
        assert_eq!(seen.answer_header("location"), Some("/api/x?a=1"));
    }
    let mut browser = signed_in(&world, 600);
    let silent = browser.visit("/api/x");
    world.will_issue(&silent.id_token().claim("sub", json!("mallory")));
    let seen = browser.open(&silent.back(&[("code", "c0de")]));
    seen.done(303, "login-started");
    assert!(claims(browser.session().unwrap())["sub"] == "ann");
}

#[test]
fn a_silent_answer_of_another_issuer_starts_nothing() {
    let world = World::new();
    let mut browser = signed_in(&world, 600);
    let silent = browser.visit("/api/x");
    for issuer in ["", "&iss=https://evil.example.test"] {
        let target = format!("/.countersign/callback?error=login_required&state={}{issuer}", silent.state());
        browser.open(&target).refused(403, "login-refused");
    }
}

#[test]
fn an_issuer_that_is_down_ends_no_session_early() {
    for answer in [
        Err(down()),
        Ok(Fetched { status: 503, body: vec![] }),
        Ok(Fetched { status: 200, body: b"<html>".to_vec() }),
    ] {
        let world = World::new();
        *world.metadata.borrow_mut() = answer;
        let mut browser = signed_in(&world, 3000);
        let seen = browser.open("/api/x");
        assert_eq!(seen.passed("forwarded").claims()["sub"], "ann");
        // It is asked again in half a minute, not with every page.
        world.metadata.swap(&World::new().metadata);
        world.now.set(NOW + 30);
        browser.open("/api/x").passed("forwarded");
        world.now.set(NOW + 31);
        browser.open("/api/x").done(303, "session-renewal");
    }
}

/// An outage that shows only after the visit: the session that is there is still good.
#[test]
fn an_issuer_that_goes_down_in_between_ends_no_session_early() {
    let errors = [("error", "temporarily_unavailable"), ("error", "server_error"), ("code", "c0de")];
    for back in errors {
        let world = World::new();
        *world.token_endpoint.borrow_mut() = Err(down());
        let mut browser = signed_in(&world, 600);
        let silent = browser.visit("/api/x?a=1");
        let seen = browser.open(&silent.back(&[back]));
        assert_eq!((seen.own().status, &seen.record["status"]), (303, &json!(303)), "{}", seen.record);
        assert_eq!(seen.record["verdict"], "deny");
        assert_eq!(seen.answer_header("location"), Some("/api/x?a=1"));
        assert_eq!(browser.attempts(), 0);
        assert_eq!(browser.open("/api/x?a=1").passed("forwarded").claims()["sub"], "ann");
        // Nobody is let in without one, or with one that has ended.
        let mut browser = signed_in(&world, 600);
        let silent = browser.visit("/api/x");
        world.now.set(NOW + 3000);
        let later = browser.open(&silent.back(&[back]));
        later.refused(400, "login-unknown");
        world.now.set(NOW);
        browser.jar.remove(COOKIE);
        let without = browser.open(&silent.back(&[back]));
        assert!(matches!(without.own().status, 403 | 503), "{}", without.record);
    }
}

#[test]
fn an_issuer_is_not_asked_for_sessions_that_are_young() {
    let world = World::new();
    *world.metadata.borrow_mut() = Err(down());
    *world.key_server.borrow_mut() = Err(down());
    signed_in(&world, 0).open("/api/x").passed("forwarded");
    assert_eq!(world.fetches.get(), 0);
}
