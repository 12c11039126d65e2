//! How many requests of whom a route takes.

use countersign_edge::rate::RateFault;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::bot::{self, signature};
use crate::issuer::token;
use crate::world::{Ask, HOST, NOW, Seen, World, get};

/// Routes that count, each in its own way.
fn routes() -> Value {
    let route = |name: &str, class: &str, mode: &str, rate: Value| {
        json!({ "name": name, "hosts": [HOST], "path": format!("/{name}/**"), "class": class, "mode": mode,
            "identity": "optional", "pool": "web", "rate": rate })
    };
    let by = |by: &str| json!({ "requests": 3, "seconds": 10, "by": by });
    let mut crawled = route("crawled", "private", "enforce", by("subject"));
    crawled["bot_rate"] = json!({ "requests": 1, "seconds": 60, "by": "subject" });
    let mut strict = by("address");
    strict["penalty_seconds"] = json!(120);
    json!([
        route("address", "private", "enforce", by("address")),
        route("subject", "private", "enforce", by("subject")),
        route("strict", "private", "enforce", strict),
        route("static", "public", "enforce", by("address")),
        route("beta", "private", "observe", by("address")),
        route("old", "private", "off", by("address")),
        crawled,
    ])
}

fn world() -> World {
    World::with_policy(&routes(), &["engineering"])
        .setting(|settings| settings["bots"] = json!([bot::settings()]))
}

/// Sends it as often as the route takes, then once more.
fn once_too_often(world: &World, ask: &Ask) -> Seen {
    for _ in 0..3 {
        world.ask(ask).passed("forwarded");
    }
    world.ask(ask)
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_back() {
    let world = world();
    let seen = once_too_often(&world, &get("/address/x"));
    seen.refused(429, "rate-exceeded");
    assert_eq!(seen.answer_header("retry-after"), Some("10"));
    assert_eq!(
        seen.record["detail"],
        "`192.0.2.7` asks more often than 3 times in 10 s: refused for another 10 s"
    );
    // Others are others: another address, another route.
    world.ask(&get("/address/x").from("192.0.2.8")).passed("forwarded");
    world.ask(&get("/static/x")).passed("forwarded");
    world.now.set(NOW + 10);
    world.ask(&get("/address/x")).passed("forwarded");
}

#[test]
fn an_ipv6_client_is_its_64() {
    let world = world();
    for last in 1..=3 {
        world.ask(&get("/address/x").from(&format!("2001:db8:1:2::{last}"))).passed("forwarded");
    }
    world.ask(&get("/address/x").from("2001:db8:1:2:ffff::1")).refused(429, "rate-exceeded");
    world.ask(&get("/address/x").from("2001:db8:1:3::1")).passed("forwarded");
}

#[test]
fn who_is_signed_in_is_counted_wherever_they_are() {
    let world = world();
    let ann = get("/subject/x").bearer(&token(Algorithm::EdDSA).make());
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        world.ask(&ann.clone().from(address)).passed("forwarded");
    }
    world.ask(&ann.clone().from("192.0.2.3")).refused(429, "rate-exceeded");
    // Neither another person behind the same address nor nobody pays for her.
    let bob = token(Algorithm::EdDSA).claim("sub", json!("bob")).make();
    world.ask(&get("/subject/x").bearer(&bob).from("192.0.2.3")).passed("forwarded");
    once_too_often(&world, &get("/subject/x").from("192.0.2.3")).refused(429, "rate-exceeded");
}

#[test]
fn an_address_is_counted_before_anybody_is_identified() {
    let world = world();
    let forged = get("/address/x").bearer("x");
    once_too_often(&world, &forged).refused(429, "rate-exceeded");
    assert_eq!(world.fetches.get(), 0);
}

/// Else a page anywhere could have a visitor, and everybody behind the same address, refused.
#[test]
fn what_another_sites_page_has_a_browser_ask_is_counted_apart() {
    let world = world();
    let by_page = |ask: Ask| ask.header("sec-fetch-site", "cross-site");
    let ann = get("/subject/x").bearer(&token(Algorithm::EdDSA).make());
    for own in [get("/strict/x"), ann] {
        once_too_often(&world, &by_page(own.clone())).refused(429, "rate-exceeded");
        world.ask(&own).passed("forwarded");
        world.ask(&own.header("sec-fetch-site", "same-origin")).passed("forwarded");
    }
}

#[test]
fn a_flood_of_bad_tokens_is_counted_by_its_address() {
    let mut routes = routes();
    routes[1]["identity"] = json!("required");
    let world = World::with_policy(&routes, &["engineering"]);
    let forged = get("/subject/x").bearer("x");
    for _ in 0..3 {
        world.ask(&forged).refused(401, "token-malformed-parts");
    }
    world.ask(&forged).refused(429, "rate-exceeded");
    world.ask(&get("/subject/x").bearer(&token(Algorithm::EdDSA).make())).passed("forwarded");
}

#[test]
fn an_address_is_counted_before_any_bots_signature_is_looked_at() {
    let world = world();
    let signed = signature().on(get("/address/x"));
    once_too_often(&world, &get("/address/x")).refused(429, "rate-exceeded");
    world.ask(&signed).refused(429, "rate-exceeded");
    assert_eq!(world.bot_fetches.get(), 0);
}

#[test]
fn a_penalty_lasts_and_then_ends() {
    let world = world();
    let seen = once_too_often(&world, &get("/strict/x"));
    seen.refused(429, "rate-exceeded");
    assert_eq!(seen.answer_header("retry-after"), Some("120"));
    let counted = world.counted.borrow().len();
    world.now.set(NOW + 119);
    world.ask(&get("/strict/x")).refused(429, "rate-exceeded");
    assert_eq!(world.counted.borrow().len(), counted, "a penalty that counts would never end");
    world.now.set(NOW + 120);
    world.ask(&get("/strict/x")).passed("forwarded");
}

#[test]
fn a_verified_bot_has_a_rate_of_its_own() {
    let world = world();
    world.ask(&signature().on(get("/crawled/x"))).passed("forwarded");
    let seen = world.ask(&signature().on(get("/crawled/x").from("192.0.2.99")));
    seen.refused(429, "rate-exceeded");
    assert_eq!(seen.answer_header("retry-after"), Some("60"));
    // Who only says that it is a bot is counted as anybody.
    once_too_often(&world, &signature().lives(NOW - 900, NOW - 60).on(get("/crawled/x")))
        .refused(429, "rate-exceeded");
}

#[test]
fn what_is_only_observed_passes_and_what_is_off_is_not_counted() {
    let world = world();
    for _ in 0..3 {
        world.ask(&get("/beta/x")).passed("forwarded");
    }
    let seen = world.ask(&get("/beta/x"));
    seen.passed("observed");
    assert_eq!(
        (&seen.record["would"]["reason"], &seen.record["would"]["status"]),
        (&json!("rate-exceeded"), &json!(429))
    );
    let counted = world.counted.borrow().len();
    world.ask(&get("/old/x")).passed("not-judged");
    assert_eq!(world.counted.borrow().len(), counted);
}

#[test]
fn a_counter_that_fails_lets_pass_and_is_noted() {
    let mut world = world();
    world.counters = Err(RateFault("Unexpected ERL error".to_owned()));
    for target in ["/address/x", "/subject/x", "/strict/x"] {
        let seen = world.ask(&get(target));
        seen.passed("forwarded");
        let said = seen.record["detail"].as_str().unwrap();
        assert_eq!(said, "the platform's rate counter can't be used: Unexpected ERL error");
    }
}

#[test]
fn no_counter_holds_an_address_or_a_name() {
    let world = world();
    world.ask(&get("/address/x")).passed("forwarded");
    world.ask(&get("/subject/x").bearer(&token(Algorithm::EdDSA).make())).passed("forwarded");
    for (counted, _) in world.counted.borrow().iter() {
        let digits = counted.as_str();
        assert!(digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digits}");
    }
}
