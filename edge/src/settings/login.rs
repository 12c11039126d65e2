//! How people sign in, in the settings.

use std::collections::BTreeSet;

use countersign_contract::canonical::{Authority, Target};
use countersign_contract::header::OWN_PATH;
use serde::Deserialize;

use super::issuer::{BearerTokens, Issuer};
use super::text::IssuerName;
use crate::platform::{ASSERTION_KEY, LIST_KEY, RECEIPT_KEY, SESSION_KEY};

/// What no issuer may learn.
const OUR_SECRETS: [&str; 4] = [ASSERTION_KEY, LIST_KEY, SESSION_KEY, RECEIPT_KEY];
/// A day: a session that lives longer isn't short.
const LONGEST_SESSION_SECONDS: u64 = 86_400;

/// Signing in to some hosts by an issuer: authorization code with PKCE (OpenID Connect Core section 3.1,
/// RFC 7636).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The issuer, by its name.
    pub issuer: IssuerName,
    /// The hosts that it is for, lower case. Each is registered with the issuer as
    /// `https://HOST/.countersign/callback`.
    pub hosts: BTreeSet<String>,
    /// The id that the issuer knows us by.
    pub client_id: String,
    /// How we prove to be that client.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// The secret of the secret store that holds the client's.
    #[serde(default = "default_client_secret")]
    pub client_secret: String,
    /// What is asked for; `openid` has to be among it.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// How long a session lives, in seconds: for that long a request needs nothing of the issuer.
    #[serde(default = "default_session")]
    pub session_lifetime_seconds: u64,
    /// How old a session is, in seconds, when the next page that is opened renews it at the issuer.
    #[serde(default = "default_renewal")]
    pub renew_after_seconds: u64,
    /// Where people come to after they have signed out: a path of the host.
    #[serde(default = "default_signed_out")]
    pub signed_out_path: String,
}

/// How a client proves who it is at the token endpoint (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// By its secret, in the header.
    #[default]
    ClientSecretBasic,
    /// By its secret, in the body.
    ClientSecretPost,
    /// Not at all: PKCE alone.
    None,
}

fn default_client_secret() -> String {
    "client-secret".to_owned()
}

fn default_scopes() -> Vec<String> {
    vec!["openid".to_owned()]
}

const fn default_session() -> u64 {
    3600
}

const fn default_renewal() -> u64 {
    600
}

fn default_signed_out() -> String {
    "/".to_owned()
}

impl Login {
    pub(super) fn check(&self, issuers: &[Issuer]) -> Result<(), String> {
        let name = &self.issuer;
        let issuer = issuers.iter().find(|issuer| issuer.name == *name);
        let issuer =
            issuer.ok_or_else(|| format!("login by `{name}`: expected the `name` of one of `issuers`"))?;
        if self.hosts.is_empty() || self.client_id.is_empty() || self.client_secret.is_empty() {
            return Err(format!("login by `{name}`: `hosts`, `client_id` or `client_secret` is empty"));
        }
        if OUR_SECRETS.contains(&self.client_secret.as_str()) {
            return Err(format!(
                "login by `{name}`: `client_secret` is `{}`, a secret of our own, which the issuer would be told: \
                 expected the name of another",
                self.client_secret
            ));
        }
        for host in &self.hosts {
            let canonical = Authority::parse(host.as_bytes());
            if canonical.is_ok_and(|canonical| canonical.as_str() == host) {
                continue;
            }
            return Err(format!(
                "login by `{name}`: `{host}` in `hosts` is no host in lower case without a default port"
            ));
        }
        let is_scope = |t: &String| {
            !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
        };
        if !self.scopes.iter().all(is_scope) || !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(format!("login by `{name}`: `scopes` has to name `openid`, and no scope has spaces"));
        }
        let (lifetime, renewal) = (self.session_lifetime_seconds, self.renew_after_seconds);
        if !(1..=LONGEST_SESSION_SECONDS).contains(&lifetime) {
            return Err(format!(
                "login by `{name}`: `session_lifetime_seconds` is {lifetime}, expected 1 to {LONGEST_SESSION_SECONDS}"
            ));
        }
        if renewal == 0 || renewal > lifetime {
            return Err(format!(
                "login by `{name}`: `renew_after_seconds` is {renewal}, expected 1 to {lifetime}, the session's life"
            ));
        }
        let path = &self.signed_out_path;
        if Target::parse(path.as_bytes()).is_err() || path.starts_with(OWN_PATH) {
            return Err(format!(
                "login by `{name}`: `signed_out_path` is `{path}`, expected a path of the host"
            ));
        }
        if issuer.bearer_tokens == BearerTokens::AnyJwt && issuer.audience.as_ref() == Some(&self.client_id) {
            return Err(format!(
                "issuer `{name}`: `audience` is the `client_id` of a login: with `bearer_tokens` of `jwt` \
                 an ID token would pass for an access token"
            ));
        }
        Ok(())
    }
}

/// A host has one way to sign in.
pub(super) fn check_side_by_side(logins: &[Login]) -> Result<(), String> {
    for (index, login) in logins.iter().enumerate() {
        let earlier = logins.iter().take(index);
        if let Some(host) = earlier.flat_map(|other| &other.hosts).find(|host| login.hosts.contains(*host)) {
            return Err(format!("`{host}` is among the `hosts` of two of `logins`"));
        }
    }
    Ok(())
}
