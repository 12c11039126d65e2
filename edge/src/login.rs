//! Signing in and out: what the paths below `/.countersign/` do.
//!
//! Authorization code with PKCE (OpenID Connect Core section 3.1, RFC 7636). What has to be remembered
//! between the two visits to an issuer is sealed into a cookie, one for each attempt, so that several tabs
//! don't get into each other's way and nothing is kept here.

mod attempt;
mod callback;
mod ended;
mod sign_out;
mod start;

pub use ended::{ended, read as read_ended};

use std::collections::BTreeSet;

use countersign_contract::header::{OWN_PATH, SIGNED_OUT_PATH};
use countersign_contract::name::{GroupName, SessionId, Subject};
use countersign_contract::time::UnixSeconds;

use crate::answer::OwnAnswer;
use crate::credential::{self, CredentialFault};
use crate::identify::{Identified, Proof, Renewal};
use crate::platform::{Platform, Received};
use crate::provider;
use crate::record::{Journal, Passage};
use crate::refusal::Refusal;
use crate::scrub::Canonical;
use crate::session::SessionFault;
use crate::settings::{Issuer, Login, Settings};

pub use attempt::Prompt;

/// Where a visit to the issuer ends.
const CALLBACK_PATH: &str = "/.countersign/callback";
/// A session was to be renewed a moment ago: whatever came of it, the next page is not held up again.
const RENEWED_COOKIE: &str = "__Host-countersign-renewed";
/// For how long, in seconds.
const RENEWED_SECONDS: u64 = 60;

/// Our own paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPath {
    /// Begins to sign in.
    LogIn,
    /// The issuer has sent somebody back.
    Callback,
    /// Signs out.
    LogOut,
    /// The issuer tells of a log-in that is over.
    BackchannelLogout,
}

impl OwnPath {
    /// Which of our own paths a request is for, if it is for one; a path below [`OWN_PATH`] that there
    /// isn't is refused, and so is a method that it doesn't take.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn of(request: &Canonical<'_>) -> Result<Option<Self>, Refusal> {
        let path = request.target.path();
        let Some(rest) = path.strip_prefix(OWN_PATH) else { return Ok(None) };
        let own = match rest {
            "login" => Self::LogIn,
            "callback" => Self::Callback,
            "logout" => Self::LogOut,
            _ if path == SIGNED_OUT_PATH => Self::BackchannelLogout,
            _ => return Err(Refusal::OwnPathUnknown),
        };
        match (own, request.method.as_str()) {
            (Self::LogIn | Self::Callback, "GET")
            | (Self::LogOut, "GET" | "POST")
            | (Self::BackchannelLogout, "POST") => Ok(Some(own)),
            (own, _) => Err(Refusal::OwnPathMethod { allow: own.methods() }),
        }
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::LogIn | Self::Callback => "GET",
            Self::LogOut => "GET, POST",
            Self::BackchannelLogout => "POST",
        }
    }
}

/// What was done for somebody who came to one of our paths.
#[derive(Debug)]
pub struct Done {
    /// Why; a refusal where the answer is a redirect all the same.
    pub outcome: Result<Passage, Refusal>,
    /// The answer.
    pub answer: OwnAnswer,
    /// Who it is, where that is known now.
    pub who: Option<SignedIn>,
}

/// Somebody who has just signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub subject: Subject,
    /// The log-in.
    pub session: Option<SessionId>,
}

/// Everything that signing in to a host needs.
#[derive(Debug)]
pub struct Desk<'a, P> {
    platform: &'a P,
    received: &'a Received,
    settings: &'a Settings,
    login: &'a Login,
    issuer: &'a Issuer,
    host: &'a str,
    now: UnixSeconds,
}

impl<'a, P: Platform> Desk<'a, P> {
    /// The desk of a host, if there is a way to sign in to it.
    #[must_use]
    pub fn of(
        platform: &'a P,
        received: &'a Received,
        settings: &'a Settings,
        host: &'a str,
        now: UnixSeconds,
    ) -> Option<Self> {
        let (login, issuer) = settings.login(host)?;
        Some(Self { platform, received, settings, login, issuer, host, now })
    }

    /// Answers a request to one of the paths that people come to.
    ///
    /// # Errors
    /// [`Refusal`], for a page of its own.
    pub fn answer(&self, path: OwnPath, query: &str, named: &BTreeSet<GroupName>) -> Result<Done, Refusal> {
        match path {
            OwnPath::LogIn => {
                let answer = start::start(self, &start::return_to(query), Prompt::Asked)?;
                Ok(Done { outcome: Ok(Passage::LoginStarted), answer, who: None })
            }
            OwnPath::Callback => callback::callback(self, query, named),
            OwnPath::LogOut => {
                let answer = sign_out::sign_out(self)?;
                Ok(Done { outcome: Ok(Passage::SignedOut), answer, who: None })
            }
            // It is for no browser: see `read_ended`.
            OwnPath::BackchannelLogout => Err(Refusal::OwnPathUnknown),
        }
    }

    /// Instead of a refusal for want of somebody signed in, sends a browser that opens a page to the issuer.
    /// `None` where the refusal stands: programs get their 401, never a redirect.
    ///
    /// # Errors
    /// [`Refusal`] where the issuer can't be asked.
    pub fn instead_of(
        &self,
        refusal: &Refusal,
        request: &Canonical<'_>,
    ) -> Result<Option<OwnAnswer>, Refusal> {
        let signing_in_helps = match refusal {
            Refusal::IdentityRequired { .. } | Refusal::ListedRequireIdentity | Refusal::SessionRevoked => {
                true
            }
            Refusal::Credential(CredentialFault::Session(fault)) => !matches!(fault, SessionFault::Keys(_)),
            _ => false,
        };
        if !signing_in_helps || !opens_a_page(self.received, request) {
            return Ok(None);
        }
        start::start(self, request.target.as_str(), Prompt::Asked).map(Some)
    }

    /// Where a session is due for renewal, sends a browser that opens a page to the issuer, which sends it
    /// back at once if its own session still stands. `None` where the request goes on: it isn't due, it is no
    /// page, or the issuer doesn't answer, so that its outage ends nobody's session early.
    ///
    /// # Errors
    /// [`Refusal`] where the issuer can't be asked.
    pub fn renewal(
        &self,
        identified: &Identified,
        request: &Canonical<'_>,
        journal: &mut Journal,
    ) -> Result<Option<OwnAnswer>, Refusal> {
        let Identified::Somebody(who) = identified else { return Ok(None) };
        let is_due = matches!(who.by, Proof::Session { renewal: Renewal::Due, .. });
        if !is_due
            || !opens_a_page(self.received, request)
            || !matches!(credential::cookie(self.received, RENEWED_COOKIE), Ok(None))
        {
            return Ok(None);
        }
        if let Some(fault) = provider::outage(self.platform, self.issuer) {
            journal.detail(format!("the session is due for renewal, and the issuer gives {fault}"));
            return Ok(None);
        }
        let marker = set_cookie(RENEWED_COOKIE, "1", RENEWED_SECONDS);
        let answer = start::start(self, request.target.as_str(), Prompt::Silent)?;
        Ok(Some(answer.with_cookie(marker)))
    }

    /// When it is.
    #[must_use]
    pub const fn now(&self) -> UnixSeconds {
        self.now
    }

    fn own_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }
}

/// Whether a browser opens a page, to which alone a redirect means something. Browsers say so; of those that
/// don't, whoever wants HTML.
fn opens_a_page(received: &Received, request: &Canonical<'_>) -> bool {
    if request.method.as_str() != "GET" || !received.authorization.is_empty() {
        return false;
    }
    match received.fetch_mode.as_slice() {
        [] => received.accept.iter().any(|accept| {
            let mut types = accept.split(|byte| *byte == b',');
            types.any(|one| one.trim_ascii().get(..9).is_some_and(|t| t.eq_ignore_ascii_case(b"text/html")))
        }),
        // In a frame nobody can sign in: issuers refuse to be framed.
        [mode] => {
            let in_window = |dest: &Vec<u8>| dest.trim_ascii() == b"document";
            mode.trim_ascii() == b"navigate" && received.fetch_dest.iter().all(in_window)
        }
        _ => false,
    }
}

/// A cookie for this host alone, out of reach of scripts and of other sites' requests but for links.
fn set_cookie(name: &str, value: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

fn delete_cookie(name: &str) -> String {
    set_cookie(name, "", 0)
}
