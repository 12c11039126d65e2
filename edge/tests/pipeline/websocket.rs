//! WebSockets: which routes are for one, whose pages may open it, and where it goes.

use countersign_edge::answer::Answer;
use countersign_edge::platform::SendFault;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::exchange::{Ask, Seen, Sent};
use crate::issuer::token;
use crate::world::{HOST, World, get, routes};

const OWN: &str = "https://www.example.test";
const PARTNER: &str = "https://app.partner.test";

/// The usual routes, `/chat` for WebSockets, and a backend for them.
fn world(changes: &Value) -> World {
    let mut routes = routes();
    let mut chat = json!({ "name": "chat", "hosts": [HOST], "path": "/chat", "class": "private", "mode": "enforce",
                           "identity": "required", "pool": "web", "upgrade": "websocket" });
    chat.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    routes.as_array_mut().unwrap().push(chat);
    World::with_routes(&routes).setting(|settings| {
        settings["origins"][0]["websockets"] = json!({ HOST: "haproxy-www" });
    })
}

fn cors(credentials: &str) -> Value {
    json!({ "cors": { "origins": { "these": [PARTNER] }, "credentials": credentials, "max_age_seconds": 0 } })
}

fn open(target: &str) -> Ask {
    let ask = get(target).header("connection", "keep-alive, Upgrade").header("upgrade", "websocket");
    ask.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn by_token() -> Ask {
    open("/chat").bearer(&token(Algorithm::EdDSA).make())
}

#[track_caller]
fn handed_over<'s>(seen: &'s Seen, reason: &str) -> &'s Sent {
    assert_eq!(seen.answer, Answer::HandedOver, "{}", seen.record);
    assert_eq!((&seen.record["verdict"], &seen.record["reason"]), (&"allow".into(), &reason.into()));
    assert_eq!((seen.record.get("status"), seen.record.get("origin_status")), (None, None));
    seen.sent.as_ref().unwrap()
}

#[test]
fn a_websocket_is_handed_over_under_an_assertion() {
    let ask = by_token().header("x-forwarded-for", "192.0.2.99").header("te", "trailers");
    let seen = world(&json!({})).ask(&ask);
    let sent = handed_over(&seen, "handed-over");
    assert_eq!(sent.backend, "haproxy-www");
    assert_eq!(
        (sent.all("connection"), sent.all("upgrade")),
        (vec!["Upgrade".into()], vec!["websocket".into()])
    );
    assert_eq!(sent.all("sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    assert!(["x-forwarded-for", "te", "authorization"].iter().all(|name| sent.all(name).is_empty()));
    assert_eq!((&sent.claims()["sub"], &sent.claims()["aud"]), (&"ann".into(), &"eu-1".into()));
    assert_eq!(seen.record["subject"], "ann");
}

#[test]
fn nobody_opens_one_where_somebody_has_to_be_signed_in() {
    world(&json!({})).ask(&open("/chat")).refused(401, "identity-required");
    handed_over(&world(&json!({ "identity": "optional" })).ask(&open("/chat")), "handed-over");
}

#[test]
fn a_route_that_is_for_none_refuses_it_before_anything_is_asked_of_whoever_it_is() {
    let world = world(&json!({}));
    for value in ["websocket", "WebSocket", "h2c, websocket"] {
        world.ask(&get("/api/x").header("upgrade", value)).refused(403, "upgrade-refused");
    }
    world.ask(&open("/static/x")).refused(403, "upgrade-refused");
    world.ask(&open("/.countersign/login")).refused(403, "upgrade-refused");
    let seen = world.ask(&open("/beta/x").bearer(&token(Algorithm::EdDSA).make()));
    handed_over(&seen, "observed");
    assert_eq!(
        (&seen.record["would"]["reason"], &seen.record["would"]["status"]),
        (&"upgrade-refused".into(), &403.into())
    );
    handed_over(&world.ask(&open("/old/x")), "not-judged");
}

#[test]
fn what_is_no_websocket_goes_on_as_it_always_did() {
    let world = world(&json!({ "identity": "optional" }));
    for ask in [get("/chat").header("upgrade", "h2c"), open("/chat").method("POST")] {
        let seen = world.ask(&ask);
        let sent = seen.passed("forwarded");
        assert!(["upgrade", "connection"].iter().all(|name| sent.all(name).is_empty()));
    }
}

/// What is signed has to be what arrives, and the platform names the backend's host to HAProxy.
#[test]
fn only_a_host_that_has_a_backend_of_its_own_gets_one() {
    let somewhere = world(&json!({ "hosts": [HOST, "shop.example.test"], "identity": "optional" }));
    for host in ["shop.example.test", "www.example.test:8443"] {
        let seen = somewhere.ask(&open("/chat").host(host));
        seen.refused(503, "upgrade-unconfigured");
        assert!(seen.record["detail"].as_str().unwrap().contains(&format!("`{host}` in its `websockets`")));
        assert_eq!(seen.answer_header("retry-after"), Some("30"));
    }
    handed_over(&somewhere.ask(&open("/chat").host("WWW.Example.test:443")), "handed-over");
    let seen = World::new().ask(&open("/old/x"));
    seen.refused(503, "upgrade-unconfigured");
}

#[test]
fn the_first_data_centre_that_has_the_host_gets_it_and_no_other_one() {
    let world = world(&json!({})).setting(|settings| {
        settings["origins"] = json!([
            { "backend": "haproxy", "audience": "eu-1" },
            { "backend": "haproxy-us", "audience": "us-1", "websockets": { HOST: "haproxy-us-www" } },
        ]);
    });
    let seen = world.ask(&by_token());
    let sent = handed_over(&seen, "handed-over");
    assert_eq!((sent.backend.as_str(), &sent.claims()["aud"]), ("haproxy-us-www", &"us-1".into()));

    let mut refusing = self::world(&json!({}));
    refusing.handed_over = Err(SendFault { backend: "haproxy-www".into(), reason: "not enabled".into() });
    refusing.ask(&by_token()).answered(503, "origin-unreachable");
}

#[test]
fn a_page_of_another_site_opens_none() {
    let world = world(&json!({}));
    let session = world.session("ann", &["engineering"], 0);
    let from = |origin: &str| world.ask(&open("/chat").session(&session).header("origin", origin));
    handed_over(&from(OWN), "handed-over");
    for origin in [
        "https://evil.test",
        "https://www.example.test.evil.test",
        "https://evil.www.example.test",
        "https://www.example.test:8443",
        "http://www.example.test",
        "https://www.example.test/",
        "www.example.test",
        "null",
        "",
        PARTNER,
    ] {
        from(origin).refused(403, "cross-site-websocket");
        // Nor with a token, nor for nobody: what the application's own cookies are worth isn't known here.
        world.ask(&by_token().header("origin", origin)).refused(403, "cross-site-websocket");
    }
    let twice = open("/chat").session(&session).header("origin", OWN).header("origin", OWN);
    world.ask(&twice).refused(403, "cross-site-websocket");
    world.ask(&open("/chat").session(&session)).refused(403, "cross-site-websocket");
    handed_over(&world.ask(&by_token()), "handed-over");
}

/// Behind something that ends TLS, and where there is none.
#[test]
fn a_page_of_http_is_the_hosts_own_where_the_request_came_by_http() {
    let world = world(&json!({ "identity": "optional" }));
    let mut ask = open("/chat").header("origin", "http://www.example.test");
    world.ask(&ask).refused(403, "cross-site-websocket");
    ask.scheme = "http".to_owned();
    handed_over(&world.ask(&ask), "handed-over");
}

#[test]
fn a_page_that_the_route_names_opens_one() {
    let asked = |credentials: &str, session: bool| {
        let mut changes = cors(credentials);
        changes["identity"] = json!("optional");
        let world = world(&changes);
        let session = if session { world.session("ann", &["engineering"], 0) } else { String::new() };
        world.ask(&open("/chat").session(&session).header("origin", PARTNER))
    };
    let seen = asked("include", true);
    let sent = handed_over(&seen, "handed-over");
    assert_eq!(
        (&sent.claims()["sub"], sent.all("cookie")),
        (&"ann".into(), vec!["theme=dark; lang=en".to_owned()])
    );
    // Where no cookies come along, there is no session and nothing that the application takes for one.
    asked("omit", true).refused(403, "cross-site-websocket");
    assert_eq!(handed_over(&asked("omit", false), "handed-over").all("cookie"), Vec::<String>::new());
    // Browsers remember HTTP authentication too.
    let mut changes = cors("omit");
    changes["identity"] = json!("optional");
    let ask = open("/chat").header("origin", PARTNER).header("authorization", "Basic eA==");
    let seen = world(&changes).ask(&ask);
    assert_eq!(handed_over(&seen, "handed-over").all("authorization"), Vec::<String>::new());
}

#[test]
fn a_page_that_may_not_is_noted_where_the_route_only_observes() {
    let world = world(&json!({ "mode": "observe" }));
    let seen = world.ask(&by_token().header("origin", "https://evil.test"));
    handed_over(&seen, "observed");
    assert_eq!(seen.record["would"]["reason"], "cross-site-websocket");
    let off = self::world(&json!({ "mode": "off" }));
    handed_over(&off.ask(&by_token().header("origin", "https://evil.test")), "not-judged");
}

/// The platform hands none from one location to the next, so an earlier one can't have judged it.
#[test]
fn a_websocket_is_judged_anew_whatever_assertion_it_brings() {
    let world = world(&json!({}));
    let before = world.ask(&by_token());
    let assertion = handed_over(&before, "handed-over").assertion();
    world.ask(&open("/chat").header("countersign-assertion", assertion)).refused(401, "identity-required");
}
