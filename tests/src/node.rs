//! One HAProxy and what is beside it, in a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::agent::{Agent, AgentSettings, Reputation};
use crate::ask::{Ask, Observed, decision_id};
use crate::client::{Answer, PATIENCE};
use crate::fault::{FaultyAgent, Misbehaviour};
use crate::haproxy::{Addresses, Haproxy, Peering, SecondFile};
use crate::journal::Place;
use crate::pieces::{self, Subject};
use crate::pools::PoolAddresses;
use crate::process::Journals;
use crate::reaper::Reaper;
use crate::receipts;
use crate::records::{self, Joined};
use crate::services;
use crate::trouble::Trouble;
use crate::world::{AUDIENCE, ENVIRONMENT};

/// The names of the agents beside each HAProxy, also of their servers in its backend.
pub const AGENTS: [&str; 2] = ["a", "b"];

/// What stands where the agents belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agents {
    /// Two of the real ones.
    Real,
    /// Two that misbehave.
    Faulty(Misbehaviour),
}

/// What a node is made of.
#[derive(Debug, Clone)]
pub struct NodePlan {
    /// Which HAProxy.
    pub subject: Subject,
    /// What HAProxy and the agents are told of others.
    pub peering: Peering,
    /// What is beside HAProxy.
    pub agents: Agents,
}

/// What an operator has of their own on a node.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// The settings file of its agents, with all that it names in the same folder; without one they are told
    /// of the policy of the scenes.
    pub agents: Option<PathBuf>,
    /// A second file of HAProxy's configuration.
    pub second: Option<SecondFile>,
}

/// A running HAProxy with its agents. Dropping it ends them.
#[derive(Debug)]
pub struct Node {
    haproxy: Mutex<Haproxy>,
    address: SocketAddr,
    haproxy_journals: Journals,
    agents: Vec<Mutex<Agent>>,
    agent_sockets: [PathBuf; 2],
    _faulty: Vec<FaultyAgent>,
    agent_journals: Journals,
}

/// Where the journals stood before a request.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    haproxy: Place,
    agent: Place,
}

impl Node {
    /// Starts the agents, then HAProxy, with all their files in `folder`; `keys` has the edge's.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(
        plan: NodePlan,
        pools: PoolAddresses,
        keys: &Path,
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        Self::start_with(plan, Own::default(), pools, keys, folder, reaper).await
    }

    /// The same on files of an operator's own.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_with(
        plan: NodePlan,
        own: Own,
        pools: PoolAddresses,
        keys: &Path,
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let agent_journals = Journals::fresh();
        let agent_sockets = AGENTS.map(|name| folder.join(format!("{name}.sock")));
        let mut agents = Vec::new();
        let mut faulty = Vec::new();
        match plan.agents {
            Agents::Real => {
                for name in AGENTS {
                    if let Some(file) = &own.agents {
                        let agent = Agent::start_on(file, name, folder, &agent_journals, reaper).await?;
                        agents.push(Mutex::new(agent));
                        continue;
                    }
                    let told = AgentSettings {
                        name,
                        policy: pieces::policy("www.toml")?,
                        keys: keys.join("assertion.jwks.json"),
                        audience: AUDIENCE,
                        environment: ENVIRONMENT,
                        receipts: receipts::file(keys),
                        services: &[services::EDGE, services::SHOP],
                        reputation: reputation(&plan.peering, name),
                    };
                    let agent = Agent::start(&told, folder, &agent_journals, reaper).await?;
                    agents.push(Mutex::new(agent));
                }
            }
            Agents::Faulty(misbehaviour) => {
                for socket in &agent_sockets {
                    faulty.push(FaultyAgent::start(socket, misbehaviour)?);
                }
            }
        }
        let addresses = Addresses {
            agents: agent_sockets.clone(),
            api: pools.api_speaks.server(pools.api),
            admin: pools.admin,
            web: pools.web,
            peering: plan.peering,
            second: own.second,
        };
        let haproxy = Haproxy::start(plan.subject, &addresses, folder, reaper).await?;
        Ok(Self {
            address: haproxy.address(),
            haproxy_journals: haproxy.journals().clone(),
            haproxy: Mutex::new(haproxy),
            agents,
            agent_sockets,
            _faulty: faulty,
            agent_journals,
        })
    }

    /// The running HAProxy.
    pub async fn haproxy(&self) -> MutexGuard<'_, Haproxy> {
        self.haproxy.lock().await
    }

    /// Where HAProxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What HAProxy printed.
    #[must_use]
    pub fn haproxy_journals(&self) -> &Journals {
        &self.haproxy_journals
    }

    /// The real agents; none beside faulty ones.
    #[must_use]
    pub fn agents(&self) -> &[Mutex<Agent>] {
        &self.agents
    }

    /// The sockets that HAProxy asks.
    #[must_use]
    pub fn agent_sockets(&self) -> &[PathBuf; 2] {
        &self.agent_sockets
    }

    /// What the agents printed: records on standard output.
    #[must_use]
    pub fn agent_journals(&self) -> &Journals {
        &self.agent_journals
    }

    /// Sends straight to HAProxy, and gathers what it and the agents wrote about it.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn send(&self, ask: &Ask) -> Result<Observed, Trouble> {
        let places = self.places();
        let answer = self.answer(ask).await?;
        let records = self.records(ask, &answer, places).await;
        Ok(Observed::new(answer, records))
    }

    /// Sends straight to HAProxy, and takes the answer alone.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn answer(&self, ask: &Ask) -> Result<Answer, Trouble> {
        ask.request.send(self.address, PATIENCE).await
    }

    /// The ends of the journals: records of a request are written after them.
    #[must_use]
    pub fn places(&self) -> Places {
        Places { haproxy: self.haproxy_journals.out.end(), agent: self.agent_journals.out.end() }
    }

    /// What HAProxy and the agents wrote about a request after `since`.
    pub async fn records(&self, ask: &Ask, answer: &Answer, since: Places) -> Joined {
        let decision_id = decision_id(answer);
        let mut marks = vec![ask.marker.as_str()];
        marks.extend(decision_id.as_deref());
        self.found(since, &marks).await
    }

    /// What HAProxy and the agents wrote after `since` on lines with one of the marks.
    pub async fn found(&self, since: Places, marks: &[&str]) -> Joined {
        let journal = &self.haproxy_journals.out;
        let haproxy = records::find(journal, since.haproxy, marks, records::PATIENCE).await;
        let asked = haproxy.as_ref().is_some_and(|record| record.text("verdict").is_some());
        let agent = if asked && !self.agents.is_empty() {
            records::find(&self.agent_journals.out, since.agent, marks, records::PATIENCE).await
        } else {
            None
        };
        Joined { edge: None, haproxy, agent }
    }
}

fn reputation(peering: &Peering, agent: &str) -> Reputation {
    match peering {
        Peering::None => Reputation::None,
        Peering::Member(member) => {
            Reputation::From { publisher: member.publisher.clone(), name: format!("{}-{agent}", member.name) }
        }
    }
}
