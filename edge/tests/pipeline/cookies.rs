//! The session cookie: found among others, and taken out.

use crate::world::{COOKIE, World, get};

fn session() -> String {
    World::new().session("ann", &["engineering"], 0)
}

#[test]
fn the_session_is_found_wherever_it_stands_and_only_it_is_taken_out() {
    let t = session();
    for (cookies, left) in [
        (vec![format!("{COOKIE}={t}")], vec![]),
        (vec![format!("a=1; {COOKIE}={t}")], vec!["a=1"]),
        (vec![format!("{COOKIE}={t}; a=1; b=x=y")], vec!["a=1; b=x=y"]),
        (vec![format!("a=1;{COOKIE}={t};;b=2;")], vec!["a=1; b=2"]),
        (vec![format!("  {COOKIE} = {t} ; a=1")], vec!["a=1"]),
        // HTTP/2 may split them (RFC 9113 section 8.2.3).
        (vec!["a=1".into(), format!("{COOKIE}={t}"), "b=2".into()], vec!["a=1; b=2"]),
        (vec![format!("__Host-countersign-login-abc=x; a=1; {COOKIE}={t}")], vec!["a=1"]),
    ] {
        let ask = cookies.iter().fold(get("/api/x"), |ask, cookie| ask.header("cookie", cookie.as_str()));
        let seen = World::new().ask(&ask);
        assert_eq!(seen.passed("forwarded").all("cookie"), left, "{cookies:?}");
        assert_eq!(seen.record["subject"], "ann");
    }
}

#[test]
fn cookies_without_a_session_go_on_byte_for_byte() {
    let odd: &[u8] = b"a=\"1;2\";;  =x; caf\xe9=1 ;";
    let seen = World::new().ask(&get("/page/x").header("cookie", odd).header("cookie", "b=2"));
    let sent = seen.passed("forwarded");
    let cookies: Vec<&[u8]> =
        sent.headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.as_slice()).collect();
    assert_eq!(cookies, [odd, b"b=2"]);
}

#[test]
fn a_name_that_only_looks_alike_is_not_the_session() {
    let t = session();
    for cookie in [
        format!("__host-countersign-session={t}"),
        format!("x{COOKIE}={t}"),
        format!("{COOKIE}2={t}"),
        format!("a={COOKIE}={t}"),
    ] {
        let seen = World::new().ask(&get("/api/x").header("cookie", cookie));
        seen.refused(401, "identity-required");
    }
}

#[test]
fn two_sessions_are_refused_where_somebody_is_looked_for() {
    let t = session();
    let twice = format!("{COOKIE}={t}; {COOKIE}={t}");
    for target in ["/api/x", "/page/x"] {
        World::new().ask(&get(target).header("cookie", twice.as_str())).refused(400, "session-repeated");
        let split =
            get(target).header("cookie", format!("{COOKIE}={t}")).header("cookie", format!("{COOKIE}="));
        World::new().ask(&split).refused(400, "session-repeated");
    }
    // Nothing personal there: both are dropped.
    let public = World::new().ask(&get("/static/x").header("cookie", twice.as_str()));
    assert!(public.passed("forwarded").all("cookie").is_empty());
    // Only observed: it passes, and it is noted.
    let observed = World::new().ask(&get("/beta/x").header("cookie", twice.as_str()));
    assert!(observed.passed("observed").all("cookie").is_empty());
    assert_eq!(observed.record["would"]["reason"], "session-repeated");
}

#[test]
fn an_empty_session_is_none() {
    let seen = World::new().ask(&get("/api/x").header("cookie", format!("{COOKIE}=; a=1")));
    seen.refused(401, "identity-required");
}

#[test]
fn a_host_that_nobody_signs_in_to_takes_no_session() {
    let world = World::new().setting(|settings| drop(settings.as_object_mut().unwrap().remove("logins")));
    world.ask(&get("/api/x").session(&session())).refused(401, "session-of-another-issuer");
}
