//! The files of `tests/vectors/oidc`, see its README.md.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// A file of vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// When all of them are verified, in seconds since 1970.
    pub(crate) now: u64,
    pub(crate) skew_seconds: u64,
    pub(crate) issuers: Vec<IssuerSaid>,
    /// What an ID token is held against beside its issuer.
    pub(crate) expected: Option<PartySaid>,
    pub(crate) vectors: Vec<Vector>,
}

/// The log-in that an ID token has to be of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartySaid {
    pub(crate) client_id: String,
    pub(crate) nonce: String,
}

/// What the settings know of an issuer, and what it publishes unless a vector says otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerSaid {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) algorithms: Vec<String>,
    pub(crate) jwks: Option<Value>,
}

/// One token, and what has to come out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The program that made it; for the reader.
    #[serde(rename = "made_by")]
    _made_by: String,
    #[serde(default)]
    pub(crate) key_sets: Vec<KeySetSaid>,
    pub(crate) token: String,
    pub(crate) expect: Expected,
}

/// What sort of token it is by its `typ`, or was until it was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    AccessToken,
    Jwt,
    IdToken,
    LogoutToken,
}

/// What an issuer publishes: JSON, or a text that is taken as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeySetSaid {
    pub(crate) issuer: String,
    pub(crate) document: Value,
}

/// What a vector comes to.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ExpectedSaid")]
pub(crate) enum Expected {
    /// It is taken, and speaks of somebody.
    Identity { subject: String, session: Option<String>, groups: Vec<String> },
    /// It is taken, and ends a log-in.
    Ended(String),
    /// It is refused with this code.
    Fault(String),
    /// Its issuer's key set is refused.
    KeySet(String),
}

/// The members as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedSaid {
    fault: Option<String>,
    key_set: Option<String>,
    subject: Option<String>,
    session: Option<String>,
    groups: Option<Vec<String>>,
}

impl TryFrom<ExpectedSaid> for Expected {
    type Error = &'static str;

    fn try_from(said: ExpectedSaid) -> Result<Self, Self::Error> {
        match said {
            ExpectedSaid { fault: Some(code), key_set: None, subject: None, session: None, groups: None } => {
                Ok(Self::Fault(code))
            }
            ExpectedSaid { fault: None, key_set: Some(code), subject: None, session: None, groups: None } => {
                Ok(Self::KeySet(code))
            }
            ExpectedSaid {
                fault: None,
                key_set: None,
                subject: Some(subject),
                session,
                groups: Some(groups),
            } => Ok(Self::Identity { subject, session, groups }),
            ExpectedSaid {
                fault: None,
                key_set: None,
                subject: None,
                session: Some(session),
                groups: None,
            } => Ok(Self::Ended(session)),
            _ => Err("`expect` is none of `fault`, `key_set`, `session`, or `subject` with `groups`"),
        }
    }
}

impl Document {
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/oidc").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The key set that an issuer publishes while a vector is verified.
    pub(crate) fn published(&self, vector: &Vector, issuer: &str) -> Vec<u8> {
        let own = vector.key_sets.iter().find(|set| set.issuer == issuer).map(|set| &set.document);
        let common = || self.issuers.iter().find(|said| said.issuer == issuer)?.jwks.as_ref();
        match own.or_else(common) {
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(json) => json.to_string().into_bytes(),
            None => panic!("{}: no key set of {issuer}", vector.name),
        }
    }
}
