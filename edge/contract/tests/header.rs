//! Which headers a client may not bring along, in every spelling that a server folds together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use countersign_contract::header::{
    ASSERTION, DECISION, FORBIDDEN_FROM_CLIENTS, GROUPS, SUBJECT, is_forbidden_from_clients,
};
use proptest::prelude::*;

#[test]
fn names_that_servers_and_frameworks_believe_are_forbidden() {
    for name in [
        // What the client's address, scheme, host or path is said to be.
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded",
        "X-Forwarded-Client-Cert",
        "X-Real-IP",
        "X-Forward-For",
        "X-Custom-IP-Authorization",
        "Client-IP",
        "Remote-Addr",
        "WL-Proxy-Client-IP",
        "CF-Connecting-IPv6",
        "X-Azure-ClientIP",
        "X-Envoy-External-Address",
        "X-Appengine-User-IP",
        "Fastly-SSL",
        "Fastly-FF",
        "Front-End-Https",
        "X-Original-URI",
        "X-Original-Method",
        "X-Rewrite-URL",
        "X-Envoy-Original-Path",
        "X-WAWS-Unencoded-URL",
        "X-Matched-Path",
        "X-MS-Original-URL",
        "X-Override-URL",
        "Request-Uri",
        "Redirect-Url",
        "Script-Name",
        "Path-Info",
        // What is done with the request.
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Middleware-Subrequest",
        "X-Accel-Mapping",
        "X-Accel-Redirect",
        "X-Accel-Internal",
        "X-Sendfile",
        "X-Sendfile-Type",
        "Proxy",
        // Who is said to ask.
        "Proxy-Authorization",
        "Remote-User",
        "Remote-Groups",
        "Remote-Email",
        "X-User",
        "X-Remote-User",
        "X-Remote-Group",
        "X-Remote-Extra-Scopes",
        "X-Auth-Request-User",
        "X-Webauth-User",
        "X-Authenticated-Userid",
        "X-Consumer-Username",
        "X-Authentik-Username",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-IAP-JWT-Assertion",
        "X-Amzn-OIDC-Identity",
        "Cf-Access-Jwt-Assertion",
        "X-MS-Client-Principal",
        "X-Pomerium-Claim-Email",
        "Tailscale-User-Login",
        "OIDC-Claim-Sub",
        "Shib-Session-ID",
        "SM-User",
        "IV-User",
        "X-SSL-Client-Verify",
        "SSL-Client-Subject-DN",
        "X-Client-Cert",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-ARR-ClientCert",
        "X-Fastly-Bot-Name",
        ASSERTION,
        DECISION,
        SUBJECT,
        GROUPS,
        // What could be taken for ours.
        "_Countersign_Subject",
        "-Countersign-Subject",
        "X-Countersign-Subject",
        "HTTP_COUNTERSIGN_SUBJECT",
    ] {
        assert!(is_forbidden_from_clients(name), "{name}");
    }
}

#[test]
fn what_clients_really_send_passes() {
    for name in [
        "Host",
        "Accept",
        "Authorization",
        "Cookie",
        "Origin",
        "Content-Type",
        "Idempotency-Key",
        "If-None-Match",
        "Range",
        "Referer",
        "Sec-Fetch-Mode",
        "Signature",
        "Signature-Agent",
        "Signature-Input",
        "Traceparent",
        "User-Agent",
        "X-Amzn-Trace-Id",
        "X-Auth-Token",
        "X-CSRF-Token",
        "X-Nextjs-Data",
        "X-Request-Id",
        "X-Requested-With",
        "X-User-Id",
        "Countersignature",
        "CountersignSubject",
        "Request-Id",
        "X-Accelerate",
        "X-Forwarder",
        "X-User-Agent",
        "Forwarded-Like",
        "",
    ] {
        assert!(!is_forbidden_from_clients(name), "{name}");
    }
}

#[test]
fn the_list_is_written_as_it_is_compared() {
    let mut sorted = FORBIDDEN_FROM_CLIENTS;
    sorted.sort_unstable();
    assert_eq!(sorted, FORBIDDEN_FROM_CLIENTS);
    for name in FORBIDDEN_FROM_CLIENTS {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
    }
}

proptest! {
    /// CGI (RFC 3875 section 4.1.18) names a variable after the header with `-` as `_`; servers do
    /// so with every other odd byte of a token as well (RFC 9110 section 5.6.2).
    #[test]
    fn any_separator_and_any_case_is_the_same_name(
        index in 0..FORBIDDEN_FROM_CLIENTS.len() + 1,
        separators in "[-_.!#$%&'*+^`|~]{8}",
        upper in any::<u64>(),
    ) {
        let name = FORBIDDEN_FROM_CLIENTS.get(index).unwrap_or(&SUBJECT);
        let mut separators = separators.chars().cycle();
        let spelled: String = name
            .chars()
            .enumerate()
            .map(|(at, c)| match c {
                '-' => separators.next().unwrap(),
                c if upper >> (at % 64) & 1 == 1 => c.to_ascii_uppercase(),
                c => c,
            })
            .collect();
        prop_assert!(is_forbidden_from_clients(&spelled), "{}", spelled);
    }

    #[test]
    fn any_text_is_answered_without_a_panic(name in "\\PC{0,40}") {
        let _ = is_forbidden_from_clients(&name);
    }
}
