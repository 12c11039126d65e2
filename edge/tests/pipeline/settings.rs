//! Settings: what is read, and what is refused rather than guessed.

use countersign_edge::settings::Settings;
use serde_json::{Value, json};

use crate::world::settings;

#[test]
fn what_is_left_out_has_a_default() {
    let read = Settings::from_json(
        r#"{"version":1,"service":"e","audience":"a","environment":"p","backend":"haproxy"}"#,
    )
    .unwrap();
    assert_eq!((read.assertion_lifetime_seconds, read.clock_skew_seconds), (30, 30));
    assert!(read.session_cookie.is_none() && read.issuers.is_empty());
}

#[test]
fn mistakes_are_told_with_what_was_expected() {
    let change = |path: &str, value: Value| {
        let mut settings = settings();
        *settings.pointer_mut(path).unwrap() = value;
        Settings::from_json(&settings.to_string()).unwrap_err().to_string()
    };
    for (path, value, told) in [
        ("/version", json!(2), "`version` is 2, expected 1"),
        ("/service", json!("a b"), "not a service name"),
        ("/backend", json!(""), "not a backend name"),
        ("/backend", json!("a\nb"), "not a backend name"),
        ("/session_cookie", json!("a=b"), "not a cookie name"),
        ("/assertion_lifetime_seconds", json!(0), "expected 1 to 60"),
        ("/assertion_lifetime_seconds", json!(61), "expected 1 to 60"),
        ("/clock_skew_seconds", json!(301), "at most 300"),
        ("/issuers/0/issuer", json!(""), "is empty"),
        ("/issuers/0/algorithms", json!([]), "`algorithms` is empty"),
        ("/issuers/0/algorithms", json!(["HS256"]), "unknown variant `HS256`"),
        ("/issuers/0/algorithms", json!(["none"]), "unknown variant `none`"),
        ("/issuers/0/jwks_uri", json!("file:///etc/passwd"), "not a URL of a key set"),
        ("/issuers/0/jwks_uri", json!("http:///x"), "not a URL of a key set"),
        ("/issuers/0/jwks_uri", json!("http://a b"), "not a URL of a key set"),
        ("/issuers/0/refetch_cooldown_seconds", json!(0), "expected at least 1"),
        (
            "/issuers",
            json!([settings()["issuers"][0], settings()["issuers"][0]]),
            "has 2 items, expected at most one",
        ),
    ] {
        let said = change(path, value);
        assert!(said.contains(told), "{path}: {said}");
    }
    let unknown = settings().to_string().replacen('{', r#"{"sesion_cookie":"x","#, 1);
    assert!(Settings::from_json(&unknown).unwrap_err().to_string().contains("unknown field `sesion_cookie`"));
}
