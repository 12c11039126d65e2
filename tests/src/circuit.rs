//! The whole circuit: a client offends behind the edge, HAProxy counts, the publisher bans, Fastly's API
//! takes the list, and the edge acts on it.
//!
//! The edge stands before the first node of a cluster. To it a client is the loopback address that it
//! connects from; straight at HAProxy, assertions that are made by hand name the same address.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Bucket, ListKeys, META_ITEM, Mark, Meta};
use countersign_contract::time::UnixSeconds;
use serde_json::Value;

use crate::ask::{Ask, Observed};
use crate::cluster::{Client, Cluster, Fate, Times};
use crate::edge::{Edge, EdgeList, Trusted};
use crate::fastly_api::{self, FastlyApi, Kind, Recorded, StoreId, TOKEN};
use crate::identity_provider::{now, random};
use crate::node::Node;
use crate::pieces::Subject;
use crate::publisher::{EdgeRules, Rules, Store};
use crate::trouble::Trouble;
use crate::viceroy::{Items, LIST_STORE};

/// The ids of the list keys. The edge has both; a list is made with the first, until a scene changes that.
pub const LIST_KEYS: [&str; 2] = ["list-1", "list-2"];

/// Longest wait for the edge or the store.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks, so that looking costs little of what it measures.
const POLL: Duration = Duration::from_millis(2);

/// What publisher and API are told.
#[derive(Debug, Clone, Copy)]
pub struct CircuitRules {
    /// When the publisher bans.
    pub bans: Rules,
    /// How it writes the store.
    pub edge: EdgeRules,
    /// What the API keeps to.
    pub api: fastly_api::Rules,
}

/// How long it took until a client's fate was the same everywhere.
#[derive(Debug, Clone, Copy)]
pub struct CircuitTimes {
    /// Agents and nodes.
    pub origin: Times,
    /// The edge.
    pub edge: Duration,
}

impl fmt::Display for CircuitTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, the edge after {:.0} ms", self.origin, self.edge.as_secs_f64() * 1000.0)
    }
}

/// The tier that answered a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answered {
    /// The edge, without asking HAProxy.
    Edge,
    /// HAProxy, or what is behind it.
    Origin,
}

/// The running stage. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct Circuit {
    edge: Edge,
    cluster: Cluster,
    api: FastlyApi,
    store: StoreId,
    list_keys: [String; 2],
}

impl Circuit {
    /// Sets the stage, and waits until the store holds an empty list.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(subject: Subject, rules: CircuitRules) -> Result<Self, Trouble> {
        Self::start_with(subject, rules, Trusted::StandIn).await
    }

    /// The same with an edge that believes somebody else than the stand-in.
    ///
    /// # Errors
    /// As [`Circuit::start`].
    pub async fn start_with(
        subject: Subject,
        rules: CircuitRules,
        trusted: Trusted,
    ) -> Result<Self, Trouble> {
        let api = FastlyApi::start(rules.api).await?;
        let store = api.make(Kind::ConfigStore, LIST_STORE);
        let mut list_keys = [String::new(), String::new()];
        for (id, key) in LIST_KEYS.iter().zip(&mut list_keys) {
            *key = format!("{id}:{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
        }
        let [first, second] = &list_keys;
        let told = Store {
            api: api.url(),
            token: TOKEN,
            id: store.text().to_owned(),
            list_keys: vec![first.clone()],
            list_key: LIST_KEYS[0],
            rules: rules.edge,
        };
        let cluster = Cluster::start_with(subject, rules.bans, Some(told)).await?;
        let [node, _] = cluster.nodes();
        let list = EdgeList { items: Items::new(), keys: &format!("{first} {second}") };
        let (keys, folder) = (cluster.keys(), cluster.folder());
        let edge = Edge::start(node.address(), list, trusted, &keys, folder, cluster.reaper()).await?;
        api.mirror(&store, edge.viceroy().store_file(LIST_STORE))?;
        let circuit = Self { edge, cluster, api, store, list_keys };
        circuit.until_right(Instant::now()).await?;
        Ok(circuit)
    }

    /// The nodes and the publisher.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The edge.
    #[must_use]
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The stand-in of Fastly's API.
    #[must_use]
    pub fn api(&self) -> &FastlyApi {
        &self.api
    }

    /// The list's store at the API.
    #[must_use]
    pub fn store(&self) -> &StoreId {
        &self.store
    }

    /// The list keys, in the order of [`LIST_KEYS`], each `ID:KEY`.
    #[must_use]
    pub fn list_keys(&self) -> &[String; 2] {
        &self.list_keys
    }

    /// The node behind the edge.
    #[must_use]
    pub fn node(&self) -> &Node {
        let [node, _] = self.cluster.nodes();
        node
    }

    /// A command to the publisher, and what it printed.
    ///
    /// # Errors
    /// [`Trouble::Command`] with what it printed on standard error.
    pub async fn command(&self, words: &[&str]) -> Result<String, Trouble> {
        self.cluster.command(words).await
    }

    /// `bans add CLIENT --action ACTION`, for ten minutes.
    ///
    /// # Errors
    /// As [`Circuit::command`].
    pub async fn ban(&self, client: &str, action: &str) -> Result<(), Trouble> {
        self.command(&["bans", "add", client, "--action", action, "--seconds", "600"]).await.map(drop)
    }

    /// Bans many at once.
    ///
    /// # Errors
    /// As [`Circuit::command`], or [`Trouble::Io`] when the file cannot be written.
    pub async fn ban_all(&self, clients: impl IntoIterator<Item = Ipv4Addr>) -> Result<(), Trouble> {
        let file = self.cluster.folder().join("to-be-banned.txt");
        let lines: Vec<String> = clients.into_iter().map(|client| client.to_string()).collect();
        std::fs::write(&file, lines.join("\n")).map_err(Trouble::io("write who is to be banned"))?;
        let file = file.to_string_lossy();
        self.command(&["bans", "import", &*file, "--action", "block", "--seconds", "600"]).await.map(drop)
    }

    /// A request of this client to the edge, which the application is to answer with `status`.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] for a client that is at no loopback address.
    pub fn ask(&self, client: Client, status: u16) -> Result<Ask, Trouble> {
        self.dress(self.cluster.ask(client, status), client)
    }

    /// Has a request come from this client, with their session where they are signed in.
    ///
    /// # Errors
    /// As [`Circuit::ask`].
    pub fn dress(&self, ask: Ask, client: Client) -> Result<Ask, Trouble> {
        let address: Ipv4Addr =
            client.address.parse().map_err(|_| Trouble::unexpected("a loopback address", client.address))?;
        let ask = ask.from(address);
        if client.sender.subject.is_empty() {
            return Ok(ask);
        }
        Ok(ask.bearer(&self.edge.token(client.sender)?))
    }

    /// A harmless request of this client, through the edge.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn send(&self, client: Client) -> Result<Observed, Trouble> {
        self.edge.send(&self.ask(client, 200)?, self.node()).await
    }

    /// The same; only who answered it, and with which status.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn look(&self, client: Client) -> Result<(Answered, u16), Trouble> {
        let ask = self.ask(client, 200)?;
        let answer = ask.request.send(self.edge.viceroy().address(), PATIENCE).await?;
        let tier = self.edge.tap().heard(&ask.marker).map_or(Answered::Edge, |_| Answered::Origin);
        Ok((tier, answer.status))
    }

    /// As many requests through the edge that the application answers with `status`; tells how many of
    /// them got that answer from it.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn draw(&self, client: Client, status: u16, times: u32) -> Result<u32, Trouble> {
        let mut drawn = 0;
        for _ in 0..times {
            let served = self.cluster.served();
            let ask = self.ask(client, status)?;
            let answer = ask.request.send(self.edge.viceroy().address(), PATIENCE).await?;
            drawn += u32::from(answer.status == status && self.cluster.served() > served);
        }
        Ok(drawn)
    }

    /// Waits until every agent, every HAProxy and the edge deal with the client so; times are from `since`.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when somebody does not.
    pub async fn until(&self, client: Client, fate: Fate, since: Instant) -> Result<CircuitTimes, Trouble> {
        let (origin, edge) =
            tokio::try_join!(self.cluster.until(client, fate, since), self.until_edge(client, fate, since))?;
        Ok(CircuitTimes { origin, edge })
    }

    /// The same of the edge alone.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it does not.
    pub async fn until_edge(&self, client: Client, fate: Fate, since: Instant) -> Result<Duration, Trouble> {
        let mut last = None;
        while since.elapsed() < PATIENCE {
            let (tier, status) = self.look(client).await?;
            let reached = match fate {
                Fate::Refused => tier == Answered::Edge && matches!(status, 401 | 403 | 429),
                Fate::Passes => tier == Answered::Origin && status == 200,
            };
            if reached {
                return Ok(since.elapsed());
            }
            last = Some((tier, status));
            tokio::time::sleep(POLL).await;
        }
        Err(not_yet(format!("an edge for which {client:?} {fate:?}"), format!("{last:?}")))
    }

    /// The head of the list as the API has it.
    #[must_use]
    pub fn head(&self) -> Option<Meta> {
        Meta::parse(self.api.items(&self.store).get(META_ITEM)?).ok()
    }

    /// Waits for such a head; how long that took since `since`.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when none comes.
    pub async fn until_head(
        &self,
        wanted: impl Fn(&Meta) -> bool,
        since: Instant,
    ) -> Result<Duration, Trouble> {
        while since.elapsed() < PATIENCE {
            if self.head().as_ref().is_some_and(&wanted) {
                return Ok(since.elapsed());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(not_yet("another head of the list".into(), format!("{:?}", self.head())))
    }

    /// Waits until the publisher says that all is written, and the store lists exactly who is banned; how
    /// long that took since `since`.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it does not.
    pub async fn until_right(&self, since: Instant) -> Result<Duration, Trouble> {
        let mut status = String::new();
        while since.elapsed() < PATIENCE {
            status = self.command(&["peers", "status"]).await?;
            if status.contains(", written; ") && self.listed()? == self.banned().await? {
                return Ok(since.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(not_yet("a store that lists who is banned".into(), status))
    }

    /// What stands in the list in use, whose time is not over; nobody where there is none.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] for a bucket that is missing or garbled.
    pub fn listed(&self) -> Result<BTreeSet<Mark>, Trouble> {
        let items = self.api.items(&self.store);
        let Some(head) = self.head() else { return Ok(BTreeSet::new()) };
        let mut marks = BTreeSet::new();
        for number in 0..head.buckets.get() {
            let key = Bucket::item_key(head.set, number);
            let value = items.get(&key).map(String::as_str).unwrap_or_default();
            let bucket = Bucket::parse(value)
                .map_err(|fault| Trouble::unexpected("a bucket", format!("{key}: {fault}")))?;
            let records = bucket.records(head.epoch);
            marks.extend(records.filter(|(_, at)| at.expires > UnixSeconds(now())).map(|(mark, _)| mark));
        }
        Ok(marks)
    }

    /// What has to stand in it: the marks of who is banned, under the key that it is made with.
    ///
    /// # Errors
    /// As [`Circuit::command`].
    pub async fn banned(&self) -> Result<BTreeSet<Mark>, Trouble> {
        let printed = self.command(&["bans", "export"]).await?;
        let Some(head) = self.head() else { return Ok(BTreeSet::new()) };
        let keys = self.keys()?;
        let key =
            keys.get(&head.key).ok_or_else(|| Trouble::unexpected("a list key", head.key.to_string()))?;
        printed
            .lines()
            .map(|line| {
                let ban: Value = serde_json::from_str(line).unwrap_or_default();
                let client = ban.get("client").and_then(Value::as_str).unwrap_or_default();
                Ok(key.fingerprint(&client_key(client)?).mark())
            })
            .collect()
    }

    /// The names of the two items that may list this client, in the set in use.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where there is no list.
    pub fn items_of(&self, client: Client) -> Result<[String; 2], Trouble> {
        let head = self.head().ok_or_else(|| Trouble::unexpected("a head of the list", "none"))?;
        let keys = self.keys()?;
        let key =
            keys.get(&head.key).ok_or_else(|| Trouble::unexpected("a list key", head.key.to_string()))?;
        let buckets = key.fingerprint(&client_key(client.address)?).buckets(head.buckets);
        Ok(buckets.map(|number| Bucket::item_key(head.set, number)))
    }

    /// The writes that the API was sent so far.
    #[must_use]
    pub fn writes(&self) -> Vec<Recorded> {
        self.api.requests().into_iter().filter(Recorded::is_write).collect()
    }

    fn keys(&self) -> Result<ListKeys, Trouble> {
        ListKeys::parse(&self.list_keys.join(" "))
            .map_err(|fault| Trouble::unexpected("list keys", fault.to_string()))
    }
}

fn client_key(text: &str) -> Result<ClientKey, Trouble> {
    text.parse().map_err(|fault| Trouble::unexpected("a client", format!("{fault}")))
}

fn not_yet(what: String, said: String) -> Trouble {
    Trouble::NotReady { what, waited: PATIENCE, said }
}
