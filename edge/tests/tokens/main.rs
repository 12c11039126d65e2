//! Tokens and key sets made by other implementations, `tests/vectors/oidc`: what each of them comes to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod vectors;
mod verifying;

use std::collections::BTreeSet;

use vectors::{Document, Expected, Kind, Vector};
use verifying::{ShownAs, come_to};

/// Runs every vector of a file and says all that came out otherwise, not only the first.
#[track_caller]
fn holds(document: &Document, shown_as: ShownAs, at_least: usize) {
    let count = document.vectors.len();
    assert!(count >= at_least, "{count} vectors, expected at least {at_least}: was the file cut?");
    let wrong: Vec<String> = document
        .vectors
        .iter()
        .filter_map(|vector| {
            let found = come_to(document, vector, shown_as);
            (found != vector.expect)
                .then(|| format!("{}:\n  expected {:?}\n  found    {found:?}", vector.name, vector.expect))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {count} vectors:\n{}", wrong.len(), wrong.join("\n"));
}

fn faults(document: &Document) -> BTreeSet<&str> {
    let fault = |expected| match expected {
        &Expected::Fault(ref code) | &Expected::KeySet(ref code) => Some(code.as_str()),
        &Expected::Identity { .. } | &Expected::Ended(_) => None,
    };
    document.vectors.iter().filter_map(|vector| fault(&vector.expect)).collect()
}

#[test]
fn good_tokens_are_taken() {
    let document = Document::read("good.json");
    holds(&document, ShownAs::Bearer, 80);
    assert!(faults(&document).is_empty());
    for kind in [Kind::AccessToken, Kind::Jwt] {
        assert!(document.vectors.iter().any(|vector| vector.kind == kind), "{kind:?}");
    }
}

#[test]
fn bad_tokens_are_refused_with_the_fault_that_they_have() {
    let document = Document::read("bad_tokens.json");
    holds(&document, ShownAs::Bearer, 350);
    assert!(document.vectors.iter().all(|vector| matches!(vector.expect, Expected::Fault(_))));
    // Each fault that a token can have by itself occurs.
    let faults = faults(&document);
    for code in [
        "token-too-large",
        "token-malformed-parts",
        "token-malformed-header",
        "token-header-parameter",
        "token-wrong-type",
        "token-algorithm-none",
        "token-algorithm-refused",
        "token-malformed-claims",
        "token-issuer-missing",
        "token-wrong-issuer",
        "token-expiry-missing",
        "token-expired",
        "token-not-yet-valid",
        "token-issued-in-future",
        "token-audience-missing",
        "token-wrong-audience",
        "token-subject-missing",
        "token-subject-refused",
        "token-groups-malformed",
        "token-key-id-missing",
        "token-unknown-key",
        "token-algorithm-mismatch",
        "token-malformed-signature",
        "token-signature-invalid",
    ] {
        assert!(faults.contains(code), "{code}");
    }
}

#[test]
fn of_a_key_set_only_the_keys_that_are_fit_count_and_only_for_their_issuer() {
    let document = Document::read("key_sets.json");
    holds(&document, ShownAs::Bearer, 300);
    assert_eq!(document.issuers.len(), 2);
    let taken = document.vectors.iter().filter(|vector| matches!(vector.expect, Expected::Identity { .. }));
    assert!(taken.count() >= 40);
}

#[test]
fn an_id_token_is_held_against_its_log_in() {
    let document = Document::read("id_tokens.json");
    holds(&document, ShownAs::IdToken, 80);
    let faults = faults(&document);
    for code in [
        "token-nonce-missing",
        "token-nonce-mismatch",
        "token-wrong-party",
        "token-issued-missing",
        "token-wrong-type",
        "token-wrong-audience",
        "token-wrong-issuer",
        "token-algorithm-none",
        "token-signature-invalid",
    ] {
        assert!(faults.contains(code), "{code}");
    }
}

/// The same issuer signs them all; only `typ` tells them apart, which is under the signature.
#[test]
fn no_id_token_and_no_logout_token_passes_for_a_bearer_token() {
    for name in ["id_tokens.json", "logout_tokens.json"] {
        let document = Document::read(name);
        let says_otherwise = |vector: &&Vector| !vector.name.contains("at+jwt");
        let mut others = document.vectors.iter().filter(says_otherwise).peekable();
        assert!(others.peek().is_some());
        for vector in others {
            let found = come_to(&document, vector, ShownAs::Bearer);
            assert!(matches!(found, Expected::Fault(_)), "{}: {found:?}", vector.name);
        }
    }
}

#[test]
fn a_logout_token_ends_the_log_in_that_it_names() {
    let document = Document::read("logout_tokens.json");
    holds(&document, ShownAs::LogoutToken, 75);
    let faults = faults(&document);
    for code in [
        "token-events-missing",
        "token-nonce-present",
        "token-session-missing",
        "token-issued-missing",
        "token-wrong-type",
        "token-wrong-audience",
        "token-algorithm-none",
        "token-unknown-key",
        "token-signature-invalid",
    ] {
        assert!(faults.contains(code), "{code}");
    }
}

/// A vector that could be read in two ways, or that says nothing, must not pass for one that holds.
#[test]
fn a_vector_without_an_expectation_is_an_error() {
    let document = |vector: &str| {
        serde_json::from_str::<Document>(&format!(
            r#"{{"now":1,"skew_seconds":0,"issuers":[],"vectors":[{{"name":"n","made_by":"m",{vector}}}]}}"#
        ))
    };
    assert!(document(r#""kind":"jwt","token":"t","expect":{"fault":"f"}"#).is_ok());
    for wrong in [
        r#""kind":"jwt","token":"t""#,
        r#""kind":"jwt","token":"t","expect":{}"#,
        r#""kind":"jwt","token":"t","expect":null"#,
        r#""kind":"jwt","token":"t","expect":{"fault":"f","subject":"s"}"#,
        r#""kind":"jwt","token":"t","expect":{"subject":"s"}"#,
        r#""kind":"jwt","expect":{"fault":"f"}"#,
        r#""kind":"other","token":"t","expect":{"fault":"f"}"#,
        r#""token":"t","expect":{"fault":"f"}"#,
        r#""kind":"jwt","token":"t","expect":{"fault":"f"},"more":1"#,
    ] {
        assert!(document(wrong).is_err(), "{wrong}");
    }
}
