//! One vector, verified the way the edge does.

use std::cell::OnceCell;

use countersign_contract::time::UnixSeconds;
use countersign_edge::platform::FetchFault;
use countersign_edge::settings::Issuer;
use countersign_edge::token::{
    self, ExpectedParty, KeySet, KeySetFault, NoKey, TokenFault, VerifiedToken, VerifyingKey, Wanted,
};
use serde_json::json;

use crate::vectors::{Document, Expected, Kind, Vector};

/// What the tokens of a document are shown as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ShownAs {
    Bearer,
    IdToken,
    LogoutToken,
}

/// What a vector comes to.
pub(crate) fn come_to(document: &Document, vector: &Vector, shown_as: ShownAs) -> Expected {
    let issuers = issuers(document);
    let expected = token::Expected {
        issuers: &issuers,
        host: "www.example.test",
        now: UnixSeconds(document.now),
        skew_seconds: document.skew_seconds,
    };
    let refused_set = OnceCell::new();
    let find = |issuer: &Issuer, wanted: Wanted<'_>| {
        let set = KeySet::parse(&document.published(vector, issuer.issuer.as_str())).map_err(|fault| {
            let unusable = FetchFault::Unusable(fault.to_string());
            refused_set.set(fault).unwrap();
            TokenFault::KeysUnavailable { issuer: issuer.issuer.to_string(), fault: unusable }
        })?;
        found(&set, wanted)
    };
    let token = vector.token.as_bytes();
    let verified = match shown_as {
        ShownAs::Bearer => token::verify(token, &expected, || None, find).map(identity),
        ShownAs::IdToken => {
            let said = document.expected.as_ref().unwrap();
            let party = ExpectedParty { issuer: &issuers[0], client_id: &said.client_id, nonce: &said.nonce };
            token::verify_id_token(token, &expected, &party, find).map(identity)
        }
        ShownAs::LogoutToken => {
            let party = (&issuers[0], document.issuers[0].audience.as_str());
            token::verify_logout_token(token, &expected, party, find)
                .map(|session| Expected::Ended(session.as_str().to_owned()))
        }
    };
    match (verified, refused_set.get()) {
        (Ok(taken), None) => taken,
        (Err(TokenFault::KeysUnavailable { .. }), Some(fault)) => Expected::KeySet(code(fault).to_owned()),
        (Err(fault), None) => Expected::Fault(fault.code().to_owned()),
        (verified, fault) => panic!("{}: {verified:?} and {fault:?}", vector.name),
    }
}

/// The issuers as the edge's settings describe them.
fn issuers(document: &Document) -> Vec<Issuer> {
    // An issuer whose tokens don't all say that they are access tokens.
    let is_plain = |vector: &Vector| vector.kind == Kind::Jwt;
    let bearer_tokens = if document.vectors.iter().any(is_plain) { "jwt" } else { "at+jwt" };
    let issuers = document.issuers.iter().enumerate().map(|(index, said)| {
        let issuer = json!({
            "name": format!("issuer-{index}"),
            "issuer": said.issuer,
            "audience": said.audience,
            "bearer_tokens": bearer_tokens,
            "backend": "keys",
            "jwks_uri": "https://keys.example.test/jwks",
            "algorithms": said.algorithms,
        });
        serde_json::from_value(issuer).unwrap()
    });
    issuers.collect()
}

fn identity(token: VerifiedToken) -> Expected {
    Expected::Identity {
        subject: token.subject().as_str().to_owned(),
        session: token.session().map(|session| session.as_str().to_owned()),
        groups: token.groups().to_vec(),
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
        KeySetFault::TooMany(_) => "too-many-keys",
    }
}
