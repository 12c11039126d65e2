//! A request as people write it: a method and a URL.

use countersign_contract::canonical::{Authority, Method, NotAMethod, NotAnAuthority, NotCanonical, Target};
use thiserror::Error;

/// A URL in its two halves, as typed.
#[derive(Clone, Debug)]
pub(super) struct Url {
    authority: String,
    target: String,
}

/// Why a request can't be made of what was typed.
#[derive(Debug, Error)]
pub(super) enum RequestError {
    #[error("`{0}` is not a URL: expected `http://HOST/PATH` or `https://HOST/PATH`")]
    NotAUrl(String),
    #[error(transparent)]
    Host(#[from] NotAnAuthority),
    #[error("the URL's path is not canonical: {0}")]
    Target(#[from] NotCanonical),
    #[error(transparent)]
    Method(#[from] NotAMethod),
}

impl std::str::FromStr for Url {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| RequestError::NotAUrl(text.to_owned()))?;
        let path = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(path).unwrap_or((rest, ""));
        // As every client sends it: an empty path is `/`.
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { authority: authority.to_owned(), target })
    }
}

impl Url {
    pub(super) fn authority(&self) -> Result<Authority<'_>, RequestError> {
        Ok(Authority::parse(self.authority.as_bytes())?)
    }

    pub(super) fn target(&self) -> Result<Target<'_>, RequestError> {
        Ok(Target::parse(self.target.as_bytes())?)
    }
}

pub(super) fn method(text: &str) -> Result<Method<'_>, RequestError> {
    Ok(Method::parse(text.as_bytes())?)
}
