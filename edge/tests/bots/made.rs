//! `made.json`: requests that another implementation signed, good ones and ones with a single defect.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::request::{Bots, Request, Time, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) now: u64,
    pub(crate) skew_seconds: u64,
    bots: Vec<BotSaid>,
    pub(crate) vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BotSaid {
    name: String,
    signature_agent: String,
    directory: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) name: String,
    #[serde(rename = "made_by")]
    _made_by: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    pub(crate) expect: Expected,
}

/// What a vector comes to: exactly one of these members.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expected {
    /// It is this bot.
    Bot(String),
    /// It is refused with this code.
    Fault(String),
    /// It claims nothing.
    Nothing(bool),
}

impl Document {
    pub(crate) fn read() -> Self {
        read("made.json")
    }

    /// The file, for tests that ask many times.
    pub(crate) fn read_once() -> &'static Self {
        static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::read);
        &DOCUMENT
    }

    pub(crate) fn bots(&self) -> Bots {
        let bots: Vec<_> = self
            .bots
            .iter()
            .map(|bot| (bot.name.as_str(), bot.signature_agent.as_str(), bot.directory.clone()))
            .collect();
        Bots::new(&bots)
    }

    /// The keys of all bots.
    pub(crate) fn keys(&self) -> Vec<Value> {
        self.bots.iter().flat_map(|bot| bot.directory["keys"].as_array().unwrap().clone()).collect()
    }
}

impl Vector {
    pub(crate) fn request(&self) -> Request {
        Request::new(&self.method, &self.url, &self.headers)
    }
}

#[test]
fn every_vector_comes_to_what_it_has_to() {
    let document = Document::read();
    let bots = document.bots();
    let time = Time::at(document.now, document.skew_seconds);
    let wrong: Vec<String> = document
        .vectors
        .iter()
        .filter_map(|vector| {
            let found = match bots.verify(&vector.request(), time) {
                Ok(Some(bot)) => Expected::Bot(bot.bot().name.to_string()),
                Ok(None) => Expected::Nothing(true),
                Err(fault) => Expected::Fault(fault.code().to_owned()),
            };
            (found != vector.expect)
                .then(|| format!("{}:\n  expected {:?}\n  found    {found:?}", vector.name, vector.expect))
        })
        .collect();
    let count = document.vectors.len();
    assert!(wrong.is_empty(), "{} of {count} vectors:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 130, "{count} vectors: was the file cut?");
}

/// Each fault that a request can have by itself occurs.
#[test]
fn no_fault_is_left_out() {
    let document = Document::read();
    let faults: BTreeSet<&str> = document
        .vectors
        .iter()
        .filter_map(|vector| match &vector.expect {
            Expected::Fault(code) => Some(code.as_str()),
            Expected::Bot(_) | Expected::Nothing(_) => None,
        })
        .collect();
    for code in [
        "bot-signature-too-large",
        "bot-signature-malformed",
        "bot-unsigned",
        "bot-several-signatures",
        "bot-parameter-missing",
        "bot-algorithm-refused",
        "bot-authority-unsigned",
        "bot-agent-unsigned",
        "bot-component-unsupported",
        "bot-component-missing",
        "bot-ends-before-it-begins",
        "bot-lives-too-long",
        "bot-from-the-future",
        "bot-expired",
        "bot-unknown-agent",
        "bot-unknown-key",
        "bot-signature-invalid",
    ] {
        assert!(faults.contains(code), "{code}");
    }
}
