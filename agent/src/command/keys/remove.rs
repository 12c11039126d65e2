//! `countersign keys remove`

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use countersign_contract::name::{KeyId, ServiceName};
use thiserror::Error;

use super::Failure;
use super::inventory::{Inventory, Place, Sources};
use super::key_file::{Format, KeyFile};
use crate::settings::{PublishSettings, Settings};
use crate::trust::rotation::{Role, Standing};

#[derive(Debug, Args)]
#[command(after_help = "Where the key is taken out:
  assertion   the agent's `assertion.keys` or `assertion.shared_secrets` (--settings)
  receipt     the agents' `receipt.keys` (--settings)
  list        the publisher's `edge.list_keys` (--publish-settings)
  session     your copy of the edge's secret `session-key` (--file, with --edge-settings)

Example:
  countersign keys remove --role assertion --kid edge-1 --records edge.jsonl /var/log/countersign/*.jsonl")]
pub(in crate::command) struct Remove {
    /// What the key is for
    #[arg(long)]
    role: Removable,
    /// The key's id
    #[arg(long, value_name = "KID")]
    kid: KeyId,
    #[command(flatten)]
    sources: Sources,
    /// The file of session keys
    #[arg(long, value_name = "FILE", required_if_eq("role", "session"))]
    file: Option<PathBuf>,
    /// Take it out whatever records say, such as when it was stolen; what it made is refused from then on
    #[arg(long)]
    force: bool,
}

/// The roles whose keys are in a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Removable {
    /// The edge's key for assertions, its public half at the agents
    Assertion,
    /// The edge's key for session cookies
    Session,
    /// The agents' key for receipts
    Receipt,
    /// The publisher's key for the list
    List,
}

impl From<Removable> for Role {
    fn from(role: Removable) -> Self {
        match role {
            Removable::Assertion => Self::Assertion,
            Removable::Session => Self::Session,
            Removable::Receipt => Self::Receipt,
            Removable::List => Self::List,
        }
    }
}

/// Why a key stays.
#[derive(Debug, Error)]
enum RemoveError {
    #[error("which file the {role} keys are in is not known: expected {option}")]
    NoFile { role: Role, option: &'static str },
    #[error("{file}: no {role} key `{kid}` is in it: expected one of {held}", file = file.display())]
    NotThere { file: PathBuf, role: Role, kid: KeyId, held: String },
    #[error(
        "{role} key `{kid}` stays: {place} names it; name another one there first, --force does not help"
    )]
    Maker { role: Role, kid: KeyId, place: Place },
    #[error(
        "assertion key `{kid}` stays: service `{service}` in {file} names it; take it out of its `keys` and reload the agents first, \
         --force does not help", file = file.display()
    )]
    Signer { kid: KeyId, service: ServiceName, file: PathBuf },
    #[error("{role} key `{kid}` stays in {file}: {standing}; --force takes it out all the same", file = file.display())]
    NotSafe { role: Role, kid: KeyId, file: PathBuf, standing: Standing },
}

impl Remove {
    pub(super) fn run(self) -> Result<(), Failure> {
        let role = Role::from(self.role);
        let mut inventory = Inventory::default();
        let keys = self.open(&mut inventory)?;
        let file = keys.path().to_owned();
        if !keys.ids().any(|kid| *kid == self.kid) {
            let held: Vec<_> = keys.ids().map(|kid| format!("`{kid}`")).collect();
            let (kid, held) = (self.kid, held.join(", "));
            return Err(RemoveError::NotThere { file, role, kid, held }.into());
        }
        // Agents only verify: a stolen key has to go there even while the edge signs with it.
        if self.role != Removable::Assertion
            && let Some(place) = inventory.maker_of(role, self.kid.as_str())
        {
            let place = place.clone();
            return Err(RemoveError::Maker { role, kid: self.kid, place }.into());
        }
        if !self.force {
            let (usage, tally) = self.sources.usage(&inventory)?;
            for doubt in tally.doubts(&usage) {
                eprintln!("countersign: {doubt}");
            }
            let standing = inventory.judge(&usage, role, self.kid.as_str());
            if !standing.is_safe() {
                return Err(RemoveError::NotSafe { role, kid: self.kid, file, standing }.into());
            }
        }
        keys.remove(&self.kid)?;
        self.say(&file)?;
        Ok(())
    }

    /// Reads the settings that count for the role, and the file to take the key out of.
    fn open(&self, inventory: &mut Inventory) -> Result<KeyFile, Failure> {
        let Sources { settings, edge_settings, publish_settings, .. } = &self.sources;
        if let Some(file) = edge_settings {
            inventory.edge(file)?;
        }
        let no_file = |option| RemoveError::NoFile { role: self.role.into(), option };
        match self.role {
            Removable::Assertion => {
                let file = settings;
                let settings = Settings::load(file)?;
                inventory.agent(&settings)?;
                let services = &settings.assertion.services;
                if let Some(service) = services.iter().find(|service| service.keys.contains(&self.kid)) {
                    let (service, file) = (service.name.clone(), file.clone());
                    return Err(RemoveError::Signer { kid: self.kid.clone(), service, file }.into());
                }
                let keys = KeyFile::open(&settings.assertion.keys, Format::PublicKeys)?;
                if !keys.ids().any(|kid| *kid == self.kid)
                    && let Some(file) = &settings.assertion.shared_secrets
                {
                    let secrets = KeyFile::open(file, Format::SharedSecrets)?;
                    if secrets.ids().any(|kid| *kid == self.kid) {
                        return Ok(secrets);
                    }
                }
                Ok(keys)
            }
            Removable::Session => {
                let file = self.file.as_ref().ok_or_else(|| no_file("--file"))?;
                inventory.sessions(file)?;
                Ok(KeyFile::open(file, Format::MacKeys)?)
            }
            Removable::Receipt => {
                let settings = Settings::load(settings)?;
                inventory.agent(&settings)?;
                let receipt =
                    settings.receipt.ok_or_else(|| no_file("a section `[receipt]` in --settings"))?;
                Ok(KeyFile::open(&receipt.keys, Format::MacKeys)?)
            }
            Removable::List => {
                let file = publish_settings.as_ref().ok_or_else(|| no_file("--publish-settings"))?;
                let settings = PublishSettings::load(file)?;
                inventory.publisher(file, &settings)?;
                let edge =
                    settings.edge.ok_or_else(|| no_file("a section `[edge]` in --publish-settings"))?;
                Ok(KeyFile::open(&edge.list_keys, Format::MacKeys)?)
            }
        }
    }

    /// Says what was done, and what is left to do.
    fn say(&self, file: &Path) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let (role, kid) = (Role::from(self.role), &self.kid);
        writeln!(out, "{role} key `{kid}` is out of {}", file.display())?;
        writeln!(out, "to be done:")?;
        let secret = match self.role {
            Removable::Assertion => {
                writeln!(out, "  every other host: the same")?;
                writeln!(out, "  every agent: SIGHUP (`systemctl reload 'countersign@*'`)")?;
                "assertion-key"
            }
            Removable::Receipt => {
                writeln!(out, "  every other host: the same")?;
                writeln!(out, "  every agent: SIGHUP (`systemctl reload 'countersign@*'`)")?;
                "receipt-key"
            }
            Removable::List => {
                writeln!(out, "  the publisher: restart (`systemctl restart countersign-publish`)")?;
                "list-key"
            }
            Removable::Session => {
                let file = file.display();
                return writeln!(
                    out,
                    "  the edge: fastly secret-store-entry create --recreate --store-id ID --name session-key --file {file}"
                );
            }
        };
        writeln!(
            out,
            "  the edge, if its secret still holds `{kid}`: fastly secret-store-entry create --recreate --store-id ID --name {secret} --file FILE"
        )
    }
}
