//! The whole stage in one folder: pools, agents, HAProxy, and before them the edge.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::agent::{Agent, AgentSettings};
use crate::application::{Application, SeenByApplication};
use crate::ask::{Ask, Observed};
use crate::client::{Answer, PATIENCE, Request};
use crate::command_line;
use crate::fault::{FaultyAgent, Misbehaviour};
use crate::forge::{Forge, HEADER, Sender};
use crate::haproxy::{Addresses, Haproxy};
use crate::identity_provider::{self, IdentityProvider, TokenAlgorithm};
use crate::journal::Place;
use crate::listing::Listing;
use crate::pieces::{self, Subject};
use crate::process::Journals;
use crate::reaper::Reaper;
use crate::records::{self, Joined};
use crate::scene::Manners;
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
pub const SESSION_COOKIE: &str = "__Host-session";
/// The id of the edge's key.
pub const KEY_ID: &str = "edge-1";

/// What stands where the agents belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agents {
    /// Two of the real ones.
    Real,
    /// Two that misbehave.
    Faulty(Misbehaviour),
}

/// Whether the edge is part of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Viceroy with the edge program, and an identity provider.
    Edge,
    /// Nothing: requests go straight to HAProxy.
    Nothing,
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
}

/// What is before HAProxy.
#[derive(Debug)]
struct Edge {
    viceroy: Viceroy,
    idp: IdentityProvider,
    tap: Tap,
    listing: std::sync::Mutex<Listing>,
    stores: EdgeStores,
}

/// The running stage. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct World {
    edge: Option<Edge>,
    haproxy: Mutex<Haproxy>,
    haproxy_address: SocketAddr,
    haproxy_journals: Journals,
    agents: Vec<Mutex<Agent>>,
    _faulty: Vec<FaultyAgent>,
    agent_journals: Journals,
    api: Application,
    admin: Application,
    web: Application,
    forge: Forge,
    quiet: RwLock<()>,
    asked: AtomicU64,
    keys: PathBuf,
    // Last: they outlive the processes above.
    _reaper: Arc<Reaper>,
    folder: TempDir,
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
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir()
            .map_err(Trouble::io("make a folder for the stage"))?;
        let reaper = Reaper::start(folder.path())?;
        let keys = folder.path().join("keys");
        command_line::generate_keys(&keys)?;
        let forge = Forge::open(&keys.join("assertion.private.jwk.json"), SERVICE, AUDIENCE, ENVIRONMENT)?;
        let (api, admin, web) = tokio::try_join!(
            Application::start("api"),
            Application::start("admin"),
            Application::start("web")
        )?;

        let agent_journals = Journals::fresh();
        let mut agents = Vec::new();
        let mut faulty = Vec::new();
        let mut sockets = Vec::new();
        for name in ["a", "b"] {
            match plan.agents {
                Agents::Real => {
                    let told = AgentSettings {
                        name,
                        policy: pieces::policy("www.toml")?,
                        keys: keys.join("assertion.jwks.json"),
                        audience: AUDIENCE,
                        environment: ENVIRONMENT,
                    };
                    let agent = Agent::start(&told, folder.path(), &agent_journals, &reaper).await?;
                    sockets.push(agent.socket().to_owned());
                    agents.push(Mutex::new(agent));
                }
                Agents::Faulty(misbehaviour) => {
                    let socket = folder.path().join(format!("{name}.sock"));
                    faulty.push(FaultyAgent::start(&socket, misbehaviour)?);
                    sockets.push(socket);
                }
            }
        }
        let sockets: [PathBuf; 2] = sockets
            .try_into()
            .map_err(|sockets| Trouble::unexpected("two sockets", format!("{sockets:?}")))?;
        let addresses =
            Addresses { agents: sockets, api: api.address(), admin: admin.address(), web: web.address() };
        let haproxy = Haproxy::start(plan.subject, &addresses, folder.path(), &reaper).await?;
        let edge = match plan.front {
            Front::Edge => Some(start_edge(haproxy.address(), &keys, folder.path(), &reaper).await?),
            Front::Nothing => None,
        };
        Ok(Self {
            edge,
            haproxy_address: haproxy.address(),
            haproxy_journals: haproxy.journals().clone(),
            haproxy: Mutex::new(haproxy),
            agents,
            _faulty: faulty,
            agent_journals,
            api,
            admin,
            web,
            forge,
            quiet: RwLock::new(()),
            asked: AtomicU64::new(1),
            keys,
            _reaper: reaper,
            folder,
        })
    }

    /// Waits for its turn: beside others, or alone.
    pub async fn claim(&self, manners: Manners) -> Claim<'_> {
        match manners {
            Manners::Shares => Claim::Shared(self.quiet.read().await),
            Manners::Alone | Manners::OwnWorld(_) => Claim::Alone(self.quiet.write().await),
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
        let marker = format!("scene-{:06}-end", self.asked.fetch_add(1, Ordering::Relaxed));
        let request = Request::new(method, host, &format!("{path}/{marker}"));
        Ask { request, marker }
    }

    /// Sends to the edge, and gathers what every tier wrote about it.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], or [`Trouble::Unexpected`] in a world without an edge.
    pub async fn through_edge(&self, ask: &Ask) -> Result<Observed, Trouble> {
        let edge = self.edge()?;
        let places = self.places();
        let answer = ask.request.send(edge.viceroy.address(), PATIENCE).await?;
        Ok(self.observe(ask, answer, places, Some(edge)).await)
    }

    /// Sends straight to HAProxy, as somebody who found its address would.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn straight(&self, ask: &Ask) -> Result<Observed, Trouble> {
        let places = self.places();
        let answer = ask.request.send(self.haproxy_address, PATIENCE).await?;
        Ok(self.observe(ask, answer, places, None).await)
    }

    /// Sends as `sender` would: through the edge with their session token; in a world without an
    /// edge, to HAProxy with the assertion that the edge would have made.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn as_sender(&self, ask: &Ask, sender: Sender) -> Result<Observed, Trouble> {
        if self.edge.is_some() {
            let ask = ask.clone();
            let ask = if sender.subject.is_empty() { ask } else { ask.bearer(&self.token(sender)?) };
            return self.through_edge(&ask).await;
        }
        let assertion = self.forge.good(&ask.request, sender)?;
        self.straight(&ask.clone().assertion(&assertion)).await
    }

    /// An assertion that was made for `ask`, taken off the wire between edge and HAProxy; where
    /// there is no edge, made as the edge makes it and used once.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when `ask` did not pass.
    pub async fn captured(&self, ask: &Ask, sender: Sender) -> Result<String, Trouble> {
        let (seen, assertion) = match &self.edge {
            Some(edge) => {
                let ask = ask.clone().bearer(&self.token(sender)?);
                let seen = self.through_edge(&ask).await?;
                (seen, edge.tap.heard_header(&ask.marker, HEADER).unwrap_or_default())
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
        self.idp()?.token(TokenAlgorithm::Es256, sender.subject, sender.groups)
    }

    /// The identity provider.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn idp(&self) -> Result<&IdentityProvider, Trouble> {
        Ok(&self.edge()?.idp)
    }

    /// The wire between edge and HAProxy.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn tap(&self) -> Result<&Tap, Trouble> {
        Ok(&self.edge()?.tap)
    }

    /// Changes the list in the edge's store.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge, [`Trouble::Io`] when it cannot be written.
    pub fn change_list(&self, change: impl FnOnce(&mut Listing)) -> Result<(), Trouble> {
        let edge = self.edge()?;
        let mut listing = edge.listing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut listing);
        edge.viceroy.replace_store(LIST_STORE, &listing.items()?)
    }

    /// The items of the list as they are now.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn list_items(&self) -> Result<Items, Trouble> {
        self.edge()?.listing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).items()
    }

    /// The edge runtime, to break a store or to replace it.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn viceroy(&self) -> Result<&Viceroy, Trouble> {
        Ok(&self.edge()?.viceroy)
    }

    /// What the edge's stores were filled with at the start.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn stores(&self) -> Result<&EdgeStores, Trouble> {
        Ok(&self.edge()?.stores)
    }

    /// The running HAProxy.
    pub async fn haproxy(&self) -> MutexGuard<'_, Haproxy> {
        self.haproxy.lock().await
    }

    /// Where HAProxy listens.
    #[must_use]
    pub fn haproxy_address(&self) -> SocketAddr {
        self.haproxy_address
    }

    /// The real agents; none in a world of faulty ones.
    #[must_use]
    pub fn agents(&self) -> &[Mutex<Agent>] {
        &self.agents
    }

    /// What the agents printed: records on standard output.
    #[must_use]
    pub fn agent_journals(&self) -> &Journals {
        &self.agent_journals
    }

    /// What HAProxy printed.
    #[must_use]
    pub fn haproxy_journals(&self) -> &Journals {
        &self.haproxy_journals
    }

    /// Requests that all applications together have answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.api.served() + self.admin.served() + self.web.served()
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
        self.edge.as_ref().ok_or_else(|| Trouble::unexpected("a world with an edge", "one without"))
    }

    /// The ends of all journals: records of a request are written after them.
    fn places(&self) -> Places {
        Places {
            edge: self.edge.as_ref().map_or(Place::START, |edge| edge.viceroy.journals().out.end()),
            haproxy: self.haproxy_journals.out.end(),
            agent: self.agent_journals.out.end(),
        }
    }

    async fn observe(&self, ask: &Ask, answer: Answer, since: Places, edge: Option<&Edge>) -> Observed {
        let body = answer.json();
        let application = SeenByApplication::read(&body);
        let decision_id = answer
            .header("countersign-decision")
            .or_else(|| body.get("decision_id").and_then(Value::as_str))
            .or_else(|| application.as_ref().and_then(|seen| seen.only("countersign-decision")))
            .map(str::to_owned);
        let mut marks = vec![ask.marker.as_str()];
        marks.extend(decision_id.as_deref());

        let mut joined = Joined::default();
        let mut at_haproxy = true;
        if let Some(edge) = edge {
            let journal = &edge.viceroy.journals().out;
            joined.edge = records::find(journal, since.edge, &marks, records::PATIENCE).await;
            at_haproxy = edge.tap.heard(&ask.marker).is_some();
        }
        if at_haproxy {
            let journal = &self.haproxy_journals.out;
            joined.haproxy = records::find(journal, since.haproxy, &marks, records::PATIENCE).await;
        }
        let asked = joined.haproxy.as_ref().is_some_and(|record| record.text("verdict").is_some());
        if asked && !self.agents.is_empty() {
            let journal = &self.agent_journals.out;
            joined.agent = records::find(journal, since.agent, &marks, records::PATIENCE).await;
        }
        Observed { answer, application, decision_id, records: joined }
    }
}

/// Where the journals stood before a request.
#[derive(Debug, Clone, Copy)]
struct Places {
    edge: Place,
    haproxy: Place,
    agent: Place,
}

async fn start_edge(
    haproxy: SocketAddr,
    keys: &Path,
    folder: &Path,
    reaper: &Arc<Reaper>,
) -> Result<Edge, Trouble> {
    let idp = IdentityProvider::start().await?;
    let tap = Tap::start(haproxy).await?;
    let listing = Listing::new()?;
    let mut config = command_line::compiled_policy(&pieces::policy("www.toml")?)?;
    config.insert("settings".into(), edge_settings().to_string());
    let private_key = std::fs::read_to_string(keys.join("assertion.private.jwk.json"))
        .map_err(Trouble::io("read the edge's private key"))?;
    let secrets = Items::from([
        ("assertion-key".to_owned(), private_key),
        ("list-key".to_owned(), listing.key().to_owned()),
    ]);
    let stores =
        EdgeStores { haproxy: tap.address(), idp: idp.address(), config, list: listing.items()?, secrets };
    let viceroy = Viceroy::start(&stores, folder, reaper).await?;
    Ok(Edge { viceroy, idp, tap, listing: std::sync::Mutex::new(listing), stores })
}

/// The edge's item `settings`.
fn edge_settings() -> Value {
    json!({
        "version": 1,
        "service": SERVICE,
        "audience": AUDIENCE,
        "environment": ENVIRONMENT,
        "backend": "haproxy",
        "assertion_lifetime_seconds": 30,
        "session_cookie": SESSION_COOKIE,
        "clock_skew_seconds": 30,
        "issuers": [{
            "issuer": identity_provider::ISSUER,
            "audience": identity_provider::AUDIENCE,
            "jwks_uri": "http://idp.example.test/jwks",
            "jwks_backend": "idp",
            "groups_claim": "groups",
            "algorithms": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
            "jwks_max_age_seconds": 300,
            "jwks_stale_seconds": 3600,
            "refetch_cooldown_seconds": 10,
        }],
    })
}
