//! The header names that Countersign sets, reads and removes, in one place.
//!
//! All are lower case, as HTTP/2 and HAProxy's `del-header` want them; HTTP/1 compares them
//! without case.

/// Carries the signed assertion from the edge to HAProxy; never reaches the application.
pub const ASSERTION: &str = "countersign-assertion";
/// The decision id, on every answer and towards the application.
pub const DECISION: &str = "countersign-decision";
/// The verified subject, towards the application.
pub const SUBJECT: &str = "countersign-subject";
/// The verified groups, comma-separated, towards the application.
pub const GROUPS: &str = "countersign-groups";

/// Prefixes of the names that only Countersign may set. Application servers fold `-` and `_`
/// together (CGI, WSGI, Rack), so both twins are ours.
pub const OWN_PREFIXES: [&str; 2] = ["countersign-", "countersign_"];

/// Identity and routing headers that a client must never bring along, without their underscore
/// twins: a name matches after its `_` were read as `-`. Names that end in `-` match as prefixes.
pub const FORBIDDEN_FROM_CLIENTS: [&str; 17] = [
    "forwarded",
    "x-forwarded-",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-remote-user",
    "remote-user",
    "x-fastly-bot-",
];

/// Whether a client may not send this header: one of ours, or one that names an identity, an
/// address, a path or a method to servers that believe it.
///
/// `name` is compared without case and with `_` read as `-`.
#[must_use]
pub fn is_forbidden_from_clients(name: &str) -> bool {
    let folded: String = name.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
    if folded.starts_with("countersign-") {
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
        for name in ["Host", "Accept", "X-Forwarded", "Forwarded-Like", "Countersignature", "Cookie"] {
            assert!(!is_forbidden_from_clients(name), "{name}");
        }
    }
}
