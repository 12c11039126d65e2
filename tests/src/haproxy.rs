//! HAProxy on the shipped configuration, unchanged: only addresses come from the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::pieces::{self, HaproxyCommand, Subject};
use crate::ports;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::trouble::Trouble;

/// Longest wait for a start, a reload or an answer of the stats socket.
const PATIENCE: Duration = Duration::from_secs(10);
/// The frontend of the shipped configuration.
const FRONTEND: &str = "main";
/// The backend of the agents in the shipped configuration.
const AGENTS: &str = "countersign-agents";

/// Addresses that the shipped configuration takes from the environment.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Sockets of the two agents.
    pub agents: [PathBuf; 2],
    /// The only server of pool `api`.
    pub api: SocketAddr,
    /// The only server of pool `admin`.
    pub admin: SocketAddr,
    /// The only server of pool `web`.
    pub web: SocketAddr,
}

/// A running HAProxy.
#[derive(Debug)]
pub struct Haproxy {
    binary: HaproxyCommand,
    configuration: PathBuf,
    environment: Vec<(&'static str, String)>,
    address: SocketAddr,
    stats: PathBuf,
    journals: Journals,
    reaper: Arc<Reaper>,
    current: Process,
    /// Processes of before a reload, which finish what they began.
    older: Vec<Process>,
}

impl Haproxy {
    /// Starts the subject on `haproxy/haproxy.cfg` and waits until it answers and has its agents.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without the binary, [`Trouble::NotReady`] with what it printed when the
    /// configuration is refused or it does not come up.
    pub async fn start(
        subject: Subject,
        addresses: &Addresses,
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let configuration = pieces::haproxy_file("haproxy.cfg")?;
        Self::start_on(subject, configuration, addresses, folder, reaper).await
    }

    /// Starts the subject on another configuration that takes the same variables.
    ///
    /// # Errors
    /// As [`Haproxy::start`].
    pub async fn start_on(
        subject: Subject,
        configuration: PathBuf,
        addresses: &Addresses,
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let binary = HaproxyCommand::find(subject)?;
        let address = ports::free()?;
        let stats = folder.join("haproxy.sock");
        let [agent_1, agent_2] = &addresses.agents;
        let environment = vec![
            ("COUNTERSIGN_BIND", address.to_string()),
            ("COUNTERSIGN_AGENT_1", format!("unix@{}", agent_1.display())),
            ("COUNTERSIGN_AGENT_2", format!("unix@{}", agent_2.display())),
            ("COUNTERSIGN_POOL_API", addresses.api.to_string()),
            ("COUNTERSIGN_POOL_ADMIN", addresses.admin.to_string()),
            ("COUNTERSIGN_POOL_WEB", addresses.web.to_string()),
            ("COUNTERSIGN_STATS", stats.display().to_string()),
        ];
        let journals = Journals::fresh();
        let mut command = binary.command();
        configure(&mut command, &configuration, &environment);
        let current = Process::start("HAProxy", &mut command, &journals, reaper)?;
        let mut haproxy = Self {
            binary,
            configuration,
            environment,
            address,
            stats,
            journals,
            reaper: Arc::clone(reaper),
            current,
            older: Vec::new(),
        };
        haproxy.wait_until_ready().await?;
        Ok(haproxy)
    }

    /// Where it takes requests.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The version it reports.
    #[must_use]
    pub fn version(&self) -> String {
        self.binary.version().unwrap_or_default()
    }

    /// What it printed; its log lines are on standard output.
    #[must_use]
    pub fn journals(&self) -> &Journals {
        &self.journals
    }

    /// Reloads as `-x SOCKET -sf PID` does: the new process takes the listeners over, the old one
    /// finishes its connections. Waits until the new one answers on the stats socket.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when the new process does not come up.
    pub async fn reload(&mut self) -> Result<(), Trouble> {
        let mut command = self.binary.command();
        configure(&mut command, &self.configuration, &self.environment);
        command.arg("-x").arg(&self.stats).arg("-sf").arg(self.current.id().to_string());
        let new = Process::start("HAProxy", &mut command, &self.journals, &self.reaper)?;
        let old = std::mem::replace(&mut self.current, new);
        self.older.push(old);
        self.older.retain_mut(Process::runs);
        self.wait_until_ready().await
    }

    /// Requests that the frontend has taken, whatever came of them.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the stats socket does not answer.
    pub async fn requests(&self) -> Result<u64, Trouble> {
        let value = self.stat(FRONTEND, "FRONTEND", "req_tot").await?;
        value.parse().map_err(|_| Trouble::unexpected("a count of requests", value))
    }

    /// Connections that the frontend has accepted.
    ///
    /// # Errors
    /// As [`Haproxy::requests`].
    pub async fn connections(&self) -> Result<u64, Trouble> {
        let value = self.stat(FRONTEND, "FRONTEND", "conn_tot").await?;
        value.parse().map_err(|_| Trouble::unexpected("a count of connections", value))
    }

    /// Waits until the health check of an agent, `a` or `b`, has the given outcome.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it has not within ten seconds.
    pub async fn wait_for_agent(&self, server: &str, health: Health) -> Result<(), Trouble> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let status = self.stat(AGENTS, server, "status").await?;
            if status.starts_with(health.word()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Trouble::NotReady {
            what: format!("agent `{server}` {} at HAProxy", health.word()),
            waited: PATIENCE,
            said: self.journals.tail(),
        })
    }

    /// One field of `show stat`.
    async fn stat(&self, proxy: &str, server: &str, field: &str) -> Result<String, Trouble> {
        let table = self.ask("show stat").await?;
        let mut rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = rows.next().unwrap_or_default();
        let column = names.iter().position(|name| name.trim_start_matches("# ") == field);
        let row = rows.find(|row| row.first() == Some(&proxy) && row.get(1) == Some(&server));
        column
            .zip(row)
            .and_then(|(column, row)| row.get(column).map(|value| (*value).to_owned()))
            .ok_or_else(|| Trouble::unexpected(format!("`{field}` of {proxy}/{server}"), table))
    }

    /// Sends one command to the stats socket.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the socket does not answer.
    pub async fn ask(&self, command: &str) -> Result<String, Trouble> {
        let exchange = async {
            let mut socket = UnixStream::connect(&self.stats).await?;
            socket.write_all(format!("{command}\n").as_bytes()).await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        exchange.await.map_err(Trouble::io(format!("ask HAProxy `{command}` on its stats socket")))
    }

    async fn wait_until_ready(&mut self) -> Result<(), Trouble> {
        let started = Instant::now();
        let pid = self.current.id().to_string();
        while started.elapsed() < PATIENCE && self.current.runs() {
            // After a reload the old process may still answer: the socket's name moves last.
            let information = self.ask("show info").await.unwrap_or_default();
            if information.lines().any(|line| line.strip_prefix("Pid: ") == Some(pid.as_str())) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Trouble::NotReady {
            what: "HAProxy".into(),
            waited: started.elapsed(),
            said: self.journals.tail(),
        })
    }
}

/// What a health check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It says HELLO.
    Up,
    /// It does not.
    Down,
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
        }
    }
}

fn configure(command: &mut Command, configuration: &Path, environment: &[(&'static str, String)]) {
    command.arg("-db").arg("-f").arg(configuration);
    for (name, value) in environment {
        command.env(name, value);
    }
    command.env_remove("COUNTERSIGN_LOG").env_remove("COUNTERSIGN_SPOE");
}
