//! A bot: its key, its directory and the requests that it signs. The key is that of RFC 9421 appendix B.1.4.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::world::{Ask, HOST, NOW};

pub(crate) const AGENT: &str = "https://bot.example.test";
pub(crate) const DIRECTORY: &str = "https://bot.example.test/.well-known/http-message-signatures-directory";
/// The key's thumbprint, as Cloudflare's vectors have it.
pub(crate) const KEY: &str = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";
const PRIVATE: &str = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU";
const PUBLIC: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";

/// The bot in the settings.
pub(crate) fn settings() -> Value {
    json!({
        "name": "goodbot", "signature_agent": AGENT, "directory": DIRECTORY, "backend": "goodbot",
        "groups": ["crawlers", "others"], "max_age_seconds": 600, "stale_seconds": 1200,
        "refetch_cooldown_seconds": 60,
    })
}

/// What its directory answers.
pub(crate) fn directory() -> Vec<u8> {
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": KEY, "x": PUBLIC, "use": "sig" }] })
        .to_string()
        .into_bytes()
}

/// A signature in the making.
#[derive(Clone)]
pub(crate) struct Signature {
    /// What it covers, identifier and value.
    pub(crate) covered: Vec<(String, String)>,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) key: String,
    pub(crate) agent: Option<String>,
}

/// As the draft has it: over the host and the bot's name.
pub(crate) fn signature() -> Signature {
    Signature {
        covered: vec![
            ("\"@authority\"".to_owned(), HOST.to_owned()),
            ("\"signature-agent\";key=\"a\"".to_owned(), format!("\"{AGENT}\"")),
        ],
        created: NOW - 10,
        expires: NOW + 300,
        key: KEY.to_owned(),
        agent: Some(format!("a=\"{AGENT}\"")),
    }
}

impl Signature {
    /// Over one component more.
    pub(crate) fn over(mut self, identifier: &str, value: &str) -> Self {
        self.covered.push((identifier.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn for_host(mut self, host: &str) -> Self {
        self.covered[0].1 = host.to_owned();
        self
    }

    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = key.to_owned();
        self
    }

    pub(crate) fn lives(mut self, created: u64, expires: u64) -> Self {
        (self.created, self.expires) = (created, expires);
        self
    }

    /// Names another bot, and signs that.
    pub(crate) fn of_agent(mut self, agent: &str) -> Self {
        self.covered[1].1 = format!("\"{agent}\"");
        self.agent = Some(format!("a=\"{agent}\""));
        self
    }

    /// Names nobody.
    pub(crate) fn nameless(mut self) -> Self {
        self.covered.truncate(1);
        self.agent = None;
        self
    }

    /// The request with it.
    pub(crate) fn on(&self, ask: Ask) -> Ask {
        let identifiers: Vec<&str> = self.covered.iter().map(|(identifier, _)| identifier.as_str()).collect();
        let params = format!(
            "({});created={};expires={};keyid=\"{}\";alg=\"ed25519\";nonce=\"n\";tag=\"web-bot-auth\"",
            identifiers.join(" "),
            self.created,
            self.expires,
            self.key
        );
        let mut lines: Vec<String> =
            self.covered.iter().map(|(identifier, value)| format!("{identifier}: {value}")).collect();
        lines.push(format!("\"@signature-params\": {params}"));
        let seed: [u8; 32] = URL_SAFE_NO_PAD.decode(PRIVATE).unwrap().try_into().unwrap();
        let signed = SigningKey::from_bytes(&seed).sign(lines.join("\n").as_bytes()).to_bytes();
        let ask = ask
            .header("signature-input", format!("s={params}"))
            .header("signature", format!("s=:{}:", STANDARD.encode(signed)));
        match &self.agent {
            Some(agent) => ask.header("signature-agent", agent.as_str()),
            None => ask,
        }
    }
}
