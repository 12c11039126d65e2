//! Fastly's API for the items of a config store or a dictionary: list, and write a batch.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_contract::time::UnixMillis;
use serde::Deserialize;
use thiserror::Error;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body};

use super::batch::Operation;
use super::budget::Told;
use super::publication::{Failure, Items};

/// How long one call may take: Fastly's own is seconds for a full batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes: 1000 items of 8000 characters, escaped, with room to spare.
const LONGEST: u64 = 32 << 20;
/// Items of one page of a dictionary's list.
const PAGE: usize = 100;
/// The most pages that are asked for: ten times what a dictionary holds.
const MOST_PAGES: usize = 100;

/// Where the list is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A config store, which Compute services read.
    ConfigStore {
        /// Its id.
        store: String,
    },
    /// A dictionary, which VCL services read.
    Dictionary {
        /// The service's id.
        service: String,
        /// The dictionary's id.
        dictionary: String,
    },
}

impl Target {
    fn items(&self) -> String {
        match self {
            Self::ConfigStore { store } => format!("/resources/stores/config/{store}/items"),
            Self::Dictionary { service, dictionary } => {
                format!("/service/{service}/dictionary/{dictionary}/items")
            }
        }
    }
}

/// An API token. It is never printed.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why a token can't be had.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file can't be read.
    #[error("token file {file}: {source}", file = file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file doesn't hold one line of visible characters.
    #[error("token file {file}: expected one line with the token and nothing else", file = file.display())]
    Form {
        /// The file.
        file: PathBuf,
    },
}

impl Token {
    /// Reads a token from a file of one line.
    ///
    /// # Errors
    /// [`TokenError`]; no token is in it.
    pub fn read(file: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| TokenError::Read { file: file.to_owned(), source })?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Form { file: file.to_owned() });
        }
        Ok(Self(token.to_owned()))
    }
}

/// One target of the API.
#[derive(Clone, Debug)]
pub struct Api {
    agent: Agent,
    base: String,
    target: Target,
    token: Token,
}

/// Why a call failed.
#[derive(Debug, Error)]
pub enum CallError {
    /// The API answers with an error.
    #[error("the API answers {status}: {said}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// What it says, in its own words, cut.
        said: String,
        /// When its limit of writes counts anew, if that is what it says.
        reset: Option<UnixMillis>,
    },
    /// The way to the API failed.
    #[error("the API can't be reached: {0}")]
    Way(#[from] Box<ureq::Error>),
    /// The answer is not what the API answers.
    #[error("the API's answer can't be read: {0}")]
    Unreadable(String),
}

impl From<ureq::Error> for CallError {
    fn from(error: ureq::Error) -> Self {
        Self::Way(Box::new(error))
    }
}

impl CallError {
    /// What it means for what is to be done next.
    #[must_use]
    pub fn failure(&self, now: UnixMillis) -> Failure {
        match self {
            Self::Status { status: StatusCode::TOO_MANY_REQUESTS, reset, .. } => {
                // Without a word on when: Fastly counts by the hour, and a minute is soon enough to look.
                Failure::Limited(reset.unwrap_or(UnixMillis(now.0 + 60_000)))
            }
            Self::Status { status, .. } if status.is_client_error() => Failure::Refused,
            Self::Status { .. } | Self::Way(_) | Self::Unreadable(_) => Failure::Trouble,
        }
    }
}

#[derive(Deserialize)]
struct Item {
    item_key: String,
    #[serde(default)]
    item_value: String,
}

#[derive(serde::Serialize)]
struct Batch<'a> {
    items: &'a [Operation],
}

impl Api {
    /// A target at the API of this address, e.g. `https://api.fastly.com`.
    #[must_use]
    pub fn new(base: &str, target: Target, token: Token) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // A token is for one host.
            .max_redirects(0)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), base: base.trim_end_matches('/').to_owned(), target, token }
    }

    /// Lists all items.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn list(&self, now: UnixMillis) -> Result<Items, CallError> {
        let mut items = Items::new();
        for page in 1..=MOST_PAGES {
            let url = match self.target {
                Target::ConfigStore { .. } => format!("{}{}", self.base, self.target.items()),
                Target::Dictionary { .. } => {
                    format!(
                        "{}{}?page={page}&per_page={PAGE}&sort=item_key&direction=ascend",
                        self.base,
                        self.target.items()
                    )
                }
            };
            let response = self
                .agent
                .get(url)
                .header("Fastly-Key", &self.token.0)
                .header("Accept", "application/json")
                .call()?;
            let text = body(response, now)?;
            let found: Vec<Item> =
                serde_json::from_str(&text).map_err(|error| CallError::Unreadable(error.to_string()))?;
            let count = found.len();
            items.extend(found.into_iter().map(|item| (item.item_key, item.item_value)));
            if count < PAGE || matches!(self.target, Target::ConfigStore { .. }) {
                return Ok(items);
            }
        }
        Err(CallError::Unreadable(format!("more than {} items", MOST_PAGES * PAGE)))
    }

    /// Writes a batch. Gives what the API says is left of its limit, if it says so.
    ///
    /// # Errors
    /// [`CallError`]; anything of the batch may have been taken.
    pub fn write(&self, operations: &[Operation], now: UnixMillis) -> Result<Option<Told>, CallError> {
        let text = serde_json::to_string(&Batch { items: operations })
            .map_err(|error| CallError::Unreadable(error.to_string()))?;
        let response = self
            .agent
            .patch(format!("{}{}", self.base, self.target.items()))
            .header("Fastly-Key", &self.token.0)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .send(text)?;
        let told = told(response.headers(), now);
        body(response, now)?;
        Ok(told)
    }
}

/// The body of a good answer.
fn body(mut response: Response<Body>, now: UnixMillis) -> Result<String, CallError> {
    let (status, reset) = (response.status(), told(response.headers(), now).map(|told| told.reset));
    let mut bytes = Vec::new();
    let read = response.body_mut().as_reader().take(LONGEST).read_to_end(&mut bytes);
    read.map_err(|error| CallError::from(ureq::Error::Io(error)))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    let said = text.chars().take(200).flat_map(char::escape_debug).collect();
    Err(CallError::Status { status, said, reset })
}

/// `Fastly-RateLimit-Remaining` and `-Reset` (Unix seconds), where both are there.
fn told(headers: &HeaderMap, now: UnixMillis) -> Option<Told> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let (remaining, reset) = (number("Fastly-RateLimit-Remaining")?, number("Fastly-RateLimit-Reset")?);
    // Fastly counts by the hour: what is later is no time that it means.
    let reset = UnixMillis(reset.saturating_mul(1000)).min(UnixMillis(now.0.saturating_add(3_600_000)));
    Some(Told { remaining, reset })
}
