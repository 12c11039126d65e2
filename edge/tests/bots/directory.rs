//! Which keys of a directory count.

use countersign_edge::bots::directory::{Directory, DirectoryFault};
use proptest::prelude::*;
use serde_json::{Value, json};

const ID: &str = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";

fn good() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs" })
}

fn with(name: &str, value: Value) -> Value {
    let mut key = good();
    key[name] = value;
    key
}

fn parse(keys: &[Value]) -> Result<Directory, DirectoryFault> {
    Directory::parse(json!({ "keys": keys, "purpose": "x" }).to_string().as_bytes())
}

#[test]
fn keys_count_by_their_thumbprint_whatever_else_they_are_called() {
    for key in [
        good(),
        with("kid", json!("another")),
        with("kid", json!(7)),
        with("use", json!("sig")),
        with("alg", json!("EdDSA")),
        with("alg", json!("ed25519")),
        with("key_ops", json!(["verify"])),
        with("nbf", json!(1)),
        with("exp", json!(1)),
    ] {
        let directory = parse(std::slice::from_ref(&key)).unwrap();
        assert!(directory.find(ID).is_some(), "{key}");
        assert!(directory.find("another").is_none() && directory.find("").is_none());
    }
}

#[test]
fn keys_that_are_not_fit_are_left_out() {
    for unfit in [
        with("kty", json!("EC")),
        with("crv", json!("X25519")),
        with("crv", json!(["Ed25519"])),
        with("use", json!("enc")),
        with("alg", json!("ES256")),
        with("key_ops", json!(["sign"])),
        with("key_ops", json!("verify")),
        with("d", json!("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")),
        with("x", json!("JrQL")),
        with("x", json!("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")),
        with("x", json!(7)),
        // Of small order, and no point of the curve.
        with("x", json!("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        with("x", json!("AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ" }),
        json!("no object"),
        json!([]),
    ] {
        assert_eq!(
            parse(std::slice::from_ref(&unfit)).unwrap_err(),
            DirectoryFault::NoUsableKey(1),
            "{unfit}"
        );
        // Beside a good one it does no harm.
        assert!(parse(&[unfit, good()]).unwrap().find(ID).is_some());
    }
    for not_a_set in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>", r#"{"keys":[],"keys":[]}"#] {
        let fault = Directory::parse(not_a_set.as_bytes()).unwrap_err();
        assert!(matches!(fault, DirectoryFault::NotAKeySet(_)), "{not_a_set}: {fault}");
    }
}

proptest! {
    #[test]
    fn any_document_is_survived(json in prop::collection::vec(any::<u8>(), 0..200), text in r#"\{"keys":\[\{("(kty|crv|x|d)":("OKP"|"Ed25519"|"A{0,44}"|null|7),?){0,4}\}?\]\}"#) {
        prop_assert!(Directory::parse(&json).is_err());
        let _ = Directory::parse(text.as_bytes());
    }
}
