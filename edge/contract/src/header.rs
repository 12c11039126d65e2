//! The header names and paths that are Countersign's own, in one place.
//!
//! All are lower case, as HTTP/2 and HAProxy's `del-header` want them; HTTP/1 compares them
//! without case.

/// Carries the signed assertion from the edge to HAProxy; never reaches the application.
pub const ASSERTION: &str = "countersign-assertion";
/// The decision id, on every answer and towards the application.
pub const DECISION: &str = "countersign-decision";
/// What the agent decided, under a MAC, towards the edge: see [`crate::receipt`]. Never reaches a client.
pub const RECEIPT: &str = "countersign-receipt";
/// The verified subject, towards the application.
pub const SUBJECT: &str = "countersign-subject";
/// The verified groups, comma-separated, towards the application.
pub const GROUPS: &str = "countersign-groups";

/// Paths below are answered by Countersign itself, whatever the policy says.
pub const OWN_PATH: &str = "/.countersign/";
/// Where an identity provider tells of a log-out (OpenID Connect Back-Channel Logout 1.0). The only one of
/// our own paths that reaches HAProxy.
pub const SIGNED_OUT_PATH: &str = "/.countersign/backchannel-logout";

/// Prefixes of the names that only Countersign may set. Application servers fold `-` and `_`
/// together (CGI, WSGI, Rack), so both twins are ours. A client may not have one of them inside a name either,
/// see [`is_forbidden_from_clients`].
pub const OWN_PREFIXES: [&str; 2] = ["countersign-", "countersign_"];

/// Headers that a client must never bring along, sorted: what proxies, platforms and frameworks
/// believe about a client's address, scheme, host, path, method, certificate or identity, or take
/// orders from (`proxy`: CVE-2016-5385, `x-accel-` and `x-sendfile`: which file is sent,
/// `x-middleware-`: CVE-2025-29927). A name matches after every byte of it that is no letter or digit
/// was read as `-`. Names that end in `-` match as prefixes.
pub const FORBIDDEN_FROM_CLIENTS: [&str; 102] = [
    "cf-access-",
    "cf-connecting-",
    "cf-pseudo-ipv4",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "fastly-client",
    "fastly-client-",
    "fastly-ff",
    "fastly-ssl",
    "fastly-temp-",
    "forwarded",
    "front-end-https",
    "iv-creds",
    "iv-groups",
    "iv-user",
    "oidc-access-token",
    "oidc-claim-",
    "oidc-id-token",
    "path-info",
    "proxy",
    "proxy-authorization",
    "proxy-client-ip",
    "redirect-url",
    "remote-addr",
    "remote-email",
    "remote-group",
    "remote-groups",
    "remote-ip",
    "remote-name",
    "remote-user",
    "request-uri",
    "script-name",
    "shib-",
    "sm-user",
    "smuser",
    "ssl-client-",
    "tailscale-",
    "true-client-ip",
    "wl-proxy-",
    "x-accel-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-amzn-request-context",
    "x-apigateway-api-userinfo",
    "x-appengine-",
    "x-arr-",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-client-cert",
    "x-client-cert-",
    "x-client-dn",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-consumer-",
    "x-credential-",
    "x-custom-ip-authorization",
    "x-endpoint-api-userinfo",
    "x-envoy-",
    "x-fastly-bot-",
    "x-forward-for",
    "x-forwarded",
    "x-forwarded-",
    "x-goog-authenticated-",
    "x-goog-iap-",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-",
    "x-invoke-",
    "x-jwt-assertion",
    "x-matched-path",
    "x-method-override",
    "x-middleware-",
    "x-ms-client-principal",
    "x-ms-client-principal-",
    "x-ms-original-url",
    "x-ms-token-",
    "x-now-route-matches",
    "x-original-",
    "x-originating-ip",
    "x-override-url",
    "x-pomerium-",
    "x-prerender-revalidate",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-remote-",
    "x-rewrite-",
    "x-scheme",
    "x-script-name",
    "x-sendfile",
    "x-sendfile-",
    "x-ssl-",
    "x-tls-client-",
    "x-url-scheme",
    "x-user",
    "x-waws-unencoded-url",
    "x-webauth-",
];

/// Whether a client may not send this header: one of ours, or one that names an identity, an
/// address, a path or a method to servers that believe it.
///
/// Ours is every name with `countersign-` in it: `X-Countersign-Subject` is near enough to be
/// believed, and `HTTP_COUNTERSIGN_SUBJECT` is how gateways call `Countersign-Subject`.
/// `name` is compared without case and with every byte but letters and digits read as `-`, since
/// servers that make variables of headers fold them all together.
#[must_use]
pub fn is_forbidden_from_clients(name: &str) -> bool {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let folded: String = name.chars().map(fold).collect();
    if folded.contains("countersign-") {
        return true;
    }
    FORBIDDEN_FROM_CLIENTS.iter().any(|forbidden| {
        if forbidden.ends_with('-') { folded.starts_with(forbidden) } else { folded == *forbidden }
    })
}

#[cfg(test)]
mod tests {
    use super::is_forbidden_from_clients;

    #[test]
    fn own_and_identity_headers_are_refused_in_every_spelling() {
        for name in [
            "Countersign-Assertion",
            "countersign_assertion",
            "COUNTERSIGN-anything",
            "X-Countersign-Subject",
            "HTTP_COUNTERSIGN_SUBJECT",
            "X-Forwarded-For",
            "x_forwarded_for",
            "X-Forwarded_Proto",
            "Forwarded",
            "X-Original-URL",
            "x-fastly-bot-name",
        ] {
            assert!(is_forbidden_from_clients(name), "{name}");
        }
    }

    #[test]
    fn ordinary_headers_pass() {
        for name in ["Host", "Accept", "Forwarded-Like", "Countersignature", "Cookie"] {
            assert!(!is_forbidden_from_clients(name), "{name}");
        }
    }
}
