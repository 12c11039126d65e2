//! Why an assertion is refused.

use thiserror::Error;

use crate::binding::Difference;

/// Why an assertion is refused: one variant a fault, so that no two hide behind a general one.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum AssertionFault {
    /// No header.
    #[error("the request carries no `Countersign-Assertion`")]
    Missing,
    /// More than one header.
    #[error("the request carries {0} `Countersign-Assertion` headers, expected exactly one")]
    Repeated(usize),
    /// Over 4 KiB.
    #[error("the assertion is {0} bytes long, expected at most 4096")]
    TooLarge(usize),
    /// Not three parts between two dots.
    #[error("the assertion is not `header.claims.signature`: {0}")]
    MalformedParts(&'static str),
    /// The JOSE header can't be read.
    #[error("the assertion's header can't be read: {0}")]
    MalformedHeader(String),
    /// A parameter that may change what a signature means, or brings its own key.
    #[error("the assertion's header has the parameter `{0}`, expected only `alg`, `kid` and `typ`")]
    HeaderParameter(String),
    /// `typ` missing or another one.
    #[error("the assertion's `typ` is `{0}`, expected `countersign+jwt`")]
    WrongType(String),
    /// `alg` is `none` in any case.
    #[error("the assertion is unsigned (`alg` is `{0}`)")]
    AlgorithmNone(String),
    /// `alg` is missing or one that is never accepted.
    #[error(
        "the assertion's `alg` is `{0}`, expected `EdDSA`, or `HS256` where a shared secret is configured"
    )]
    AlgorithmRefused(String),
    /// `kid` missing or not a key id.
    #[error("the assertion's header has no usable `kid`: {0}")]
    KeyIdMissing(String),
    /// No key of that id is held.
    #[error("no key `{0}` is held: expected one of those in the file of assertion keys")]
    UnknownKey(String),
    /// The key is for another algorithm.
    #[error("the assertion says `{said}`, the key `{kid}` is for `{expected}`")]
    AlgorithmMismatch {
        /// The key's id.
        kid: String,
        /// What the token says.
        said: &'static str,
        /// What the key is for.
        expected: &'static str,
    },
    /// The claims can't be read.
    #[error("the assertion's claims can't be read: {0}")]
    MalformedClaims(String),
    /// Another version of claims.
    #[error("the assertion's claims are of version {0}, expected 1")]
    UnsupportedVersion(u8),
    /// `exp` is past.
    #[error("the assertion expired {0} s ago")]
    Expired(u64),
    /// `iat` is in the future.
    #[error("the assertion was issued {0} s in the future: compare the clocks of edge and origin")]
    NotYetValid(u64),
    /// `exp` isn't after `iat`.
    #[error("the assertion expires before it was issued")]
    EndsBeforeItBegins,
    /// Lives longer than is allowed.
    #[error("the assertion lives {lifetime} s, expected at most {longest} s")]
    LivesTooLong {
        /// Its life in seconds.
        lifetime: u64,
        /// The longest that is accepted, in seconds.
        longest: u64,
    },
    /// For another data centre.
    #[error("the assertion is for audience `{said}`, this is `{expected}`")]
    WrongAudience {
        /// What the token says.
        said: String,
        /// What is configured.
        expected: String,
    },
    /// For another environment.
    #[error("the assertion is for environment `{said}`, this is `{expected}`")]
    WrongEnvironment {
        /// What the token says.
        said: String,
        /// What is configured.
        expected: String,
    },
    /// Made for another request.
    #[error("the assertion was made for another {}", match .0 {
        Difference::Method => "method",
        Difference::Host => "host",
        Difference::Path => "path or query",
    })]
    BoundToAnother(Difference),
    /// The signature can't be read.
    #[error("the assertion's signature can't be read: {0}")]
    MalformedSignature(&'static str),
    /// The signature is not the key's.
    #[error("the signature is not one of key `{0}` over this assertion")]
    SignatureInvalid(String),
}

impl AssertionFault {
    /// The word for this fault in verdicts, records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "assertion-missing",
            Self::Repeated(_) => "assertion-repeated",
            Self::TooLarge(_) => "assertion-too-large",
            Self::MalformedParts(_) => "malformed-parts",
            Self::MalformedHeader(_) => "malformed-header",
            Self::HeaderParameter(_) => "header-parameter-refused",
            Self::WrongType(_) => "wrong-type",
            Self::AlgorithmNone(_) => "algorithm-none",
            Self::AlgorithmRefused(_) => "algorithm-refused",
            Self::KeyIdMissing(_) => "key-id-missing",
            Self::UnknownKey(_) => "unknown-key",
            Self::AlgorithmMismatch { .. } => "algorithm-mismatch",
            Self::MalformedClaims(_) => "malformed-claims",
            Self::UnsupportedVersion(_) => "unsupported-version",
            Self::Expired(_) => "assertion-expired",
            Self::NotYetValid(_) => "assertion-not-yet-valid",
            Self::EndsBeforeItBegins => "ends-before-it-begins",
            Self::LivesTooLong { .. } => "lives-too-long",
            Self::WrongAudience { .. } => "wrong-audience",
            Self::WrongEnvironment { .. } => "wrong-environment",
            Self::BoundToAnother(Difference::Method) => "bound-to-another-method",
            Self::BoundToAnother(Difference::Host) => "bound-to-another-host",
            Self::BoundToAnother(Difference::Path) => "bound-to-another-path",
            Self::MalformedSignature(_) => "malformed-signature",
            Self::SignatureInvalid(_) => "signature-invalid",
        }
    }
}
