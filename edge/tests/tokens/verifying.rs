//! One vector, verified the way the edge does.

use std::cell::OnceCell;

use countersign_contract::time::UnixSeconds;
use countersign_edge::platform::FetchFault;
use countersign_edge::settings::{Issuer, Settings};
use countersign_edge::token::{self, KeySet, KeySetFault, NoKey, TokenFault, VerifyingKey, Wanted};
use serde_json::json;

use crate::vectors::{Document, Expected, IssuerSaid, Vector};

/// The issuer as the edge's settings describe it.
fn issuer(said: &IssuerSaid) -> Issuer {
    let settings = json!({
        "version": 1,
        "service": "edge-test",
        "audience": "dc-test",
        "environment": "test",
        "backend": "origin",
        "issuers": [{
            "issuer": said.issuer,
            "audience": said.audience,
            "algorithms": said.algorithms,
            "jwks_uri": "https://keys.example.test/jwks",
            "jwks_backend": "keys",
        }],
    });
    Settings::from_json(&settings.to_string()).unwrap().issuers.remove(0)
}

/// What a vector comes to.
pub(crate) fn come_to(document: &Document, vector: &Vector) -> Expected {
    let issuers: Vec<Issuer> = document.issuers.iter().map(issuer).collect();
    let refused_set = OnceCell::new();
    let find = |issuer: &Issuer, wanted: Wanted<'_>| {
        let set = KeySet::parse(&document.published(vector, &issuer.issuer)).map_err(|fault| {
            let unusable = FetchFault::Unusable(fault.to_string());
            refused_set.set(fault).unwrap();
            TokenFault::KeysUnavailable { issuer: issuer.issuer.clone(), fault: unusable }
        })?;
        found(&set, wanted)
    };
    let verified = token::verify(
        vector.token.as_bytes(),
        &issuers,
        UnixSeconds(document.now),
        document.skew_seconds,
        find,
    );
    match (verified, refused_set.get()) {
        (Ok(token), None) => Expected::Identity {
            subject: token.subject().as_str().to_owned(),
            session: token.session().map(|session| session.as_str().to_owned()),
            groups: token.groups().to_vec(),
        },
        (Err(TokenFault::KeysUnavailable { .. }), Some(fault)) => Expected::KeySet(code(fault).to_owned()),
        (Err(fault), None) => Expected::Fault(fault.code().to_owned()),
        (verified, fault) => panic!("{}: {verified:?} and {fault:?}", vector.name),
    }
}

/// The key, with the fault that the edge makes of there being none.
fn found(set: &KeySet, wanted: Wanted<'_>) -> Result<VerifyingKey, TokenFault> {
    let id = || wanted.id.unwrap_or("without an id").to_owned();
    set.find(wanted).cloned().map_err(|none| match none {
        NoKey::Unknown => TokenFault::UnknownKey(id()),
        NoKey::OtherAlgorithm => TokenFault::AlgorithmMismatch { kid: id(), said: wanted.algorithm.as_str() },
        NoKey::Ambiguous => TokenFault::KeyIdMissing,
    })
}

const fn code(fault: &KeySetFault) -> &'static str {
    match fault {
        KeySetFault::NotAKeySet(_) => "not-a-key-set",
        KeySetFault::NoUsableKey(_) => "no-usable-key",
    }
}
