//! Settings: a TOML file, overridden by the environment.
//!
//! `COUNTERSIGN__SECTION__KEY` overrides `key` of `[section]`, e.g. `COUNTERSIGN__ASSERTION__AUDIENCE`.

mod assertion;
mod edge;
mod publish;

pub use assertion::Assertion;
pub use edge::{Access, Edge, TargetKind};
pub use publish::{Admin, Peers, PublishSettings, Reputation as Signals, Tls};

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::{Config, ConfigError, Environment as FromEnvironment, File, FileFormat};
use haproxy_wire::peers::PeerName;
use haproxy_wire::peers::net;
use haproxy_wire::spop::server::Address;
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::reputation::signal::SignalFault;

/// Prefix of the variables that override a key.
const PREFIX: &str = "COUNTERSIGN";

/// Everything that the agent can be set to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The settings file itself, for messages.
    #[serde(skip)]
    pub file: PathBuf,
    /// How HAProxy reaches the agent.
    pub spop: Spop,
    /// Where the policy is.
    pub policy: PolicyFile,
    /// Which assertions are accepted.
    pub assertion: Assertion,
    /// The keys of receipts; without it there are none.
    #[serde(default)]
    pub receipt: Option<Receipt>,
    /// How used assertions are remembered.
    #[serde(default)]
    pub replay: Replay,
    /// Where decisions are written.
    #[serde(default)]
    pub records: Records,
    /// Where the list comes from; without it nobody is listed at the agent.
    #[serde(default)]
    pub reputation: Option<Reputation>,
}

/// `[spop]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spop {
    /// Addresses to listen on: `unix:/path` or `tcp:127.0.0.1:9301`.
    #[serde(deserialize_with = "addresses")]
    pub listen: Vec<Address>,
    /// Largest frame, in bytes; HAProxy's `max-frame-size` may make it smaller.
    #[serde(default = "Spop::max_frame_bytes")]
    pub max_frame_bytes: u32,
}

impl Spop {
    /// `tune.bufsize` of HAProxy, which no frame can pass.
    const fn max_frame_bytes() -> u32 {
        16_384
    }
}

/// `[policy]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The policy's file; relative to the settings file.
    pub file: PathBuf,
}

/// `[receipt]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// File of keys as `ID:KEY`, which the edge holds too; relative to the settings file.
    pub keys: PathBuf,
}

/// `[replay]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Used assertions that are remembered; when full, further ones are refused with 503.
    pub capacity: usize,
}

impl Default for Replay {
    fn default() -> Self {
        Self { capacity: 1_000_000 }
    }
}

/// `[records]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// File of decision records, `-` for standard output; relative to the settings file.
    pub file: PathBuf,
}

impl Default for Records {
    fn default() -> Self {
        Self { file: PathBuf::from("-") }
    }
}

/// `[reputation]` of an agent
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reputation {
    /// The publisher: `unix:/path`, `tcp:ip:port` on loopback, `tls:host:port`.
    #[serde(deserialize_with = "text")]
    pub publisher: net::Address,
    /// The publisher's `peers.name`.
    #[serde(deserialize_with = "name")]
    pub publisher_name: PeerName,
    /// Our own name, one of the publisher's `peers.agents`.
    #[serde(deserialize_with = "name")]
    pub name: PeerName,
    /// Our certificate, for a `tls:` address.
    #[serde(default)]
    pub tls: Option<Tls>,
}

/// Why settings can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The signals are wrong.
    #[error("settings {file}: `reputation.signals`: {fault}")]
    Signals {
        /// The settings file.
        file: PathBuf,
        /// What is wrong.
        fault: SignalFault,
    },
    /// A file, a key or a variable is wrong.
    #[error("settings {file}: {source}")]
    Config {
        /// The settings file.
        file: PathBuf,
        /// What is wrong.
        source: Box<ConfigError>,
    },
    /// A value is out of bounds.
    #[error("settings {file}: `{key}` is {value}: expected {expected}")]
    OutOfBounds {
        /// The settings file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl Settings {
    /// Reads the settings file and the environment.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and the key.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        Self::read(file, environment())
    }

    fn read(file: &Path, environment: FromEnvironment) -> Result<Self, SettingsError> {
        let mut settings: Self = tree(file, environment)?;
        settings.check(file)?;
        file.clone_into(&mut settings.file);
        settings.resolve(file.parent().unwrap_or(Path::new("")));
        Ok(settings)
    }

    fn check(&self, file: &Path) -> Result<(), SettingsError> {
        let Self { spop, assertion, replay, .. } = self;
        if spop.listen.is_empty() {
            return refuse(file, "spop.listen", "empty".to_owned(), "at least one address");
        }
        if !(256..=1 << 24).contains(&spop.max_frame_bytes) {
            return refuse(file, "spop.max_frame_bytes", spop.max_frame_bytes.to_string(), "256 to 16777216");
        }
        assertion.check(file)?;
        if replay.capacity == 0 {
            return refuse(file, "replay.capacity", "0".to_owned(), "at least 1");
        }
        Ok(())
    }

    /// Files are found beside the settings file, wherever the agent is started from.
    fn resolve(&mut self, folder: &Path) {
        let secrets = self.assertion.shared_secrets.iter_mut();
        let receipts = self.receipt.iter_mut().map(|receipt| &mut receipt.keys);
        let others = secrets.chain(receipts);
        for path in [&mut self.policy.file, &mut self.assertion.keys].into_iter().chain(others) {
            *path = folder.join(&*path);
        }
        if self.records.file != Path::new("-") {
            self.records.file = folder.join(&self.records.file);
        }
        if let Some(reputation) = &mut self.reputation {
            publish::resolve_address(&mut reputation.publisher, folder);
            if let Some(tls) = &mut reputation.tls {
                tls.resolve(folder);
            }
        }
    }
}

/// What overrides the file.
fn environment() -> FromEnvironment {
    // Not parsed by its looks: an audience `007` would become `7`.
    FromEnvironment::with_prefix(PREFIX).prefix_separator("__").separator("__")
}

/// File and environment as one.
fn tree<T: DeserializeOwned>(file: &Path, environment: FromEnvironment) -> Result<T, SettingsError> {
    Config::builder()
        .add_source(File::from(file).format(FileFormat::Toml))
        .add_source(environment)
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|source| SettingsError::Config { file: file.to_owned(), source: Box::new(source) })
}

fn refuse<T>(
    file: &Path,
    key: &'static str,
    value: String,
    expected: &'static str,
) -> Result<T, SettingsError> {
    Err(SettingsError::OutOfBounds { file: file.to_owned(), key, value, expected })
}

fn text<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PeerName, D::Error> {
    peer_name(&String::deserialize(deserializer)?)
}

fn peer_name<E: de::Error>(name: &str) -> Result<PeerName, E> {
    PeerName::new(name).map_err(|fault| E::custom(format!("`{name}`: {fault}")))
}

/// A list, or in a variable's value one text with commas between.
fn addresses<'de, D: Deserializer<'de>, A: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Vec<A>, D::Error> {
    struct Addresses<A>(PhantomData<A>);

    impl<'de, A: FromStr<Err: fmt::Display>> Visitor<'de> for Addresses<A> {
        type Value = Vec<A>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of addresses, such as `unix:/path` or `tcp:127.0.0.1:9301`")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<A>, E> {
            text.split(',').map(|text| text.trim().parse().map_err(E::custom)).collect()
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Vec<A>, S::Error> {
            let mut addresses = Vec::new();
            while let Some(text) = list.next_element::<String>()? {
                addresses.push(text.parse().map_err(de::Error::custom)?);
            }
            Ok(addresses)
        }
    }

    deserializer.deserialize_any(Addresses(PhantomData))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use super::{FromEnvironment, Settings};

    const GOOD: &str = r#"
        [spop]
        listen = ["unix:/run/countersign/a.sock"]
        [policy]
        file = "policy.toml"
        [assertion]
        keys = "keys.json"
        audience = "eu-1"
        environment = "production"
        [[assertion.services]]
        name = "edge-www"
        keys = ["edge-1"]
        hosts = ["www.example.test", "*.example.test"]
    "#;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("countersign.toml");
        std::fs::write(&file, text).unwrap();
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = FromEnvironment::with_prefix(super::PREFIX)
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables));
        Settings::read(&file, environment).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_fill_what_is_left_out() {
        let settings = read(GOOD, &[]).unwrap();
        assert_eq!(settings.spop.max_frame_bytes, 16_384);
        assert_eq!(settings.assertion.acceptance_window(), 71);
        assert_eq!(settings.records.file, Path::new("-"));
        assert!(settings.policy.file.is_absolute() && settings.policy.file.ends_with("policy.toml"));
    }

    #[test]
    fn haproxys_table_remembers_longer_than_any_agent_accepts() {
        let widest = "[assertion]\nmax_lifetime_seconds = 60\nclock_skew_seconds = 60";
        let settings = read(&GOOD.replace("[assertion]", widest), &[]).unwrap();
        let tables: Vec<u64> = include_str!("../../haproxy/countersign-backend.cfg")
            .split_whitespace()
            .skip_while(|word| *word != "stick-table")
            .filter_map(|word| word.strip_suffix('s')?.parse().ok())
            .collect();
        assert!(!tables.is_empty());
        assert!(tables.iter().all(|expire| *expire > settings.assertion.acceptance_window()), "{tables:?}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let variables = [
            ("COUNTERSIGN__ASSERTION__AUDIENCE", "us-2"),
            ("COUNTERSIGN__SPOP__LISTEN", "unix:/tmp/x.sock,tcp:127.0.0.1:9301"),
            ("COUNTERSIGN__SPOP__MAX_FRAME_BYTES", "8192"),
            ("COUNTERSIGN_BIND", "not ours: one underscore"),
        ];
        let settings = read(GOOD, &variables).unwrap();
        assert_eq!(settings.assertion.audience.as_str(), "us-2");
        assert_eq!(settings.spop.listen.len(), 2);
        assert_eq!(settings.spop.max_frame_bytes, 8192);
    }

    #[test]
    fn a_name_that_looks_like_a_number_stays_as_it_is() {
        for name in ["007", "1.10", "1e3", "TRUE"] {
            let variables = [("COUNTERSIGN__ASSERTION__AUDIENCE", name)];
            assert_eq!(read(GOOD, &variables).unwrap().assertion.audience.as_str(), name);
        }
    }

    #[test]
    fn faults_name_the_file_and_the_key() {
        for (from, to, named) in [
            ("audience = \"eu-1\"", "", "audience"),
            ("audience", "audiense", "audiense"),
            ("unix:/run", "unix/run", "`unix/run/countersign/a.sock`"),
            ("[assertion]", "[assertion]\nmax_lifetime_seconds = 61", "1 to 60"),
            ("[policy]", "[replay]\ncapacity = 0\n[policy]", "replay.capacity"),
            ("[policy]", "[policy", "line 4"),
            ("\"production\"", "\"pro duction\"", "`pro duction`"),
            ("\"*.example.test\"", "\"*\"", "`*` is not a host pattern"),
            ("keys = [\"edge-1\"]", "kids = [\"edge-1\"]", "kids"),
        ] {
            let message = read(&GOOD.replace(from, to), &[]).unwrap_err();
            assert!(message.contains(named) && message.contains("countersign.toml"), "{to}: {message}");
        }
    }
}
