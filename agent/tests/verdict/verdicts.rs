//! What is decided, and what HAProxy is told of it.

use countersign::reputation::list::Teaching;
use countersign::reputation::table::Taught;
use countersign::serve::now;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action as Listed;
use countersign_contract::policy::PolicyDigest;
use haproxy_wire::spop::{NotifyWriter, Value};

use crate::stage::{API, Asked, Stage};

#[test]
fn a_permitted_request_gets_its_pool_and_the_identity_and_the_verdict_last() {
    let stage = Stage::new(10);
    let (order, variables) = stage.ask(&API.signed(&["engineering"]));
    assert_eq!(
        order,
        [
            "decision_id",
            "route",
            "mode",
            "class",
            "subject",
            "groups",
            "client_ip",
            "receipt",
            "reason",
            "pool",
            "verdict"
        ]
    );
    for (name, value) in [
        ("verdict", "allow"),
        ("reason", "granted"),
        ("pool", "api"),
        ("route", "api"),
        ("class", "private"),
        ("subject", "alice"),
        ("groups", "engineering"),
        ("client_ip", "ipv4 192.0.2.7"),
    ] {
        assert_eq!(variables[name], value);
    }
    let id = variables["decision_id"].clone();
    let [record] = &stage.records()[..] else { panic!("one record") };
    assert_eq!(record["decision_id"], id);
    assert_eq!((record["id_from"].as_str(), record["path"].as_str()), (Some("assertion"), Some("/api/x")));
}

#[test]
fn refusals_have_their_own_reason_and_status() {
    let stage = Stage::new(10);
    let good = || API.signed(&["engineering"]);
    let of = |reason: &str, status: &str| (reason.to_owned(), status.to_owned());
    let cases = [
        (API, of("assertion-missing", "401")),
        (Asked { assertions: 2, ..good() }, of("assertion-repeated", "403")),
        (Asked { target: "/api/y", ..good() }, of("bound-to-another-path", "403")),
        (Asked { method: "DELETE", ..good() }, of("bound-to-another-method", "403")),
        (API.signed(&["nobody"]), of("permission-missing", "403")),
        (API.signed(&["engineering", "suspended"]), of("group-denied", "403")),
        (API.signed(&[]), of("identity-required", "401")),
        (Asked { hosts: 2, ..good() }, of("host-refused", "403")),
        (Asked { hosts: 0, host: "", ..good() }, of("host-refused", "403")),
        (Asked { host: "other.example.test", ..good() }, of("unknown-host", "421")),
        (Asked { target: "/nowhere", ..good() }, of("unknown-path", "403")),
        (Asked { target: "/api/../admin", ..good() }, of("not-canonical", "403")),
        (Asked { target: "", ..good() }, of("not-canonical", "403")),
        (Asked { method: "G T", ..good() }, of("method-refused", "403")),
        (Asked { target: "/admin/x", ..API }.signed(&["engineering"]), of("permission-missing", "403")),
    ];
    for (asked, expected) in cases {
        assert_eq!(stage.refused(&asked), expected);
    }
    let records = stage.records();
    assert_eq!(records[0]["decision_id"], "h-79263d982d4549a39c3dac4a8516755b");
    assert_eq!(records[0]["id_from"], "haproxy");
    assert!(
        records[14]["detail"].as_str().unwrap().contains("route `admin` asks for permission `admin.use`")
    );
}

#[test]
fn an_assertion_of_a_once_route_counts_once() {
    let stage = Stage::new(2);
    let order = Asked { method: "POST", target: "/admin/orders", ..API };
    let asked = order.signed(&["admins"]);
    let (_, variables) = stage.ask(&asked);
    assert_eq!(variables["verdict"], "allow");
    assert_eq!(variables["once"], variables["decision_id"]);
    assert_eq!(stage.refused(&asked), ("replayed".to_owned(), "403".to_owned()));
    let again = || Asked { method: "POST", target: "/admin/orders", ..API }.signed(&["admins"]);
    assert_eq!(stage.ask(&again()).1["verdict"], "allow");
    let (_, full) = stage.ask(&again());
    assert_eq!((full["reason"].as_str(), full["status"].as_str()), ("replay-log-full", "503"));
    assert_eq!(full["retry_after"], "1");
}

#[test]
fn an_observing_route_passes_and_its_record_says_what_it_would_have_been() {
    let stage = Stage::new(10);
    let (_, variables) = stage.ask(&Asked { target: "/beta/x", ..API }.signed(&["engineering"]));
    assert_eq!((variables["verdict"].as_str(), variables["reason"].as_str()), ("allow", "observed"));
    let (_, variables) = stage.ask(&Asked { target: "/beta/x", ..API });
    assert_eq!(variables["verdict"], "allow");
    assert!(!variables.contains_key("subject"));
    let (_, variables) = stage.ask(&Asked { target: "/legacy/x", ..API });
    assert_eq!((variables["verdict"].as_str(), variables["reason"].as_str()), ("allow", "not-judged"));
    let records = stage.records();
    assert_eq!(records[0]["would"]["reason"], "permission-missing");
    assert_eq!(records[1]["would"]["reason"], "assertion-missing");
    assert_eq!(records[1]["would"]["status"], 401);
    assert!(records[2].get("would").is_none());
}

#[test]
fn a_route_that_is_off_judges_nothing_and_still_knows_whose_request_it_is() {
    let stage = Stage::new(10);
    let legacy = || Asked { method: "POST", target: "/legacy/x", ..API };
    let (_, variables) = stage.ask(&legacy().signed(&["engineering"]));
    for (name, value) in [("reason", "not-judged"), ("subject", "alice"), ("client_ip", "ipv4 192.0.2.7")] {
        assert_eq!(variables.get(name).map(String::as_str), Some(value), "{variables:?}");
    }
    assert!(!variables.contains_key("once") && !variables["decision_id"].starts_with("h-"), "{variables:?}");
    // What doesn't hold is nobody's, and passes.
    let (_, variables) = stage.ask(&Asked { target: "/legacy/y", ..legacy().signed(&["engineering"]) });
    assert_eq!((variables["verdict"].as_str(), variables.get("subject")), ("allow", None));
    assert_eq!(stage.records()[0]["id_from"], "assertion");
}

#[test]
fn an_observing_route_lets_no_one_else_count_an_assertion() {
    let stage = Stage::new(10);
    let asked = Asked { method: "POST", target: "/beta/x", ..API }.signed(&["admins"]);
    for reason in ["granted", "observed"] {
        let (_, variables) = stage.ask(&asked);
        assert_eq!((variables["verdict"].as_str(), variables["reason"].as_str()), ("allow", reason));
        // HAProxy refuses what it counts twice, and knows of no mode.
        assert!(!variables.contains_key("once"), "{variables:?}");
    }
    assert_eq!(stage.records()[1]["would"]["reason"], "replayed");
}

#[test]
fn haproxy_is_told_which_answers_the_edge_may_keep() {
    let stage = Stage::new(10);
    let public = || Asked { target: "/static/a.css", ..API };
    let class = |asked: &Asked| stage.ask(asked).1.get("class").cloned();
    assert_eq!(class(&public().signed(&[])).as_deref(), Some("public"));
    let off = || Asked { target: "/legacy/x", ..API };
    for private in [API.signed(&["engineering"]), off().signed(&[])] {
        assert_eq!(class(&private).as_deref(), Some("private"));
    }
    // Nobody knows by which policy an edge went whose word isn't good, or isn't there.
    for unknown in [API, off(), API.vouched(&["engineering"], |claims| claims.pol = None)] {
        assert_eq!(class(&unknown).as_deref(), Some("public"));
    }
    let by = |policy: &PolicyDigest| {
        let policy = policy.clone();
        API.vouched(&["engineering"], |claims| claims.pol = Some(policy))
    };
    assert_eq!(class(&by(&stage.policy())).as_deref(), Some("private"));
    // An edge that goes by another policy may know the route as public.
    assert_eq!(class(&by(&PolicyDigest::of(b"another"))).as_deref(), Some("public"));
    assert_eq!(class(&Asked { target: "/nowhere", ..API }), None);
}

#[test]
fn a_public_route_still_asks_for_an_assertion() {
    let stage = Stage::new(10);
    let public = || Asked { target: "/static/a.css", ..API };
    assert_eq!(stage.refused(&public()).0, "assertion-missing");
    let (_, variables) = stage.ask(&public().signed(&[]));
    assert_eq!((variables["verdict"].as_str(), variables["pool"].as_str()), ("allow", "web"));
}

#[test]
fn a_question_that_lacks_something_is_refused_and_named() {
    let stage = Stage::new(10);
    let mut other = NotifyWriter::new();
    other.message("something-else");
    let mut mistyped = NotifyWriter::new();
    let message = mistyped.message("request");
    for name in ["id", "method", "host", "hosts", "target", "assertions", "assertion"] {
        message.arg(name, Value::Str(b"1")).unwrap();
    }
    let mut twice = NotifyWriter::new();
    twice.message("request").arg("id", Value::Null).unwrap().arg("id", Value::Null).unwrap();
    let mut empty = NotifyWriter::new();
    empty.message("request");
    for writer in [&NotifyWriter::new(), &other, &mistyped, &twice, &empty] {
        let (order, variables) = stage.notify(writer);
        assert_eq!(order.last().map(String::as_str), Some("verdict"));
        assert_eq!((variables["verdict"].as_str(), variables["status"].as_str()), ("deny", "503"));
    }
    let details: Vec<_> =
        stage.records().iter().map(|record| record["detail"].as_str().unwrap().to_owned()).collect();
    assert!(details[0].contains("no SPOE message `request`") && details[1] == details[0]);
    assert!(
        details[2].contains("`hosts`") && details[3].contains("`id` twice") && details[4].contains("`id`")
    );
}

#[test]
fn a_listed_client_is_refused_by_the_ladder_and_nobody_else_is() {
    let stage = Stage::new(100);
    let list = |client: &str, action| {
        let until = now().seconds().plus(90);
        stage.list.set(client.parse::<ClientKey>().unwrap(), Taught { action, until }, Teaching(1));
    };
    let signed = || API.signed(&["engineering"]);
    let public = || Asked { target: "/static/a.css", ..API }.signed(&[]);

    list("192.0.2.8", Some(Listed::Block));
    list("subject:bob", Some(Listed::Block));
    assert_eq!(stage.ask(&signed()).1["verdict"], "allow");

    list("192.0.2.7", Some(Listed::Observe));
    assert_eq!(stage.ask(&public()).1["verdict"], "allow");

    list("192.0.2.7", Some(Listed::RequireIdentity));
    assert_eq!(stage.refused(&public()), ("listed-require-identity".into(), "401".into()));
    assert_eq!(stage.ask(&signed()).1["verdict"], "allow");
    let known = Asked { target: "/static/a.css", ..API }.vouched(&[], |claims| claims.known = true);
    assert_eq!(stage.ask(&known).1["verdict"], "allow");

    list("192.0.2.7", Some(Listed::Throttle));
    assert_eq!(stage.refused(&public()), ("listed-throttle".into(), "429".into()));
    let wait: u64 = stage.ask(&signed()).1["retry_after"].parse().unwrap();
    assert!((80..=90).contains(&wait), "{wait}");

    list("192.0.2.7", Some(Listed::Block));
    assert_eq!(stage.refused(&signed()), ("listed".into(), "403".into()));
    list("192.0.2.7", None);
    list("subject:alice", Some(Listed::Throttle));
    assert_eq!(stage.refused(&signed()), ("listed-throttle".into(), "429".into()));
    assert_eq!(stage.ask(&public()).1["verdict"], "allow", "a neighbour at the same address");

    list("subject:alice", None);
    list("session:08a5", Some(Listed::Block));
    let known_by =
        |session: &str| API.vouched(&["engineering"], |claims| claims.sid = Some(session.parse().unwrap()));
    assert_eq!(stage.refused(&known_by("08a5")), ("session-revoked".into(), "401".into()));
    assert_eq!(stage.ask(&known_by("08a6")).1["verdict"], "allow", "another log-in of the same person");
    list("subject:alice", Some(Listed::Throttle));

    // Modes: an observing route refuses nobody, and says so.
    let (_, variables) = stage.ask(&Asked { target: "/beta/x", ..API }.signed(&["engineering"]));
    assert_eq!(variables["verdict"], "allow");
    let records = stage.records();
    let last = records.last().unwrap();
    assert_eq!(last["would"]["reason"], "listed-throttle");
    assert_eq!(last["listed"], "throttle");
}

#[test]
fn what_haproxys_own_table_says_comes_with_the_question() {
    let stage = Stage::new(100);
    let ask = |value: Value<'_>, asked: Asked| {
        let mut writer = NotifyWriter::new();
        let message = writer.message("request");
        for (name, value) in [
            ("id", Value::Str(b"79263d98-2d45-49a3-9c3d-ac4a8516755b")),
            ("method", Value::Str(asked.method.as_bytes())),
            ("host", Value::Str(asked.host.as_bytes())),
            ("hosts", Value::Int64(1)),
            ("target", Value::Str(asked.target.as_bytes())),
            ("assertions", Value::Int64(1)),
            ("assertion", Value::Str(asked.assertion.as_ref().unwrap().as_bytes())),
            ("listed", value),
        ] {
            message.arg(name, value).unwrap();
        }
        stage.notify(&writer).1
    };
    let public = || Asked { target: "/static/a.css", ..API }.signed(&[]);
    assert_eq!(ask(Value::Null, public())["verdict"], "allow");
    assert_eq!(ask(Value::Int64(1), public())["verdict"], "allow");
    assert_eq!(ask(Value::Int64(2), public())["reason"], "listed-require-identity");
    assert_eq!(ask(Value::Int64(2), API.signed(&["engineering"]))["verdict"], "allow");
    assert_eq!(ask(Value::Str(b"2"), public())["reason"], "question-malformed");
}

/// HAProxy refuses them without asking; neither relies on the other.
#[test]
fn a_tunnel_and_a_trace_are_refused_whatever_the_assertion_says() {
    let stage = Stage::new(10);
    for method in ["CONNECT", "TRACE", "trace"] {
        let (_, variables) = stage.ask(&Asked { method, ..API }.signed(&["engineering"]));
        assert_eq!((variables["verdict"].as_str(), variables["reason"].as_str()), ("deny", "method-refused"));
    }
}
