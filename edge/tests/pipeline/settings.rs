//! Settings: what is read, and what is refused rather than guessed.

use countersign_edge::settings::Settings;
use serde_json::{Value, json};

use crate::world::settings;

#[test]
fn what_is_left_out_has_a_default() {
    let read = Settings::from_json(
        r#"{"version":1,"service":"e","environment":"p","origins":[{"backend":"haproxy","audience":"a"}]}"#,
    )
    .unwrap();
    assert_eq!((read.assertion_lifetime_seconds, read.clock_skew_seconds), (30, 30));
    assert!(read.logins.is_empty() && read.issuers.is_empty());
}

#[test]
fn the_example_can_be_read() {
    let example = Settings::from_json(include_str!("../../settings.example.json")).unwrap();
    assert!(!example.issuers.is_empty() && !example.logins.is_empty() && !example.bots.is_empty());
}

#[test]
fn mistakes_are_told_with_what_was_expected() {
    let change = |path: &str, value: Value| {
        let mut settings = settings();
        *settings.pointer_mut(path).unwrap() = value;
        Settings::from_json(&settings.to_string()).unwrap_err().to_string()
    };
    let with_websockets = |host: &str| json!({ "backend": "haproxy", "audience": "eu-1", "websockets": { host: "haproxy-www" } });
    for (path, value, told) in [
        ("/version", json!(2), "`version` is 2, expected 1"),
        ("/service", json!("a b"), "not a service name"),
        ("/origins", json!([]), "`origins` is empty"),
        ("/origins/0/backend", json!(""), "not a backend name"),
        ("/origins/0/backend", json!("a\nb"), "not a backend name"),
        ("/origins/0", with_websockets("WWW.example.test"), "no host in lower case without a port"),
        ("/origins/0", with_websockets("www.example.test:443"), "no host in lower case without a port"),
        ("/origins/0", with_websockets("www.example.test:8443"), "no host in lower case without a port"),
        ("/assertion_lifetime_seconds", json!(0), "expected 1 to 60"),
        ("/assertion_lifetime_seconds", json!(61), "expected 1 to 60"),
        ("/clock_skew_seconds", json!(301), "at most 300"),
        ("/issuers/0/name", json!("Staff"), "not a name of an issuer"),
        ("/issuers/0/issuer", json!(""), "not a URL"),
        ("/issuers/0/audience", json!(""), "is empty"),
        ("/issuers/0/algorithms", json!([]), "`algorithms` is empty"),
        ("/issuers/0/algorithms", json!(["HS256"]), "unknown variant `HS256`"),
        ("/issuers/0/algorithms", json!(["none"]), "unknown variant `none`"),
        ("/issuers/0/issuer", json!("file:///etc/passwd"), "not a URL"),
        ("/issuers/0/issuer", json!("http:///x"), "not a URL"),
        ("/issuers/0/issuer", json!("http://a b"), "not a URL"),
        ("/issuers/0/refetch_cooldown_seconds", json!(0), "expected 1 to 86400"),
        ("/issuers/0/jwks_stale_seconds", json!(86_401), "at most 86400"),
        ("/issuers", json!([settings()["issuers"][0], settings()["issuers"][0]]), "stands there twice"),
        ("/logins/0/issuer", json!("customers"), "the `name` of one of `issuers`"),
        ("/logins/0/hosts", json!([]), "is empty"),
        ("/logins/0/hosts", json!(["WWW.example.test"]), "no host in lower case"),
        ("/logins/0/hosts", json!(["www.example.test:443"]), "no host in lower case"),
        ("/logins/0/scopes", json!(["groups"]), "has to name `openid`"),
        ("/logins/0/scopes", json!(["openid groups"]), "no scope has spaces"),
        ("/logins/0/session_lifetime_seconds", json!(86_401), "expected 1 to 86400"),
        ("/logins/0/renew_after_seconds", json!(3601), "expected 1 to 3600"),
        ("/logins", json!([settings()["logins"][0], settings()["logins"][0]]), "two of `logins`"),
    ] {
        let said = change(path, value);
        assert!(said.contains(told), "{path}: {said}");
    }
    let unknown = settings().to_string().replacen('{', r#"{"sesion_cookie":"x","#, 1);
    assert!(Settings::from_json(&unknown).unwrap_err().to_string().contains("unknown field `sesion_cookie`"));
}

/// Whatever the settings name there is sent to the issuer.
#[test]
fn a_key_of_our_own_is_no_clients_secret() {
    for secret in ["assertion-key", "list-key", "session-key", "receipt-key"] {
        let mut settings = settings();
        settings["logins"][0]["client_secret"] = json!(secret);
        let said = Settings::from_json(&settings.to_string()).unwrap_err().to_string();
        assert!(said.contains(&format!("`client_secret` is `{secret}`, a secret of our own")), "{said}");
    }
}

/// Two issuers must not be able to speak for each other's people.
#[test]
fn issuers_side_by_side_are_told_apart() {
    let with = |first: Value, second: Value| {
        let mut settings = settings();
        let other = json!({
            "name": "partner", "issuer": "https://idp.partner.test", "backend": "partner",
            "algorithms": ["ES256"],
        });
        settings["issuers"].as_array_mut().unwrap().push(other);
        for (index, change) in [first, second].into_iter().enumerate() {
            let issuer = settings["issuers"][index].as_object_mut().unwrap();
            issuer.extend(change.as_object().unwrap().clone());
        }
        Settings::from_json(&settings.to_string()).map_err(|fault| fault.to_string())
    };
    let groups = json!({ "groups": ["engineering"] });
    let prefixed = json!({ "groups": [], "subject_prefix": "partner" });
    with(groups.clone(), prefixed.clone()).unwrap();
    for (first, second, told) in [
        (json!({}), prefixed, "issuer `staff`: `groups` is missing"),
        (groups.clone(), json!({ "groups": [] }), "its `subject_prefix` is another's too"),
        (groups.clone(), json!({ "groups": [], "subject_prefix": "a:b" }), "not a prefix of subjects"),
    ] {
        let said = with(first, second).unwrap_err();
        assert!(said.contains(told), "{said}");
    }
    // An ID token must not pass for an access token.
    let confusable = json!({ "audience": crate::issuer::CLIENT, "bearer_tokens": "jwt", "groups": [] });
    let said = with(confusable, json!({ "groups": [], "subject_prefix": "p" })).unwrap_err();
    assert!(said.contains("an ID token would pass for an access token"), "{said}");
}

#[test]
fn bots_are_named_once_and_looked_up_within_bounds() {
    let with = |changes: &[Value]| {
        let mut settings = settings();
        let bots = changes.iter().map(|change| {
            let mut bot = crate::bot::settings();
            bot.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            bot
        });
        settings["bots"] = bots.collect();
        Settings::from_json(&settings.to_string()).map_err(|fault| fault.to_string())
    };
    let read = with(&[json!({}), json!({ "name": "b", "signature_agent": "https://b.test" })]).unwrap();
    assert_eq!(read.bots.len(), 2);
    for (change, told) in [
        (json!({ "name": "Good Bot" }), "not a name of a bot"),
        (json!({ "name": "b".repeat(33) }), "not a name of a bot"),
        (json!({ "signature_agent": "bot.example.test" }), "not a URL"),
        (json!({ "directory": "data:,x" }), "not a URL"),
        (json!({ "directory": "http://bot.example.test/keys" }), "`directory` is not `https://`"),
        (json!({ "groups": ["a,b"] }), "not a group name"),
        (json!({ "max_age_seconds": 0 }), "expected 1 to 86400"),
        (json!({ "max_age_seconds": 86_401 }), "expected 1 to 86400"),
        (json!({ "refetch_cooldown_seconds": 0 }), "expected 1 to 86400"),
        (json!({ "stale_seconds": 86_401 }), "at most 86400"),
        (json!({ "keys": [] }), "unknown field `keys`"),
    ] {
        let said = with(std::slice::from_ref(&change)).unwrap_err();
        assert!(said.contains(told), "{change}: {said}");
    }
    for twice in [json!({ "name": "b" }), json!({ "signature_agent": "https://b.test" })] {
        let said = with(&[json!({}), twice]).unwrap_err();
        assert!(said.contains("stands there twice"), "{said}");
    }
    // Nobody else's subjects begin as those of bots do.
    let mut settings = settings();
    settings["issuers"][0]["subject_prefix"] = json!("bot");
    let said = Settings::from_json(&settings.to_string()).unwrap_err().to_string();
    assert!(said.contains("`subject_prefix` is `bot`"), "{said}");
}
