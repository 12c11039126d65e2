//! Why a token is refused.

use thiserror::Error;

use crate::platform::FetchFault;

/// Why a token is refused: one variant a fault, so that no two hide behind a general one. The
/// text is for the log; a client learns no more than that its token is not good.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum TokenFault {
    /// Longer than is read.
    #[error("the token is {0} bytes long, expected at most 8192")]
    TooLarge(usize),
    /// Not three parts between two dots.
    #[error("the token is not `header.claims.signature`: {0}")]
    MalformedParts(&'static str),
    /// The JOSE header can't be read.
    #[error("the token's header can't be read: {0}")]
    MalformedHeader(String),
    /// A parameter that may change what a signature means, or brings its own key.
    #[error("the token's header has the parameter `{0}`, which no issuer here may use")]
    HeaderParameter(String),
    /// `typ` is that of another kind of token.
    #[error("the token's `typ` is `{said}`, expected {expected}")]
    WrongType {
        /// What the token says.
        said: String,
        /// What was expected.
        expected: &'static str,
    },
    /// An ID token where an access token belongs.
    #[error("it has the claim `{0}`: it is an ID or a log-out token, expected an access token")]
    IdToken(&'static str),
    /// The issuer's tokens are no bearer tokens.
    #[error("issuer `{0}` has no `audience` in the settings, so none of its tokens is a bearer token")]
    NoBearerTokens(String),
    /// `alg` is `none` in any case.
    #[error("the token is unsigned (`alg` is `{0}`)")]
    AlgorithmNone(String),
    /// `alg` is missing, or none of the issuer's.
    #[error("the token's `alg` is `{0}`, expected one of the issuer's `algorithms` in the settings")]
    AlgorithmRefused(String),
    /// The claims can't be read.
    #[error("the token's claims can't be read: {0}")]
    MalformedClaims(String),
    /// No `iss`.
    #[error("the token has no `iss`")]
    IssuerMissing,
    /// An issuer that isn't in the settings.
    #[error("the token's issuer is `{0}`, expected one of `issuers` in the settings")]
    WrongIssuer(String),
    /// On a host that the issuer's tokens don't count on.
    #[error(
        "bearer tokens of this issuer don't count on host `{0}`: its `hosts` in the settings don't name it"
    )]
    WrongHost(String),
    /// No `exp`.
    #[error("the token has no `exp`")]
    ExpiryMissing,
    /// `exp` is past.
    #[error("the token expired {0} s ago")]
    Expired(u64),
    /// Issued longer ago than its kind may be.
    #[error("the token was issued {0} s ago, expected a moment ago")]
    TooOld(u64),
    /// `nbf` is in the future.
    #[error("the token becomes valid in {0} s")]
    NotYetValid(u64),
    /// No `iat`, where there has to be one.
    #[error("the token has no `iat`")]
    IssuedMissing,
    /// `iat` is in the future.
    #[error("the token was issued {0} s in the future: compare the clocks")]
    IssuedInTheFuture(u64),
    /// No `aud`.
    #[error("the token has no `aud`")]
    AudienceMissing,
    /// For somebody else.
    #[error("the token is for audience `{said}`, expected `{expected}` among them")]
    WrongAudience {
        /// What the token says.
        said: String,
        /// What the settings say.
        expected: String,
    },
    /// Several audiences and no `azp`, or that of another client.
    #[error("the token's `azp` is `{said}`, expected `{expected}`")]
    WrongParty {
        /// What the token says.
        said: String,
        /// The client's id.
        expected: String,
    },
    /// No `nonce`.
    #[error("the token has no `nonce`")]
    NonceMissing,
    /// The `nonce` of another log-in, or of nobody's.
    #[error("the token's `nonce` is not that of this log-in")]
    NonceMismatch,
    /// A log-out token says nothing of a log-out.
    #[error("the token's `events` has no `http://schemas.openid.net/event/backchannel-logout`")]
    EventsMissing,
    /// A log-out token with what only an ID token has.
    #[error("the log-out token has a `nonce`: it could be an ID token")]
    NoncePresent,
    /// A log-out token that names no log-in.
    #[error("the log-out token names no log-in (`sid`): register `backchannel_logout_session_required`")]
    SessionMissing,
    /// No `sub`.
    #[error("the token has no `sub`")]
    SubjectMissing,
    /// A `sub` that can't travel.
    #[error("the token's `sub` can't be used: {0}")]
    SubjectRefused(String),
    /// The claim of groups isn't an array of strings.
    #[error("the token's `{0}` is not an array of strings")]
    GroupsMalformed(String),
    /// Too many groups for the token: the issuer says only where to ask for them.
    #[error(
        "the token lists no groups but says that there are too many (`{0}`): have the issuer list only those of the application, or use roles"
    )]
    GroupsOverage(&'static str),
    /// Bound to a client certificate that isn't the one of the connection (RFC 8705 section 3).
    #[error("the token is bound to a client certificate, and {0}")]
    WrongCertificate(&'static str),
    /// Bound to its sender by something that isn't looked at here (RFC 7800 section 3.1).
    #[error("the token is bound to its sender by `{0}` of its `cnf`, expected `x5t#S256` alone")]
    ConfirmationUnsupported(String),
    /// No `kid`, and more than one key that could be meant.
    #[error("the token's header has no `kid`, and the issuer has several keys for its `alg`")]
    KeyIdMissing,
    /// The issuer has no such key, also after its keys were fetched again.
    #[error("the issuer publishes no usable key `{0}`")]
    UnknownKey(String),
    /// The issuer's key of that `kid` is for another algorithm.
    #[error("the token says `{said}`, the issuer's key `{kid}` is for another algorithm")]
    AlgorithmMismatch {
        /// The key's id.
        kid: String,
        /// What the token says.
        said: &'static str,
    },
    /// The issuer's keys can't be had.
    #[error("the keys of issuer `{issuer}` can't be had: {fault}")]
    KeysUnavailable {
        /// The issuer.
        issuer: String,
        /// What went wrong.
        fault: FetchFault,
    },
    /// The signature can't be read.
    #[error("the token's signature can't be read: {0}")]
    MalformedSignature(&'static str),
    /// The signature is not the key's.
    #[error("the signature is not one of key `{0}` over this token")]
    SignatureInvalid(String),
}

impl TokenFault {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "token-too-large",
            Self::MalformedParts(_) => "token-malformed-parts",
            Self::MalformedHeader(_) => "token-malformed-header",
            Self::HeaderParameter(_) => "token-header-parameter",
            Self::WrongType { .. } => "token-wrong-type",
            Self::AlgorithmNone(_) => "token-algorithm-none",
            Self::AlgorithmRefused(_) => "token-algorithm-refused",
            Self::MalformedClaims(_) => "token-malformed-claims",
            Self::IssuerMissing => "token-issuer-missing",
            Self::WrongIssuer(_) => "token-wrong-issuer",
            Self::WrongHost(_) => "token-wrong-host",
            Self::ExpiryMissing => "token-expiry-missing",
            Self::Expired(_) => "token-expired",
            Self::TooOld(_) => "token-too-old",
            Self::NotYetValid(_) => "token-not-yet-valid",
            Self::IdToken(_) => "token-is-id-token",
            Self::NoBearerTokens(_) => "token-not-accepted",
            Self::IssuedMissing => "token-issued-missing",
            Self::WrongParty { .. } => "token-wrong-party",
            Self::NonceMissing => "token-nonce-missing",
            Self::NonceMismatch => "token-nonce-mismatch",
            Self::EventsMissing => "token-events-missing",
            Self::NoncePresent => "token-nonce-present",
            Self::SessionMissing => "token-session-missing",
            Self::GroupsOverage(_) => "token-groups-overage",
            Self::IssuedInTheFuture(_) => "token-issued-in-future",
            Self::AudienceMissing => "token-audience-missing",
            Self::WrongAudience { .. } => "token-wrong-audience",
            Self::SubjectMissing => "token-subject-missing",
            Self::SubjectRefused(_) => "token-subject-refused",
            Self::GroupsMalformed(_) => "token-groups-malformed",
            Self::WrongCertificate(_) => "token-certificate",
            Self::ConfirmationUnsupported(_) => "token-confirmation",
            Self::KeyIdMissing => "token-key-id-missing",
            Self::UnknownKey(_) => "token-unknown-key",
            Self::AlgorithmMismatch { .. } => "token-algorithm-mismatch",
            Self::KeysUnavailable { .. } => "keys-unavailable",
            Self::MalformedSignature(_) => "token-malformed-signature",
            Self::SignatureInvalid(_) => "token-signature-invalid",
        }
    }
}

/// At most 64 characters of what somebody sent, for a message.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
