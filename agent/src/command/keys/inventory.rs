//! Which keys are configured where, for how long what they made may come, and what records say of their use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_contract::name::KeyId;
use countersign_contract::time::UnixMillis;
use serde::Deserialize;
use thiserror::Error;

use super::evidence::{self, RecordsError, Tally};
use super::key_file::{Format, KeyFile, KeyFileError};
use crate::serve::now;
use crate::settings::{PublishSettings, Settings, SettingsError};
use crate::trust::rotation::{Hold, InUse, Role, Standing, Usage};

/// A receipt is read at once: only what is on the way counts, and what waits in a log.
const RECEIPT_HOLD: u64 = 60;
/// Until a new list is seen everywhere, at least.
const LIST_HOLD: u64 = 120;
/// How far the clocks of two edge locations may be apart, in seconds.
const EDGE_SKEW: u64 = 5;
/// How long the edge waits for somebody to come back from signing in, in seconds: that is sealed with a
/// session key too.
const ATTEMPT: u64 = 600;

/// What is looked at.
#[derive(Debug, Args)]
pub(super) struct Sources {
    /// The agent's settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/countersign.toml")]
    pub(super) settings: PathBuf,
    /// Files of decision records, of every edge and agent and for at least as long as what a key made lives; `-` for standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) records: Vec<PathBuf>,
    /// The edge's settings: the item `settings` of its config store
    #[arg(long, value_name = "FILE")]
    pub(super) edge_settings: Option<PathBuf>,
    /// The publisher's settings file
    #[arg(long, value_name = "FILE")]
    pub(super) publish_settings: Option<PathBuf>,
    /// Judge as of this time, RFC 3339 in UTC, in place of now
    #[arg(long, value_name = "TIME")]
    now: Option<UnixMillis>,
}

/// A place that names a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file.
    pub(super) file: PathBuf,
    /// The setting that leads to it, or that names the key.
    pub(super) setting: &'static str,
}

/// What is configured.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    places: BTreeMap<Role, BTreeMap<KeyId, Vec<Place>>>,
    makers: BTreeMap<Role, (KeyId, Place)>,
    holds: BTreeMap<Role, Hold>,
}

/// Why it can't be said what is configured.
#[derive(Debug, Error)]
pub(super) enum InventoryError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error("edge settings {file}: {source}: expected the JSON of the item `settings`", file = file.display())]
    Edge { file: PathBuf, source: serde_json::Error },
}

/// What the edge's settings say about keys; the edge itself checks the rest.
#[derive(Deserialize)]
struct EdgeSettings {
    assertion_key: Option<KeyId>,
    session_key: Option<KeyId>,
    #[serde(default)]
    logins: Vec<Login>,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default = "default_session")]
    session_lifetime_seconds: u64,
}

/// What the edge takes where a login doesn't say.
const fn default_session() -> u64 {
    3600
}

impl Sources {
    /// Reads the records, following every key that is configured.
    pub(super) fn usage(&self, inventory: &Inventory) -> Result<(Usage, Tally), RecordsError> {
        let mut usage = Usage::new(self.now.unwrap_or_else(now));
        for (role, keys) in &inventory.places {
            keys.keys().for_each(|kid| usage.follow(*role, kid.as_str()));
        }
        let tally = evidence::read(&self.records, &mut usage)?;
        Ok((usage, tally))
    }
}

impl Inventory {
    /// Adds what an agent's settings name.
    pub(super) fn agent(&mut self, settings: &Settings) -> Result<(), InventoryError> {
        let assertion = &settings.assertion;
        self.holds.insert(Role::Assertion, Hold::Seconds(assertion.acceptance_window()));
        self.file(Role::Assertion, &assertion.keys, Format::PublicKeys, "assertion.keys")?;
        if let Some(file) = &assertion.shared_secrets {
            self.file(Role::Assertion, file, Format::SharedSecrets, "assertion.shared_secrets")?;
        }
        match &settings.receipt {
            None => Ok(()),
            Some(receipt) => self.file(Role::Receipt, &receipt.keys, Format::MacKeys, "receipt.keys"),
        }
    }

    /// Adds a file of session keys.
    pub(super) fn sessions(&mut self, file: &Path) -> Result<(), InventoryError> {
        self.file(Role::Session, file, Format::MacKeys, "--file")
    }

    /// Adds what the publisher's settings name.
    pub(super) fn publisher(
        &mut self,
        file: &Path,
        settings: &PublishSettings,
    ) -> Result<(), InventoryError> {
        let Some(edge) = &settings.edge else { return Ok(()) };
        // A list is switched to, and the one before it kept, for the time that a write takes: each once.
        let hold = edge.propagation_seconds.saturating_mul(2).max(LIST_HOLD);
        self.holds.insert(Role::List, Hold::Seconds(hold));
        self.file(Role::List, &edge.list_keys, Format::MacKeys, "edge.list_keys")?;
        self.maker(Role::List, &edge.list_key, file, "edge.list_key");
        Ok(())
    }

    /// Adds what the edge's settings name.
    pub(super) fn edge(&mut self, file: &Path) -> Result<(), InventoryError> {
        let text = super::key_file::read(file)?;
        let settings: EdgeSettings = serde_json::from_str(&text)
            .map_err(|source| InventoryError::Edge { file: file.to_owned(), source })?;
        if let Some(kid) = &settings.assertion_key {
            self.maker(Role::Assertion, kid, file, "assertion_key");
        }
        if let Some(kid) = &settings.session_key {
            self.maker(Role::Session, kid, file, "session_key");
        }
        let hold = match settings.logins.iter().map(|login| login.session_lifetime_seconds).max() {
            Some(lifetime) => Hold::Seconds(lifetime.max(ATTEMPT).saturating_add(EDGE_SKEW)),
            None => {
                Hold::Unknown(format!("how long a session lives: expected `logins` in {}", file.display()))
            }
        };
        self.holds.insert(Role::Session, hold);
        Ok(())
    }

    /// The keys of a role with the places that name them.
    pub(super) fn keys(&self, role: Role) -> impl Iterator<Item = (&KeyId, &[Place])> {
        self.places.get(&role).into_iter().flatten().map(|(kid, places)| (kid, places.as_slice()))
    }

    /// The places that name a key.
    pub(super) fn places(&self, role: Role, kid: &str) -> &[Place] {
        self.places.get(&role).and_then(|keys| keys.get(kid)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The setting that names the key as the one to make things with.
    pub(super) fn maker_of(&self, role: Role, kid: &str) -> Option<&Place> {
        self.makers.get(&role).filter(|(maker, _)| maker.as_str() == kid).map(|(_, place)| place)
    }

    /// For how long what a key of the role made may come.
    pub(super) fn hold(&self, role: Role) -> Hold {
        let given = self.holds.get(&role).cloned();
        given.unwrap_or_else(|| match role {
            Role::Assertion => {
                Hold::Unknown("how long an assertion is accepted: expected --settings".to_owned())
            }
            Role::Session => Hold::Unknown("how long a session lives: expected --edge-settings".to_owned()),
            Role::Receipt => Hold::Seconds(RECEIPT_HOLD),
            Role::List => Hold::Seconds(LIST_HOLD),
            Role::Token => Hold::Elsewhere,
        })
    }

    /// How a key stands: what settings make things with is in use, whatever records say.
    pub(super) fn judge(&self, usage: &Usage, role: Role, kid: &str) -> Standing {
        match self.maker_of(role, kid) {
            Some(place) => Standing::InUse(InUse::Named { by: place.to_string() }),
            None => usage.judge(role, kid, &self.hold(role)),
        }
    }

    fn file(
        &mut self,
        role: Role,
        file: &Path,
        format: Format,
        setting: &'static str,
    ) -> Result<(), InventoryError> {
        for kid in KeyFile::open(file, format)?.ids() {
            self.place(role, kid, Place { file: file.to_owned(), setting });
        }
        Ok(())
    }

    fn maker(&mut self, role: Role, kid: &KeyId, file: &Path, setting: &'static str) {
        let place = Place { file: file.to_owned(), setting };
        self.place(role, kid, place.clone());
        self.makers.insert(role, (kid.clone(), place));
    }

    fn place(&mut self, role: Role, kid: &KeyId, place: Place) {
        self.places.entry(role).or_default().entry(kid.clone()).or_default().push(place);
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (`{}`)", self.file.display(), self.setting)
    }
}
