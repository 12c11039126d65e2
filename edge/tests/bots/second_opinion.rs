//! Cloudflare's crate on the same requests. It looks neither at times nor at whose key it is, so it may take more.

use serde_json::json;
use sfv::{Dictionary, FieldType as _, ListEntry, Parser};
use web_bot_auth::WebBotAuthVerifier;
use web_bot_auth::components::{CoveredComponent, DerivedComponent, HTTPField, HTTPFieldParameters};
use web_bot_auth::keyring::{JSONWebKeySet, KeyRing};
use web_bot_auth::message_signatures::SignedMessage;

use crate::made::{Document, Expected};
use crate::request::Request;

struct Theirs(Request);

impl SignedMessage for Theirs {
    fn lookup_component(&self, component: &CoveredComponent) -> Vec<String> {
        let Self(Request { method, scheme, target, .. }) = self;
        let authority = self.0.read(&[], |message| message.authority.as_str().to_owned());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match component {
            CoveredComponent::HTTP(HTTPField { name, parameters }) => {
                let lines = self.0.lines(name).iter().map(|line| String::from_utf8(line.clone()).unwrap());
                match parameters.0.as_slice() {
                    [] => lines.collect(),
                    [HTTPFieldParameters::Key(key)] => lines.filter_map(|line| member(&line, key)).collect(),
                    _ => vec![],
                }
            }
            CoveredComponent::Derived(derived) => match derived {
                DerivedComponent::Method { .. } => vec![method.clone()],
                DerivedComponent::Scheme { .. } => vec![scheme.clone()],
                DerivedComponent::Authority { .. } => vec![authority],
                DerivedComponent::TargetUri { .. } => vec![format!("{scheme}://{authority}{target}")],
                DerivedComponent::Path { .. } => vec![path.to_owned()],
                DerivedComponent::Query { .. } => vec![format!("?{query}")],
                _ => vec![],
            },
        }
    }
}

fn member(line: &str, key: &str) -> Option<String> {
    match Parser::new(line).parse::<Dictionary>().ok()?.get(key)? {
        ListEntry::Item(item) => Some(item.serialize()),
        ListEntry::InnerList(_) => None,
    }
}

#[test]
fn what_is_taken_here_is_taken_there_and_what_is_forged_is_not() {
    let document = Document::read();
    let keys: JSONWebKeySet = serde_json::from_value(json!({ "keys": document.keys() })).unwrap();
    let mut ring = KeyRing::default();
    assert!(ring.import_jwks(keys).iter().all(Option::is_none));
    let (mut taken, mut refused) = (0, 0);
    for vector in &document.vectors {
        let theirs = WebBotAuthVerifier::parse(&Theirs(vector.request()))
            .and_then(|verifier| verifier.verify(&ring, None).map(drop));
        match &vector.expect {
            Expected::Bot(_) => {
                assert!(theirs.is_ok(), "{}: {theirs:?}", vector.name);
                taken += 1;
            }
            Expected::Fault(code) if code == "bot-signature-invalid" => {
                assert!(theirs.is_err(), "{}", vector.name);
                refused += 1;
            }
            Expected::Fault(_) | Expected::Nothing(_) => {}
        }
    }
    assert!(taken >= 25 && refused >= 12, "{taken} taken, {refused} refused");
}
