//! RFC 9421 appendix B.2, as far as its components can be built here.

use std::collections::BTreeMap;

use countersign_edge::bots::BotFault;
use countersign_edge::bots::base::signature_base;
use countersign_edge::bots::directory::Directory;
use countersign_edge::bots::signature_input::{SignatureInput, SignatureInputs, signature};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::request::{Request, read};

#[derive(Deserialize)]
struct Document {
    key: Value,
    method: String,
    url: String,
    fields: BTreeMap<String, Vec<String>>,
    signature_input: String,
    signature: String,
    base: Vec<String>,
    other_bases: Vec<OtherBase>,
    unsupported: Vec<String>,
}

#[derive(Deserialize)]
struct OtherBase {
    section: String,
    signature_input: String,
    base: Vec<String>,
}

fn only(input: &str) -> Result<SignatureInput, BotFault> {
    let label = input.split('=').next().unwrap();
    SignatureInputs::parse(&[input.as_bytes().to_vec()]).unwrap().read(label)
}

impl Document {
    fn base_of(&self, input: &SignatureInput) -> Result<String, BotFault> {
        let fields = self
            .fields
            .iter()
            .flat_map(|(name, lines)| lines.iter().map(|line| (name.clone(), line.clone())));
        let request = Request::new(&self.method, &self.url, &fields.collect::<Vec<_>>());
        let known: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        request.read(&known, |message| signature_base(input, message))
    }
}

#[test]
fn the_request_signed_with_ed25519_is_verified() {
    let document: Document = read("rfc9421.json");
    let input = only(&document.signature_input).unwrap();
    let base = document.base_of(&input).unwrap();
    assert_eq!(base, document.base.join("\n"));
    let directory = Directory::parse(json!({ "keys": [document.key] }).to_string().as_bytes()).unwrap();
    let key = directory.find("poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U").unwrap();
    let bytes = signature(&[document.signature.clone().into_bytes()], &input.label).unwrap();
    assert!(key.verifies(&bytes, base.as_bytes()));
    assert!(!key.verifies(&bytes, base.replace("POST", "GET").as_bytes()));
    let mut other = bytes;
    other[40] ^= 1;
    assert!(!key.verifies(&other, base.as_bytes()));
}

#[test]
fn what_others_sign_has_the_base_that_it_should() {
    let document: Document = read("rfc9421.json");
    assert!(!document.other_bases.is_empty());
    for OtherBase { section, signature_input, base } in &document.other_bases {
        let built = document.base_of(&only(signature_input).unwrap()).unwrap();
        assert_eq!(built, base.join("\n"), "{section}");
    }
}

#[test]
fn components_that_are_not_built_here_are_refused() {
    let document: Document = read("rfc9421.json");
    assert!(!document.unsupported.is_empty());
    for input in &document.unsupported {
        let refused = only(input).and_then(|input| document.base_of(&input)).unwrap_err();
        assert!(matches!(refused, BotFault::ComponentUnsupported(_)), "{refused}");
    }
}

/// Where a field holds a line break, lines of the base could be forged with it.
#[test]
fn no_value_speaks_for_another_line() {
    let input = only(r#"s=("@method" "x")"#).unwrap();
    for value in ["a\nb", "a\r\n\"@authority\": x", "a\0", "caf\u{e9}", "\u{7f}"] {
        let request = Request::new("GET", "https://a.test/", &[("x".to_owned(), value.to_owned())]);
        let refused = request.read(&["x"], |message| signature_base(&input, message)).unwrap_err();
        assert!(matches!(refused, BotFault::ComponentUnsupported(_)), "{value:?}: {refused}");
    }
    let request = Request::new("GET", "https://a.test/", &[("x".to_owned(), " \ta\tb ".to_owned())]);
    let base = request.read(&["x"], |message| signature_base(&input, message)).unwrap();
    assert_eq!(base, "\"@method\": GET\n\"x\": a\tb\n\"@signature-params\": (\"@method\" \"x\")");
    // Two lines are none that could be signed.
    let twice = ["1", "2"].map(|value| ("x".to_owned(), value.to_owned()));
    let refused = Request::new("GET", "https://a.test/", &twice)
        .read(&["x"], |message| signature_base(&input, message));
    assert!(matches!(refused, Err(BotFault::ComponentMissing(_))));
}
