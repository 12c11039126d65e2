//! Arms of experiments: who is in which, and what is said of it.

use countersign_edge::answer::Answer;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::issuer::token;
use crate::world::{Ask, HOST, Seen, World, get};

const VISITOR: &str = countersign_edge::arm::COOKIE;

fn world() -> World {
    world_of(json!({ "control": 1, "canary": 1 }))
}

fn world_of(arms: Value) -> World {
    let route = |name: &str, mode: &str| {
        json!({ "name": name, "hosts": [HOST], "path": format!("/{name}/**"), "class": "private", "mode": mode,
            "identity": "optional", "pool": "web", "experiment": "checkout",
            "arm_pools": { "canary": "web-canary" } })
    };
    let mut public = route("public", "enforce");
    public["class"] = json!("public");
    let mut plain = route("plain", "enforce");
    plain["experiment"] = Value::Null;
    plain["arm_pools"] = json!({});
    let mut private = route("private", "enforce");
    private["identity"] = json!("required");
    let routes = json!([
        route("shop", "enforce"),
        route("cart", "enforce"),
        route("old", "off"),
        plain,
        private,
        public
    ]);
    World::with_policy(&routes, &["engineering"]).experiments(&json!({ "checkout": { "arms": arms } }))
}

/// The arm that is vouched for.
fn arm(seen: &Seen) -> String {
    seen.sent.as_ref().unwrap().claims()["arm"].as_str().unwrap().to_owned()
}

/// The visitor cookie that the answer sets.
fn new_visitor(seen: &Seen) -> Option<String> {
    let Answer::FromOrigin(changes) = &seen.answer else { panic!("refused: {}", seen.record) };
    let cookies: Vec<_> = changes.append.iter().filter(|(name, _)| *name == "set-cookie").collect();
    let [(_, cookie)] = cookies.as_slice() else {
        assert!(cookies.is_empty());
        return None;
    };
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=Lax");
    Some(pair.to_owned())
}

fn again(ask: &Ask, cookie: &str) -> Ask {
    ask.clone().header("cookie", format!("theme=dark; {cookie}"))
}

#[test]
fn a_browser_stays_in_its_arm() {
    let world = world();
    let mut arms = std::collections::BTreeSet::new();
    for _ in 0..16 {
        let first = world.ask(&get("/shop/x"));
        let visitor = new_visitor(&first).expect("a new browser gets an id");
        for ask in [get("/shop/y"), get("/cart/x"), get("/old/x").from("192.0.2.99")] {
            let later = world.ask(&again(&ask, &visitor));
            assert_eq!((arm(&later), new_visitor(&later)), (arm(&first), None));
            // It is nobody else's.
            assert_eq!(later.sent.as_ref().unwrap().all("cookie"), ["theme=dark"]);
        }
        arms.insert(arm(&first));
    }
    assert_eq!(arms.len(), 2, "sixteen browsers in one of two equal arms");
}

#[test]
fn who_is_signed_in_has_the_same_arm_on_all_devices() {
    let world = world();
    let ann = get("/shop/x").bearer(&token(Algorithm::EdDSA).make());
    let first = world.ask(&ann);
    assert_eq!(new_visitor(&first), None);
    let other_device = again(&ann, &format!("{VISITOR}={}", "5".repeat(32)));
    assert_eq!(arm(&world.ask(&other_device)), arm(&first));
    let session = world.session("ann", &[], 0);
    assert_eq!(arm(&world.ask(&get("/cart/x").session(&session))), arm(&first));
}

#[test]
fn the_record_names_arm_and_pool() {
    for (arms, arm, pool) in [
        (json!({ "control": 0, "canary": 1 }), "canary", "web-canary"),
        (json!({ "control": 1, "canary": 0 }), "control", "web"),
    ] {
        let seen = world_of(arms).ask(&get("/shop/x"));
        assert_eq!((&seen.record["arm"], &seen.record["pool"]), (&json!(arm), &json!(pool)));
    }
    let plain = world().ask(&get("/plain/x"));
    assert_eq!((plain.record.get("arm"), &plain.record["pool"]), (None, &json!("web")));
    assert_eq!(plain.sent.as_ref().unwrap().claims().get("arm"), None);
    assert_eq!(new_visitor(&plain), None);
}

#[test]
fn an_id_that_nobody_gave_is_replaced() {
    let world = world();
    for odd in ["", "x", &"g".repeat(32), &"A".repeat(32), &"5".repeat(33)] {
        let seen = world.ask(&again(&get("/shop/x"), &format!("{VISITOR}={odd}")));
        assert!(new_visitor(&seen).is_some(), "{odd}");
    }
    let twice = format!("{VISITOR}={}; {VISITOR}={}", "5".repeat(32), "6".repeat(32));
    assert!(new_visitor(&world.ask(&again(&get("/shop/x"), &twice))).is_some());
}

/// No policy that was checked says so; an answer that is kept for everybody must not be one arm's.
#[test]
fn a_public_route_has_no_arms() {
    let seen = world().ask(&get("/public/x"));
    assert_eq!(seen.passed("forwarded").claims().get("arm"), None);
    assert_eq!(new_visitor(&seen), None);
}

#[test]
fn who_is_refused_is_in_no_arm() {
    let seen = world().ask(&get("/private/x"));
    seen.refused(401, "identity-required");
    assert!(seen.set_cookies().is_empty());
}
