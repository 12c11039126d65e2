//! Edge, HAProxy, agents, and behind every pool the same three applications.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use countersign_contract::canonical::Authority;
use serde_json::json;
use tempfile::TempDir;

use crate::ask;
use crate::client::{Request, send_bytes};
use crate::edge::{Edge, EdgeList, Trusted};
use crate::forge::{ADMIN, ENGINEER, Forge, HEADER, Sender, binding};
use crate::haproxy::Peering;
use crate::journal::Place;
use crate::listing::Listing;
use crate::node::{Agents, Node, NodePlan};
use crate::pieces::Subject;
use crate::pools::{PoolAddresses, Speaks};
use crate::reaper::Reaper;
use crate::records::{self, Joined};
use crate::services;
use crate::trouble::Trouble;

use super::applications::Applications;
use super::corpus::{Kind, Line};
use super::tee::{Seen, Sightings, Tee};

/// Longest wait for an answer: HAProxy gives a head that does not end five seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// What may come behind the answer when one request was taken for two.
const GRACE: Duration = Duration::from_millis(50);

/// How a line is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the edge, with the session token of an engineer, who may not see `/admin`.
    ThroughEdge,
    /// To HAProxy, with an assertion over exactly this request that speaks of an admin, signed by the edge's
    /// key: whatever the policy would refuse an engineer passes, and only the spelling is wrong.
    Straight,
}

impl Way {
    /// Whom the request speaks of.
    #[must_use]
    pub fn sender(self) -> Sender {
        match self {
            Self::ThroughEdge => ENGINEER,
            Self::Straight => ADMIN,
        }
    }

    /// The client that the application may be told of.
    #[must_use]
    pub fn client(self) -> &'static str {
        match self {
            Self::ThroughEdge => "127.0.0.1",
            Self::Straight => crate::forge::CLIENT,
        }
    }
}

/// What came of a line on one way.
#[derive(Debug)]
pub struct Outcome {
    /// The way.
    pub way: Way,
    /// The status of the answer; none where the connection was closed without one.
    pub status: Option<u16>,
    /// What the tiers wrote about it.
    pub records: Joined,
    /// What the applications saw, with HAProxy's record about it.
    pub seen: Vec<(Seen, Option<records::Record>)>,
}

/// The running stage. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct Stage {
    edge: Edge,
    node: Node,
    sightings: Sightings,
    forge: Forge,
    token: String,
    tees: [Tee; 3],
    _applications: Applications,
    // Last: they outlive the processes above.
    _reaper: Arc<Reaper>,
    _folder: TempDir,
}

impl Stage {
    /// Sets it.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(subject: Subject) -> Result<Self, Trouble> {
        let (folder, reaper) = Reaper::of_new_folder()?;
        let keys: PathBuf = folder.path().join("keys");
        services::make_keys(&keys).await?;
        let forge = services::EDGE.forge(&keys)?;
        let applications = Applications::start(folder.path(), &reaper).await?;
        let sightings = Sightings::default();
        let tee = async |pool| Tee::start(pool, applications.addresses(), &sightings).await;
        let tees = [tee("api").await?, tee("admin").await?, tee("web").await?];
        let [api, admin, web] = tees.each_ref().map(Tee::address);
        let plan = NodePlan { subject, peering: Peering::None, agents: Agents::Real };
        let pools = PoolAddresses { api, admin, web, api_speaks: Speaks::Http1 };
        let node = Node::start(plan, pools, &keys, folder.path(), &reaper).await?;
        let listing = Listing::new()?;
        let list = EdgeList { items: listing.items()?, keys: listing.key() };
        let edge = Edge::start(node.address(), list, Trusted::StandIn, &keys, folder.path(), &reaper).await?;
        let token = edge.token(Way::ThroughEdge.sender())?;
        Ok(Self {
            edge,
            node,
            sightings,
            forge,
            token,
            tees,
            _applications: applications,
            _reaper: reaper,
            _folder: folder,
        })
    }

    /// Sends a line, and gathers what came of it. One at a time: what applications see in the meantime is
    /// charged to it.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub async fn play(&self, line: &Line, way: Way) -> Result<Outcome, Trouble> {
        self.take();
        let (edge, haproxy, agent) = (
            self.edge.viceroy().journals().out.end(),
            self.node.haproxy_journals().out.end(),
            self.node.agent_journals().out.end(),
        );
        let (to, bytes) = match way {
            Way::ThroughEdge => (
                self.edge.viceroy().address(),
                line.bytes("Authorization", &format!("Bearer {}", self.token)),
            ),
            Way::Straight => (self.node.address(), line.bytes(HEADER, &self.assertion(line)?)),
        };
        let answer = send_bytes(&bytes, line.method(), Ipv4Addr::LOCALHOST, to, PATIENCE).await.ok();
        if line.kind == Kind::Framing {
            tokio::time::sleep(GRACE).await;
        }
        let mut seen = Vec::new();
        for sighting in self.take() {
            let id = sighting.only("countersign-decision");
            let record = self.haproxy_record(haproxy, id.as_deref()).await;
            seen.push((sighting, record));
        }
        let id = answer.as_ref().and_then(ask::decision_id);
        let mut records = Joined::default();
        if let Some(id) = &id {
            if way == Way::ThroughEdge {
                let journal = &self.edge.viceroy().journals().out;
                records.edge = records::find(journal, edge, &[id], records::PATIENCE).await;
            }
            let refused = |record: &records::Record| record.text("verdict").as_deref() == Some("deny");
            if !records.edge.as_ref().is_some_and(refused) {
                records.haproxy = self.haproxy_record(haproxy, Some(id)).await;
            }
            if records.haproxy.as_ref().is_some_and(|record| record.text("verdict").is_some()) {
                let journal = &self.node.agent_journals().out;
                records.agent = records::find(journal, agent, &[id], records::PATIENCE).await;
            }
        }
        Ok(Outcome { way, status: answer.as_ref().map(|answer| answer.status), records, seen })
    }

    /// Sends a line to the applications past everything: how they would read it. Not a line whose end is what
    /// is odd about it: there an application's answer says nothing about the next request.
    pub async fn past_everything(&self, line: &Line) -> Option<Seen> {
        let [api, ..] = &self.tees;
        if line.kind == Kind::Framing {
            return None;
        }
        self.take();
        let bytes = line.bytes("Accept", "*/*");
        let _ = send_bytes(&bytes, line.method(), Ipv4Addr::LOCALHOST, api.address(), PATIENCE).await;
        self.take().into_iter().next()
    }

    async fn haproxy_record(&self, since: Place, id: Option<&str>) -> Option<records::Record> {
        let journal = &self.node.haproxy_journals().out;
        records::find(journal, since, &[id?], records::PATIENCE).await
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.sightings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Over exactly this request, in the canonical form of its host where it has one, and over the path of
    /// an absolute target, which is all that HAProxy shows of it.
    fn assertion(&self, line: &Line) -> Result<String, Trouble> {
        let (target, host) = (line.target(), line.host());
        let target = String::from_utf8_lossy(&target);
        let raw = String::from_utf8_lossy(&host);
        let host = Authority::parse(&host).map_or(raw.as_ref().to_owned(), |host| host.as_str().to_owned());
        let path = match target.split_once("://").filter(|_| !target.starts_with('/')) {
            Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default(),
            None => &target,
        };
        let request = Request::new(line.method(), &host, path);
        let draft = self.forge.draft(&request, Way::Straight.sender())?;
        Ok(draft.claim("req", json!(binding(line.method(), &host, path))).signed(&self.forge))
    }
}
