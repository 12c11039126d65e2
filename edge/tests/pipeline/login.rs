//! Signing in, as a browser does it: the way to the issuer and back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_contract::list::Action;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::browser::{Browser, RENEWED, Visit, claims, page, parameters};
use crate::issuer::CLIENT;
use crate::world::{COOKIE, HOST, NOW, World, get};

const CALLBACK: &str = "https://www.example.test/.countersign/callback";

/// Every attribute, in any order, and no other.
#[track_caller]
fn is_host_cookie(attributes: &str, seconds: u64) {
    let mut found: Vec<&str> = attributes.split("; ").collect();
    found.sort_unstable();
    let age = format!("Max-Age={seconds}");
    assert_eq!(found, ["HttpOnly", &age, "Path=/", "SameSite=Lax", "Secure"]);
}

#[test]
fn a_page_for_which_somebody_has_to_be_signed_in_leads_to_the_issuer() {
    let seen = World::new().ask(&page("/api/x?a=1&b=%2F"));
    seen.refused(303, "identity-required");
    let visit = Visit::of(&seen);
    let names: Vec<&str> = visit.parameters.keys().map(String::as_str).collect();
    let expected = [
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
    ];
    assert_eq!(names, expected);
    for (name, value) in [
        ("client_id", CLIENT),
        ("code_challenge_method", "S256"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid groups"),
    ] {
        assert_eq!(visit.parameters[name], value, "{name}");
    }
    // 32 bytes each, and none tells another.
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(URL_SAFE_NO_PAD.decode(&visit.parameters[name]).unwrap().len(), 32, "{name}");
    }
    assert_ne!(visit.parameters["state"], visit.parameters["nonce"]);
    assert_eq!(seen.answer_header("cache-control"), Some("no-store"));
    assert_eq!(seen.answer_header("referrer-policy"), Some("no-referrer"));
    assert!(seen.answer_header("countersign-decision").is_some());
    let cookies = seen.set_cookies();
    let [(attempt, attributes)] = cookies.as_slice() else { panic!("{cookies:?}") };
    assert!(attempt.starts_with(&format!("{}=", visit.attempt_cookie())), "{attempt}");
    is_host_cookie(attributes, 600);
    // It holds none of the secrets that go to the issuer or to the token endpoint.
    for name in ["state", "nonce", "code_challenge"] {
        let secret = &visit.parameters[name];
        assert!(!claims(attempt).to_string().contains(secret), "{name}");
    }
}

#[test]
fn a_code_becomes_a_session_and_the_page_that_was_asked_for() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x?a=1&b=%2F");
    let seen = browser.sign_in(&visit);
    seen.done(303, "signed-in");
    assert!(seen.sent.is_none(), "an own path goes no further");
    assert_eq!(seen.answer_header("location"), Some("/api/x?a=1&b=%2F"));
    assert_eq!(seen.answer_header("cache-control"), Some("no-store"));
    assert_eq!(seen.record["subject"], "ann");
    // The session, and the end of the attempt.
    let cookies = seen.set_cookies();
    let [(session, attributes), (attempt, gone)] = cookies.as_slice() else { panic!("{cookies:?}") };
    assert!(session.starts_with(&format!("{COOKIE}=")));
    is_host_cookie(attributes, 3600);
    assert_eq!(*attempt, format!("{}=", visit.attempt_cookie()));
    is_host_cookie(gone, 0);
    let session = claims(session);
    assert_eq!((&session["sub"], &session["sid"]), (&json!("ann"), &json!("08a5")));
    // Of their groups only those that the policy names.
    assert_eq!(session["groups"], json!(["engineering"]));
    assert_eq!((&session["iat"], &session["exp"]), (&json!(NOW), &json!(NOW + 3600)));
    // They are somebody now.
    let seen = browser.open("/api/x");
    let claims = seen.passed("forwarded").claims();
    assert_eq!((&claims["sub"], &claims["sid"]), (&json!("ann"), &json!("08a5")));
    assert_eq!(claims["groups"], json!(["engineering"]));
    assert_eq!(seen.record["session_kid"], "s1");
}

#[test]
fn the_token_endpoint_gets_the_code_the_verifier_and_the_clients_secret() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    world.will_issue(&visit.id_token());
    browser.open(&visit.back(&[("code", "a code+of/odd=letters&")])).done(303, "signed-in");
    let redeemed = world.redeemed.take();
    let [(authorization, body)] = redeemed.as_slice() else { panic!("{}", redeemed.len()) };
    let form = parameters(body);
    let names: Vec<&str> = form.keys().map(String::as_str).collect();
    assert_eq!(names, ["code", "code_verifier", "grant_type", "redirect_uri"]);
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "a code+of/odd=letters&");
    assert_eq!(form["redirect_uri"], CALLBACK);
    // RFC 7636: 43 to 128 unreserved characters, of which the issuer has the digest.
    let verifier = &form["code_verifier"];
    assert!((43..=128).contains(&verifier.len()));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    assert_eq!(challenge, visit.parameters["code_challenge"]);
    // RFC 6749 section 2.3.1: form-encoded before it is put together.
    let basic = authorization.as_deref().unwrap().strip_prefix("Basic ").unwrap();
    assert_eq!(STANDARD.decode(basic).unwrap(), b"countersign:s3cr%2Bt");
}

#[test]
fn the_client_proves_who_it_is_as_the_settings_say() {
    for (authentication, id, secret) in
        [("client_secret_post", Some(CLIENT), Some("s3cr+t")), ("none", Some(CLIENT), None)]
    {
        let mut world = World::new().setting(|settings| {
            settings["logins"][0]["client_authentication"] = json!(authentication);
        });
        if secret.is_none() {
            world = world.without_secret("client-secret");
        }
        let mut browser = Browser::new(&world);
        let visit = browser.visit("/api/x");
        browser.sign_in(&visit).done(303, "signed-in");
        let (authorization, body) = world.redeemed.take().remove(0);
        let form = parameters(&body);
        assert_eq!(authorization, None);
        assert_eq!(form.get("client_id").map(String::as_str), id);
        assert_eq!(form.get("client_secret").map(String::as_str), secret);
    }
    // The secret by another name, with the line feed of whoever stored it.
    let world = World::new()
        .setting(|settings| settings["logins"][0]["client_secret"] = json!("www"))
        .with_secret("www", "t0p\n");
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    browser.sign_in(&visit).done(303, "signed-in");
    let basic = format!("Basic {}", STANDARD.encode("countersign:t0p"));
    assert_eq!(world.redeemed.take()[0].0.as_deref(), Some(basic.as_str()));
}

#[test]
fn tabs_sign_in_side_by_side_and_end_in_any_order() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let first = browser.visit("/api/first");
    let second = browser.visit("/api/second");
    assert_ne!(first.state(), second.state());
    assert_ne!(first.parameters["nonce"], second.parameters["nonce"]);
    assert_ne!(first.parameters["code_challenge"], second.parameters["code_challenge"]);
    assert_eq!(browser.attempts(), 2);
    for (visit, target) in [(&second, "/api/second"), (&first, "/api/first")] {
        let seen = browser.sign_in(visit);
        seen.done(303, "signed-in");
        assert_eq!(seen.answer_header("location"), Some(target));
    }
    assert_eq!(browser.attempts(), 0);
}

#[test]
fn attempts_that_nobody_ends_are_forgotten_before_they_are_too_many() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let mut most = 0;
    for n in 0..40 {
        browser.visit(&format!("/api/{n}"));
        most = most.max(browser.attempts());
        let bytes: usize = browser.jar.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes < 10 * 1024, "{bytes} bytes");
    }
    assert!((2..=12).contains(&most), "{most}");
    // The one that was begun last can be ended.
    let visit = browser.visit("/api/last");
    browser.sign_in(&visit).done(303, "signed-in");
}

#[test]
fn a_page_of_a_very_long_address_is_not_returned_to() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    for (length, expected) in [(1024, None), (1025, Some("/"))] {
        let target = format!("/api/{}", "x".repeat(length - 5));
        let visit = browser.visit(&target);
        let seen = browser.sign_in(&visit);
        assert_eq!(seen.answer_header("location"), expected.or(Some(&target)));
        browser.jar.clear();
    }
}

#[test]
fn only_a_browser_that_opens_a_page_is_sent_to_the_issuer() {
    let api = || get("/api/x");
    for ask in [
        api(),
        api().header("accept", "application/json"),
        api().header("accept", "*/*"),
        api().header("accept", "text/htmlx-not").header("sec-fetch-mode", "cors"),
        api().header("accept", "text/html").header("sec-fetch-mode", "cors"),
        api().header("accept", "text/html").header("sec-fetch-mode", "no-cors"),
        api().header("accept", "text/html").header("sec-fetch-mode", "same-origin"),
        api().header("accept", "text/html").header("sec-fetch-mode", "websocket"),
        api().header("accept", "text/html").header("sec-fetch-mode", ""),
        page("/api/x").header("sec-fetch-mode", "navigate"),
        page("/api/x").method("POST"),
        page("/api/x").method("HEAD"),
        page("/api/x").header("authorization", "Basic eA=="),
    ] {
        let seen = World::new().ask(&ask);
        seen.refused(401, "identity-required");
        assert!(seen.set_cookies().is_empty());
        assert_eq!(seen.answer_header("location"), None);
        assert_eq!(seen.answer_header("www-authenticate"), Some("Bearer"));
    }
    World::new().ask(&page("/api/x").bearer("x")).refused(401, "token-malformed-parts");
    // Old browsers don't say what they do.
    for accept in ["text/html", "application/xhtml+xml, TEXT/HTML;q=0.9, */*", "text/html;q=0.1"] {
        World::new().ask(&api().header("accept", accept)).refused(303, "identity-required");
    }
    World::new().ask(&api().header("sec-fetch-mode", "navigate")).refused(303, "identity-required");
}

#[test]
fn nobody_is_sent_where_nobody_has_to_be_signed_in() {
    for (target, reason) in [
        ("/page/x", "forwarded"),
        ("/static/x", "forwarded"),
        ("/beta/x", "observed"),
        ("/old/x", "not-judged"),
    ] {
        World::new().ask(&page(target)).passed(reason);
    }
    // A host without a way to sign in.
    let world =
        World::new().setting(|settings| settings["logins"][0]["hosts"] = json!(["else.example.test"]));
    world.ask(&page("/api/x")).refused(401, "identity-required");
    for target in ["login", "callback?code=c&state=s", "logout"] {
        world.ask(&page(&format!("/.countersign/{target}"))).refused(404, "login-unconfigured");
    }
}

#[test]
fn a_listed_address_signs_in_wherever_the_list_asks_for_it() {
    for target in ["/page/x", "/static/x", "/api/x"] {
        let world = World::new().listing(&[("192.0.2.7", Action::RequireIdentity)]);
        let mut browser = Browser::new(&world);
        let seen = browser.open(target);
        seen.refused(303, "listed-require-identity");
        let visit = Visit::of(&seen);
        let seen = browser.sign_in(&visit);
        seen.done(303, "signed-in");
        assert_eq!(seen.answer_header("location"), Some(target));
        browser.open(target).passed("forwarded");
        // Programs are told so.
        world.ask(&get(target)).refused(401, "listed-require-identity");
    }
}

#[test]
fn who_is_turned_away_cannot_sign_in_either() {
    for (action, status, reason) in
        [(Action::Block, 403, "listed-block"), (Action::Throttle, 429, "listed-throttle")]
    {
        let world = World::new().listing(&[("192.0.2.7", action)]);
        for target in ["login", "callback?code=c&state=s", "logout", "unknown"] {
            world.ask(&page(&format!("/.countersign/{target}"))).refused(status, reason);
        }
        let told = get("/.countersign/backchannel-logout").method("POST");
        world.ask(&told).refused(status, reason);
        assert!(world.redeemed.take().is_empty());
    }
}

#[test]
fn a_link_to_sign_in_comes_back_to_the_page_that_it_names() {
    for (query, expected) in [
        ("?return_to=%2Fpage%2Fx%3Fa%3D1%26b%3D2", "/page/x?a=1&b=2"),
        ("?return_to=/page/x&more=1", "/page/x"),
        ("", "/"),
        ("?", "/"),
        ("?return_to", "/"),
        ("?return_to=", "/"),
    ] {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let seen = browser.open(&format!("/.countersign/login{query}"));
        seen.done(303, "login-started");
        let visit = Visit::of(&seen);
        assert!(!visit.parameters.contains_key("prompt"));
        let seen = browser.sign_in(&visit);
        assert_eq!(seen.answer_header("location"), Some(expected), "{query}");
        assert!(!browser.jar.contains_key(RENEWED));
    }
}

/// Each host has its own way back and its own session.
#[test]
fn two_hosts_of_one_login_are_kept_apart() {
    let world = World::new().setting(|settings| {
        settings["logins"][0]["hosts"] = json!([HOST, "shop.example.test"]);
    });
    let mut browser = Browser::new(&world);
    browser.host = "shop.example.test";
    let visit = browser.visit("/.countersign/login");
    assert_eq!(visit.parameters["redirect_uri"], "https://shop.example.test/.countersign/callback");
    browser.sign_in(&visit).done(303, "signed-in");
    assert!(world.redeemed.take()[0].1.contains("shop.example.test"));
    assert_eq!(claims(browser.session().unwrap())["host"], "shop.example.test");
    browser.host = HOST;
    browser.open("/api/x").refused(303, "session-of-another-host");
}
