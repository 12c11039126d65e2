//! Who is signed in, as a cookie of our own says: sealed, bound to its host, short-lived.

use countersign_contract::name::{GroupName, KeyId, SessionId, Subject};
use countersign_contract::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::sealed::{Kind, SealFault, SessionKeys, SessionKeysFault};
use crate::settings::{IssuerName, Settings};

/// The cookie. `__Host-` has browsers refuse one from another host, another path, or in clear.
pub const COOKIE: &str = "__Host-countersign-session";

/// The version of the content, the only one there is.
const VERSION: u8 = 1;
/// How far ahead of our clock that of another edge location may be, in seconds.
const CLOCK_SKEW_SECONDS: u64 = 5;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    v: u8,
    /// The host that it is for.
    host: String,
    /// The issuer that vouched for it.
    pub iss: IssuerName,
    /// Who.
    pub sub: Subject,
    /// The log-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// Their groups, those that the policy named when they signed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// When it was made.
    iat: UnixSeconds,
    /// From when on the next page that is opened renews it.
    renew: UnixSeconds,
    /// From when on it says nothing any more.
    exp: UnixSeconds,
}

/// Who a new session is of, and how long it lives.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// The host that it is for.
    pub host: &'a str,
    /// The issuer.
    pub issuer: IssuerName,
    /// Who.
    pub subject: Subject,
    /// The log-in.
    pub session: Option<SessionId>,
    /// Their groups.
    pub groups: Vec<GroupName>,
    /// Now.
    pub now: UnixSeconds,
    /// When it is renewed, in seconds from now.
    pub renew_after: u64,
    /// When it ends, in seconds from now.
    pub lifetime: u64,
}

/// Why a session cookie is nobody.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SessionFault {
    /// There are no keys to open it with.
    #[error(transparent)]
    Keys(#[from] SessionKeysFault),
    /// It isn't ours.
    #[error("the session cookie: {0}")]
    Seal(#[from] SealFault),
    /// Of another version of this program.
    #[error("the session cookie is of version {0}, expected {VERSION}")]
    Version(u8),
    /// For another host.
    #[error("the session cookie is for host `{0}`")]
    OtherHost(String),
    /// By an issuer that this host doesn't sign in with any more.
    #[error("the session cookie is by issuer `{0}`, which this host does not sign in with")]
    OtherIssuer(IssuerName),
    /// From the future.
    #[error("the session cookie was made {0} s in the future")]
    FromTheFuture(u64),
    /// Over.
    #[error("the session ended {0} s ago")]
    Expired(u64),
}

impl SessionFault {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Keys(_) => "session-keys-unreadable",
            Self::Seal(SealFault::UnknownKey) => "session-unknown-key",
            Self::Seal(SealFault::Forged(_)) => "session-forged",
            Self::Seal(SealFault::Malformed | SealFault::Content(_)) | Self::Version(_) => {
                "session-malformed"
            }
            Self::OtherHost(_) => "session-of-another-host",
            Self::OtherIssuer(_) => "session-of-another-issuer",
            Self::FromTheFuture(_) => "session-from-the-future",
            Self::Expired(_) => "session-expired",
        }
    }
}

impl Session {
    /// A new session.
    #[must_use]
    pub fn new(new: NewSession<'_>) -> Self {
        Self {
            v: VERSION,
            host: new.host.to_owned(),
            iss: new.issuer,
            sub: new.subject,
            sid: new.session,
            groups: new.groups,
            iat: new.now,
            renew: new.now.plus(new.renew_after),
            exp: new.now.plus(new.lifetime),
        }
    }

    /// Opens a cookie, and tells the key that it is under.
    ///
    /// # Errors
    /// [`SessionFault`].
    pub fn open(
        cookie: &[u8],
        keys: &SessionKeys,
        settings: &Settings,
        host: &str,
        now: UnixSeconds,
    ) -> Result<(Self, KeyId), SessionFault> {
        let (key, session): (_, Self) = keys.open(Kind::Session, cookie)?;
        if session.v != VERSION {
            return Err(SessionFault::Version(session.v));
        }
        if session.host != host {
            return Err(SessionFault::OtherHost(session.host));
        }
        if settings.login(host).is_none_or(|(_, issuer)| issuer.name != session.iss) {
            return Err(SessionFault::OtherIssuer(session.iss));
        }
        if session.iat > now.plus(CLOCK_SKEW_SECONDS) {
            return Err(SessionFault::FromTheFuture(session.iat.since(now)));
        }
        if session.exp <= now {
            return Err(SessionFault::Expired(now.since(session.exp)));
        }
        Ok((session, key.clone()))
    }

    /// Whether it is time to ask the issuer again.
    #[must_use]
    pub fn wants_renewal(&self, now: UnixSeconds) -> bool {
        self.renew <= now
    }
}
