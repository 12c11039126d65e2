//! Tokens made to deceive: each is refused, for the fault that it has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod claims;
mod envelope;
#[path = "../judging/mod.rs"]
mod judging;

use std::collections::HashMap;

use countersign_contract::assertion::{AssertionFault, TYPE};
use jsonwebtoken::Algorithm;
use judging::{
    ED_KID, RFC8037_D, RFC8037_X, claims_with, ed_key, ed_signer, header, judge, judge_headers, keys, signed,
    signed_with,
};
use serde_json::json;

/// What is wrong with a token, the token, the code of its fault, and a part of the message.
type Row = (&'static str, String, &'static str, &'static str);

fn good_claims() -> String {
    claims_with(&[])
}

fn good_header() -> String {
    header("EdDSA", ED_KID)
}

fn all() -> Vec<Row> {
    [
        envelope::shapes(),
        envelope::headers(),
        envelope::confused_keys(),
        claims::missing_claims(),
        claims::mistyped_claims(),
        claims::unreadable_claims(),
        claims::other_places_and_times(),
        envelope::signatures(),
    ]
    .concat()
}

#[test]
fn the_token_that_all_are_made_from_is_good() {
    assert!(judge(signed(good_header(), good_claims())).is_ok());
    assert_eq!(
        signed(good_header(), good_claims()).split('.').next(),
        ed_signer().mint(&judging::claims()).unwrap().split('.').next()
    );
    // Any order of members, any white space: it is the signature that counts.
    let spaced = format!("{{ \"typ\" : \"{TYPE}\",\n\"kid\":\"{ED_KID}\", \"alg\":\"EdDSA\" }}");
    assert!(judge(signed(spaced, good_claims())).is_ok());
    // A later edge may say more.
    assert!(judge(signed(good_header(), claims_with(&[("arm", json!("b"))]))).is_ok());
}

#[test]
fn every_hostile_token_is_refused_for_its_own_fault() {
    for (what, token, code, says) in all() {
        let fault = judge(&token).expect_err(what);
        assert_eq!(fault.code(), code, "{what}: {fault}");
        assert!(fault.to_string().contains(says), "{what}: `{fault}` does not say `{says}`");
    }
}

#[test]
fn no_headers_and_several_are_refused_before_anything_is_read() {
    let token = signed(good_header(), good_claims());
    for (count, value, fault) in [
        (0, None, AssertionFault::Missing),
        (0, Some(token.as_bytes()), AssertionFault::Missing),
        (1, None, AssertionFault::Missing),
        (2, Some(token.as_bytes()), AssertionFault::Repeated(2)),
        (2, Some(&b""[..]), AssertionFault::Repeated(2)),
        (2, None, AssertionFault::Repeated(2)),
    ] {
        assert_eq!(judge_headers(count, value, &keys(), |_| {}).unwrap_err(), fault, "{count} headers");
    }
}

#[test]
fn no_two_faults_share_a_code_and_every_fault_is_met() {
    let mut met: HashMap<&str, AssertionFault> = HashMap::new();
    met.insert("assertion-missing", AssertionFault::Missing);
    met.insert("assertion-repeated", AssertionFault::Repeated(2));
    for (what, token, _, _) in all() {
        let fault = judge(&token).expect_err(what);
        let known = met.entry(fault.code()).or_insert_with(|| fault.clone());
        assert_eq!(std::mem::discriminant(known), std::mem::discriminant(&fault), "{what}");
    }
    assert_eq!(met.len(), 25, "{:?}", met.keys());
}

/// What a stranger sent must not write lines of its own into a log or onto a terminal.
#[test]
fn no_message_repeats_control_characters_or_goes_on_for_ever() {
    let nasty = "\u{1b}[2J\r\n\u{202e}\u{85}";
    let escaped = serde_json::to_string(nasty).unwrap();
    let name = escaped.trim_matches('"');
    let tokens = [
        signed(good_header().replace(TYPE, name), good_claims()),
        signed(good_header().replace(TYPE, &"t".repeat(2500)), good_claims()),
        signed(header(name, ED_KID), good_claims()),
        signed(header("EdDSA", name), good_claims()),
        signed(good_header().replacen('{', &format!("{{{escaped}:1,"), 1), good_claims()),
        signed(good_header(), claims_with(&[("sub", json!(nasty))])),
        signed(good_header(), claims_with(&[("groups", json!([nasty]))])),
        signed(good_header(), claims_with(&[("txn", json!(nasty))])),
        signed(good_header(), claims_with(&[("v", json!(nasty))])),
        signed(good_header(), claims_with(&[("v", json!("v".repeat(2500)))])),
        signed(good_header(), claims_with(&[("ip", json!("9".repeat(2500)))])),
    ];
    for token in tokens {
        let message = judge(&token).unwrap_err().to_string();
        assert!(!message.contains(|c: char| c.is_control() || c == '\u{202e}'), "{message:?}");
        assert!(message.len() < 600, "{} bytes: {message}", message.len());
    }
}

#[test]
fn a_key_that_was_taken_away_is_a_key_that_nobody_knows() {
    let without = countersign_contract::assertion::AssertionKeys::from_jwks(
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"edge-2","x":"{RFC8037_X}"}}]}}"#)
            .as_bytes(),
        countersign_contract::assertion::SharedSecrets::Refused,
    )
    .unwrap();
    let token = signed_with(good_header(), good_claims(), Algorithm::EdDSA, &ed_key(RFC8037_D));
    let fault = judge_headers(1, Some(token.as_bytes()), &without, |_| {}).unwrap_err();
    assert_eq!(fault, AssertionFault::UnknownKey(ED_KID.to_owned()));
}
