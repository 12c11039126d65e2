//! Two nodes, each a HAProxy with two agents, one publisher that teaches all of them, and the
//! applications behind. No edge: its assertions are made by hand, so that a client has any address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::ask::{Ask, Markers, Observed};
use crate::forge::{Forge, HEADER, NOBODY, Sender};
use crate::haproxy::{Member, Peering};
use crate::node::{AGENTS, Agents, Node, NodePlan};
use crate::pieces::Subject;
use crate::pools::Pools;
use crate::process::Journals;
use crate::publisher::{self, Publisher, PublisherSettings, Rules, Store};
use crate::question::Questioner;
use crate::reaper::Reaper;
use crate::services;
use crate::trouble::Trouble;
use crate::world::HOST;

/// The nodes, as their `localpeer` says.
pub const NODES: [&str; 2] = ["hap1", "hap2"];

/// A node that the publisher knows and that nobody runs: for whoever plays one.
pub const SPARE_NODE: &str = "hap3";
/// An agent that the publisher knows and that nobody runs.
pub const SPARE_AGENT: &str = "hap3-a";

/// Longest wait for a node or an agent to have heard what the publisher decided.
///
/// HAProxy waits up to five seconds before it connects to a peer again that was gone.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks, so that looking costs little of what it measures.
const POLL: Duration = Duration::from_millis(1);

/// A client of the application, as the edge vouches for it.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The address, as the assertion spells it.
    pub address: &'static str,
    /// Who is signed in.
    pub sender: Sender,
}

impl Client {
    /// Nobody signed in, at this address.
    #[must_use]
    pub const fn at(address: &'static str) -> Self {
        Self { address, sender: NOBODY }
    }

    /// The same address, somebody signed in.
    #[must_use]
    pub const fn signed_in(self, sender: Sender) -> Self {
        Self { sender, ..self }
    }

    /// Its key in HAProxy's tables.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] for an address that is none.
    pub fn key(self) -> Result<Ipv6Addr, Trouble> {
        match self.address.parse() {
            Ok(IpAddr::V4(address)) => Ok(address.to_ipv6_mapped()),
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => Ok(address),
            Ok(IpAddr::V6(address)) => Ok(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            Err(_) => Err(Trouble::unexpected("an address", self.address)),
        }
    }

    /// A page that this client may see: a private one when signed in.
    fn path(self) -> &'static str {
        if self.sender.subject.is_empty() { "/public/page" } else { "/api/things" }
    }
}

/// Whether a client gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is refused for what it did before.
    Refused,
    /// Its requests reach the application.
    Passes,
}

/// How long it took until a client's fate was the same everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The last of the agents, asked on its own socket.
    pub agents: Duration,
    /// Each HAProxy, by what it did before it asked an agent.
    pub nodes: [Duration; 2],
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(f, "the agents after {:.0} ms", milliseconds(self.agents))?;
        for (name, time) in NODES.iter().zip(self.nodes) {
            write!(f, ", {name} after {:.0} ms", milliseconds(time))?;
        }
        Ok(())
    }
}

/// The running stage. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct Cluster {
    nodes: [Node; 2],
    publisher: Mutex<Publisher>,
    pools: Pools,
    forge: Forge,
    asked: Markers,
    // Last: they outlive the processes above.
    reaper: Arc<Reaper>,
    folder: TempDir,
}

impl Cluster {
    /// Sets the stage, and waits until the publisher has everybody.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(subject: Subject, rules: Rules) -> Result<Self, Trouble> {
        Self::start_with(subject, rules, None).await
    }

    /// The same, with a publisher that writes to the edge's store.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with(subject: Subject, rules: Rules, store: Option<Store>) -> Result<Self, Trouble> {
        let (folder, reaper) = Reaper::of_new_folder()?;
        let keys = folder.path().join("keys");
        services::make_keys(&keys).await?;
        let forge = services::EDGE.forge(&keys)?;
        let pools = Pools::start().await?;
        let publisher = start_publisher(rules, store, folder.path(), &reaper).await?;
        let [hap1, hap2] = NODES;
        let start = |name| start_node(subject, name, &pools, &keys, folder.path(), &reaper);
        let (hap1, hap2) = tokio::try_join!(start(hap1), start(hap2))?;
        let cluster = Self {
            nodes: [hap1, hap2],
            publisher: Mutex::new(publisher),
            pools,
            forge,
            asked: Markers::default(),
            reaper,
            folder,
        };
        cluster.wait_until_connected().await?;
        Ok(cluster)
    }

    /// Waits until the publisher says that every node and every agent is connected.
    async fn wait_until_connected(&self) -> Result<(), Trouble> {
        let started = Instant::now();
        let mut status = String::new();
        while started.elapsed() < PATIENCE {
            status = self.command(&["peers", "status"]).await?;
            let connected = |name: &str| {
                let mark = format!(" {name}: connected ");
                status.lines().any(|line| line.contains(&mark))
            };
            if NODES.into_iter().all(connected) && agents().iter().all(|agent| connected(agent)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(not_yet("everybody at the publisher".into(), status))
    }

    /// The nodes, in the order of [`NODES`].
    #[must_use]
    pub fn nodes(&self) -> &[Node; 2] {
        &self.nodes
    }

    /// The publisher.
    pub async fn publisher(&self) -> MutexGuard<'_, Publisher> {
        self.publisher.lock().await
    }

    /// A command to the publisher, and what it printed.
    ///
    /// # Errors
    /// [`Trouble::Command`] with what it printed on standard error.
    pub async fn command(&self, words: &[&str]) -> Result<String, Trouble> {
        self.publisher().await.command(words).await
    }

    /// Another publisher, which nobody connects to and which has no bans yet.
    ///
    /// # Errors
    /// As [`Publisher::start`].
    pub async fn fresh_publisher(&self, rules: Rules) -> Result<Publisher, Trouble> {
        let folder = self.folder.path().join("fresh");
        std::fs::create_dir(&folder).map_err(Trouble::io("make a folder for a publisher"))?;
        start_publisher(rules, None, &folder, &self.reaper).await
    }

    /// The forge, with the edge's key.
    #[must_use]
    pub fn forge(&self) -> &Forge {
        &self.forge
    }

    /// Requests that all applications together have answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.pools.served()
    }

    /// The folder of the edge's keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// What ends processes that outlive their stage.
    #[must_use]
    pub fn reaper(&self) -> &Arc<Reaper> {
        &self.reaper
    }

    /// The folder of this cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A request of this client that the application is to answer with `status`, without an assertion.
    #[must_use]
    pub fn ask(&self, client: Client, status: u16) -> Ask {
        self.asked.ask(HOST, "GET", client.path()).answered(status)
    }

    /// A request of any kind, without an assertion.
    #[must_use]
    pub fn ask_for(&self, method: &str, path: &str) -> Ask {
        self.asked.ask(HOST, method, path)
    }

    /// The same as [`Cluster::ask`], with the edge's assertion.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn vouched(&self, client: Client, status: u16) -> Result<Ask, Trouble> {
        self.vouch(self.ask(client, status), client)
    }

    /// Adds the edge's assertion for this client to a request.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn vouch(&self, ask: Ask, client: Client) -> Result<Ask, Trouble> {
        let draft = self.forge.draft(&ask.request, client.sender)?.claim("ip", json!(client.address));
        Ok(ask.header(HEADER, &draft.signed(&self.forge)))
    }

    /// How often each node has connected to the publisher since it started.
    ///
    /// # Errors
    /// [`Trouble::Io`] when a stats socket does not answer.
    pub async fn publisher_connections(&self) -> Result<[u32; 2], Trouble> {
        let mut connections = [0; 2];
        for (node, connections) in self.nodes.iter().zip(&mut connections) {
            *connections = node.haproxy().await.connections_to_publisher().await?;
        }
        Ok(connections)
    }

    /// As many requests of this client, one after the other, that the application answers with `status`;
    /// tells how many of them got that answer from it.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn draw(&self, node: &Node, client: Client, status: u16, times: u32) -> Result<u32, Trouble> {
        let mut drawn = 0;
        for _ in 0..times {
            let served = self.served();
            let answer = node.answer(&self.vouched(client, status)?).await?;
            drawn += u32::from(answer.status == status && self.served() > served);
        }
        Ok(drawn)
    }

    /// What becomes of a harmless request of this client at each node.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn try_everywhere(&self, client: Client) -> Result<[Observed; 2], Trouble> {
        let [hap1, hap2] = &self.nodes;
        Ok([hap1.send(&self.vouched(client, 200)?).await?, hap2.send(&self.vouched(client, 200)?).await?])
    }

    /// The status of a harmless request of this client at each node.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn statuses(&self, client: Client) -> Result<[u16; 2], Trouble> {
        Ok(self.try_everywhere(client).await?.map(|seen| seen.answer.status))
    }

    /// Why each agent would let this client through or not, asked without HAProxy.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], [`Trouble::Io`] when it does not run.
    pub async fn reasons(&self, client: Client) -> Result<Vec<String>, Trouble> {
        let mut reasons = Vec::new();
        for socket in self.nodes.iter().flat_map(Node::agent_sockets) {
            let ask = self.vouched(client, 200)?;
            reasons.push(Questioner::connect(socket).await?.ask(&ask.request).await?.reason);
        }
        Ok(reasons)
    }

    /// Waits until every agent and every HAProxy deals with the client so; times are from `since`.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when somebody does not.
    pub async fn until(&self, client: Client, fate: Fate, since: Instant) -> Result<Times, Trouble> {
        let [hap1, hap2] = &self.nodes;
        let (agents, hap1, hap2) = tokio::try_join!(
            self.until_agents(client, fate, since),
            self.until_node(hap1, client, fate, since),
            self.until_node(hap2, client, fate, since)
        )?;
        Ok(Times { agents, nodes: [hap1, hap2] })
    }

    /// The same of the agents alone: how long the last of them took.
    ///
    /// # Errors
    /// As [`Cluster::until`].
    pub async fn until_agents(
        &self,
        client: Client,
        fate: Fate,
        since: Instant,
    ) -> Result<Duration, Trouble> {
        let mut last = Duration::ZERO;
        for socket in self.nodes.iter().flat_map(Node::agent_sockets) {
            last = last.max(self.until_agent(socket, client, fate, since).await?);
        }
        Ok(last)
    }

    async fn until_agent(
        &self,
        socket: &Path,
        client: Client,
        fate: Fate,
        since: Instant,
    ) -> Result<Duration, Trouble> {
        let mut questioner = Questioner::connect(socket).await?;
        let mut last = String::new();
        while since.elapsed() < PATIENCE {
            let said = questioner.ask(&self.vouched(client, 200)?.request).await?;
            let now = if said.reason.starts_with("listed") { Fate::Refused } else { Fate::Passes };
            if now == fate {
                return Ok(since.elapsed());
            }
            last = said.reason;
            tokio::time::sleep(POLL).await;
        }
        Err(not_yet(format!("an agent for which {client:?} {fate:?}"), last))
    }

    async fn until_node(
        &self,
        node: &Node,
        client: Client,
        fate: Fate,
        since: Instant,
    ) -> Result<Duration, Trouble> {
        let mut last = String::new();
        while since.elapsed() < PATIENCE {
            let seen = node.send(&self.vouched(client, 200)?).await?;
            let reached = match fate {
                // Not what its agent says, which is behind it.
                Fate::Refused => refusal_of_haproxy(&seen).is_some(),
                Fate::Passes => seen.answer.status == 200,
            };
            if reached {
                return Ok(since.elapsed());
            }
            last = seen.answer.summary();
            tokio::time::sleep(POLL).await;
        }
        Err(not_yet(format!("a HAProxy for which {client:?} {fate:?}"), last))
    }
}

/// Why HAProxy refused by itself, without asking an agent, since the publisher taught it so.
#[must_use]
pub fn refusal_of_haproxy(seen: &Observed) -> Option<String> {
    let record = seen.records.haproxy.as_ref().filter(|record| record.text("verdict").is_none())?;
    record.text("why").filter(|why| why.starts_with("listed-"))
}

fn not_yet(what: String, said: String) -> Trouble {
    Trouble::NotReady { what, waited: PATIENCE, said }
}

async fn start_publisher(
    rules: Rules,
    store: Option<Store>,
    folder: &Path,
    reaper: &Arc<Reaper>,
) -> Result<Publisher, Trouble> {
    let [hap1, hap2] = NODES;
    let mut agents = agents();
    agents.push(SPARE_AGENT.to_owned());
    let nodes = [hap1, hap2, SPARE_NODE].map(str::to_owned).to_vec();
    let settings = PublisherSettings { rules, nodes, agents, store };
    Publisher::start(settings, folder, &Journals::fresh(), reaper).await
}

/// The names of the agents that run.
fn agents() -> Vec<String> {
    NODES.iter().flat_map(|node| AGENTS.map(|agent| format!("{node}-{agent}"))).collect()
}

async fn start_node(
    subject: Subject,
    name: &'static str,
    pools: &Pools,
    keys: &Path,
    stage: &Path,
    reaper: &Arc<Reaper>,
) -> Result<Node, Trouble> {
    let folder = stage.join(name);
    std::fs::create_dir(&folder).map_err(Trouble::io("make a folder for a node"))?;
    let member = Member { name, publisher: publisher::peers_socket(stage) };
    let plan = NodePlan { subject, peering: Peering::Member(member), agents: Agents::Real };
    Node::start(plan, pools.addresses(), keys, &folder, reaper).await
}
