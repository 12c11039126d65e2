//! This program as an agent: `countersign-bench agent KIND SOCKET [WHAT IT IS TOLD]…`.

use std::hint::black_box;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Verifier as _, VerifyingKey};

use crate::cheapest_agent::Constant;
use crate::verdict::parts;
use crate::{cheapest_agent, constant_agent};

/// Serves if the command line says so, and then only ends with what went wrong.
pub(crate) fn serve(arguments: impl Iterator<Item = String>) -> Option<String> {
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["agent", "cheapest", socket] => cheapest_agent::serve(Path::new(socket), Constant::Verdict, || ())
            .err()
            .map(|error| error.to_string()),
        ["agent", "constant", socket] => Some(
            constant_agent::serve(Path::new(socket))
                .map_or_else(|error| error.to_string(), |()| "it ended".to_owned()),
        ),
        ["agent", kind @ ("signature" | "signature-and-variables"), socket, key, assertion] => {
            let constant = if *kind == "signature" { Constant::Verdict } else { Constant::EveryVariable };
            Some(with_signature(Path::new(socket), constant, key, assertion).unwrap_or_else(|| {
                "expected an Ed25519 key in base64url and an assertion that it signed".to_owned()
            }))
        }
        _ => None,
    }
}

/// The cheapest agent that verifies one signature over one assertion for each NOTIFY, both given once.
fn with_signature(socket: &Path, constant: Constant, key: &str, assertion: &str) -> Option<String> {
    let key: [u8; 32] = URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&key).ok()?;
    let (signed, signature) = parts(assertion).ok()?;
    let signed = signed.to_owned();
    key.verify(signed.as_bytes(), &signature).ok()?;
    let work = move || {
        let _ = black_box(key.verify(black_box(signed.as_bytes()), black_box(&signature)));
    };
    cheapest_agent::serve(socket, constant, work).err().map(|error| error.to_string())
}
