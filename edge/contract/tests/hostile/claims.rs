//! What can be wrong with the claims.

use serde_json::{Value, json};

use crate::judging::{HOST, METHOD, NOW, TARGET, binding, claims_with, encode, signed};
use crate::{Row, good_claims, good_header};

pub(crate) fn missing_claims() -> Vec<Row> {
    let row = |name, says| -> Row {
        (
            "a claim is missing",
            signed(good_header(), claims_with(&[(name, Value::Null)])),
            "malformed-claims",
            says,
        )
    };
    vec![
        row("v", "`v`"),
        row("iss", "`iss`"),
        row("aud", "`aud`"),
        row("iat", "`iat`"),
        row("exp", "`exp`"),
        row("txn", "`txn`"),
        row("req", "`req`"),
        row("ip", "`ip`"),
        row("env", "`env`"),
    ]
}

pub(crate) fn mistyped_claims() -> Vec<Row> {
    let malformed = |what, name, value, says| -> Row {
        (what, signed(good_header(), claims_with(&[(name, value)])), "malformed-claims", says)
    };
    vec![
        malformed("`v` as text", "v", json!("1"), "invalid type"),
        malformed("`v` as a float", "v", json!(1.0), "invalid type"),
        malformed("`v` below zero", "v", json!(-1), "invalid value"),
        malformed("`v` of 256", "v", json!(256), "invalid value"),
        malformed("`iss` empty", "iss", json!(""), "service name"),
        malformed("`iss` as a list", "iss", json!(["edge-www"]), "invalid type"),
        malformed("`aud` as a list", "aud", json!(["eu-1"]), "invalid type"),
        malformed("`aud` as an object", "aud", json!({"eu-1": true}), "invalid type"),
        malformed("`exp` as text", "exp", json!("1800000030"), "invalid type"),
        malformed("`exp` below zero", "exp", json!(-1), "invalid value"),
        malformed("`exp` as a float", "exp", json!(1_800_000_030.5), "invalid type"),
        malformed("`exp` as a whole float", "exp", json!(1_800_000_030.0), "invalid type"),
        malformed("`iat` as text", "iat", json!("now"), "invalid type"),
        malformed("`iat` as a truth value", "iat", json!(true), "invalid type"),
        malformed("`txn` too short", "txn", json!("07070707"), "decision id"),
        malformed("`txn` in upper case", "txn", json!("AB".repeat(16)), "decision id"),
        malformed("`req` too short", "req", json!("AAAA"), "request binding"),
        malformed("`req` too long", "req", json!("A".repeat(44)), "request binding"),
        malformed("`req` padded", "req", json!(format!("{}=", "A".repeat(43))), "request binding"),
        malformed("`req` with spare bits", "req", json!(format!("{}B", "A".repeat(42))), "request binding"),
        malformed("`ip` is nonsense", "ip", json!("localhost"), "IP address"),
        malformed("`ip` with a port", "ip", json!("192.0.2.7:80"), "IP address"),
        malformed("`ip` with leading zeros", "ip", json!("192.000.002.007"), "IP address"),
        malformed("`ip` as a number", "ip", json!(3_221_225_991_u32), "IP address"),
        malformed("`ip` with a zone", "ip", json!("fe80::1%eth0"), "IP address"),
        malformed("`sub` empty", "sub", json!(""), "subject"),
        malformed("`sub` as a number", "sub", json!(7), "invalid type"),
        malformed("`sub` with a line break", "sub", json!("alice\r\nX-Admin: 1"), "subject"),
        malformed("`sub` with a C1 control", "sub", json!("alice\u{85}"), "subject"),
        malformed("`sub` with a NUL", "sub", json!("alice\0"), "subject"),
        malformed("`sub` with a space at its end", "sub", json!("alice "), "subject"),
        malformed("`sub` of 256 bytes", "sub", json!("a".repeat(256)), "subject"),
        malformed("`groups` as text", "groups", json!("admins"), "invalid type"),
        malformed("`groups` of a number", "groups", json!([1]), "invalid type"),
        malformed("a group with a comma", "groups", json!(["ops,admins"]), "group name"),
        malformed("a group with a line break", "groups", json!(["ops\nadmins"]), "group name"),
        malformed("an empty group", "groups", json!([""]), "group name"),
        malformed("65 groups", "groups", json!(vec!["g"; 65]), "65 items"),
        malformed("1000 groups", "groups", json!(vec!["g"; 600]), "600 items"),
        malformed("`env` empty", "env", json!(""), "environment"),
        malformed("`sv` as text", "sv", json!("12"), "invalid type"),
        malformed("`pol` in upper case", "pol", json!("AB".repeat(16)), "policy digest"),
        malformed("`rep` below zero", "rep", json!(-3), "invalid value"),
    ]
}

pub(crate) fn unreadable_claims() -> Vec<Row> {
    let with = |claims: &str| signed(good_header(), claims);
    let twice = |member: &str| with(&good_claims().replacen('{', &format!("{{{member},"), 1));
    let as_array = |claims: String| {
        let value: Value = serde_json::from_str(&claims).unwrap();
        let order =
            ["v", "iss", "aud", "iat", "exp", "txn", "req", "ip", "sub", "groups", "env", "sv", "pol", "rep"];
        Value::from(order.map(|name| value[name].clone()).to_vec()).to_string()
    };
    vec![
        ("no claims", format!("{}..AAAA", encode(good_header())), "malformed-claims", "an object"),
        (
            "claims that are no base64url",
            format!("{}.AAAAA.AAAA", encode(good_header())),
            "malformed-claims",
            "base64url",
        ),
        ("claims that are no JSON", with("sub=alice"), "malformed-claims", "an object"),
        (
            "claims that are no UTF-8",
            signed(good_header(), b"{\"v\":1,\"iss\":\"\xff\"}"),
            "malformed-claims",
            "",
        ),
        ("claims that are null", with("null"), "malformed-claims", "an object"),
        ("claims in an array", with(&as_array(good_claims())), "malformed-claims", "an object"),
        (
            "claims with something behind them",
            with(&format!("{}{{}}", good_claims())),
            "malformed-claims",
            "trailing",
        ),
        (
            "claims nested without end",
            twice(&format!(r#""x":{}"#, "[".repeat(1500))),
            "malformed-claims",
            "expected value",
        ),
        ("`sub` twice", twice(r#""sub":"bob""#), "malformed-claims", "duplicate field `sub`"),
        ("`aud` twice, the same", twice(r#""aud":"eu-1""#), "malformed-claims", "duplicate field `aud`"),
        ("`groups` twice", twice(r#""groups":["admins"]"#), "malformed-claims", "duplicate field `groups`"),
        ("`exp` twice, once escaped", twice(r#""e\u0078p":1"#), "malformed-claims", "duplicate field `exp`"),
        ("version 2", with(&claims_with(&[("v", json!(2))])), "unsupported-version", "version 2"),
        ("version 0", with(&claims_with(&[("v", json!(0))])), "unsupported-version", "version 0"),
        (
            "version 2 with other claims",
            with(r#"{"v":2,"iss":{"name":"edge"},"exp":"soon"}"#),
            "unsupported-version",
            "version 2",
        ),
        ("version 3 with other claims", with(r#"{"iss":7,"v":3}"#), "unsupported-version", "version 3"),
    ]
}

pub(crate) fn other_places_and_times() -> Vec<Row> {
    let with = |changes: &[(&str, Value)]| signed(good_header(), claims_with(changes));
    let bound = |method, host, target| with(&[("req", json!(binding(method, host, target)))]);
    let now = NOW.0;
    vec![
        (
            "from the future",
            with(&[("iat", json!(now + 6)), ("exp", json!(now + 36))]),
            "assertion-not-yet-valid",
            "6 s",
        ),
        (
            "expired",
            with(&[("iat", json!(now - 40)), ("exp", json!(now - 10))]),
            "assertion-expired",
            "10 s ago",
        ),
        ("expires when issued", with(&[("exp", json!(now))]), "ends-before-it-begins", "before"),
        ("lives 61 s", with(&[("exp", json!(now + 61))]), "lives-too-long", "61 s"),
        ("lives for ever", with(&[("exp", json!(u64::MAX))]), "lives-too-long", "at most 60 s"),
        ("of another data centre", with(&[("aud", json!("us-1"))]), "wrong-audience", "`us-1`"),
        ("of an audience in another case", with(&[("aud", json!("EU-1"))]), "wrong-audience", "`EU-1`"),
        ("of staging", with(&[("env", json!("staging"))]), "wrong-environment", "`staging`"),
        ("for another method", bound("POST", HOST, TARGET), "bound-to-another-method", "method"),
        ("for another host", bound(METHOD, "shop.example.test", TARGET), "bound-to-another-host", "host"),
        (
            "for another path",
            bound(METHOD, HOST, "/api/users?page=2"),
            "bound-to-another-path",
            "path or query",
        ),
        (
            "for another query",
            bound(METHOD, HOST, "/api/items?page=3"),
            "bound-to-another-path",
            "path or query",
        ),
        ("for nothing", with(&[("req", json!("A".repeat(43)))]), "bound-to-another-path", "path or query"),
    ]
}
