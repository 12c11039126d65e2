//! Requests that another location of ours has vouched for.

use countersign_contract::list::Action;
use countersign_edge::forward::Caching;
use jsonwebtoken::Algorithm;

use crate::issuer::token;
use crate::world::{EDGE_KEY, NOW, World, get};

fn vouched_for(target: &str) -> String {
    let seen = World::new().ask(&get(target).bearer(&token(Algorithm::EdDSA).make()));
    seen.sent.as_ref().unwrap().assertion()
}

#[test]
fn the_assertion_of_an_earlier_hop_goes_on_untouched() {
    let assertion = vouched_for("/api/x?a=1");
    let mut world = World::new().listing(&[("192.0.2.7", Action::Block)]);
    world.random = Some([7; 16]);
    let seen = world.ask(&get("/api/x?a=1").header("countersign-assertion", assertion.as_str()));
    let sent = seen.passed("shielding-hop");
    assert_eq!(sent.assertion(), assertion);
    assert_eq!(sent.caching, Caching::Pass);
    // It is one decision, under one id.
    assert_eq!(seen.record["decision_id"], "30313233343536373839616263646566");
    assert_eq!((&seen.record["subject"], &seen.record["kid"]), (&"ann".into(), &"edge-1".into()));
    assert!(seen.record.get("list_generation").is_none());
}

#[test]
fn what_a_client_adds_to_it_is_still_taken_out() {
    let assertion = vouched_for("/api/x");
    let ask = get("/api/x")
        .header("countersign-assertion", assertion.as_str())
        .header("countersign_subject", "root")
        .header("x-forwarded-for", "1.2.3.4")
        .session("x");
    let seen = World::new().ask(&ask);
    let sent = seen.passed("shielding-hop");
    assert!(sent.all("countersign_subject").is_empty() && sent.all("x-forwarded-for").is_empty());
    assert_eq!(sent.all("cookie"), ["theme=dark; lang=en"]);
}

#[test]
fn a_public_answer_may_be_cached_at_the_shield() {
    let assertion = vouched_for("/static/x");
    let seen = World::new().ask(&get("/static/x").header("countersign-assertion", assertion.as_str()));
    assert_eq!(seen.passed("shielding-hop").caching, Caching::Allowed);
    // Without a policy nobody knows that it is public.
    let mut world = World::new();
    world.config.as_mut().unwrap().remove("policy");
    let seen = world.ask(&get("/static/x").header("countersign-assertion", assertion.as_str()));
    assert_eq!(seen.passed("shielding-hop").caching, Caching::Pass);
}

/// While a new policy is on its way a shield may have the one before, in which the route was public yet.
#[test]
fn by_another_policy_than_the_earlier_hops_nothing_is_public() {
    let mut routes = crate::world::routes();
    routes[2]["class"] = "private".into();
    let earlier = World::with_routes(&routes);
    let ann = get("/static/x").bearer(&token(Algorithm::EdDSA).make());
    let seen = earlier.ask(&ann);
    assert_eq!(seen.passed("forwarded").claims()["sub"], "ann");
    let assertion = seen.sent.as_ref().unwrap().assertion();
    let seen = World::new().ask(&get("/static/x").header("countersign-assertion", assertion.as_str()));
    assert_eq!(seen.passed("shielding-hop").caching, Caching::Pass);
}

#[test]
fn any_other_assertion_is_deleted_and_proves_nothing() {
    let assertion = vouched_for("/api/x");
    let with = |target: &str, value: &str| get(target).header("countersign-assertion", value);
    for ask in [
        with("/api/other", &assertion),
        with("/api/x", &assertion).method("POST"),
        with("/api/x", &assertion).header("countersign-assertion", assertion.as_str()),
        with("/api/x", &format!("{assertion}A")),
        with("/api/x", "made-up"),
        with("/api/x", ""),
    ] {
        World::new().ask(&ask).refused(401, "identity-required");
    }
    let late = World::new();
    late.now.set(NOW + 36);
    late.ask(&with("/api/x", &assertion)).refused(401, "identity-required");
    let early = World::new();
    early.now.set(NOW - 6);
    early.ask(&with("/api/x", &assertion)).refused(401, "identity-required");
}

#[test]
fn an_assertion_of_another_key_service_or_data_centre_is_not_ours() {
    let assertion = vouched_for("/api/x");
    let ask = get("/api/x").header("countersign-assertion", assertion.as_str());
    let settings = [("/origins/0/audience", "us-1"), ("/environment", "staging"), ("/service", "edge-shop")];
    for (setting, value) in settings {
        let world = World::new().setting(|settings| *settings.pointer_mut(setting).unwrap() = value.into());
        world.ask(&ask).refused(401, "identity-required");
    }
    // RFC 8032 section 7.1, test 2: another key under the same name.
    let other = EDGE_KEY
        .replace("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw")
        .replace(
            "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs",
        );
    let mut world = World::new();
    world.secrets.as_mut().unwrap().insert("assertion-key".into(), other.into_bytes());
    world.ask(&ask).refused(401, "identity-required");
}
