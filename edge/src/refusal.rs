//! The closed list of the edge's refusals: the word for each, the status outside, the text inside.

use countersign_contract::assertion::MintError;
use countersign_contract::client_key::ClientKey;
use countersign_contract::name::RouteName;
use countersign_contract::route::{NoRoute, Rate};
use thiserror::Error;

use crate::bots::BotFault;
use crate::credential::CredentialFault;
use crate::list::KeyKind;
use crate::platform::{FetchFault, SendFault};
use crate::policy::PolicyFault;
use crate::scrub::NotCanonical;
use crate::sealed::SessionKeysFault;
use crate::session::SessionFault;
use crate::settings::SettingsFault;
use crate::signing::SigningKeyFault;
use crate::token::TokenFault;

/// After how many seconds another try makes sense where only an operator can help.
const RETRY_AFTER_CONFIGURATION: u64 = 30;
/// … where a backend may be back any moment.
const RETRY_AFTER_BACKEND: u64 = 1;
/// … where the identity provider has to answer first.
const RETRY_AFTER_KEYS: u64 = 5;
/// A day: nobody waits longer than this before asking again, and the list may be lifted any time.
const LONGEST_RETRY_AFTER: u64 = 86_400;

/// Why the edge refuses a request. Its `Display` is for the log: the client learns the status and
/// the decision id only.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The request could be read in two ways.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// Canonical, but spelled in a way that the route doesn't allow, or no route decides.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// A header is longer than is read.
    #[error("{0}")]
    HeadTooLarge(String),
    /// A method that no route can open.
    #[error("method `{0}` is never let on")]
    MethodRefused(String),
    /// A WebSocket where none is taken.
    #[error("the request asks for a WebSocket, and {0} is for none")]
    UpgradeRefused(String),
    /// A WebSocket that a page opens which may not.
    #[error("the request asks for a WebSocket: {0}, expected a page of this host or of the route's `cors`")]
    CrossSiteWebsocket(String),
    /// A WebSocket to a host that no backend is for.
    #[error("no WebSocket can be handed over: none of `origins` has `{0}` in its `websockets`")]
    UpgradeUnconfigured(String),
    /// A call of gRPC that no backend is for.
    #[error("no call of gRPC can be sent on: no origin that it may go to has a `grpc_backend`")]
    GrpcUnconfigured,
    /// The platform names no client.
    #[error("the platform gives no client address: expected a request from a client")]
    ClientUnknown,
    /// The list turns the client away.
    #[error("the client is listed by its {by}: block")]
    ListedBlock {
        /// The key that it is listed under.
        by: KeyKind,
    },
    /// The list asks the client to come back later.
    #[error("the client is listed by its {by}: throttle, for another {seconds} s")]
    ListedThrottle {
        /// The key that it is listed under.
        by: KeyKind,
        /// How long the record is still in force.
        seconds: u64,
    },
    /// The log-in was revoked, or is over at the issuer.
    #[error("the log-in is listed: it was revoked, or ended at the issuer")]
    SessionRevoked,
    /// The list wants the client to sign in.
    #[error("the client is listed by its address: require-identity, and nobody is signed in")]
    ListedRequireIdentity,
    /// The settings can't be read.
    #[error(transparent)]
    SettingsUnreadable(#[from] SettingsFault),
    /// The signing key can't be read.
    #[error(transparent)]
    KeyUnreadable(#[from] SigningKeyFault),
    /// The policy can't be read.
    #[error(transparent)]
    PolicyUnreadable(#[from] PolicyFault),
    /// The route wants somebody, and nothing was shown.
    #[error("route `{route}` asks for somebody signed in")]
    IdentityRequired {
        /// The route.
        route: RouteName,
    },
    /// What was shown is not good.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// It claims to be a bot's and isn't verified, where the route wants that.
    #[error("the request claims to be a bot's: {0}")]
    Bot(BotFault),
    /// It claims to be a bot's, where the route wants none.
    #[error("the request claims to be a bot's, and the route refuses bots: {0}")]
    BotRefused(String),
    /// One of our own paths that there isn't.
    #[error("there is no such path below `/.countersign/`")]
    OwnPathUnknown,
    /// One of our own paths, by a method that it doesn't take.
    #[error("the path takes {allow} alone")]
    OwnPathMethod {
        /// The methods that it takes.
        allow: &'static str,
    },
    /// Nobody signs in to this host.
    #[error("no login of the settings is for this host")]
    LoginUnconfigured,
    /// The issuer can't be asked.
    #[error("the issuer can't be asked: {0}")]
    LoginUnavailable(FetchFault),
    /// The issuer sends somebody back whom we haven't sent there, or too long ago.
    #[error("this browser has no such attempt to sign in: it took too long, or was finished already")]
    LoginUnknown,
    /// The issuer says no.
    #[error("the issuer refuses the log-in: {0}")]
    LoginRefused(String),
    /// The issuer doesn't take the code.
    #[error("the token endpoint refuses the code or the client: {0}")]
    LoginCode(String),
    /// The issuer's ID token isn't good.
    #[error("the ID token: {0}")]
    LoginToken(TokenFault),
    /// The keys of sessions can't be read.
    #[error(transparent)]
    SessionKeysUnreadable(#[from] SessionKeysFault),
    /// The client's secret can't be read.
    #[error("{0}")]
    ClientSecretUnreadable(String),
    /// Another site's page wants somebody signed out.
    #[error("another site's page asks to sign out")]
    CrossSite,
    /// No log-out token.
    #[error("the log-out can't be read: {0}")]
    LogoutMalformed(String),
    /// A log-out token that isn't good.
    #[error("the log-out token: {0}")]
    LogoutToken(TokenFault),
    /// The origin didn't take a log-out.
    #[error("the origin answered {0} to a log-out, expected 204: see its record of this decision")]
    LogoutUntold(u16),
    /// More requests than the route takes.
    #[error("`{client}` asks more often than {} times in {} s: refused for another {seconds} s", .rate.requests.get(), .rate.seconds.get())]
    RateExceeded {
        /// How many it takes.
        rate: Rate,
        /// Whose requests are counted.
        client: ClientKey,
        /// How long they are refused.
        seconds: u32,
    },
    /// A page that may not send what its browser asks about.
    #[error("the preflight is refused: {0}")]
    CorsRefused(String),
    /// No assertion can say all that has to be said.
    #[error("{0}")]
    IdentityTooLarge(String),
    /// No randomness, so no decision id that nobody could guess.
    #[error("the platform gives no random bytes")]
    RandomUnavailable,
    /// HAProxy gave no answer.
    #[error(transparent)]
    OriginUnreachable(#[from] SendFault),
    /// HAProxy gave one that can't be passed on.
    #[error("the origin answered with status {0}, expected 200 to 599")]
    OriginStatus(u16),
    /// A fault of this program.
    #[error("{0}")]
    InternalFault(String),
}

/// The statuses that the edge refuses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 421.
    MisdirectedRequest,
    /// 429.
    TooManyRequests,
    /// 431.
    HeaderFieldsTooLarge,
    /// 501.
    NotImplemented,
    /// 503.
    ServiceUnavailable,
}

impl Status {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::MisdirectedRequest => 421,
            Self::TooManyRequests => 429,
            Self::HeaderFieldsTooLarge => 431,
            Self::NotImplemented => 501,
            Self::ServiceUnavailable => 503,
        }
    }

    /// The title outside: the status in words (RFC 9457 section 4.2.1).
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::MisdirectedRequest => "Misdirected Request",
            Self::TooManyRequests => "Too Many Requests",
            Self::HeaderFieldsTooLarge => "Request Header Fields Too Large",
            Self::NotImplemented => "Not Implemented",
            Self::ServiceUnavailable => "Service Unavailable",
        }
    }
}

impl Refusal {
    /// The word for this refusal in records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotCanonical(_) | Self::NoRoute(NoRoute::NotCanonical(_)) => "not-canonical",
            Self::NoRoute(NoRoute::UnknownHost) => "unknown-host",
            Self::NoRoute(NoRoute::UnknownPath) => "unknown-path",
            Self::NoRoute(NoRoute::MethodNotListed) => "method-not-listed",
            Self::HeadTooLarge(_) => "head-too-large",
            Self::MethodRefused(_) => "method-refused",
            Self::UpgradeRefused(_) => "upgrade-refused",
            Self::CrossSiteWebsocket(_) => "cross-site-websocket",
            Self::UpgradeUnconfigured(_) => "upgrade-unconfigured",
            Self::GrpcUnconfigured => "grpc-unconfigured",
            Self::ClientUnknown => "client-unknown",
            Self::ListedBlock { .. } => "listed-block",
            Self::ListedThrottle { .. } => "listed-throttle",
            Self::SessionRevoked => "session-revoked",
            Self::ListedRequireIdentity => "listed-require-identity",
            Self::SettingsUnreadable(_) => "settings-unreadable",
            Self::KeyUnreadable(_) => "key-unreadable",
            Self::PolicyUnreadable(_) => "policy-unreadable",
            Self::IdentityRequired { .. } => "identity-required",
            Self::Credential(fault) => fault.code(),
            Self::Bot(fault) => fault.code(),
            Self::BotRefused(_) => "bot-refused",
            Self::OwnPathUnknown => "own-path-unknown",
            Self::OwnPathMethod { .. } => "own-path-method",
            Self::LoginUnconfigured => "login-unconfigured",
            Self::LoginUnavailable(_) => "login-unavailable",
            Self::LoginUnknown => "login-unknown",
            Self::LoginRefused(_) => "login-refused",
            Self::LoginCode(_) => "login-code-refused",
            Self::LoginToken(fault) | Self::LogoutToken(fault) => fault.code(),
            Self::SessionKeysUnreadable(_) => "session-keys-unreadable",
            Self::ClientSecretUnreadable(_) => "client-secret-unreadable",
            Self::CrossSite => "cross-site",
            Self::LogoutMalformed(_) => "logout-malformed",
            Self::LogoutUntold(_) => "logout-untold",
            Self::RateExceeded { .. } => "rate-exceeded",
            Self::CorsRefused(_) => "cors-refused",
            Self::IdentityTooLarge(_) => "identity-too-large",
            Self::RandomUnavailable => "random-unavailable",
            Self::OriginUnreachable(_) => "origin-unreachable",
            Self::OriginStatus(_) => "origin-status",
            Self::InternalFault(_) => "internal-fault",
        }
    }

    /// The status that the client gets.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::NotCanonical(_)
            | Self::NoRoute(NoRoute::NotCanonical(_))
            | Self::LoginUnknown
            | Self::LoginCode(_)
            | Self::LogoutMalformed(_)
            | Self::Credential(
                CredentialFault::CookieRepeated(..)
                | CredentialFault::AuthorizationRepeated(_)
                | CredentialFault::BesideBot(_),
            ) => Status::BadRequest,
            Self::Credential(CredentialFault::Token(TokenFault::KeysUnavailable { .. }))
            | Self::LoginToken(TokenFault::KeysUnavailable { .. })
            | Self::LogoutToken(TokenFault::KeysUnavailable { .. })
            | Self::Bot(BotFault::KeysUnavailable { .. })
            | Self::Credential(CredentialFault::Session(SessionFault::Keys(_))) => Status::ServiceUnavailable,
            // To sign in again would not help.
            Self::Credential(CredentialFault::Token(TokenFault::GroupsOverage(_)))
            | Self::LoginToken(_)
            | Self::LoginRefused(_)
            | Self::CrossSite
            | Self::UpgradeRefused(_)
            | Self::CrossSiteWebsocket(_) => Status::Forbidden,
            Self::LogoutToken(_) => Status::BadRequest,
            Self::OwnPathUnknown | Self::LoginUnconfigured => Status::NotFound,
            Self::OwnPathMethod { .. } => Status::MethodNotAllowed,
            Self::IdentityRequired { .. }
            | Self::ListedRequireIdentity
            | Self::SessionRevoked
            | Self::Credential(CredentialFault::Token(_) | CredentialFault::Session(_)) => {
                Status::Unauthorized
            }
            Self::ListedBlock { .. }
            | Self::Bot(_)
            | Self::BotRefused(_)
            | Self::CorsRefused(_)
            | Self::NoRoute(NoRoute::UnknownPath | NoRoute::MethodNotListed)
            | Self::IdentityTooLarge(_) => Status::Forbidden,
            Self::MethodRefused(_) => Status::MethodNotAllowed,
            Self::NoRoute(NoRoute::UnknownHost) => Status::MisdirectedRequest,
            Self::ListedThrottle { .. } | Self::RateExceeded { .. } => Status::TooManyRequests,
            Self::HeadTooLarge(_) => Status::HeaderFieldsTooLarge,
            Self::GrpcUnconfigured => Status::NotImplemented,
            Self::ClientUnknown
            | Self::UpgradeUnconfigured(_)
            | Self::SettingsUnreadable(_)
            | Self::KeyUnreadable(_)
            | Self::PolicyUnreadable(_)
            | Self::RandomUnavailable
            | Self::LoginUnavailable(_)
            | Self::SessionKeysUnreadable(_)
            | Self::ClientSecretUnreadable(_)
            | Self::LogoutUntold(_)
            | Self::OriginUnreachable(_)
            | Self::OriginStatus(_)
            | Self::InternalFault(_) => Status::ServiceUnavailable,
        }
    }

    /// After how many seconds another try makes sense, where it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::ListedThrottle { seconds, .. } => Some((*seconds).clamp(1, LONGEST_RETRY_AFTER)),
            Self::RateExceeded { seconds, .. } => Some(u64::from(*seconds)),
            Self::Credential(CredentialFault::Token(TokenFault::KeysUnavailable { .. }))
            | Self::LoginToken(TokenFault::KeysUnavailable { .. })
            | Self::LogoutToken(TokenFault::KeysUnavailable { .. })
            | Self::Bot(BotFault::KeysUnavailable { .. })
            | Self::LoginUnavailable(_) => Some(RETRY_AFTER_KEYS),
            Self::SettingsUnreadable(_)
            | Self::KeyUnreadable(_)
            | Self::PolicyUnreadable(_)
            | Self::SessionKeysUnreadable(_)
            | Self::ClientSecretUnreadable(_)
            | Self::UpgradeUnconfigured(_)
            | Self::Credential(CredentialFault::Session(SessionFault::Keys(_))) => {
                Some(RETRY_AFTER_CONFIGURATION)
            }
            _ if self.status() == Status::ServiceUnavailable => Some(RETRY_AFTER_BACKEND),
            _ => None,
        }
    }

    /// The methods of a 405 (RFC 9110 section 10.2.1).
    #[must_use]
    pub const fn allow(&self) -> Option<&'static str> {
        match self {
            Self::MethodRefused(_) => Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            Self::OwnPathMethod { allow } => Some(allow),
            _ => None,
        }
    }

    /// The challenge of a 401 (RFC 6750 section 3): that a token is missing, or that it is not good.
    #[must_use]
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            // A session has no token that a program could mend.
            Self::Credential(CredentialFault::Token(_)) if self.status() == Status::Unauthorized => {
                Some("Bearer error=\"invalid_token\"")
            }
            _ if self.status() == Status::Unauthorized => Some("Bearer"),
            _ => None,
        }
    }
}

impl From<MintError> for Refusal {
    fn from(fault: MintError) -> Self {
        match fault {
            MintError::TooLarge(_) | MintError::TooManyGroups(_) => Self::IdentityTooLarge(fault.to_string()),
            MintError::Json(_) => Self::InternalFault(fault.to_string()),
        }
    }
}
