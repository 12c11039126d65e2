//! The publisher, as an operator starts it, and the commands that ask it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::command_line;
use crate::daemon::{Daemon, Role};
use crate::process::Journals;
use crate::reaper::Reaper;
use crate::trouble::Trouble;

/// Its name among peers.
pub const PUBLISHER: &str = "countersign";

/// The file of the API token, beside its settings.
const TOKEN_FILE: &str = "api-token";
/// The file of the list keys, beside its settings.
const KEYS_FILE: &str = "list-keys";

const ROLE: Role = Role { subcommand: "publish", name: "the publisher" };

/// When a publisher bans, and for how long a lifted ban stays lifted.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long after `bans remove` no signal acts on that client, in seconds.
    pub pardon_seconds: u64,
    /// The signals.
    pub signals: &'static [Signal],
    /// What must not happen because of them.
    pub guard: Guard,
}

/// `[guard]`.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Ranges of addresses that are never banned.
    pub never: &'static [&'static str],
    /// `never` or `as-others`: loopback addresses, which the edge's clients have here, are reserved ones.
    pub reserved: &'static str,
    /// Fewer clients than this are never too large a share.
    pub from_clients: u32,
    /// The largest share of the clients that signals may ban.
    pub most_percent: u8,
}

impl Guard {
    /// The publisher's own defaults.
    pub const USUAL: Self = Self { never: &[], reserved: "never", from_clients: 10, most_percent: 20 };
}

/// `[edge]`: the store that the list is written to.
#[derive(Debug, Clone)]
pub struct Store {
    /// Where Fastly's API is.
    pub api: String,
    /// The API token.
    pub token: &'static str,
    /// The config store's id.
    pub id: String,
    /// The list keys, each `ID:KEY`.
    pub list_keys: Vec<String>,
    /// The id of the one that the list is made with.
    pub list_key: &'static str,
    /// The rest.
    pub rules: EdgeRules,
}

/// How the store is written.
#[derive(Debug, Clone, Copy)]
pub struct EdgeRules {
    /// How many buckets.
    pub buckets: u32,
    /// `enforce` or `observe`.
    pub mode: &'static str,
    /// The most writes an hour.
    pub flushes_per_hour: usize,
    /// How many of them are kept for lifts.
    pub flushes_for_lifts: usize,
    /// How often the store is compared, in seconds.
    pub reconcile_seconds: u64,
    /// How long a write is said to take until it is seen everywhere, in seconds.
    pub propagation_seconds: u64,
}

/// All that a publisher is told.
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    /// When it bans.
    pub rules: Rules,
    /// The nodes that it knows.
    pub nodes: Vec<String>,
    /// The agents that it knows.
    pub agents: Vec<String>,
    /// The edge's store, where there is an edge.
    pub store: Option<Store>,
}

/// One signal of `publish.toml`, on what its table counts in a minute.
#[derive(Debug, Clone, Copy)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// `cs_sensor` or `cs_sensor_subject`.
    pub table: &'static str,
    /// `gpc_rate[0]` and so on.
    pub value: &'static str,
    /// More than so many, summed over the nodes.
    pub over: u32,
    /// An offence within this time of the last one climbs a rung, in seconds.
    pub remember_seconds: u64,
    /// What the first offence, the second and so on cost.
    pub rungs: &'static [Rung],
}

/// What one offence costs.
#[derive(Debug, Clone, Copy)]
pub struct Rung {
    /// `throttle`, `block` and so on.
    pub action: &'static str,
    /// For how long, in seconds.
    pub seconds: u64,
}

/// A publisher that can be stopped and started again on the same sockets and state.
#[derive(Debug)]
pub struct Publisher {
    folder: PathBuf,
    peers: PathBuf,
    admin: PathBuf,
    settings: PublisherSettings,
    /// The process: to be stopped, frozen and so on.
    pub daemon: Daemon,
}

impl Publisher {
    /// Writes `publish.toml` into `folder`, starts `countersign publish` and waits until it is ready.
    ///
    /// # Errors
    /// As [`Daemon::start`], or [`Trouble::Io`] when a file cannot be written.
    pub async fn start(
        settings: PublisherSettings,
        folder: &Path,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let file = write(&settings, folder)?;
        let daemon = Daemon::start(ROLE, file, journals, reaper).await?;
        let (peers, admin) = (peers_socket(folder), admin_socket(folder));
        Ok(Self { folder: folder.to_owned(), peers, admin, settings, daemon })
    }

    /// Writes its files anew, with another store; it reads them at its next start.
    ///
    /// # Errors
    /// [`Trouble::Io`] when a file cannot be written, [`Trouble::Unexpected`] where there is no store.
    pub fn change_store(&mut self, change: impl FnOnce(&mut Store)) -> Result<(), Trouble> {
        let store = self.settings.store.as_mut();
        change(store.ok_or_else(|| Trouble::unexpected("a publisher with a store", "one without"))?);
        write(&self.settings, &self.folder).map(drop)
    }

    /// The socket that HAProxy and the agents connect to.
    #[must_use]
    pub fn peers(&self) -> &Path {
        &self.peers
    }

    /// The socket that the command line asks.
    #[must_use]
    pub fn admin(&self) -> &Path {
        &self.admin
    }

    /// `countersign WORDS --socket SOCKET`: what it printed.
    ///
    /// # Errors
    /// [`Trouble::Command`] with what it printed on standard error.
    pub async fn command(&self, words: &[&str]) -> Result<String, Trouble> {
        let mut all = words.to_vec();
        let socket = self.admin.to_string_lossy();
        all.extend(["--socket", &*socket]);
        command_line::run(&all).await
    }
}

/// Where the publisher of this folder listens for peers.
#[must_use]
pub fn peers_socket(folder: &Path) -> PathBuf {
    folder.join("peers.sock")
}

fn admin_socket(folder: &Path) -> PathBuf {
    folder.join("publish-admin.sock")
}

/// Writes all files of a publisher; gives the one of its settings.
fn write(settings: &PublisherSettings, folder: &Path) -> Result<PathBuf, Trouble> {
    let put = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(Trouble::io("write the publisher's files")).map(|()| file)
    };
    if let Some(store) = &settings.store {
        put(TOKEN_FILE, store.token)?;
        put(KEYS_FILE, &store.list_keys.join("\n"))?;
    }
    put("publish.toml", &text(settings, folder))
}

fn text(settings: &PublisherSettings, folder: &Path) -> String {
    let PublisherSettings { rules, nodes, agents, store } = settings;
    let Guard { never, reserved, from_clients, most_percent } = rules.guard;
    let mut text = format!(
        r#"[peers]
name = "{PUBLISHER}"
listen = ["unix:{peers}"]
nodes = {nodes:?}
agents = {agents:?}

[admin]
socket = "{admin}"

[guard]
never = {never:?}
reserved = "{reserved}"
from_clients = {from_clients}
most_percent = {most_percent}

[reputation]
state = "bans.json"
pardon_seconds = {pardon}
"#,
        peers = peers_socket(folder).display(),
        admin = admin_socket(folder).display(),
        pardon = rules.pardon_seconds,
    );
    rules.signals.iter().for_each(|signal| text.push_str(&signal_text(signal)));
    text.extend(store.iter().map(store_text));
    text
}

fn store_text(store: &Store) -> String {
    let Store { api, id, list_key, rules, .. } = store;
    let EdgeRules {
        buckets,
        mode,
        flushes_per_hour,
        flushes_for_lifts,
        reconcile_seconds,
        propagation_seconds,
    } = rules;
    format!(
        r#"
[edge]
api = "{api}"
store = "{id}"
token = "{TOKEN_FILE}"
list_keys = "{KEYS_FILE}"
list_key = "{list_key}"
buckets = {buckets}
mode = "{mode}"
flushes_per_hour = {flushes_per_hour}
flushes_for_lifts = {flushes_for_lifts}
reconcile_seconds = {reconcile_seconds}
propagation_seconds = {propagation_seconds}
gather_millis = 50
"#
    )
}

fn signal_text(signal: &Signal) -> String {
    let rungs: Vec<String> = signal
        .rungs
        .iter()
        .map(|rung| format!("{{ action = \"{}\", seconds = {} }}", rung.action, rung.seconds))
        .collect();
    let Signal { name, table, value, over, remember_seconds, .. } = signal;
    format!(
        r#"
[[reputation.signals]]
name = "{name}"
table = "{table}"
value = "{value}"
over = {over}
remember_seconds = {remember_seconds}
rungs = [{rungs}]
"#,
        rungs = rungs.join(", "),
    )
}
