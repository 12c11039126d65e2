//! Which targets are canonical, and which fault each hostile one is refused for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use countersign_contract::canonical::{Allowance, Authority, Method, NotCanonical, Reading, Target};
use proptest::prelude::*;

#[test]
fn ordinary_targets_are_accepted_as_they_are() {
    for raw in [
        "/",
        "/a",
        "/a/",
        "/a/b.c/d-e_f~g",
        "/a.b/..c/...",
        "/files/100%25",
        "/caf%C3%A9/%e2%82%ac",
        "/a:b@c!$&'()*+,=d",
        "/a%20b",
        "/a|b^c[d]",
        "/a?",
        "/a?x=%41&y=%252e&z=a\\b{}|'",
        "/a?next=/../b//c;d",
    ] {
        let target = Target::parse(raw.as_bytes()).unwrap_or_else(|e| panic!("{raw}: {e}"));
        assert_eq!(target.as_str(), raw);
        assert_eq!(target.path(), raw.split('?').next().unwrap());
        assert_eq!(target.permitted_by(&[]), Ok(()), "{raw}");
    }
}

#[test]
fn hostile_targets_are_refused_each_for_its_own_fault() {
    use NotCanonical as N;
    for (raw, fault) in [
        (&b""[..], N::Missing),
        (b"*", N::NotOriginForm),
        (b"http://a.test/p", N::NotOriginForm),
        (b"a.test:443", N::NotOriginForm),
        (b"//admin", N::EmptySegment(1)),
        (b"/a//b", N::EmptySegment(3)),
        (b"/a//", N::EmptySegment(3)),
        (b"/./a", N::DotSegment(1)),
        (b"/a/..", N::DotSegment(3)),
        (b"/a/../b", N::DotSegment(3)),
        (b"/%2e%2e/admin", N::DotSegment(1)),
        (b"/%2E./admin", N::DotSegment(1)),
        (b"/.%2e/admin", N::DotSegment(1)),
        (b"/%2e/admin", N::DotSegment(1)),
        (b"/public/..;/admin", N::DotSegment(8)),
        (b"/public/..;x=1/admin", N::DotSegment(8)),
        (b"/public/.;/admin", N::DotSegment(8)),
        (b"/public/%2e%2e;/admin", N::DotSegment(8)),
        (b"/a/..%2fb", N::DotSegment(3)),
        (b"/a/x%2f..", N::DotSegment(3)),
        (b"/a/x%2F%2e%2e%2Fb", N::DotSegment(3)),
        // Servers that decode once more before they look for `?` and `#`, or trim spaces.
        (b"/a/..%3fx/b", N::DotSegment(3)),
        (b"/a/..%23x", N::DotSegment(3)),
        (b"/a/..%20/b", N::DotSegment(3)),
        (b"/a/%20.", N::DotSegment(3)),
        (b"/a/..%3b/b", N::DotSegment(3)),
        (b"/a.%2e", N::NeedlessEncoding(3)),
        (b"/%61dmin", N::NeedlessEncoding(1)),
        (b"/%7euser", N::NeedlessEncoding(1)),
        (b"/a\\b", N::Backslash(2)),
        (b"/a%5cb", N::EncodedBackslash(2)),
        (b"/a%5Cb", N::EncodedBackslash(2)),
        (b"/a%00", N::EncodedNul(2)),
        (b"/a?x=%00", N::EncodedNul(5)),
        (b"/a%0d%0a", N::EncodedControl(2)),
        (b"/a%09", N::EncodedControl(2)),
        (b"/a%7f", N::EncodedControl(2)),
        (b"/a%252e%252e", N::DoubleEncoding(2)),
        (b"/a%252f", N::DoubleEncoding(2)),
        (b"/a%", N::BadPercent(2)),
        (b"/a%2", N::BadPercent(2)),
        (b"/a%zz", N::BadPercent(2)),
        (b"/a?x=%zz", N::BadPercent(5)),
        (b"/a?100%", N::BadPercent(6)),
        (b"/a#b", N::Fragment(2)),
        (b"/a?b#c", N::Fragment(4)),
        (b"/a\"b", N::Unencoded { byte: b'"', offset: 2 }),
        (b"/a{b", N::Unencoded { byte: b'{', offset: 2 }),
        (b"/a}b", N::Unencoded { byte: b'}', offset: 2 }),
        (b"/a?<", N::Unencoded { byte: b'<', offset: 3 }),
        (b"/a b", N::ControlByte { byte: b' ', offset: 2 }),
        (b"/a\tb", N::ControlByte { byte: b'\t', offset: 2 }),
        (b"/a?b\x01", N::ControlByte { byte: 1, offset: 4 }),
        (b"/a\x7f", N::ControlByte { byte: 0x7f, offset: 2 }),
        (b"/caf\xc3\xa9", N::RawEightBit(4)),
        (b"/a?\xff", N::RawEightBit(3)),
        (b"/%c0%ae%c0%ae/", N::NotUtf8),
        (b"/%c0%af", N::NotUtf8),
        (b"/%ff", N::NotUtf8),
        (b"/%ed%a0%80", N::NotUtf8),
    ] {
        assert_eq!(Target::parse(raw), Err(fault), "{}", String::from_utf8_lossy(raw));
    }
    assert_eq!(Target::parse(&[b'/'; 8001]), Err(N::TooLong));
}

#[test]
fn a_route_may_allow_an_encoded_slash_or_a_semicolon() {
    let slash = Target::parse(b"/a%2fb").unwrap();
    assert_eq!(slash.permitted_by(&[]), Err(NotCanonical::EncodedSlash));
    assert_eq!(slash.permitted_by(&[Allowance::EncodedSlash]), Ok(()));
    // nginx decodes `%3B` for the server behind it, which then reads a path parameter.
    for raw in [&b"/a;v=1/b"[..], b"/a%3Bv=1/b", b"/a%3b"] {
        let semicolon = Target::parse(raw).unwrap();
        assert_eq!(semicolon.permitted_by(&[Allowance::EncodedSlash]), Err(NotCanonical::Semicolon));
        assert_eq!(semicolon.permitted_by(&[Allowance::Semicolon]), Ok(()));
    }
}

#[test]
fn segments_are_compared_by_what_they_mean() {
    let target = Target::parse(b"/caf%C3%A9/a%20b/?q").unwrap();
    let segments: Vec<String> = target.segments().map(|s| s.decoded().into_owned()).collect();
    assert_eq!(segments, ["caf\u{e9}", "a b", ""]);
    assert_eq!(Target::parse(b"/").unwrap().segments().count(), 1);
}

#[test]
fn other_readings_undo_one_thing_after_the_other() {
    let readings = |raw: &str| -> Vec<String> {
        let target = Target::parse(raw.as_bytes()).unwrap();
        let path = |reading: &Reading| {
            reading.segments().map(|segment| format!("/{}", segment.decoded())).collect::<String>()
        };
        target.other_readings().iter().map(path).collect()
    };
    assert_eq!(readings("/a/b.c/caf%C3%A9/d%20e/?q=%3F;%2F"), [""; 0]);
    assert_eq!(readings("/a/b%3Fc/d"), ["/a/b"]);
    assert_eq!(readings("/a/b%23c/d"), ["/a/b"]);
    assert_eq!(readings("/a;x=1/b;y"), ["/a/b"]);
    assert_eq!(readings("/a%3Bx=1/b"), ["/a/b"]);
    assert_eq!(readings("/a/b%2fc"), ["/a/b/c"]);
    assert_eq!(readings("/a/;x/b"), ["/a//b", "/a/b"]);
    assert_eq!(readings("/a%2F/b%2F"), ["/a//b/", "/a/b/"]);
    // Parameters are dropped before or after the slash is decoded, and that differs.
    assert_eq!(readings("/p%2Fq;b%2Fc"), ["/p/q", "/p/q;b/c", "/p/q", "/p/q/c"]);
}

#[test]
fn methods_are_tokens_compared_with_case() {
    assert!(Method::parse(b"GET").unwrap().is_safe());
    assert!(!Method::parse(b"get").unwrap().is_safe());
    assert!(!Method::parse(b"POST").unwrap().is_safe());
    for wrong in [&b""[..], b"G T", b"GET\r\n", b"\xff", &[b'A'; 33]] {
        assert!(Method::parse(wrong).is_err());
    }
}

/// A second reading of a path, as a server would do it that decodes first and then resolves dots
/// and path parameters: what it ends up with must be the accepted path itself.
fn decode_then_resolve(path: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    let decoded = String::from_utf8(bytes).unwrap().replace('\\', "/");
    let mut resolved = Vec::new();
    for segment in decoded.split('/').skip(1) {
        match segment.split(['?', '#', ';']).next().unwrap().trim() {
            "." => {}
            ".." => {
                resolved.pop();
            }
            _ => resolved.push(segment.to_owned()),
        }
    }
    resolved
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_answered_without_a_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Target::parse(&raw);
    }

    #[test]
    fn what_is_accepted_resolves_to_itself(raw in "/([a.;%/\\\\2eEfF5cC0]|%2e|%2f|%5c|\\.\\.|%25|%c3%a9|%3b|%3f|%23|%20){0,16}") {
        if let Ok(target) = Target::parse(raw.as_bytes()) && target.permitted_by(&[]).is_ok() {
            let own: Vec<String> = target.segments().map(|s| s.decoded().into_owned()).collect();
            prop_assert_eq!(decode_then_resolve(target.path()), own);
        }
    }

    #[test]
    fn no_other_reading_holds_a_dot_segment(raw in "/([ab.;/]|%2f|\\.\\.|%3b|%3f|%23|%20){0,16}") {
        if let Ok(target) = Target::parse(raw.as_bytes()) {
            let readings = target.other_readings();
            prop_assert!(readings.len() < 48, "{} readings", readings.len());
            for segment in readings.iter().flat_map(Reading::segments) {
                prop_assert!(!matches!(segment.decoded().trim(), "." | ".."), "{raw}: {readings:?}");
            }
        }
    }

    #[test]
    fn a_host_that_was_read_reads_the_same_again(raw in "(\\[[0-9a-fA-F:.]{2,12}\\]|[a-zA-Z0-9._-]{1,20})(:[0-9]{0,6})?[@,%/ ]?") {
        if let Ok(authority) = Authority::parse(raw.as_bytes()) {
            let again = Authority::parse(authority.as_str().as_bytes()).unwrap();
            prop_assert_eq!(&again, &authority);
            prop_assert_eq!(again.host(), authority.host());
            prop_assert!(authority.as_str().starts_with(authority.host()));
            prop_assert!(!authority.as_str().bytes().any(|b| b.is_ascii_uppercase()));
            prop_assert!(!authority.as_str().ends_with(":80") && !authority.as_str().ends_with(":443")
                || authority.as_str() == authority.host());
        }
    }

    #[test]
    fn any_host_is_answered_without_a_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Authority::parse(&raw);
        let _ = Method::parse(&raw);
    }
}
