//! The paths of the edge itself: which there are, what they need, and what is said and written down of them.

use countersign_edge::platform::FetchFault;
use serde_json::json;

use crate::browser::{Browser, fails, page, parameters};
use crate::issuer::ISSUER;
use crate::world::{HOST, World, get};

#[test]
fn nothing_that_somebody_sent_is_said_again_or_written_down() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let marker = "Sh0uldN0tBeSa1d";
    let visit = browser.visit(&format!("/api/x?token={marker}"));
    let attempt = browser.jar[&visit.attempt_cookie()].clone();
    let mut seen = vec![];
    // Each is good for one code.
    let failing = browser.visit("/api/failing");
    for query in [
        format!("code={marker}&state={marker}&iss={ISSUER}"),
        format!("error={marker}&state={}&iss={marker}", visit.state()),
        format!("code={marker}&state={}&iss={ISSUER}", failing.state()),
    ] {
        let page = browser.open(&format!("/.countersign/callback?{query}"));
        let answer = page.own();
        assert!(!answer.body.contains(marker) && !format!("{:?}", answer.headers).contains(marker));
        seen.push(page);
    }
    world.will_issue(&visit.id_token());
    let ended = browser.open(&visit.back(&[("code", marker)]));
    ended.done(303, "signed-in");
    let form = parameters(&world.redeemed.borrow().last().unwrap().1);
    let session = browser.session().unwrap().clone();
    seen.extend([ended, browser.open("/api/x"), browser.open(&format!("/.countersign/logout?x={marker}"))]);
    let id_token = visit.id_token().make();
    // ECDSA tokens differ each time, but for their claims.
    let claims_of_token = id_token.split('.').nth(1).unwrap();
    for seen in &seen {
        let line = seen.record.to_string();
        // `iss` is said to those who read the log, up to its 128 characters; codes, tokens and secrets never.
        let secrets = [
            visit.state(),
            &visit.parameters["nonce"],
            &form["code_verifier"],
            "s3cr+t",
            "s3cr%2Bt",
            claims_of_token,
            &attempt,
            &session,
        ];
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
        let says_code = line.contains(marker) && !line.contains("the answer is of issuer");
        assert!(!says_code, "{line}");
    }
}

#[test]
fn own_paths_are_a_closed_list_with_their_methods() {
    for path in ["", "x", "login/", "login/x", "Login", "callback2", "session", "backchannel-logout/", ".."] {
        let seen = World::new().ask(&page(&format!("/.countersign/{path}")));
        if path == ".." || path.ends_with('/') && seen.record["reason"] == "not-canonical" {
            seen.refused(400, "not-canonical");
        } else {
            seen.refused(404, "own-path-unknown");
        }
    }
    for (path, taken, others) in [
        ("login", "GET", &["POST", "HEAD", "OPTIONS", "PUT"][..]),
        ("callback", "GET", &["POST", "HEAD", "DELETE"]),
        ("logout", "GET, POST", &["HEAD", "PUT", "OPTIONS"]),
        ("backchannel-logout", "POST", &["GET", "HEAD", "PUT"]),
    ] {
        for method in others {
            let seen = World::new().ask(&page(&format!("/.countersign/{path}")).method(method));
            seen.refused(405, "own-path-method");
            assert_eq!(seen.answer_header("allow"), Some(taken), "{method} {path}");
        }
    }
    // A policy can't open them, or give them to HAProxy.
    let all = json!([{ "name": "all", "hosts": [HOST], "path": "/**", "class": "private",
                       "mode": "off", "identity": "optional", "pool": "web" }]);
    for path in ["login", "callback", "logout", "x"] {
        let seen = World::with_routes(&all).ask(&page(&format!("/.countersign/{path}")));
        assert!(seen.sent.is_none(), "{path}");
    }
}

#[test]
fn without_what_it_needs_nobody_begins_to_sign_in() {
    let begin = |world: &World| world.ask(&page("/api/x"));
    let seen = begin(&World::new().without_secret("session-key"));
    seen.refused(503, "session-keys-unreadable");
    assert_eq!(seen.answer_header("retry-after"), Some("30"));
    for bad in ["", "s1", "s1:AA", "no key at all"] {
        begin(&World::new().with_secret("session-key", bad)).refused(503, "session-keys-unreadable");
    }
    let unknown = World::new().setting(|settings| settings["session_key"] = json!("s9"));
    begin(&unknown).refused(503, "session-keys-unreadable");
    let down = World::new();
    *down.metadata.borrow_mut() = Err(FetchFault::Unreachable("connection refused".to_owned()));
    let seen = begin(&down);
    seen.refused(503, "login-unavailable");
    assert_eq!(seen.answer_header("retry-after"), Some("5"));
    // Programs get their 401 all the same.
    down.ask(&get("/api/x")).refused(401, "identity-required");
    // And the way back says so in a page.
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let world = World::new().without_secret("client-secret");
    let mut late = Browser::new(&world);
    late.jar.clone_from(&browser.jar);
    fails(&late.sign_in(&visit), 503, "client-secret-unreadable");
    assert!(world.redeemed.take().is_empty());
}
