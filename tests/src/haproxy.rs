//! HAProxy on the shipped configuration, unchanged: only addresses come from the environment.

use std::net::{Ipv6Addr, SocketAddr};
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
/// Of the flags in `show peers`: neither the process before it nor another peer is waited for.
const IN_SYNC: u32 = 3;
/// The frontend of the shipped configuration.
const FRONTEND: &str = "main";
/// The backend of the agents in the shipped configuration.
const AGENTS: &str = "countersign-agents";

/// Addresses that the shipped configuration takes from the environment.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Sockets of the two agents.
    pub agents: [PathBuf; 2],
    /// The only server of pool `api`, and the words behind it.
    pub api: String,
    /// The only server of pool `admin`.
    pub admin: SocketAddr,
    /// The only server of pool `web`.
    pub web: SocketAddr,
    /// What it is told of its peers.
    pub peering: Peering,
    /// A file of the operator's own beside the shipped one.
    pub second: Option<SecondFile>,
}

/// A configuration file that is loaded by a second `-f`.
#[derive(Debug, Clone)]
pub struct SecondFile {
    /// Where it is.
    pub path: PathBuf,
    /// The variables that it takes addresses and other things from.
    pub environment: Vec<(String, String)>,
}

/// What a HAProxy is told of its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peering {
    /// Nothing: it counts nothing and refuses nobody by itself.
    None,
    /// That it is a node of a cluster.
    Member(Member),
}

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its `localpeer`.
    pub name: &'static str,
    /// The publisher's socket for peers.
    pub publisher: PathBuf,
}

/// A running HAProxy.
#[derive(Debug)]
pub struct Haproxy {
    start: Start,
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
        let mut environment = vec![
            ("COUNTERSIGN_BIND", address.to_string()),
            ("COUNTERSIGN_AGENT_1", format!("unix@{}", agent_1.display())),
            ("COUNTERSIGN_AGENT_2", format!("unix@{}", agent_2.display())),
            ("COUNTERSIGN_POOL_API", addresses.api.clone()),
            ("COUNTERSIGN_POOL_ADMIN", addresses.admin.to_string()),
            ("COUNTERSIGN_POOL_WEB", addresses.web.to_string()),
            ("COUNTERSIGN_STATS", stats.display().to_string()),
        ];
        // One `peers` section each: of several, 3.2 hands over only one at a reload, and which one is chance.
        match &addresses.peering {
            Peering::None => environment.push(("COUNTERSIGN_MESH", ports::free()?.to_string())),
            Peering::Member(member) => {
                environment.push(("COUNTERSIGN_PEERS", ports::free()?.to_string()));
                environment.push(("COUNTERSIGN_PUBLISH", format!("unix@{}", member.publisher.display())));
            }
        }
        let mut environment: Vec<_> =
            environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut configuration = vec![configuration];
        if let Some(second) = &addresses.second {
            configuration.push(second.path.clone());
            environment.extend(second.environment.iter().cloned());
        }
        let journals = Journals::fresh();
        let start = Start { binary, configuration, environment, peering: addresses.peering.clone() };
        let current = Process::start("HAProxy", &mut start.command(), &journals, reaper)?;
        let mut haproxy =
            Self { start, address, stats, journals, reaper: Arc::clone(reaper), current, older: Vec::new() };
        haproxy.wait_until_ready().await?;
        Ok(haproxy)
    }

    /// Where it takes requests.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.current.id()
    }

    /// The version it reports.
    #[must_use]
    pub fn version(&self) -> String {
        self.start.binary.version().unwrap_or_default()
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
        let mut command = self.start.command();
        command.arg("-x").arg(&self.stats).arg("-sf").arg(self.current.id().to_string());
        let new = Process::start("HAProxy", &mut command, &self.journals, &self.reaper)?;
        let old = std::mem::replace(&mut self.current, new);
        self.older.push(old);
        self.older.retain_mut(Process::runs);
        self.wait_until_ready().await
    }

    /// SIGKILL, to it and to what is left of before a reload: nothing is handed over to anybody.
    pub fn kill(&mut self) {
        self.current.kill();
        self.older.clear();
    }

    /// Starts it again after [`Haproxy::kill`], on the same addresses.
    ///
    /// # Errors
    /// As [`Haproxy::start`].
    pub async fn start_again(&mut self) -> Result<(), Trouble> {
        self.current = Process::start("HAProxy", &mut self.start.command(), &self.journals, &self.reaper)?;
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

    /// What counter `index` of the sensor has counted in the last minute under this key; `None` where
    /// the table does not have the key.
    ///
    /// # Errors
    /// As [`Haproxy::requests`], and [`Trouble::Unexpected`] without such a table or counter.
    pub async fn counted(&self, key: Ipv6Addr, index: usize) -> Result<Option<u32>, Trouble> {
        let table = self.ask("show table countersign/cs_sensor").await?;
        if !table.starts_with("# table: countersign/cs_sensor") {
            return Err(Trouble::unexpected("the table `countersign/cs_sensor`", table));
        }
        let Some(line) = table.lines().find(|line| line.contains(&format!("key={key} "))) else {
            return Ok(None);
        };
        let value = line.split(&format!(" gpc{index}_rate(60000)=")).nth(1);
        let count = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
        count.map(Some).ok_or_else(|| Trouble::unexpected(format!("counter {index} of the sensor"), line))
    }

    /// How often it has connected to the publisher.
    ///
    /// # Errors
    /// As [`Haproxy::requests`].
    pub async fn connections_to_publisher(&self) -> Result<u32, Trouble> {
        let peers = self.ask("show peers countersign").await?;
        let publisher = peers.split("id=countersign(remote").nth(1);
        let count = publisher.and_then(|text| text.split("new_conn=").nth(1)?.split_whitespace().next());
        count
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| Trouble::unexpected("a publisher in `show peers countersign`", peers))
    }

    /// Waits until it takes itself for in sync in a `peers` section: a reload before that loses what the
    /// section's tables hold. Without another peer 2.6 waits five seconds for one; later ones do not.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it does not within ten seconds.
    pub async fn wait_until_in_sync(&self, section: &str) -> Result<(), Trouble> {
        let started = Instant::now();
        let mut peers = String::new();
        while started.elapsed() < PATIENCE {
            peers = self.ask(&format!("show peers {section}")).await?;
            let flags = peers.split("flags=0x").nth(1).and_then(|text| text.split_whitespace().next());
            let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok()).unwrap_or_default();
            if flags & IN_SYNC == IN_SYNC {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Trouble::NotReady {
            what: format!("HAProxy in sync in `{section}`"),
            waited: PATIENCE,
            said: peers,
        })
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

/// All that a start takes, kept for the next one.
#[derive(Debug)]
struct Start {
    binary: HaproxyCommand,
    configuration: Vec<PathBuf>,
    environment: Vec<(String, String)>,
    peering: Peering,
}

impl Start {
    fn command(&self) -> Command {
        let mut command = self.binary.command();
        command.arg("-db");
        for file in &self.configuration {
            command.arg("-f").arg(file);
        }
        if let Peering::Member(member) = &self.peering {
            command.arg("-L").arg(member.name);
        }
        // What the surroundings say of Countersign is not for the stage.
        for name in [
            "COUNTERSIGN_LOG",
            "COUNTERSIGN_SPOE",
            "COUNTERSIGN_PEERS",
            "COUNTERSIGN_MESH",
            "COUNTERSIGN_PUBLISH",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
