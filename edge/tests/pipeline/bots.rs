//! Bots that sign their requests: who they are, what routes make of them, and what is fetched for them.

use countersign_contract::list::Action;
use countersign_edge::platform::{FetchFault, Fetched};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::bot::{self, KEY, directory, signature};
use crate::issuer::token;
use crate::world::{Ask, HOST, NOW, Seen, World, get};

/// A route of every kind that bots meet.
fn routes() -> Value {
    let route = |name: &str, class: &str, mode: &str, identity: &str, bots: Option<&str>| {
        let mut route = json!({ "name": name, "hosts": [HOST, "other.example.test"], "path": format!("/{name}/**"),
            "class": class, "mode": mode, "identity": identity, "pool": "web" });
        if let Some(bots) = bots {
            route["bots"] = json!(bots);
        }
        route
    };
    let mut feed = route("feed", "private", "enforce", "required", Some("verified"));
    feed["permission"] = json!("feed.read");
    json!([
        feed,
        route("any", "private", "enforce", "required", None),
        route("page", "private", "enforce", "optional", None),
        route("shop", "private", "enforce", "optional", Some("verified")),
        route("people", "private", "enforce", "optional", Some("none")),
        route("static", "public", "enforce", "optional", Some("verified")),
        route("image", "public", "enforce", "optional", None),
        route("pure", "public", "enforce", "optional", Some("none")),
        route("beta", "private", "observe", "optional", Some("verified")),
        route("beta-people", "private", "observe", "optional", Some("none")),
        route("old", "private", "off", "optional", Some("none")),
    ])
}

fn world() -> World {
    World::with_policy(&routes(), &["crawlers", "engineering"])
        .setting(|settings| settings["bots"] = json!([bot::settings()]))
}

/// An expired one: a claim that isn't verified.
fn expired(ask: Ask) -> Ask {
    signature().lives(NOW - 900, NOW - 60).on(ask)
}

#[track_caller]
fn is_the_bot(seen: &Seen) {
    let claims = seen.passed("forwarded").claims();
    assert_eq!(
        (&claims["sub"], &claims["bot"], &claims["groups"]),
        (&json!("bot:goodbot"), &json!("goodbot"), &json!(["crawlers"]))
    );
}

#[track_caller]
fn is_nobody(seen: &Seen, reason: &str) {
    let claims = seen.passed(reason).claims();
    assert!(claims.get("sub").is_none() && claims.get("bot").is_none(), "{claims}");
}

#[track_caller]
fn notes(seen: &Seen, code: &str) {
    let said = seen.record["detail"].as_str().unwrap_or_default();
    assert!(said.contains(&format!("({code})")), "{code}: {}", seen.record);
}

#[test]
fn a_verified_bot_is_a_subject_with_the_groups_that_the_policy_names() {
    let seen = world().ask(&signature().on(get("/feed/x")));
    is_the_bot(&seen);
    assert_eq!((&seen.record["subject"], &seen.record["bot_kid"]), (&json!("bot:goodbot"), &json!(KEY)));
    assert_eq!(seen.record["groups"], json!(["crawlers"]));
    // Its headers go on to the application.
    assert_eq!(seen.sent.as_ref().unwrap().all("signature-agent"), [format!("a=\"{}\"", bot::AGENT)]);
}

#[test]
fn each_form_that_a_claim_may_have_is_read() {
    let mut legacy = signature();
    legacy.covered[1].0 = "\"signature-agent\"".to_owned();
    legacy.agent = Some(format!("\"{}\"", bot::AGENT));
    let mut by_uri = signature();
    by_uri.covered[0] = ("\"@target-uri\"".to_owned(), format!("https://{HOST}/any/x?a=1"));
    let mut typed = signature();
    typed.covered[1].1 = format!("\"{}\";type=jwks_uri", bot::AGENT);
    typed.agent = Some(format!("a=\"{}\";type=jwks_uri", bot::AGENT));
    for signature in [
        legacy,
        by_uri,
        typed,
        signature().nameless(),
        signature().over("\"@method\"", "GET").over("\"@path\"", "/any/x").over("\"@query\"", "?a=1"),
        signature().over("\"@scheme\"", "https").over("\"host\"", HOST),
    ] {
        is_the_bot(&world().ask(&signature.on(get("/any/x?a=1"))));
    }
    // The host is compared as both tiers do.
    let asked =
        Ask { authority: "WWW.example.test:443".to_owned(), ..get("/any/x").host("WWW.Example.test:443") };
    is_the_bot(&world().ask(&signature().on(asked)));
}

#[test]
fn a_claim_that_is_not_verified_is_refused_where_the_route_says_so() {
    let world = world();
    for target in ["/feed/x", "/shop/x", "/static/x"] {
        world.ask(&expired(get(target))).refused(403, "bot-expired");
        world
            .ask(&get(target).header("signature-agent", "a=\"https://x.test\""))
            .refused(403, "bot-unsigned");
    }
    // Whoever claims nothing is judged as ever.
    world.ask(&get("/feed/x")).refused(401, "identity-required");
    is_nobody(&world.ask(&get("/shop/x")), "forwarded");
    is_nobody(&world.ask(&get("/static/x")), "forwarded");
}

#[test]
fn a_claim_that_is_not_verified_counts_for_nothing_elsewhere_and_is_noted() {
    let world = world();
    let seen = world.ask(&expired(get("/page/x")));
    is_nobody(&seen, "forwarded");
    notes(&seen, "bot-expired");
    let seen = world.ask(&expired(get("/any/x")));
    seen.refused(401, "identity-required");
    notes(&seen, "bot-expired");
    // A person whose browser makes such a claim is that person.
    let seen = world.ask(&expired(get("/any/x").bearer(&token(Algorithm::EdDSA).make())));
    assert_eq!(seen.passed("forwarded").claims()["sub"], "ann");
    notes(&seen, "bot-expired");
}

#[test]
fn routes_without_bots_refuse_them_verified_or_not() {
    let world = world();
    for target in ["/people/x", "/pure/x"] {
        let seen = world.ask(&signature().on(get(target)));
        seen.refused(403, "bot-refused");
        assert!(seen.record["detail"].as_str().unwrap().contains("`goodbot`"), "{}", seen.record);
        world.ask(&expired(get(target))).refused(403, "bot-refused");
        is_nobody(&world.ask(&get(target)), "forwarded");
    }
}

#[test]
fn public_routes_learn_of_no_bot_and_ask_for_none_unless_the_policy_does() {
    let world = world();
    is_nobody(&world.ask(&signature().on(get("/image/x"))), "forwarded");
    is_nobody(&world.ask(&expired(get("/image/x"))), "forwarded");
    assert_eq!(world.bot_fetches.get(), 0);
    is_nobody(&world.ask(&signature().on(get("/static/x"))), "forwarded");
    assert_eq!(world.bot_fetches.get(), 1);
}

#[test]
fn modes_hold_for_bots_too() {
    let world = world();
    let seen = world.ask(&expired(get("/beta/x")));
    is_nobody(&seen, "observed");
    assert_eq!(
        (&seen.record["would"]["status"], &seen.record["would"]["reason"]),
        (&json!(403), &json!("bot-expired"))
    );
    let seen = world.ask(&signature().on(get("/beta-people/x")));
    assert_eq!(seen.passed("observed").claims()["bot"], "goodbot");
    assert_eq!(seen.record["would"]["reason"], "bot-refused");
    let seen = world.ask(&signature().on(get("/old/x")));
    assert_eq!(seen.passed("not-judged").claims()["bot"], "goodbot");
    let seen = world.ask(&expired(get("/old/x")));
    is_nobody(&seen, "not-judged");
    notes(&seen, "bot-expired");
}

#[test]
fn a_bot_beside_a_token_or_a_session_is_ambiguous() {
    let world = world();
    let ann = world.session("ann", &[], 0);
    for target in ["/any/x", "/page/x", "/feed/x"] {
        let with_token = get(target).bearer(&token(Algorithm::EdDSA).make());
        world.ask(&signature().on(with_token)).refused(400, "bot-and-credential");
        world.ask(&signature().on(get(target).session(&ann))).refused(400, "bot-and-credential");
        // It needn't be a good one.
        world.ask(&signature().on(get(target).bearer("x"))).refused(400, "bot-and-credential");
    }
    // Other cookies and schemes are the application's.
    let asked = get("/any/x").header("cookie", "theme=dark").header("authorization", "Basic eA==");
    is_the_bot(&world.ask(&signature().on(asked)));
}

#[test]
fn a_signature_is_for_its_host_its_time_and_what_it_covers() {
    let world = world();
    for (signed, reason) in [
        (signature().for_host("other.example.test"), "bot-signature-invalid"),
        (signature().lives(NOW + 31, NOW + 300), "bot-from-the-future"),
        (signature().lives(NOW - 300, NOW - 30), "bot-expired"),
        (signature().lives(NOW, NOW), "bot-ends-before-it-begins"),
        (signature().lives(NOW - 1, NOW + 86_400), "bot-lives-too-long"),
        (signature().over("\"@path\"", "/feed/y"), "bot-signature-invalid"),
        (signature().over("\"@method\"", "POST"), "bot-signature-invalid"),
        (signature().over("\"user-agent\"", "x"), "bot-component-unsupported"),
        (signature().over("\"@authority\";req", "x"), "bot-component-unsupported"),
        (signature().over("\"host\";sf", "x"), "bot-component-unsupported"),
        (signature().over("\"accept\"", "x"), "bot-component-missing"),
        (signature().of_agent("https://bot.example.test/"), "bot-unknown-agent"),
        (signature().with_key("other"), "bot-unknown-key"),
    ] {
        world.ask(&signed.on(get("/feed/x"))).refused(403, reason);
    }
    // A captured one is of no use at another host of ours.
    world
        .ask(&signature().on(get("/feed/x").host("other.example.test")))
        .refused(403, "bot-signature-invalid");
    for signed in [signature().lives(NOW + 30, NOW + 300), signature().lives(NOW - 300, NOW - 29)] {
        is_the_bot(&world.ask(&signed.on(get("/feed/x"))));
    }
}

#[test]
fn a_name_without_its_signature_is_nobodys() {
    let world = world();
    // Unsigned beside a signature that is good by itself.
    let beside =
        signature().nameless().on(get("/feed/x")).header("signature-agent", format!("a=\"{}\"", bot::AGENT));
    world.ask(&beside).refused(403, "bot-agent-unsigned");
    let twice = signature().on(get("/feed/x")).header("signature-agent", "a=\"https://x.test\"");
    world.ask(&twice).refused(403, "bot-signature-malformed");
    let mut unsigned_host = signature();
    unsigned_host.covered.remove(0);
    world.ask(&unsigned_host.on(get("/feed/x"))).refused(403, "bot-authority-unsigned");
}

#[test]
fn bots_that_the_settings_do_not_name_are_nobodys() {
    let world = World::with_policy(&routes(), &["crawlers"]);
    world.ask(&signature().on(get("/feed/x"))).refused(403, "bot-unknown-agent");
    world.ask(&signature().nameless().on(get("/feed/x"))).refused(403, "bot-unknown-key");
    is_nobody(&world.ask(&signature().on(get("/page/x"))), "forwarded");
}

/// The world's `fetch` panics at every other place.
#[test]
fn keys_come_from_the_directory_of_the_settings_alone() {
    let world = world();
    let key = String::from_utf8(directory()).unwrap().replace('"', "%22");
    for agent in [
        format!("data:application/http-message-signatures-directory+json,{key}"),
        "https://evil.example".to_owned(),
        "https://bot.example.test@evil.example".to_owned(),
        "http://bot.example.test".to_owned(),
        "https://BOT.example.test".to_owned(),
    ] {
        world.ask(&signature().of_agent(&agent).on(get("/feed/x"))).refused(403, "bot-unknown-agent");
    }
    assert_eq!(world.bot_fetches.get(), 0);
}

#[test]
fn a_directory_is_fetched_once_and_kept_and_anew_for_an_unknown_key_once_in_the_cool_down() {
    let world = world();
    for _ in 0..4 {
        is_the_bot(&world.ask(&signature().on(get("/feed/x"))));
    }
    assert_eq!(world.bot_fetches.get(), 1);
    let unknown = signature().with_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for _ in 0..4 {
        world.ask(&unknown.on(get("/feed/x"))).refused(403, "bot-unknown-key");
    }
    assert_eq!(world.bot_fetches.get(), 2);
    world.now.set(NOW + 60);
    world.ask(&unknown.on(get("/feed/x"))).refused(403, "bot-unknown-key");
    assert_eq!(world.bot_fetches.get(), 3);
    // Whoever names no bot makes nobody fetch anew.
    world.now.set(NOW + 120);
    world.ask(&unknown.nameless().on(get("/feed/x"))).refused(403, "bot-unknown-key");
    assert_eq!(world.bot_fetches.get(), 3);
}

#[test]
fn a_new_key_is_found_when_it_is_used_first() {
    let world = world();
    let other = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    *world.bot_server.borrow_mut() = Ok(Fetched { status: 200, body: other.to_string().into() });
    world.ask(&signature().with_key("x").on(get("/feed/x"))).refused(403, "bot-unknown-key");
    *world.bot_server.borrow_mut() = Ok(Fetched { status: 200, body: directory() });
    world.now.set(NOW + 60);
    is_the_bot(&world.ask(&signature().on(get("/feed/x"))));
}

#[test]
fn an_outage_is_bridged_by_the_keys_at_hand_and_costs_one_fetch_in_the_cool_down() {
    let world = world();
    is_the_bot(&world.ask(&signature().on(get("/feed/x"))));
    *world.bot_server.borrow_mut() = Err(FetchFault::Unreachable("connection refused".to_owned()));
    let later = |seconds| {
        world.now.set(NOW + seconds);
        signature().lives(NOW + seconds, NOW + seconds + 60)
    };
    for seconds in [601, 1800] {
        is_the_bot(&world.ask(&later(seconds).on(get("/feed/x"))));
    }
    let before = world.bot_fetches.get();
    for _ in 0..5 {
        let seen = world.ask(&later(1870).on(get("/feed/x")));
        seen.refused(503, "bot-keys-unavailable");
        assert_eq!(seen.answer_header("retry-after"), Some("5"));
    }
    assert_eq!(world.bot_fetches.get(), before + 1);
    // Elsewhere it is nobody, as ever.
    is_nobody(&world.ask(&later(1870).on(get("/page/x"))), "forwarded");
    // Back again.
    *world.bot_server.borrow_mut() = Ok(Fetched { status: 200, body: directory() });
    is_the_bot(&world.ask(&later(1931).on(get("/feed/x"))));
}

#[test]
fn what_is_no_directory_is_never_taken_for_one() {
    let too_long = [directory(), vec![b' '; 64 * 1024]].concat();
    for (answer, detail) in [
        (Fetched { status: 302, body: directory() }, "status 302"),
        (Fetched { status: 500, body: directory() }, "status 500"),
        (Fetched { status: 200, body: too_long }, "longer than 65536 bytes"),
        (Fetched { status: 200, body: b"{\"keys\":[]}".to_vec() }, "none of its 0 keys"),
        (Fetched { status: 200, body: b"<html>".to_vec() }, "not a JWKS"),
        (Fetched { status: 200, body: vec![0xff; 100] }, "not a JWKS"),
    ] {
        let world = world();
        *world.bot_server.borrow_mut() = Ok(answer);
        let seen = world.ask(&signature().on(get("/feed/x")));
        seen.refused(503, "bot-keys-unavailable");
        let said = seen.record["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{said}");
    }
}

#[test]
fn a_bot_is_listed_like_anybody_else() {
    let listed = world().listing(&[("subject:bot:goodbot", Action::Throttle)]);
    listed.ask(&signature().on(get("/feed/x"))).refused(429, "listed-throttle");
    // Where an address has to sign in, a verified bot has.
    let listed = world().listing(&[("192.0.2.7", Action::RequireIdentity)]);
    is_the_bot(&listed.ask(&signature().on(get("/feed/x"))));
    assert_eq!(listed.ask(&signature().on(get("/image/x"))).passed("forwarded").claims()["known"], true);
    listed.ask(&expired(get("/image/x"))).refused(401, "listed-require-identity");
}

#[test]
fn no_person_is_taken_for_a_bot() {
    let world = world();
    let posing = token(Algorithm::EdDSA).claim("sub", json!("bot:goodbot")).make();
    world.ask(&get("/any/x").bearer(&posing)).refused(401, "token-subject-refused");
}

#[test]
fn two_bots_with_one_key_are_told_apart_by_their_names_alone() {
    let world = World::with_policy(&routes(), &["crawlers"]).setting(|settings| {
        let mut other = bot::settings();
        other["name"] = json!("otherbot");
        other["signature_agent"] = json!("https://other.example.test");
        settings["bots"] = json!([bot::settings(), other]);
    });
    is_the_bot(&world.ask(&signature().on(get("/feed/x"))));
    let other = signature().of_agent("https://other.example.test");
    assert_eq!(world.ask(&other.on(get("/feed/x"))).passed("forwarded").claims()["bot"], "otherbot");
    world.ask(&signature().nameless().on(get("/feed/x"))).refused(403, "bot-agent-missing");
}
