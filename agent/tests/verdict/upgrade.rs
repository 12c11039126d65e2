//! WebSockets: HAProxy says that one is asked for, and only a route that is for them takes it.

use crate::stage::{API, Asked, Stage};

const ENGINEER: &[&str] = &["engineering"];

fn websocket(target: &'static str) -> Asked {
    Asked { upgrade: "websocket", target, ..API }
}

#[test]
fn a_route_that_is_for_websockets_takes_them_and_other_requests() {
    let stage = Stage::new(10);
    for asked in [websocket("/chat/x"), Asked { target: "/chat/y", ..API }] {
        let (_, variables) = stage.ask(&asked.signed(ENGINEER));
        assert_eq!((variables["verdict"].as_str(), variables["pool"].as_str()), ("allow", "web"));
    }
    assert_eq!(
        stage.refused(&websocket("/chat/x").signed(&["admins-of-nothing"])),
        ("permission-missing".to_owned(), "403".to_owned())
    );
    assert_eq!(stage.refused(&websocket("/chat/x")), ("assertion-missing".to_owned(), "401".to_owned()));
}

#[test]
fn every_other_route_refuses_one_whoever_asks() {
    let stage = Stage::new(10);
    for groups in [ENGINEER, &[]] {
        let refused = stage.refused(&websocket("/api/x").signed(groups));
        assert_eq!(refused, ("upgrade-refused".to_owned(), "403".to_owned()));
    }
    let refused = stage.refused(&websocket("/static/x").signed(&[]));
    assert_eq!(refused.0, "upgrade-refused");
    let (_, observed) = stage.ask(&websocket("/beta/x").signed(&["admins"]));
    assert_eq!((observed["verdict"].as_str(), observed["reason"].as_str()), ("allow", "observed"));
    let (_, off) = stage.ask(&websocket("/legacy/x").signed(ENGINEER));
    assert_eq!(off["reason"], "not-judged");
    let records = stage.records();
    assert_eq!(records[0]["detail"], "route `api` is for no WebSocket");
    assert_eq!(records[3]["would"]["reason"], "upgrade-refused");
}
