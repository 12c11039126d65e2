//! Origins and headers of a rule for cross-origin requests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use countersign_contract::route::{Cors, CorsOrigins, HeaderName, WebOrigin};

#[test]
fn an_origin_is_what_a_browser_sends() {
    for good in ["https://app.example.com", "http://localhost:3000", "https://[2001:db8::1]:8443"] {
        assert_eq!(good.parse::<WebOrigin>().unwrap().as_str(), good);
    }
    for odd in [
        "",
        "null",
        "*",
        "app.example.com",
        "https://",
        "https://App.example.com",
        "https://app.example.com/",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com.",
        "https://user@app.example.com",
        "https://app.example.com, https://evil.example",
        "ftp://app.example.com",
    ] {
        assert!(odd.parse::<WebOrigin>().is_err(), "{odd}");
    }
}

#[test]
fn origins_are_compared_byte_for_byte() {
    let origins = CorsOrigins::These(["https://app.example.com".parse().unwrap()].into());
    let cors = Cors {
        origins,
        headers: ["x-trace".parse::<HeaderName>().unwrap()].into(),
        expose: [].into(),
        credentials: Default::default(),
        max_age_seconds: 600,
    };
    assert!(cors.allows(b"https://app.example.com"));
    for other in [
        &b"https://app.example.com.evil.example"[..],
        b"https://evil-app.example.com",
        b"http://app.example.com",
        b"https://app.example.com:8443",
        b"https://APP.example.com",
        b"null",
        b"",
        b"\xff",
    ] {
        assert!(!cors.allows(other), "{other:?}");
    }
    let open = Cors { origins: CorsOrigins::Any, ..cors };
    assert!(open.allows(b"null"));
}

#[test]
fn a_header_is_named_in_lower_case() {
    assert!("x-trace_id".parse::<HeaderName>().is_ok());
    for odd in ["", "X-Trace", "a b", "a:b", "a\r\nb", "*", &"a".repeat(65)] {
        assert!(odd.parse::<HeaderName>().is_err(), "{odd:?}");
    }
}
