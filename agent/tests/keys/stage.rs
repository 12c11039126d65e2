//! A folder with the settings and keys of every role, and records.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use countersign_contract::time::UnixMillis;

/// As of when every test judges: 2026-01-02T03:04:05Z.
pub(crate) const NOW: u64 = 1_767_323_045_000;
pub(crate) const NOW_TEXT: &str = "2026-01-02T03:04:05Z";

const POLICY: &str = "version = 1\n";
const SETTINGS: &str = r#"
[spop]
listen = ["unix:a.sock"]
[policy]
file = "policy.toml"
[assertion]
keys = "assertion.jwks.json"
shared_secrets = "secrets.json"
audience = "eu-1"
environment = "production"
[[assertion.services]]
name = "edge-www"
keys = ["k3"]
hosts = ["www.example.test"]
[receipt]
keys = "receipt-keys"
"#;
const PUBLISH: &str = r#"
[peers]
name = "countersign"
listen = ["unix:peers.sock"]
nodes = ["hap1"]
[admin]
socket = "admin.sock"
[reputation]
state = "bans.json"
[edge]
store = "S1"
token = "token"
list_keys = "list-keys"
list_key = "l2"
"#;
const EDGE: &str = r#"{"version":1,"assertion_key":"k2","session_key":"s2","logins":[{"issuer":"staff","session_lifetime_seconds":605}]}"#;

/// A key as text; no key of anybody's.
pub(crate) fn mac_key(kid: &str) -> String {
    format!("{kid}:{}", "A".repeat(43))
}

pub(crate) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        stage.write("policy.toml", POLICY);
        stage.write("countersign.toml", SETTINGS);
        stage.write("publish.toml", PUBLISH);
        stage.write("settings.json", EDGE);
        stage.write("receipt-keys", &format!("{}\n{}\n", mac_key("r1"), mac_key("r2")));
        stage.write("list-keys", &format!("{} {}\n", mac_key("l1"), mac_key("l2")));
        stage.write("session-keys", &format!("{} {} {}", mac_key("s1"), mac_key("s2"), mac_key("s3")));
        let secret = "A".repeat(43);
        let secrets = ["h1", "h2"].map(|kid| format!(r#"{{"kty":"oct","kid":"{kid}","k":"{secret}"}}"#));
        stage.write("secrets.json", &format!(r#"{{"keys":[{}]}}"#, secrets.join(",")));
        let mut keys = Vec::new();
        for kid in ["k1", "k2", "k3"] {
            let made = stage.run(&["keys", "generate", "--out", kid, "--kid", kid]);
            assert!(made.status.success());
            let set: serde_json::Value =
                serde_json::from_str(&stage.read(&format!("{kid}/assertion.jwks.json"))).unwrap();
            keys.push(set["keys"][0].clone());
        }
        stage.write("assertion.jwks.json", &serde_json::json!({ "keys": keys, "of": "www" }).to_string());
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Every source, as of [`NOW`].
    pub(crate) fn with_sources<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = arguments.to_vec();
        all.extend(["--settings", "countersign.toml", "--publish-settings", "publish.toml"]);
        all.extend(["--edge-settings", "settings.json"]);
        all.extend(["--now", NOW_TEXT, "--records", "records.jsonl"]);
        all
    }
}

/// A record of a tier, so many seconds before [`NOW`], with keys as JSON members.
pub(crate) fn record(tier: &str, ago: u64, keys: &str) -> String {
    let time = UnixMillis(NOW - ago * 1000).rfc3339();
    let comma = if keys.is_empty() { "" } else { "," };
    format!(
        r#"{{"time":"{time}","tier":"{tier}","decision_id":"d","id_from":"assertion","verdict":"allow","reason":"forwarded"{comma}{keys},"micros":1}}"#
    )
}

/// Lines of records.
pub(crate) fn records(records: &[(&str, u64, &str)]) -> String {
    let mut lines = String::new();
    for (tier, ago, keys) in records {
        writeln!(lines, "{}", record(tier, *ago, keys)).unwrap();
    }
    lines
}

/// A day of every role: the first key of each until an hour ago, then the second.
pub(crate) fn a_day() -> String {
    let keys = |number: u32| {
        format!(
            r#""kid":"k{number}","session_kid":"s{number}","list_kid":"l{number}","receipt_kid":"r{number}","token_kid":"t{number}""#
        )
    };
    let (old, new) = (keys(1), keys(2));
    records(&[
        ("edge", 86_400, &old),
        ("edge", 3600, &old),
        ("agent", 3599, r#""kid":"k1""#),
        ("edge", 3598, &new),
        ("agent", 3597, r#""kid":"k2""#),
        ("edge", 2, &new),
        ("agent", 1, r#""kid":"k2""#),
    ])
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
