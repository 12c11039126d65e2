//! Signing in where somebody tampers with it: attempts, ways back and pages to return to that aren't ours.

use countersign_edge::sealed::{Kind, SessionKeys};
use serde_json::{Value, json};

use crate::browser::{ATTEMPT, Browser, Visit, claims, fails, page};
use crate::issuer::{self, ISSUER};
use crate::world::{HOST, NOW, World, get};

#[test]
fn an_attempt_is_ended_once() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    browser.sign_in(&visit).done(303, "signed-in");
    assert_eq!(world.redeemed.take().len(), 1);
    // Gone back to: they are signed in, so there is nothing to do and nothing to complain about.
    let again = browser.sign_in(&visit);
    again.done(303, "signed-in");
    assert_eq!(again.answer_header("location"), Some("/"));
    assert!(again.set_cookies().is_empty());
    // Without the session it is an attempt that nobody knows.
    browser.jar.clear();
    fails(&browser.sign_in(&visit), 400, "login-unknown");
    assert!(world.redeemed.take().is_empty(), "the code is not shown to the issuer again");
}

#[test]
fn somebody_elses_way_back_signs_nobody_in() {
    let world = World::new();
    let mut attacker = Browser::new(&world);
    let theirs = attacker.visit("/api/x");
    let mut victim = Browser::new(&world);
    fails(&victim.sign_in(&theirs), 400, "login-unknown");
    let mine = victim.visit("/api/x");
    fails(&victim.sign_in(&theirs), 400, "login-unknown");
    // Also if their cookie stands under the name of the victim's.
    victim.jar.insert(mine.attempt_cookie(), attacker.jar[&theirs.attempt_cookie()].clone());
    fails(&victim.sign_in(&mine), 400, "login-unknown");
    assert!(world.redeemed.take().is_empty());
}

#[test]
fn an_attempt_lasts_ten_minutes() {
    for (later, ends) in [(599, true), (600, false)] {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let visit = browser.visit("/api/x");
        world.now.set(NOW + later);
        let seen = browser.open(&visit.back(&[("code", "c0de")]));
        if ends {
            // The code was tried.
            fails(&seen, 503, "login-unavailable");
        } else {
            fails(&seen, 400, "login-unknown");
        }
        assert_eq!(world.redeemed.take().len(), usize::from(ends));
    }
}

#[test]
fn an_attempt_is_for_one_host_and_one_issuer() {
    let second = "shop.example.test";
    let world = World::new().setting(|settings| settings["logins"][0]["hosts"] = json!([HOST, second]));
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    // A browser doesn't send it there; somebody else might.
    browser.host = second;
    fails(&browser.sign_in(&visit), 400, "login-unknown");
    // Another issuer has taken the host over in between.
    let world = World::new().setting(|settings| {
        settings["issuers"][0]["name"] = json!("guests");
        settings["logins"][0]["issuer"] = json!("guests");
    });
    let mut late = Browser::new(&world);
    late.jar.clone_from(&browser.jar);
    fails(&late.sign_in(&visit), 400, "login-unknown");
    assert!(world.redeemed.take().is_empty());
}

#[test]
fn an_attempt_that_is_changed_anywhere_is_none() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let name = visit.attempt_cookie();
    let good = browser.jar[&name].clone();
    let mut forged = vec![String::new(), "x".to_owned(), format!("{good}A"), good.replace('.', "")];
    for place in (0..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    // A session is no attempt, whatever is in it.
    let keys = SessionKeys::load(&world, None).unwrap();
    forged.push(keys.seal(Kind::Session, &claims(&good)));
    for attempt in forged {
        browser.jar.insert(name.clone(), attempt.clone());
        fails(&browser.sign_in(&visit), 400, "login-unknown");
    }
    assert!(world.redeemed.take().is_empty());
    // Twice: nothing tells which one is meant.
    let twice = page(&visit.back(&[("code", "c")])).header("cookie", format!("{name}={good}; {name}={good}"));
    fails(&world.ask(&twice), 400, "login-unknown");
    // As it was, it is good.
    browser.jar.insert(name, good);
    browser.sign_in(&visit).done(303, "signed-in");
}

/// Whoever has begun to sign in, which anybody can, must not have us ask the token endpoint ever again.
#[test]
fn an_attempt_makes_one_request_to_the_token_endpoint() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let kept = browser.jar.clone();
    world.will_answer(400, json!({ "error": "invalid_grant" }).to_string());
    for n in 0..50 {
        browser.jar.clone_from(&kept);
        let seen = browser.open(&visit.back(&[("code", &format!("made-up-{n}"))]));
        assert_eq!(seen.own().status, 400, "{}", seen.record);
    }
    assert_eq!(world.redeemed.take().len(), 1);
}

/// What makes us forget attempts is the client's to say: the answer repeats little of it, and not ever more.
#[test]
fn ever_so_many_attempts_are_forgotten_a_few_at_a_time() {
    let world = World::new();
    let many: Vec<String> = (0..3000).map(|n| format!("{ATTEMPT}{n:016}=x")).collect();
    let seen = world.ask(&page("/api/x").header("cookie", many.join("; ")));
    seen.refused(303, "identity-required");
    let cookies = seen.set_cookies();
    assert!((2..=64).contains(&cookies.len()), "{} cookies", cookies.len());
    let gone = |cookie: &str| cookies.iter().any(|(set, _)| *set == format!("{ATTEMPT}{cookie}="));
    assert!(gone("0000000000000000"));
    let odd = ["x", "0000 00000000000", "0000,00000000000", "\u{e9}00000000000000", "00000000000000000"];
    for odd in odd {
        let cookies = vec![format!("{ATTEMPT}{odd}=x"); 20].join("; ");
        let seen = world.ask(&page("/api/x").header("cookie", cookies));
        assert_eq!(seen.set_cookies().len(), 1, "{odd}");
    }
}

#[test]
fn an_attempt_is_no_session() {
    let world = World::new();
    let keys = SessionKeys::load(&world, None).unwrap();
    let attempt = keys.seal(Kind::Attempt, &world.new_session("root", &["admins"]));
    world.ask(&get("/api/x").session(&attempt)).refused(401, "session-unknown-key");
}

#[test]
fn a_state_that_is_not_the_attempts_own_is_refused() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let other = browser.visit("/api/y");
    let state = visit.state();
    // What names the cookie is only its beginning.
    let same_beginning = format!("{}{}", state.split_at(16).0, other.state().split_at(16).1);
    for state in
        [&same_beginning, state.split_at(16).0, &format!("{state}A"), &state.to_ascii_lowercase(), "", "%00"]
    {
        let target = format!("/.countersign/callback?code=c&iss={ISSUER}&state={state}");
        let seen = browser.open(&target);
        if seen.record["reason"] == "not-canonical" {
            continue;
        }
        fails(&seen, 400, "login-unknown");
    }
    assert!(world.redeemed.take().is_empty());
}

#[test]
fn a_way_back_that_says_something_twice_or_not_at_all_is_refused() {
    let world = World::new();
    let mut browser = Browser::new(&world);
    let visit = browser.visit("/api/x");
    let state = visit.state();
    world.will_issue(&visit.id_token());
    for (query, status, reason) in [
        (String::new(), 400, "login-unknown"),
        ("code=c".to_owned(), 400, "login-unknown"),
        (format!("code=c&state={state}&state={state}&iss={ISSUER}"), 400, "login-unknown"),
        (format!("code=c&code=d&state={state}&iss={ISSUER}"), 400, "login-unknown"),
        (format!("code=c&c%6fde=d&state={state}&iss={ISSUER}"), 400, "login-unknown"),
        (format!("error=a&error=a&state={state}&iss={ISSUER}"), 400, "login-unknown"),
        (format!("code=c&state={state}&iss={ISSUER}&iss={ISSUER}"), 400, "login-unknown"),
        (format!("code=c&error=access_denied&state={state}&iss={ISSUER}"), 403, "login-refused"),
        (format!("state={state}&iss={ISSUER}"), 403, "login-refused"),
    ] {
        let seen = browser.open(&format!("/.countersign/callback?{query}"));
        fails(&seen, status, reason);
    }
    assert!(world.redeemed.take().is_empty());
    // Others may be there (RFC 6749 section 4.1.2).
    browser.open(&visit.back(&[("code", "c"), ("session_state", "x")])).done(303, "signed-in");
}

/// RFC 9207: a code of another issuer must not be shown to this one.
#[test]
fn the_issuer_says_who_it_is_where_it_promises_to() {
    let callback = |promises: Value, issuer: Option<&str>| {
        let world = World::new();
        let mut metadata = issuer::metadata();
        metadata["authorization_response_iss_parameter_supported"] = promises;
        world.metadata.borrow_mut().as_mut().unwrap().body = metadata.to_string().into();
        let mut browser = Browser::new(&world);
        let visit = browser.visit("/api/x");
        world.will_issue(&visit.id_token());
        let issuer = issuer.map(|issuer| format!("&iss={issuer}")).unwrap_or_default();
        browser.open(&format!("/.countersign/callback?code=c&state={}{issuer}", visit.state()))
    };
    callback(json!(true), Some(ISSUER)).done(303, "signed-in");
    callback(json!(false), Some(ISSUER)).done(303, "signed-in");
    callback(json!(false), None).done(303, "signed-in");
    for (promises, issuer) in [
        (true, None),
        (true, Some("")),
        (true, Some("https://evil.example.test")),
        (true, Some("https://idp.example.test/")),
        (false, Some("https://evil.example.test")),
    ] {
        fails(&callback(json!(promises), issuer), 403, "login-refused");
    }
}

/// Whatever a link says, the browser ends on this host, at a page that isn't one of ours.
#[test]
fn no_link_to_sign_in_leads_to_another_host() {
    for target in [
        "//evil.example.test",
        "///evil.example.test",
        "/\\evil.example.test",
        "\\\\evil.example.test",
        "https://evil.example.test",
        "https:evil.example.test",
        "http://www.example.test/",
        "https%3A%2F%2Fevil.example.test",
        "%2F%2Fevil.example.test",
        "%2F%5Cevil.example.test",
        "/%5cevil.example.test",
        "/%255cevil",
        "/%2f%2fevil.example.test",
        "/.%2F/evil.example.test",
        "/./evil",
        "/../evil",
        "/page/..//evil.example.test",
        "evil.example.test",
        "@evil.example.test",
        "?x",
        "javascript:alert(1)",
        "data:text/html,x",
        "/.countersign/logout",
        "/.countersign/login?return_to=/page/x",
        "/.countersign/",
        "/x%0d%0aset-cookie:%20a=b",
        "/%09/evil.example.test",
        "%09//evil.example.test",
        "%20//evil.example.test",
        "/x%00",
        "/%e2%80%8b",
        "/page/x#fragment",
        "/;//evil.example.test",
        "/page/x&return_to=//evil.example.test",
        "//evil.example.test&return_to=/page/x",
    ] {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let seen = browser.open(&format!("/.countersign/login?return_to={target}"));
        if seen.record["reason"] == "not-canonical" {
            // Such a query doesn't get that far.
            seen.refused(400, "not-canonical");
            continue;
        }
        let visit = Visit::of(&seen);
        let seen = browser.sign_in(&visit);
        seen.done(303, "signed-in");
        let location = seen.answer_header("location").unwrap();
        let allowed = ["/", "/page/x"];
        assert!(allowed.contains(&location), "{target} leads to {location}");
    }
}
