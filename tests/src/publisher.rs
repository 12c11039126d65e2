//! The publisher, as an operator starts it, and the commands that ask it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::command_line;
use crate::daemon::{Daemon, Role};
use crate::process::Journals;
use crate::reaper::Reaper;
use crate::trouble::Trouble;

/// Its name among peers.
pub const PUBLISHER: &str = "countersign";

const ROLE: Role = Role { subcommand: "publish", name: "the publisher" };

/// When a publisher bans, and for how long a lifted ban stays lifted.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long after `bans remove` no signal acts on that client, in seconds.
    pub pardon_seconds: u64,
    /// The signals.
    pub signals: &'static [Signal],
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
    peers: PathBuf,
    admin: PathBuf,
    /// The process: to be stopped, frozen and so on.
    pub daemon: Daemon,
}

impl Publisher {
    /// Writes `publish.toml` into `folder`, starts `countersign publish` and waits until it is ready.
    ///
    /// # Errors
    /// As [`Daemon::start`], or [`Trouble::Io`] when the file cannot be written.
    pub async fn start(
        rules: Rules,
        nodes: &[&str],
        agents: &[String],
        folder: &Path,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let settings = folder.join("publish.toml");
        let (peers, admin) = (peers_socket(folder), folder.join("publish-admin.sock"));
        let text = text(rules, nodes, agents, &peers, &admin);
        std::fs::write(&settings, text).map_err(Trouble::io("write the publisher's settings"))?;
        let daemon = Daemon::start(ROLE, settings, journals, reaper).await?;
        Ok(Self { peers, admin, daemon })
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

fn text(rules: Rules, nodes: &[&str], agents: &[String], peers: &Path, admin: &Path) -> String {
    let mut text = format!(
        r#"[peers]
name = "{PUBLISHER}"
listen = ["unix:{peers}"]
nodes = {nodes:?}
agents = {agents:?}

[admin]
socket = "{admin}"

[reputation]
state = "bans.json"
pardon_seconds = {pardon}
"#,
        peers = peers.display(),
        admin = admin.display(),
        pardon = rules.pardon_seconds,
    );
    for signal in rules.signals {
        let rungs: Vec<String> = signal
            .rungs
            .iter()
            .map(|rung| format!("{{ action = \"{}\", seconds = {} }}", rung.action, rung.seconds))
            .collect();
        let Signal { name, table, value, over, remember_seconds, .. } = signal;
        // Writing into a string cannot fail.
        let _ = write!(
            text,
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
        );
    }
    text
}
