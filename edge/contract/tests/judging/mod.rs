//! One request, keys of both kinds, and tokens made by hand for it.

#![allow(dead_code, clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::assertion::{
    AssertionFault, AssertionKeys, AssertionSigner, CheckOutcome, Claims, Expected, Presented, SharedSecrets,
    TYPE, VERSION, VerifiedAssertion, explain, verify,
};
use countersign_contract::binding::RequestBinding;
use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::decision_id::DecisionId;
use countersign_contract::time::UnixSeconds;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

/// RFC 8037 appendix A.1: the private key, `d`.
pub(crate) const RFC8037_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
/// RFC 8037 appendix A.2: the public key, `x`.
pub(crate) const RFC8037_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// RFC 7515 appendix A.1.1: the symmetric key, `k`.
pub(crate) const RFC7515_K: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// The key ids of the two.
pub(crate) const ED_KID: &str = "edge-1";
pub(crate) const HS_KID: &str = "shared-1";

pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
pub(crate) const SKEW: u64 = 5;
pub(crate) const LONGEST: u64 = 60;

pub(crate) const METHOD: &str = "GET";
pub(crate) const HOST: &str = "www.example.test";
pub(crate) const TARGET: &str = "/api/items?page=2";

pub(crate) fn ed_private() -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{ED_KID}","d":"{RFC8037_D}","x":"{RFC8037_X}"}}"#)
}

pub(crate) fn hs_private() -> String {
    format!(r#"{{"kty":"oct","kid":"{HS_KID}","k":"{RFC7515_K}"}}"#)
}

pub(crate) fn ed_signer() -> AssertionSigner {
    AssertionSigner::from_jwk(ed_private().as_bytes()).unwrap()
}

pub(crate) fn hs_signer() -> AssertionSigner {
    AssertionSigner::from_jwk(hs_private().as_bytes()).unwrap()
}

/// The ring of both keys: the Ed25519 one public.
pub(crate) fn keys() -> AssertionKeys {
    let set = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{ED_KID}","x":"{RFC8037_X}"}},{}]}}"#,
        hs_private()
    );
    AssertionKeys::from_jwks(set.as_bytes(), SharedSecrets::Accepted).unwrap()
}

pub(crate) fn binding(method: &str, host: &str, target: &str) -> RequestBinding {
    RequestBinding::of(
        Method::parse(method.as_bytes()).unwrap(),
        &Authority::parse(host.as_bytes()).unwrap(),
        &Target::parse(target.as_bytes()).unwrap(),
    )
}

/// Claims that fit the request.
pub(crate) fn claims() -> Claims {
    Claims {
        v: VERSION,
        iss: "edge-www".parse().unwrap(),
        aud: "eu-1".parse().unwrap(),
        iat: NOW,
        exp: NOW.plus(30),
        txn: DecisionId::from_random([7; 16]),
        req: binding(METHOD, HOST, TARGET),
        ip: "192.0.2.7".parse().unwrap(),
        sub: Some("alice".parse().unwrap()),
        groups: vec!["engineering".parse().unwrap(), "on call".parse().unwrap()],
        env: "production".parse().unwrap(),
        sv: Some(12),
        pol: Some("00112233445566778899aabbccddeeff".to_owned().try_into().unwrap()),
        sid: None,
        bot: None,
        arm: None,
        known: false,
        ends: None,
        rep: Some(3),
    }
}

/// The claims as JSON, with some members replaced, or left out where the value is `null`.
pub(crate) fn claims_with(changes: &[(&str, Value)]) -> String {
    let mut json = serde_json::to_value(claims()).unwrap();
    let members = json.as_object_mut().unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(*name),
            value => members.insert((*name).to_owned(), value.clone()),
        };
    }
    json.to_string()
}

/// The header of every assertion under a key.
pub(crate) fn header(alg: &str, kid: &str) -> String {
    format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{TYPE}"}}"#)
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The Ed25519 key in PKCS #8 (RFC 8410 section 7): a fixed head, then the 32 bytes.
pub(crate) fn ed_key(d: &str) -> EncodingKey {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    EncodingKey::from_ed_der(&[&head[..], &decode(d)].concat())
}

/// A token of any header and claims, signed by a second implementation.
pub(crate) fn signed(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    signed_with(header, claims, Algorithm::EdDSA, &ed_key(RFC8037_D))
}

pub(crate) fn signed_with(
    header: impl AsRef<[u8]>,
    claims: impl AsRef<[u8]>,
    algorithm: Algorithm,
    key: &EncodingKey,
) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Judges a request as the agent does, and sees to it that [`explain`] says the same.
pub(crate) fn judge_headers(
    count: usize,
    value: Option<&[u8]>,
    keys: &AssertionKeys,
    change: impl FnOnce(&mut Expected<'_>),
) -> Result<VerifiedAssertion, AssertionFault> {
    let presented = Presented::from_headers(count, value)?;
    let (audience, environment) = ("eu-1".parse().unwrap(), "production".parse().unwrap());
    let authority = Authority::parse(HOST.as_bytes()).unwrap();
    let target = Target::parse(TARGET.as_bytes()).unwrap();
    let known_hosts = [HOST.to_owned(), "shop.example.test".to_owned()];
    let mut expected = Expected {
        audience: &audience,
        environments: std::slice::from_ref(&environment),
        now: NOW,
        clock_skew: SKEW,
        longest_lifetime: LONGEST,
        method: Method::parse(METHOD.as_bytes()).unwrap(),
        authority: &authority,
        target: &target,
        known_hosts: &known_hosts,
    };
    change(&mut expected);
    let verdict = verify(&presented, keys, &expected);
    let explained = explain(&presented, keys, &expected);
    let first_failed = explained.iter().find_map(|(_, outcome)| match outcome {
        CheckOutcome::Failed(fault) => Some(fault.clone()),
        CheckOutcome::Passed | CheckOutcome::NotReached => None,
    });
    assert_eq!(first_failed, verdict.as_ref().err().cloned(), "explain and verify disagree");
    if verdict.is_ok() {
        assert!(explained.iter().all(|(_, outcome)| *outcome == CheckOutcome::Passed), "{explained:?}");
    }
    verdict
}

/// Judges one header under the keys of [`keys`].
pub(crate) fn judge(token: impl AsRef<[u8]>) -> Result<VerifiedAssertion, AssertionFault> {
    judge_headers(1, Some(token.as_ref()), &keys(), |_| {})
}
