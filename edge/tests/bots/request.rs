//! A request as a vector describes it, and what the edge makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::time::UnixSeconds;
use countersign_edge::bots::BotFault;
use countersign_edge::bots::base::Message;
use countersign_edge::bots::directory::Directory;
use countersign_edge::bots::verify::{Expected, Headers, LONGEST_LIFETIME_SECONDS, VerifiedBot, verify};
use countersign_edge::settings::{Bot, Settings};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A file of vectors.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/web-bot-auth").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) fields: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Request {
    pub(crate) fn new(method: &str, url: &str, headers: &[(String, String)]) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut fields: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for (name, value) in headers {
            fields.entry(name.clone()).or_default().push(value.clone().into_bytes());
        }
        Self {
            method: method.to_owned(),
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            target: format!("/{path}"),
            fields,
        }
    }

    pub(crate) fn lines(&self, name: &str) -> &[Vec<u8>] {
        self.fields.get(name).map_or(&[], Vec::as_slice)
    }

    /// Does something with the request as the edge reads it. Of its fields only `known` can be looked at.
    pub(crate) fn read<T>(&self, known: &[&str], act: impl FnOnce(&Message<'_>) -> T) -> T {
        let authority = Authority::parse(self.host.as_bytes()).unwrap();
        let target = Target::parse(self.target.as_bytes()).unwrap();
        act(&Message {
            method: Method::parse(self.method.as_bytes()).unwrap(),
            scheme: &self.scheme,
            authority: &authority,
            target: &target,
            fields: &|name| known.contains(&name).then(|| self.lines(name)),
        })
    }
}

/// Bots, and what their directories publish.
pub(crate) struct Bots {
    bots: Vec<Bot>,
    directories: BTreeMap<String, Vec<u8>>,
}

impl Bots {
    /// Name, what it calls itself, its directory.
    pub(crate) fn new(bots: &[(&str, &str, Value)]) -> Self {
        let said = bots.iter().map(|(name, agent, _)| {
            json!({ "name": name, "signature_agent": agent, "directory": "https://keys.test/", "backend": "keys" })
        });
        let settings = json!({ "version": 1, "service": "e", "environment": "t",
            "origins": [{ "backend": "haproxy", "audience": "a" }], "bots": said.collect::<Vec<_>>() });
        let directories =
            bots.iter().map(|(name, _, keys)| ((*name).to_owned(), keys.to_string().into_bytes()));
        Self {
            bots: Settings::from_json(&settings.to_string()).unwrap().bots,
            directories: directories.collect(),
        }
    }

    /// What becomes of a request's claim.
    pub(crate) fn verify(&self, request: &Request, time: Time) -> Result<Option<VerifiedBot<'_>>, BotFault> {
        let headers = Headers {
            signature: request.lines("signature"),
            signature_input: request.lines("signature-input"),
            signature_agent: request.lines("signature-agent"),
        };
        let expected = Expected {
            bots: &self.bots,
            now: UnixSeconds(time.now),
            skew_seconds: time.skew,
            longest_lifetime_seconds: time.longest,
        };
        let known = ["host", "accept", "signature-agent"];
        request.read(&known, |message| {
            verify(&headers, message, &expected, &|bot, thumbprint, _| {
                let directory = Directory::parse(&self.directories[bot.name.as_str()]).unwrap();
                directory.find(thumbprint).cloned().ok_or_else(|| BotFault::UnknownKey(thumbprint.to_owned()))
            })
        })
    }
}

/// When a request is verified, all in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    pub(crate) now: u64,
    pub(crate) skew: u64,
    pub(crate) longest: u64,
}

impl Time {
    /// As in production.
    pub(crate) fn at(now: u64, skew: u64) -> Self {
        Self { now, skew, longest: LONGEST_LIFETIME_SECONDS }
    }
}
