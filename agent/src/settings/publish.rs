//! What the publisher can be set to.

use std::path::{Path, PathBuf};

use haproxy_wire::peers::PeerName;
use haproxy_wire::peers::net::{Address, TlsFiles};
use serde::{Deserialize, Deserializer};

use super::Edge;
use super::{SettingsError, addresses, name, peer_name, refuse, tree};
use crate::reputation::guard::Guard;
use crate::reputation::signal::{LONGEST_BAN, Signal};

/// Everything that the publisher can be set to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishSettings {
    /// Who speaks with it.
    pub peers: Peers,
    /// How it is asked.
    pub admin: Admin,
    /// What is an offence, and what is remembered.
    pub reputation: Reputation,
    /// What must not happen because of a list.
    #[serde(default)]
    pub guard: Guard,
    /// The edge's store; without it the list stays at the origin.
    #[serde(default)]
    pub edge: Option<Edge>,
}

/// `[peers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Its own name in the HAProxy nodes' `peers` section.
    #[serde(deserialize_with = "name")]
    pub name: PeerName,
    /// Addresses to listen on: `unix:/path`, `tcp:ip:port` on loopback, `tls:ip:port`.
    #[serde(deserialize_with = "addresses")]
    pub listen: Vec<Address>,
    /// The HAProxy nodes, by the name that each has for itself (`localpeer`).
    #[serde(deserialize_with = "names")]
    pub nodes: Vec<PeerName>,
    /// The agents, by their `reputation.name`.
    #[serde(default, deserialize_with = "names")]
    pub agents: Vec<PeerName>,
    /// Entries that are held of one table of one node, at most.
    #[serde(default = "Peers::most_entries")]
    pub most_entries: u32,
    /// The certificate of `tls:` addresses.
    #[serde(default)]
    pub tls: Option<Tls>,
}

impl Peers {
    /// Twice what the shipped tables hold.
    const fn most_entries() -> u32 {
        2 << 20
    }
}

/// `[peers.tls]`, `[reputation.tls]`: PEM files, relative to the settings file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those between it and the authority that the other end trusts.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of which the other end's certificate must be.
    pub authority: PathBuf,
}

impl From<Tls> for TlsFiles {
    fn from(tls: Tls) -> Self {
        Self { certificate: tls.certificate, key: tls.key, authority: tls.authority }
    }
}

impl Tls {
    pub(super) fn resolve(&mut self, folder: &Path) {
        for file in [&mut self.certificate, &mut self.key, &mut self.authority] {
            *file = folder.join(&*file);
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The socket of `countersign bans` and `countersign peers`, for this user alone; relative to the settings file.
    pub socket: PathBuf,
}

/// `[reputation]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reputation {
    /// File of bans and pardons; relative to the settings file.
    pub state: PathBuf,
    /// For how long after `bans remove` no signal acts on a client, in seconds.
    #[serde(default = "Reputation::pardon_seconds")]
    pub pardon_seconds: u64,
    /// For how long a log-in that is over is refused, in seconds: at least as long as a session or token lives.
    #[serde(default = "Reputation::ended_seconds")]
    pub ended_seconds: u64,
    /// What is an offence.
    #[serde(default)]
    pub signals: Vec<Signal>,
}

impl Reputation {
    /// Longer than any rate of a table looks back.
    const fn pardon_seconds() -> u64 {
        3600
    }

    /// A day, as `countersign revoke`.
    const fn ended_seconds() -> u64 {
        86_400
    }
}

impl PublishSettings {
    /// Reads the settings file and the environment.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and the key.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        let mut settings: Self = tree(file, super::environment())?;
        settings.check(file)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for path in [&mut settings.admin.socket, &mut settings.reputation.state] {
            *path = folder.join(&*path);
        }
        settings.peers.listen.iter_mut().for_each(|address| resolve_address(address, folder));
        if let Some(tls) = &mut settings.peers.tls {
            tls.resolve(folder);
        }
        if let Some(edge) = &mut settings.edge {
            edge.resolve(folder);
        }
        Ok(settings)
    }

    fn check(&self, file: &Path) -> Result<(), SettingsError> {
        let Self { peers, reputation, .. } = self;
        if peers.listen.is_empty() {
            return refuse(file, "peers.listen", "empty".to_owned(), "at least one address");
        }
        if peers.nodes.is_empty() {
            return refuse(file, "peers.nodes", "empty".to_owned(), "the name of at least one HAProxy");
        }
        let all: Vec<_> = peers.nodes.iter().chain(&peers.agents).collect();
        if let Some((_, twice)) =
            all.iter().enumerate().find(|(at, name)| all.iter().take(*at).any(|other| other == *name))
        {
            return refuse(file, "peers.agents", twice.to_string(), "a name of its own for each peer");
        }
        if peers.most_entries == 0 {
            return refuse(file, "peers.most_entries", "0".to_owned(), "at least 1");
        }
        if !(1..=LONGEST_BAN).contains(&reputation.ended_seconds) {
            let seconds = reputation.ended_seconds.to_string();
            return refuse(file, "reputation.ended_seconds", seconds, "1 to 2073600");
        }
        if self.guard.most_percent > 100 {
            return refuse(file, "guard.most_percent", self.guard.most_percent.to_string(), "0 to 100");
        }
        if let Some(edge) = &self.edge {
            edge.check(file)?;
        }
        Signal::check(&reputation.signals)
            .map_err(|fault| SettingsError::Signals { file: file.to_owned(), fault })
    }
}

/// A relative socket lies beside the settings file.
pub(super) fn resolve_address(address: &mut Address, folder: &Path) {
    if let Address::Unix(path) = address {
        *path = folder.join(&*path);
    }
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PeerName>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| peer_name(name)).collect()
}
