//! gRPC: what is a call, where it goes, what its client reads of a refusal and of an answer.

use countersign_edge::answer::Answer;
use countersign_edge::platform::{OriginHead, Protocol};
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::exchange::{Ask, Seen};
use crate::issuer::token;
use crate::world::{World, get};

fn world() -> World {
    World::new().setting(|settings| settings["origins"][0]["grpc_backend"] = json!("haproxy-grpc"))
}

fn call(target: &str) -> Ask {
    let mut ask =
        get(target).method("POST").header("content-type", "application/grpc").header("te", "trailers");
    ask.protocol = Protocol::Http2;
    ask
}

fn signed_in() -> Ask {
    call("/api/echo").bearer(&token(Algorithm::EdDSA).make())
}

/// States what a client of gRPC reads of a refusal, and what the record says of it.
#[track_caller]
fn refused(seen: &Seen, code: &str, message: &str, status: u16, reason: &str) {
    assert!(seen.sent.is_none(), "reached HAProxy: {:?}", seen.sent);
    let answer = seen.own();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{}", seen.record);
    let trailer = |wanted: &str| {
        let values: Vec<_> = answer.trailers.iter().filter(|(name, _)| *name == wanted).collect();
        values.first().map(|(_, value)| value.as_str()).filter(|_| values.len() == 1)
    };
    assert_eq!((trailer("grpc-status"), trailer("grpc-message")), (Some(code), Some(message)));
    // A client's error has what comes at the end, and nothing of the head.
    assert_eq!(trailer("countersign-decision"), seen.record["decision_id"].as_str());
    assert_eq!(trailer("retry-after"), seen.answer_header("retry-after"));
    assert_eq!(seen.answer_header("content-type"), Some("application/grpc"));
    assert_eq!(seen.answer_header("cache-control"), Some("no-store"));
    assert_eq!(seen.answer_header("countersign-decision"), seen.record["decision_id"].as_str());
    assert_eq!((&seen.record["reason"], &seen.record["status"]), (&reason.into(), &status.into()));
}

#[test]
fn a_call_goes_by_http_2_to_the_backend_for_it() {
    let seen = world().ask(&signed_in());
    let sent = seen.passed("forwarded");
    assert_eq!((sent.backend.as_str(), sent.protocol), ("haproxy-grpc", Protocol::Http2));
    assert_eq!(
        (sent.all("te"), sent.all("content-type")),
        (vec!["trailers".into()], vec!["application/grpc".into()])
    );
    assert!(sent.all("authorization").is_empty());
    assert_eq!(sent.claims()["sub"], "ann");
}

#[test]
fn what_is_no_call_goes_on_as_it_always_did() {
    let post = |content_type: &str| get("/page/x").method("POST").header("content-type", content_type);
    let http_2 = |mut ask: Ask| {
        ask.protocol = Protocol::Http2;
        ask
    };
    for ask in [
        post("application/grpc"),
        http_2(post("application/grpc-web")),
        http_2(post("application/grpc-web+proto")),
        http_2(post("application/json")),
        http_2(post("application/grpc").header("content-type", "application/grpc")),
        http_2(get("/page/x").header("content-type", "application/grpc")),
    ] {
        let seen = world().ask(&ask);
        let sent = seen.passed("forwarded");
        assert_eq!((sent.backend.as_str(), sent.protocol), ("haproxy", Protocol::Http1), "{ask:?}");
        assert!(sent.all("te").is_empty());
        world().ask(&Ask { target: b"/api/x".to_vec(), ..ask }).refused(401, "identity-required");
    }
    for content_type in ["application/grpc+proto", "Application/GRPC;x=y", "application/grpc ; x"] {
        let ask = http_2(post(content_type));
        assert_eq!(world().ask(&ask).passed("forwarded").backend, "haproxy-grpc", "{content_type}");
    }
}

#[test]
fn a_refusal_is_the_status_of_the_call() {
    use countersign_contract::list::Action::{Block, Throttle};
    refused(&world().ask(&call("/api/echo")), "16", "Unauthorized", 401, "identity-required");
    refused(&world().ask(&call("/api//echo")), "13", "Bad Request", 400, "not-canonical");
    refused(&world().ask(&call("/nowhere")), "7", "Forbidden", 403, "unknown-path");
    refused(
        &world().ask(&call("/api/x").host("other.test")),
        "14",
        "Misdirected Request",
        421,
        "unknown-host",
    );
    refused(&world().ask(&call("/.countersign/x")), "12", "Not Found", 404, "own-path-unknown");
    let listed = |action| world().listing(&[("192.0.2.7", action)]).ask(&signed_in());
    refused(&listed(Block), "7", "Forbidden", 403, "listed-block");
    refused(&listed(Throttle), "8", "Too Many Requests", 429, "listed-throttle");
    assert!(listed(Throttle).answer_header("retry-after").is_some());
    let broken = world().without_secret(countersign_edge::platform::ASSERTION_KEY);
    refused(&broken.ask(&signed_in()), "14", "Service Unavailable", 503, "key-unreadable");
}

#[test]
fn without_a_backend_for_it_a_call_is_not_implemented() {
    refused(&World::new().ask(&signed_in()), "12", "Not Implemented", 501, "grpc-unconfigured");
}

#[test]
fn the_first_data_centre_with_a_backend_for_it_gets_the_call_and_no_other_one() {
    let mut world = World::new().setting(|settings| {
        settings["origins"] = json!([
            { "backend": "haproxy", "audience": "eu-1" },
            { "backend": "haproxy-us", "audience": "us-1", "grpc_backend": "haproxy-us-grpc" },
            { "backend": "haproxy-ap", "audience": "ap-1", "grpc_backend": "haproxy-ap-grpc" },
        ]);
    });
    let seen = world.ask(&signed_in());
    let sent = seen.passed("forwarded");
    assert_eq!((sent.backend.as_str(), &sent.claims()["aud"]), ("haproxy-us-grpc", &"us-1".into()));
    world.unreachable.insert("haproxy-us-grpc");
    let seen = world.ask(&signed_in());
    assert_eq!(seen.record["reason"], "origin-unreachable");
    assert!(seen.unanswered.is_empty());
}

#[test]
fn a_call_that_an_earlier_location_vouched_for_goes_on_by_http_2_too() {
    let assertion = world().ask(&signed_in()).passed("forwarded").assertion();
    let seen = world().ask(&call("/api/echo").header("countersign-assertion", assertion.as_str()));
    let sent = seen.passed("shielding-hop");
    assert_eq!((sent.backend.as_str(), sent.assertion()), ("haproxy-grpc", assertion.clone()));
    let nowhere = World::new().ask(&call("/api/echo").header("countersign-assertion", assertion));
    refused(&nowhere, "12", "Not Implemented", 501, "grpc-unconfigured");
}

/// The platform may send another frame after a head, and then a status in the head is none.
#[test]
fn a_status_in_the_head_of_an_answer_goes_to_its_end() {
    let origin = |names: &[&str]| {
        let header_names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(OriginHead { status: 200, header_names, decisions: vec![], receipts: vec![] })
    };
    let moved = |world: &World, ask: &Ask| match world.ask(ask).answer {
        Answer::FromOrigin(changes) => changes.to_trailers,
        other => panic!("{other:?}"),
    };
    let mut world = world();
    world.origin =
        origin(&["content-type", "date", "grpc-status", "grpc-message", "order", "countersign-receipt"]);
    assert_eq!(moved(&world, &signed_in()), ["grpc-status", "grpc-message", "order"]);
    // What browsers send in place of a call reads its head.
    assert_eq!(moved(&world, &get("/page/x")), Vec::<String>::new());
    world.origin = origin(&["content-type", "order"]);
    assert_eq!(moved(&world, &signed_in()), Vec::<String>::new());
}
