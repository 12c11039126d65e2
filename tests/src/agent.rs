//! The real agent, as an operator starts it: settings file, policy file, Unix socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Role};
use crate::process::Journals;
use crate::publisher::PUBLISHER;
use crate::reaper::Reaper;
use crate::services::Service;
use crate::trouble::Trouble;

/// Longest wait for an agent to have read its files again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the shipped settings have the agent listen.
const SHIPPED_SOCKET: &str = "unix:/run/countersign/a.sock";

const ROLE: Role = Role { subcommand: "serve", name: "the agent" };

/// What an agent is told.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// `a` or `b`: names its files.
    pub name: &'static str,
    /// The policy file.
    pub policy: PathBuf,
    /// The public keys.
    pub keys: PathBuf,
    /// Its data centre.
    pub audience: &'static str,
    /// Its environment.
    pub environment: &'static str,
    /// The edge services whose word counts.
    pub services: &'static [Service],
    /// The keys of receipts.
    pub receipts: PathBuf,
    /// Who teaches it whom to refuse.
    pub reputation: Reputation,
}

/// Who teaches an agent whom to refuse.
#[derive(Debug, Clone)]
pub enum Reputation {
    /// Nobody.
    None,
    /// A publisher.
    From {
        /// Its socket for peers.
        publisher: PathBuf,
        /// The agent's name there.
        name: String,
    },
}

/// An agent that can be stopped and started again on the same socket.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    /// The process: to be stopped, frozen and so on.
    pub daemon: Daemon,
}

impl Agent {
    /// Writes the settings file into `folder`, starts `countersign serve` and waits until it is ready.
    ///
    /// # Errors
    /// As [`Daemon::start`], or [`Trouble::Io`] when the file cannot be written.
    pub async fn start(
        told: &AgentSettings,
        folder: &Path,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let socket = folder.join(format!("{}.sock", told.name));
        let settings = folder.join(format!("agent-{}.toml", told.name));
        std::fs::write(&settings, text(told, &socket)).map_err(Trouble::io("write the agent's settings"))?;
        let daemon = Daemon::start(ROLE, settings, journals, reaper).await?;
        Ok(Self { socket, daemon })
    }

    /// Starts it on an operator's own file, of which only the socket is changed: to `NAME.sock` in `folder`.
    ///
    /// # Errors
    /// As [`Agent::start`], or [`Trouble::Unexpected`] for a file that listens elsewhere than the shipped one.
    pub async fn start_on(
        file: &Path,
        name: &str,
        folder: &Path,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let socket = folder.join(format!("{name}.sock"));
        let text = std::fs::read_to_string(file).map_err(Trouble::io("read the agent's settings"))?;
        if !text.contains(SHIPPED_SOCKET) {
            return Err(Trouble::unexpected(format!("`{SHIPPED_SOCKET}` in the agent's settings"), text));
        }
        // Beside the file, since what it names is looked for there.
        let settings = file.with_file_name(format!("agent-{name}.toml"));
        let text = text.replace(SHIPPED_SOCKET, &format!("unix:{}", socket.display()));
        std::fs::write(&settings, text).map_err(Trouble::io("write the agent's settings"))?;
        let daemon = Daemon::start(ROLE, settings, journals, reaper).await?;
        Ok(Self { socket, daemon })
    }

    /// Changes the text of its settings, which it reads when it is told to.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the file can't be read or written.
    pub fn change_settings(&self, change: impl FnOnce(String) -> String) -> Result<(), Trouble> {
        let file = self.daemon.settings();
        let text = std::fs::read_to_string(file).map_err(Trouble::io("read the agent's settings"))?;
        std::fs::write(file, change(text)).map_err(Trouble::io("write the agent's settings"))
    }

    /// Has it read its files again, and waits until it has.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] with what it complains of when it has not.
    pub async fn reload(&self) -> Result<(), Trouble> {
        let reloaded = || self.daemon.complaints(|line| line.contains("reloaded")).len();
        let (before, since) = (reloaded(), Instant::now());
        self.daemon.reload()?;
        while reloaded() == before {
            if since.elapsed() > PATIENCE {
                let said = self.daemon.complaints(|line| line.contains("refused")).join("\n");
                return Err(Trouble::NotReady { what: "an agent, reloaded".into(), waited: PATIENCE, said });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The socket that HAProxy asks.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

fn text(told: &AgentSettings, socket: &Path) -> String {
    let AgentSettings { policy, keys, audience, environment, services, receipts, reputation, .. } = told;
    let reputation = match reputation {
        Reputation::None => String::new(),
        Reputation::From { publisher, name } => {
            let publisher = publisher.display();
            format!(
                r#"
[reputation]
publisher = "unix:{publisher}"
publisher_name = "{PUBLISHER}"
name = "{name}"
"#
            )
        }
    };
    format!(
        r#"[spop]
listen = ["unix:{socket}"]

[policy]
file = "{policy}"

[assertion]
keys = "{keys}"
audience = "{audience}"
environment = "{environment}"

{services}
[receipt]
keys = "{receipts}"
[records]
file = "-"
{reputation}"#,
        socket = socket.display(),
        policy = policy.display(),
        keys = keys.display(),
        receipts = receipts.display(),
        services = services.iter().map(Service::table).collect::<Vec<_>>().join("\n"),
    )
}
