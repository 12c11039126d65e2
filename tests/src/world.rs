//! The whole stage in one folder: pools, agents, HAProxy, and before them the edge.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::agent::Agent;
use crate::ask::{Ask, Markers, Observed};
use crate::bot::Bot;
use crate::client::Answer;
use crate::edge::{Edge, EdgeList, Trusted};
use crate::forge::{Forge, HEADER, Sender};
use crate::haproxy::{Haproxy, Peering};
use crate::identity_provider::IdentityProvider;
use crate::journal::Place;
use crate::listing::Listing;
use crate::node::{AGENTS, Agents, Node, NodePlan, Places};
use crate::pieces::Subject;
use crate::pools::{PoolAddresses, Pools};
use crate::reaper::Reaper;
use crate::scene::Manners;
use crate::services;
use crate::stream_server::StreamServer;
use crate::tap::Tap;
use crate::trouble::Trouble;
use crate::viceroy::{EdgeStores, Items, LIST_STORE, Viceroy};

/// The host that most routes of the policy are for.
pub const HOST: &str = "www.example.test";
/// The edge service's name: `iss` of its assertions.
pub const SERVICE: &str = "edge-www";
/// The data centre.
pub const AUDIENCE: &str = "eu-1";
/// The environment.
pub const ENVIRONMENT: &str = "production";
/// The cookie that carries a session.
pub const SESSION_COOKIE: &str = "__Host-countersign-session";
/// The id of the edge's key.
pub const KEY_ID: &str = "edge-1";

/// Whether the edge is part of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Viceroy with the edge program, and an identity provider.
    Edge,
    /// Nothing: requests go straight to HAProxy.
    Nothing,
}

/// What is behind HAProxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Pools whose applications tell what they saw.
    Telling,
    /// One application for all pools, which takes and sends bodies of any size.
    Streaming,
}

/// What a world is made of.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Which HAProxy.
    pub subject: Subject,
    /// What is before it.
    pub front: Front,
    /// What is beside it.
    pub agents: Agents,
    /// What is behind it.
    pub behind: Behind,
}

/// What is before HAProxy.
#[derive(Debug)]
struct Before {
    edge: Edge,
    listing: std::sync::Mutex<Listing>,
}

/// The running stage. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct World {
    before: Option<Before>,
    node: Node,
    pools: Pools,
    stream: Option<StreamServer>,
    forge: Forge,
    quiet: RwLock<()>,
    asked: Markers,
    keys: PathBuf,
    // Last: they outlive the processes above.
    _reaper: Arc<Reaper>,
    folder: TempDir,
}

/// Where a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the edge, as everybody's.
    ThroughEdge,
    /// To HAProxy, as that of somebody who found its address.
    Straight,
}

/// The door for a client that is not the harness's own, and where the journals stood when it was opened.
#[derive(Debug, Clone, Copy)]
pub struct Entrance {
    /// Where the client connects.
    pub address: SocketAddr,
    edge: Option<Place>,
    node: Places,
}

/// Held while a scene plays.
#[derive(Debug)]
pub enum Claim<'a> {
    /// Others may play too.
    Shared(RwLockReadGuard<'a, ()>),
    /// Nobody else plays.
    Alone(RwLockWriteGuard<'a, ()>),
}

impl World {
    /// Sets the stage.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(plan: Plan) -> Result<Self, Trouble> {
        Self::start_before(plan, |pools| pools).await
    }

    /// As [`World::start`], with other servers in the pools: `servers` is given those that would be there.
    ///
    /// # Errors
    /// As [`World::start`].
    pub async fn start_before(
        plan: Plan,
        servers: impl FnOnce(PoolAddresses) -> PoolAddresses,
    ) -> Result<Self, Trouble> {
        let (folder, reaper) = Reaper::of_new_folder()?;
        let keys = folder.path().join("keys");
        services::make_keys(&keys).await?;
        let forge = services::EDGE.forge(&keys)?;
        let pools = Pools::start().await?;
        let node = NodePlan { subject: plan.subject, peering: Peering::None, agents: plan.agents };
        let stream = match plan.behind {
            Behind::Telling => None,
            Behind::Streaming => Some(StreamServer::start(&reaper).await?),
        };
        let at_stream = stream.as_ref().map(|stream| PoolAddresses::all_at(stream.address()));
        let addresses = at_stream.unwrap_or_else(|| servers(pools.addresses()));
        let node = Node::start(node, addresses, &keys, folder.path(), &reaper).await?;
        let before = match plan.front {
            Front::Edge => {
                let listing = Listing::new()?;
                let list = EdgeList { items: listing.items()?, keys: listing.key() };
                let trusted = Trusted::StandIn;
                let edge = Edge::start(node.address(), list, trusted, &keys, folder.path(), &reaper).await?;
                Some(Before { edge, listing: std::sync::Mutex::new(listing) })
            }
            Front::Nothing => None,
        };
        Ok(Self {
            before,
            node,
            pools,
            stream,
            forge,
            quiet: RwLock::new(()),
            asked: Markers::default(),
            keys,
            _reaper: reaper,
            folder,
        })
    }

    /// Waits for its turn: beside others, or alone.
    pub async fn claim(&self, manners: Manners) -> Claim<'_> {
        match manners {
            Manners::Shares => Claim::Shared(self.quiet.read().await),
            Manners::Alone | Manners::OwnWorld(_) | Manners::LargeBodies => {
                Claim::Alone(self.quiet.write().await)
            }
        }
    }

    /// A request to [`HOST`] for `path` and one more segment that occurs nowhere else.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        self.ask_host(HOST, method, path)
    }

    /// As [`World::ask`], to another host.
    #[must_use]
    pub fn ask_host(&self, host: &str, method: &str, path: &str) -> Ask {
        self.asked.ask(host, method, path)
    }

    /// Sends to the edge, and gathers what every tier wrote about it.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], or [`Trouble::Unexpected`] in a world without an edge.
    pub async fn through_edge(&self, ask: &Ask) -> Result<Observed, Trouble> {
        self.edge()?.send(ask, &self.node).await
    }

    /// Sends straight to HAProxy, as somebody who found its address would.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn straight(&self, ask: &Ask) -> Result<Observed, Trouble> {
        self.node.send(ask).await
    }

    /// The door for a client that is not the harness's own.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] for the way through the edge in a world without one.
    pub fn entrance(&self, way: Way) -> Result<Entrance, Trouble> {
        let (address, edge) = match way {
            Way::ThroughEdge => (self.viceroy()?.address(), Some(self.edge()?.place())),
            Way::Straight => (self.node.address(), None),
        };
        Ok(Entrance { address, edge, node: self.node.places() })
    }

    /// Gathers what every tier wrote about a request that came in by `entrance` and was answered.
    ///
    /// # Errors
    /// As [`World::entrance`].
    pub async fn observed(
        &self,
        ask: &Ask,
        answer: Answer,
        entrance: &Entrance,
    ) -> Result<Observed, Trouble> {
        let Some(place) = entrance.edge else {
            let records = self.node.records(ask, &answer, entrance.node).await;
            return Ok(Observed::new(answer, records));
        };
        Ok(self.edge()?.observed(ask, answer, place, &self.node, entrance.node).await)
    }

    /// The request as `sender` sends it on this way: with their session token to the edge, with the assertion
    /// that the edge would have made to HAProxy. Nobody has neither at the edge.
    ///
    /// # Errors
    /// As [`World::entrance`].
    pub fn vouched(&self, ask: Ask, sender: Sender, way: Way) -> Result<Ask, Trouble> {
        match way {
            Way::ThroughEdge if sender.subject.is_empty() => Ok(ask),
            Way::ThroughEdge => Ok(ask.bearer(&self.token(sender)?)),
            Way::Straight => {
                let assertion = self.forge.good(&ask.request, sender)?;
                Ok(ask.assertion(&assertion))
            }
        }
    }

    /// Sends as `sender` would: through the edge with their session token; in a world without an
    /// edge, to HAProxy with the assertion that the edge would have made.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn as_sender(&self, ask: &Ask, sender: Sender) -> Result<Observed, Trouble> {
        if self.before.is_some() {
            return self.through_edge(&self.vouched(ask.clone(), sender, Way::ThroughEdge)?).await;
        }
        self.straight(&self.vouched(ask.clone(), sender, Way::Straight)?).await
    }

    /// An assertion that was made for `ask`, taken off the wire between edge and HAProxy; where
    /// there is no edge, made as the edge makes it and used once.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when `ask` did not pass.
    pub async fn captured(&self, ask: &Ask, sender: Sender) -> Result<String, Trouble> {
        let (seen, assertion) = match &self.before {
            Some(Before { edge, .. }) => {
                let ask = ask.clone().bearer(&self.token(sender)?);
                let seen = self.through_edge(&ask).await?;
                (seen, edge.tap().heard_header(&ask.marker, HEADER).unwrap_or_default())
            }
            None => {
                let assertion = self.forge.good(&ask.request, sender)?;
                (self.straight(&ask.clone().assertion(&assertion)).await?, assertion)
            }
        };
        if seen.answer.status == 200 && !assertion.is_empty() {
            return Ok(assertion);
        }
        Err(Trouble::unexpected("a request that passes, to capture its assertion", seen.answer.summary()))
    }

    /// A session token of the identity provider, as a log-in gives it.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn token(&self, sender: Sender) -> Result<String, Trouble> {
        self.edge()?.token(sender)
    }

    /// The identity provider.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn idp(&self) -> Result<&IdentityProvider, Trouble> {
        Ok(self.edge()?.idp())
    }

    /// The bot that the edge knows.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn bot(&self) -> Result<&Bot, Trouble> {
        Ok(self.edge()?.bot())
    }

    /// The wire between edge and HAProxy.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn tap(&self) -> Result<&Tap, Trouble> {
        Ok(self.edge()?.tap())
    }

    /// Changes the list in the edge's store.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge, [`Trouble::Io`] when it cannot be written.
    pub fn change_list(&self, change: impl FnOnce(&mut Listing)) -> Result<(), Trouble> {
        let Before { edge, listing } = self.before()?;
        let mut listing = listing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut listing);
        edge.viceroy().replace_store(LIST_STORE, &listing.items()?)
    }

    /// The items of the list as they are now.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn list_items(&self) -> Result<Items, Trouble> {
        self.before()?.listing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).items()
    }

    /// The edge runtime, to break a store or to replace it.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn viceroy(&self) -> Result<&Viceroy, Trouble> {
        Ok(self.edge()?.viceroy())
    }

    /// What the edge's stores were filled with at the start.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn stores(&self) -> Result<&EdgeStores, Trouble> {
        Ok(self.edge()?.stores())
    }

    /// The application for large bodies.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without it.
    pub fn stream(&self) -> Result<&StreamServer, Trouble> {
        self.stream.as_ref().ok_or_else(|| Trouble::unexpected("a world for large bodies", "another"))
    }

    /// The processes whose memory is looked at, by their names: HAProxy, the agents, and the edge's runtime
    /// where there is one.
    pub async fn processes(&self) -> Vec<(String, u32)> {
        let mut processes = vec![("HAProxy".to_owned(), self.haproxy().await.process_id())];
        for (name, agent) in AGENTS.iter().zip(self.agents()) {
            processes.extend(agent.lock().await.daemon.id().map(|id| (format!("agent {name}"), id)));
        }
        processes.extend(self.viceroy().ok().map(|viceroy| ("Viceroy".to_owned(), viceroy.process_id())));
        processes
    }

    /// HAProxy and its agents.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The running HAProxy.
    pub async fn haproxy(&self) -> MutexGuard<'_, Haproxy> {
        self.node.haproxy().await
    }

    /// The real agents; none in a world of faulty ones.
    #[must_use]
    pub fn agents(&self) -> &[Mutex<Agent>] {
        self.node.agents()
    }

    /// Requests that all applications together have answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.pools.served()
    }

    /// The forge, with the edge's key.
    #[must_use]
    pub fn forge(&self) -> &Forge {
        &self.forge
    }

    /// The folder of the edge's keys.
    #[must_use]
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// The folder of this world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn edge(&self) -> Result<&Edge, Trouble> {
        Ok(&self.before()?.edge)
    }

    fn before(&self) -> Result<&Before, Trouble> {
        self.before.as_ref().ok_or_else(|| Trouble::unexpected("a world with an edge", "one without"))
    }
}
