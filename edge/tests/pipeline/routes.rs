//! Which route decides, and what a public one means.

use countersign_edge::forward::{Body, Caching};
use jsonwebtoken::Algorithm;

use crate::issuer::token;
use crate::world::{HOST, World, get};

#[test]
fn what_no_route_is_for_is_refused() {
    let world = World::new();
    world.ask(&get("/static/x").host("other.test")).refused(421, "unknown-host");
    world.ask(&get("/nowhere")).refused(403, "unknown-path");
    world.ask(&get("/orders")).refused(403, "method-not-listed");
    world.ask(&get("/orders").method("POST")).passed("forwarded");
}

#[test]
fn an_odd_spelling_passes_only_where_the_route_allows_it() {
    let world = World::new();
    let seen = world.ask(&get("/page/a%2Fb"));
    seen.refused(400, "not-canonical");
    assert!(seen.record["detail"].as_str().unwrap().contains("encoded-slash"));
    world.ask(&get("/files/a%2Fb")).passed("forwarded");
}

/// `Url` refuses these, so the SDK's request would panic on the way out.
#[test]
fn a_host_that_a_url_parser_dislikes_is_just_a_host() {
    for host in ["xn--a.wild.test", "1.256.wild.test", "a_b.wild.test"] {
        World::new().ask(&get("/static/x").host(host)).passed("forwarded");
    }
}

#[test]
fn a_public_route_gets_no_credentials_and_may_be_cached() {
    let good = token(Algorithm::EdDSA).make();
    let world = World::new();
    let ask = get("/static/x").session(&world.session("ann", &[], 0)).bearer(&good);
    let seen = world.ask(&ask);
    let sent = seen.passed("forwarded");
    assert_eq!(sent.caching, Caching::Allowed);
    assert!(sent.all("cookie").is_empty() && sent.all("authorization").is_empty());
    let claims = sent.claims();
    assert!(claims.get("sub").is_none() && claims.get("groups").is_none());
    // Nobody was even looked for.
    assert_eq!(world.fetches.get(), 0);
    assert_eq!(seen.record["class"], "public");
    world.ask(&get("/static/x").header("authorization", "Basic eA==")).passed("forwarded");
    // The cache keeps what is read, nothing else.
    assert_eq!(world.ask(&get("/static/x").method("POST")).passed("forwarded").caching, Caching::Pass);
}

/// A cache keeps an answer by its URL: what one client sends in a body must not be in it.
#[test]
fn a_public_answer_is_made_of_no_body() {
    let world = World::new();
    let with_body = |method: &str| {
        let ask = get("/static/x").method(method).header("content-length", "9");
        world.ask(&ask.header("content-type", "application/x-www-form-urlencoded")).sent.unwrap()
    };
    for method in ["GET", "HEAD"] {
        let sent = with_body(method);
        assert_eq!((sent.caching, sent.body), (Caching::Allowed, Body::Kept), "{method}");
        assert!(sent.all("content-length").is_empty() && sent.all("content-type").is_empty());
    }
    let sent = with_body("POST");
    assert_eq!((sent.caching, sent.body), (Caching::Pass, Body::Sent));
}

#[test]
fn everything_else_passes_the_cache_without_our_credentials_but_with_the_applications() {
    let good = token(Algorithm::EdDSA).make();
    let session = World::new().session("ann", &[], 0);
    let seen = World::new().ask(&get("/api/x").session(&session).bearer(&good));
    let sent = seen.passed("forwarded");
    assert_eq!(sent.caching, Caching::Pass);
    assert_eq!(sent.all("cookie"), ["theme=dark; lang=en"]);
    assert!(sent.all("authorization").is_empty());
    assert_eq!(sent.backend, "haproxy");
    let basic = World::new().ask(&get("/page/x").header("authorization", "Basic eA=="));
    assert_eq!(basic.passed("forwarded").all("authorization"), ["Basic eA=="]);
}

#[test]
fn the_assertion_is_what_an_agent_verifies() {
    use countersign_contract::assertion::{Expected, Presented, verify};
    use countersign_contract::canonical::{Authority, Method, Target};
    use countersign_contract::time::UnixSeconds;

    let good = token(Algorithm::ES256).make();
    let seen = World::new().ask(&get("/api/x?q='1'").method("POST").bearer(&good));
    let assertion = seen.passed("forwarded").assertion();
    let expected = Expected {
        audience: &"eu-1".parse().unwrap(),
        environments: &["production".parse().unwrap()],
        now: UnixSeconds(crate::world::NOW),
        clock_skew: 5,
        longest_lifetime: 60,
        method: Method::parse(b"POST").unwrap(),
        authority: &Authority::parse(HOST.as_bytes()).unwrap(),
        target: &Target::parse(b"/api/x?q='1'").unwrap(),
        known_hosts: &[],
    };
    let presented = Presented::parse(assertion.as_bytes()).unwrap();
    let verified = verify(&presented, &World::agent_keys(), &expected).unwrap();
    let claims = verified.claims();
    assert_eq!(claims.sub.as_ref().unwrap().as_str(), "ann");
    assert_eq!(claims.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(), ["engineering"]);
    assert_eq!(claims.txn.to_string(), seen.record["decision_id"]);
    assert_eq!(claims.ip.to_string(), "192.0.2.7");
    assert_eq!((claims.exp.since(claims.iat), claims.sv, claims.rep), (30, Some(42), Some(7)));
    assert_eq!(claims.pol.as_ref().unwrap().as_str(), seen.record["policy"]);
}
