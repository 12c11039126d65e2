//! What is refused unread, and what of a client never reaches HAProxy.

use countersign_edge::platform::Protocol;

use crate::issuer::token;
use crate::world::{HOST, World, get};
use jsonwebtoken::Algorithm;

#[test]
fn a_target_that_could_be_read_in_two_ways_is_refused_with_its_own_detail() {
    for (target, detail) in [
        ("/public/..;/admin", "dot-segment"),
        ("/%2e%2e/admin", "dot-segment"),
        ("/a/../b", "dot-segment"),
        ("//admin", "empty-segment"),
        ("/a%00", "encoded-nul"),
        ("/a\\b", "backslash"),
        ("/a%5cb", "encoded-backslash"),
        ("/a%252e", "double-encoding"),
        ("/a%", "bad-percent"),
        ("/%41pi", "needless-encoding"),
        ("/a{z}", "unencoded"),
        ("/a\"", "unencoded"),
        ("/a#b", "fragment"),
        ("/%c0%ae", "not-utf8"),
        ("/a\tb", "control-byte"),
        ("/é", "raw-8-bit"),
        ("/a?x=%zz", "bad-percent"),
    ] {
        let seen = World::new().ask(&get(target));
        seen.refused(400, "not-canonical");
        let said = seen.record["detail"].as_str().unwrap();
        assert!(said.starts_with(detail), "{target}: {said}");
    }
}

#[test]
fn a_target_that_is_not_origin_form_is_refused() {
    for target in ["*", "", "?x=1", "x", "@evil.test/", ":81/x", ".evil.test/x"] {
        World::new().ask(&get(target)).refused(400, "not-canonical");
    }
    let mut other_scheme = get("/static/x");
    other_scheme.scheme = "ftp".to_owned();
    World::new().ask(&other_scheme).refused(400, "not-canonical");
}

#[test]
fn a_request_is_for_exactly_one_host() {
    let world = World::new();
    let two = world.ask(&get("/static/x").header("host", "other.test"));
    two.refused(400, "not-canonical");
    assert!(two.record["detail"].as_str().unwrap().contains("2 `Host` headers"));
    let mut none = get("/static/x");
    none.headers.clear();
    world.ask(&none).refused(400, "not-canonical");
    for odd in ["www.example.test.", "a,b", "u@www.example.test", "www.example.test:", "[::1"] {
        world.ask(&get("/static/x").host(odd)).refused(400, "not-canonical");
    }
    // What the URL is for and what the header says must be one.
    let mut other = get("/static/x");
    other.authority = "other.test".to_owned();
    world.ask(&other).refused(400, "not-canonical");
}

#[test]
fn http_2_names_its_host_in_the_url_and_haproxy_gets_it_as_a_header() {
    let mut ask = get("/static/x");
    ask.protocol = Protocol::Http2;
    ask.headers.clear();
    let seen = World::new().ask(&ask);
    assert_eq!(seen.passed("forwarded").all("host"), [HOST]);
    ask.authority = "u@www.example.test".to_owned();
    World::new().ask(&ask).refused(400, "not-canonical");
}

#[test]
fn the_host_is_bound_without_case_and_default_port_but_sent_as_it_came() {
    let world = World::new();
    let plain = world.ask(&get("/static/x"));
    let shouted = world.ask(&get("/static/x").host("WWW.Example.test:443"));
    assert_eq!(shouted.passed("forwarded").claims()["req"], plain.passed("forwarded").claims()["req"]);
    assert_eq!(shouted.passed("forwarded").all("host"), ["WWW.Example.test:443"]);
    assert_eq!(shouted.record["host"], HOST);
}

#[test]
fn methods_that_no_route_can_open_are_refused() {
    for method in ["CONNECT", "TRACE", "PURGE", "purge", "FASTLYPURGE"] {
        let seen = World::new().ask(&get("/static/x").method(method));
        seen.refused(405, "method-refused");
        assert!(seen.answer_header("allow").is_some());
    }
    World::new().ask(&get("/static/x").method("GE T")).refused(400, "not-canonical");
}

#[test]
fn upgrades_other_than_to_a_websocket_are_ignored() {
    let world = World::new();
    let h2c = get("/page/x")
        .header("upgrade", "h2c")
        .header("http2-settings", "AA")
        .header("connection", "upgrade");
    let seen = world.ask(&h2c);
    let sent = seen.passed("forwarded");
    assert!(["upgrade", "http2-settings", "connection"].iter().all(|name| sent.all(name).is_empty()));
}

#[test]
fn headers_that_only_we_may_set_never_get_further() {
    let forged = [
        "countersign-assertion",
        "countersign_assertion",
        "countersign-subject",
        "countersign_groups",
        "countersign-decision",
        "countersign-anything",
        "_countersign_subject",
        "x-countersign-subject",
        "http_countersign_subject",
        "x-forwarded-for",
        "x_forwarded_for",
        "x-forwarded-host",
        "x-forwarded_proto",
        "forwarded",
        "x-real-ip",
        "true-client-ip",
        "fastly-client-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-ms-original-url",
        "x-override-url",
        "request-uri",
        "redirect-url",
        "x-accel-redirect",
        "x-sendfile",
        "x-forward-for",
        "x-custom-ip-authorization",
        "x-user",
        "x-http-method-override",
        "x-remote-user",
        "remote_user",
        "x-fastly-bot-name",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy_authorization",
        "proxy-connection",
        "te",
        "trailer",
    ];
    let ask = forged.iter().fold(get("/api/x"), |ask, name| ask.header(name, "made-up"));
    let ask =
        ask.bearer(&token(Algorithm::EdDSA).make()).header("accept", "text/html").header("x-app", "kept");
    let seen = World::new().ask(&ask);
    let sent = seen.passed("forwarded");
    let mut names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "countersign-assertion", "host", "x-app"]);
    assert_ne!(sent.assertion(), "made-up");
}

#[test]
fn a_head_beyond_the_limits_is_refused() {
    let world = World::new();
    let mut received = get("/static/x").received();
    received.too_large = Some("a header is longer than 131072 bytes".to_owned());
    let answer = countersign_edge::pipeline::handle(&world, &received);
    let countersign_edge::answer::Answer::Own(refusal) = answer else { panic!("let on") };
    assert_eq!(refusal.status, 431);
}
