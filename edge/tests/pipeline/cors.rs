//! Pages of other origins: preflights, and answers that they may read.

use countersign_contract::list::Action;
use countersign_edge::answer::Answer;
use countersign_edge::platform::OriginHead;
use serde_json::{Value, json};

use crate::world::{Ask, HOST, Seen, World, get};

const APP: &str = "https://app.example.test";

fn routes() -> Value {
    let route = |name: &str, mode: &str, methods: &[&str], cors: Value| {
        json!({ "name": name, "hosts": [HOST], "path": format!("/{name}/**"), "methods": methods,
            "class": "private", "mode": mode, "identity": "required", "pool": "web", "cors": cors })
    };
    let rule = json!({ "origins": { "these": [APP, "https://other.example.test"] }, "headers": ["authorization", "x-trace"],
        "expose": ["x-total"], "credentials": "include", "max_age_seconds": 600 });
    let mut open = route("open", "enforce", &[], json!({ "origins": "any", "max_age_seconds": 60 }));
    open["identity"] = json!("optional");
    let mut silent = route("silent", "enforce", &[], Value::Null);
    silent["identity"] = json!("optional");
    json!([
        route("api", "enforce", &["GET", "PUT"], rule.clone()),
        route("beta", "observe", &[], rule),
        open,
        silent
    ])
}

fn world() -> World {
    World::with_routes(&routes())
}

fn preflight(target: &str, origin: &str, method: &str) -> Ask {
    get(target).method("OPTIONS").header("origin", origin).header("access-control-request-method", method)
}

/// All headers of the answer by this name, beside those that the origin's answer has.
fn said<'a>(seen: &'a Seen, wanted: &str) -> Vec<&'a str> {
    let headers = match &seen.answer {
        Answer::Own(answer) => &answer.headers,
        Answer::FromOrigin(changes) => &changes.append,
        Answer::HandedOver => panic!("nobody sees the answer: {}", seen.record),
    };
    headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_preflight_is_answered_without_anybody_signed_in() {
    let ask =
        preflight("/api/x", APP, "PUT").header("access-control-request-headers", "Authorization, x-trace");
    let seen = world().ask(&ask);
    assert!(seen.done(204, "preflight").body.is_empty());
    assert!(seen.sent.is_none(), "the application isn't asked");
    assert_eq!(said(&seen, "access-control-allow-origin"), [APP]);
    assert_eq!(said(&seen, "access-control-allow-credentials"), ["true"]);
    assert_eq!(said(&seen, "access-control-allow-methods"), ["PUT"]);
    assert_eq!(said(&seen, "access-control-allow-headers"), ["authorization, x-trace"]);
    assert_eq!(said(&seen, "access-control-max-age"), ["600"]);
    assert!(said(&seen, "vary").contains(&"Origin"));
    assert_eq!(seen.record["route"], "api");
}

#[test]
fn a_preflight_of_another_page_is_refused() {
    for origin in
        ["https://evil.example", "null", "http://app.example.test", "https://app.example.test.evil.example"]
    {
        let seen = world().ask(&preflight("/api/x", origin, "PUT"));
        seen.refused(403, "cors-refused");
        assert!(said(&seen, "access-control-allow-origin").is_empty());
    }
    let seen = world()
        .ask(&preflight("/api/x", APP, "PUT").header("access-control-request-headers", "x-trace, x-admin"));
    seen.refused(403, "cors-refused");
    assert_eq!(seen.record["detail"], "the preflight is refused: no page may send `x-admin`");
}

/// The route decides that would decide about the request; where there is none, or no rule, nothing is special.
#[test]
fn without_a_rule_a_preflight_is_a_request_like_any_other() {
    let world = world();
    world.ask(&preflight("/silent/x", APP, "PUT")).passed("forwarded");
    world.ask(&preflight("/beta/x", APP, "PUT")).passed("observed");
    // `api` is for GET and PUT alone.
    world.ask(&preflight("/api/x", APP, "DELETE")).refused(403, "method-not-listed");
    world.ask(&get("/silent/x").method("OPTIONS").header("origin", APP)).passed("forwarded");
    world.ask(&preflight("/nowhere/x", APP, "PUT")).refused(403, "unknown-path");
}

#[test]
fn the_rule_speaks_in_place_of_the_application() {
    let mut world = world();
    let names = ["content-type", "access-control-allow-origin", "access-control-allow-credentials", "vary"];
    world.origin = Ok(OriginHead {
        status: 200,
        header_names: names.map(str::to_owned).into(),
        decisions: vec![],
        receipts: vec![],
    });
    // Also where nobody asked: a cache on the way may give the same answer to a page.
    let asks =
        [get("/open/x"), get("/open/x").header("origin", APP), get("/open/x").header("origin", "null")];
    for ask in asks {
        let seen = world.ask(&ask);
        seen.passed("forwarded");
        assert_eq!(said(&seen, "access-control-allow-origin"), ["*"]);
        assert!(said(&seen, "vary").is_empty());
        assert!(said(&seen, "access-control-allow-credentials").is_empty());
        let Answer::FromOrigin(changes) = &seen.answer else { panic!("refused") };
        assert_eq!(changes.remove, ["access-control-allow-origin", "access-control-allow-credentials"]);
    }
    // What isn't enforced yet goes on as it was.
    let seen = world.ask(&get("/beta/x").header("origin", APP));
    let Answer::FromOrigin(changes) = &seen.answer else { panic!("refused") };
    assert!(changes.remove.is_empty() && changes.append.is_empty());
}

#[test]
fn a_page_may_read_why_it_was_refused() {
    let world = world();
    let seen = world.ask(&get("/api/x").header("origin", APP));
    seen.refused(401, "identity-required");
    assert_eq!(said(&seen, "access-control-allow-origin"), [APP]);
    assert_eq!(said(&seen, "access-control-expose-headers"), ["x-total"]);
    assert_eq!(said(&seen, "vary"), ["Origin"]);
    for other in [get("/api/x").header("origin", "https://evil.example"), get("/api/x")] {
        let seen = world.ask(&other);
        seen.refused(401, "identity-required");
        assert!(said(&seen, "access-control-allow-origin").is_empty());
        assert_eq!(said(&seen, "vary"), ["Origin"]);
    }
}

#[test]
fn a_listed_client_gets_no_preflight() {
    let world = world().listing(&[("192.0.2.7", Action::Block)]);
    world.ask(&preflight("/api/x", APP, "PUT")).refused(403, "listed-block");
}

#[test]
fn two_origins_are_none() {
    let twice = get("/api/x").header("origin", APP).header("origin", "https://evil.example");
    assert!(said(&world().ask(&twice), "access-control-allow-origin").is_empty());
    let asked = preflight("/api/x", APP, "PUT").header("origin", APP);
    world().ask(&asked).refused(403, "method-not-listed");
}
