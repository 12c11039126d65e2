//! The stage of one example: a node for each data centre, an edge for each location, and the applications.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::application::Application;
use crate::ask::{Ask, Markers, Observed, decision_id};
use crate::bot::Bot;
use crate::client::PATIENCE;
use crate::command_line;
use crate::forge::Forge;
use crate::haproxy::{Peering, SecondFile};
use crate::journal::Place;
use crate::node::{Agents, Node, NodePlan, Own};
use crate::pieces::{self, Subject};
use crate::pools::Pools;
use crate::reaper::Reaper;
use crate::receipts;
use crate::records::{self, Joined, Record};
use crate::streams::{Said, StreamApplication};
use crate::tap::Tap;
use crate::trouble::Trouble;
use crate::viceroy::{CONFIG_STORE, Items, Viceroy};
use crate::world::{ENVIRONMENT, Front, KEY_ID, SERVICE};

use super::files::ExampleFiles;
use super::plan::{Centre, ExamplePlan, Keeps, Way};

/// The host of the examples.
pub const HOST: &str = "www.example.com";
/// The policy, of all parts alike.
const POLICY: &str = "policy.toml";
/// Where the directory of a bot listens, as the examples' backends name it.
const DIRECTORY: &str = "127.0.0.1:9300";

/// A running data centre, and the wire to it.
#[derive(Debug)]
struct RunningCentre {
    node: Node,
    forge: Forge,
    /// Before HAProxy; gone where the data centre is lost.
    tap: Mutex<Option<Tap>>,
}

/// A running location, and the wire to it from another one.
#[derive(Debug)]
struct RunningLocation {
    viceroy: Viceroy,
    tap: Tap,
}

/// The running stage. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct ExampleStage {
    locations: Vec<RunningLocation>,
    centres: Vec<RunningCentre>,
    shipped: Pools,
    own: Vec<(String, Mutex<Option<Application>>)>,
    files: ExampleFiles,
    streams: Option<StreamApplication>,
    bot: Bot,
    asked: Markers,
    // Last: they outlive the processes above.
    _reaper: Arc<Reaper>,
    folder: TempDir,
}

impl ExampleStage {
    /// Sets the stage from the example's files.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(subject: Subject, front: Front, plan: ExamplePlan) -> Result<Self, Trouble> {
        Self::start_with(subject, front, plan, &[]).await
    }

    /// The same, with variables for HAProxy's second file beside the addresses.
    ///
    /// # Errors
    /// As [`ExampleStage::start`].
    pub async fn start_with(
        subject: Subject,
        front: Front,
        plan: ExamplePlan,
        variables: &[(&str, &str)],
    ) -> Result<Self, Trouble> {
        let files = ExampleFiles::open(plan.name)?;
        let (folder, reaper) = Reaper::of_new_folder()?;
        let keys = folder.path().join("keys");
        command_line::generate_keys(&keys, KEY_ID).await?;
        receipts::make_keys(&keys, &[receipts::KEY_ID]).await?;
        let bot = Bot::start(folder.path()).await?;
        let shipped = Pools::start().await?;
        let mut own = Vec::new();
        let mut environment: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let streams = match plan.streams {
            [] => None,
            _ => Some(StreamApplication::start(folder.path(), &reaper).await?),
        };
        for pool in files.pools()? {
            let kept = plan.streams.iter().find(|(name, _)| *name == pool.pool);
            if let (Some((_, kept)), Some(streams)) = (kept, &streams) {
                let address = match kept {
                    Keeps::WebSockets => streams.websocket(),
                    Keeps::Calls => streams.grpc(),
                };
                environment.push((pool.variable, address.to_string()));
                continue;
            }
            let application = Application::start(&pool.pool).await?;
            environment.push((pool.variable, application.address().to_string()));
            own.push((pool.pool, Mutex::new(Some(application))));
        }
        let second = files.configuration().map(|path| SecondFile { path, environment });
        let mut places = vec![(DIRECTORY, bot.address())];
        let mut centres = Vec::new();
        for centre in plan.centres {
            let folder = folder.path().join(centre.audience);
            lay_out(&files, centre, &keys, &folder)?;
            let kept = Own { agents: Some(folder.join("countersign.toml")), second: second.clone() };
            let plan = NodePlan { subject, peering: Peering::None, agents: Agents::Real };
            let node = Node::start_with(plan, kept, shipped.addresses(), &keys, &folder, &reaper).await?;
            let tap = Tap::start(node.address()).await?;
            places.push((centre.address, tap.address()));
            let private = keys.join("assertion.private.jwk.json");
            let forge = Forge::open(&private, SERVICE, centre.audience, ENVIRONMENT)?;
            centres.push(RunningCentre { node, forge, tap: Mutex::new(Some(tap)) });
        }
        let mut locations = Vec::new();
        if front == Front::Edge {
            let config = config(&files, &files.folder().join(POLICY)).await?;
            let secrets = secrets(&keys).await?;
            // The last one first, since those before it send to it.
            for location in plan.locations.iter().rev() {
                let backends = files.backends(location.backends, &places)?;
                let stores = [&config, &Items::new(), &secrets];
                let folder = folder.path().join(location.address);
                let viceroy = Viceroy::start_before(&backends, stores, &folder, &reaper).await?;
                let tap = Tap::start(viceroy.address()).await?;
                places.push((location.address, tap.address()));
                locations.insert(0, RunningLocation { viceroy, tap });
            }
        }
        Ok(Self {
            locations,
            centres,
            shipped,
            own,
            files,
            streams,
            bot,
            asked: Markers::default(),
            _reaper: reaper,
            folder,
        })
    }

    /// A request to [`HOST`] for `path` and one more segment that occurs nowhere else.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        self.asked.ask(HOST, method, path)
    }

    /// Sends to the first location, and gathers what it and the data centres wrote about it.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], or [`Trouble::Unexpected`] on a stage without an edge.
    pub async fn through_edge(&self, ask: &Ask) -> Result<Observed, Trouble> {
        let first = self.location(0)?;
        let journal = &first.viceroy.journals().out;
        let place = journal.end();
        let places: Vec<_> = self.centres.iter().map(|centre| centre.node.places()).collect();
        let answer = ask.request.send(first.viceroy.address(), PATIENCE).await?;
        let id = decision_id(&answer);
        let mut marks = vec![ask.marker.as_str()];
        marks.extend(id.as_deref());
        let edge = records::find(journal, place, &marks, records::PATIENCE).await;
        let mut joined = Joined::default();
        for (centre, places) in self.centres.iter().zip(places) {
            let heard = centre.tap.lock().await.as_ref().is_some_and(|tap| tap.heard(&ask.marker).is_some());
            if heard {
                joined = centre.node.records(ask, &answer, places).await;
            }
        }
        Ok(Observed::new(answer, Joined { edge, ..joined }))
    }

    /// Sends straight to HAProxy of a data centre.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], or [`Trouble::Unexpected`] where there are fewer.
    pub async fn straight(&self, centre: usize, ask: &Ask) -> Result<Observed, Trouble> {
        self.node(centre)?.send(ask).await
    }

    /// Runs a client of streams, and gathers what the tiers wrote about its request on lines with the mark that it has by
    /// what the client says: by way of the edge, or straight to the first data centre.
    ///
    /// # Errors
    /// As [`StreamApplication::client`], or [`Trouble::Unexpected`] on a stage without streams.
    pub async fn stream(
        &self,
        way: Way,
        script: &str,
        told: Value,
        mark: impl FnOnce(&Said) -> Option<String>,
    ) -> Result<(Said, Joined), Trouble> {
        let node = self.node(0)?;
        let address = match way {
            Way::Edge => self.location(0)?.viceroy.address(),
            Way::Straight => node.address(),
        };
        let streams =
            self.streams.as_ref().ok_or_else(|| Trouble::unexpected("a stage with streams", "another"))?;
        let mut told = told;
        if let Some(told) = told.as_object_mut() {
            told.insert("address".into(), address.to_string().into());
        }
        let places = node.places();
        let said = streams.client(script, &told).await?;
        let mark = mark(&said).ok_or_else(|| Trouble::unexpected("a decision id", format!("{said:?}")))?;
        let mut edge = None;
        if way == Way::Edge {
            let journal = &self.location(0)?.viceroy.journals().out;
            edge = records::find(journal, Place::START, &[&mark], records::PATIENCE).await;
        }
        let refused = edge.as_ref().is_some_and(|record| record.text("verdict").as_deref() == Some("deny"));
        let joined = if refused { Joined::default() } else { node.found(places, &[&mark]).await };
        Ok((said, Joined { edge, ..joined }))
    }

    /// What a location wrote about a request.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where it wrote nothing, or there are fewer.
    pub async fn record_of(&self, location: usize, ask: &Ask) -> Result<Record, Trouble> {
        let journal = &self.location(location)?.viceroy.journals().out;
        let record = records::find(journal, Place::START, &[&ask.marker], records::PATIENCE).await;
        record.ok_or_else(|| Trouble::unexpected("a record of the location", journal.tail(20)))
    }

    /// What a location was sent of a header, by another location.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where there are fewer.
    pub fn heard_by_location(
        &self,
        location: usize,
        ask: &Ask,
        header: &str,
    ) -> Result<Option<String>, Trouble> {
        Ok(self.location(location)?.tap.heard_header(&ask.marker, header))
    }

    /// What a data centre was sent of a header.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where there are fewer.
    pub async fn heard_by_centre(
        &self,
        centre: usize,
        ask: &Ask,
        header: &str,
    ) -> Result<Option<String>, Trouble> {
        let tap = self.centre(centre)?.tap.lock().await;
        Ok(tap.as_ref().and_then(|tap| tap.heard_header(&ask.marker, header)))
    }

    /// Ends HAProxy of a data centre: nobody listens there any more.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where there are fewer.
    pub async fn lose(&self, centre: usize) -> Result<(), Trouble> {
        let lost = self.centre(centre)?;
        lost.node.haproxy().await.kill();
        lost.tap.lock().await.take();
        Ok(())
    }

    /// Ends the application of one of the example's pools.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] for a pool that it doesn't have.
    pub async fn lose_pool(&self, pool: &str) -> Result<(), Trouble> {
        let found = self.own.iter().find(|(name, _)| name == pool);
        let (_, application) = found.ok_or_else(|| Trouble::unexpected("a pool of the example", pool))?;
        application.lock().await.take();
        Ok(())
    }

    /// Changes the policy as an operator does: the agents of every data centre first, the edge last.
    ///
    /// # Errors
    /// [`Trouble::Io`], [`Trouble::Command`] where it is no policy, [`Trouble::NotReady`] where an agent refuses it.
    pub async fn change_policy(&self, change: impl Fn(String) -> String) -> Result<(), Trouble> {
        let text = change(self.files.read(POLICY)?);
        for centre in &self.centres {
            for agent in centre.node.agents() {
                let agent = agent.lock().await;
                let file = agent.daemon.settings().with_file_name(POLICY);
                fs::write(file, &text).map_err(Trouble::io("write the policy"))?;
                agent.reload().await?;
            }
        }
        let file = self.folder.path().join(POLICY);
        fs::write(&file, &text).map_err(Trouble::io("write the policy"))?;
        let config = config(&self.files, &file).await?;
        self.locations.iter().try_for_each(|location| location.viceroy.replace_store(CONFIG_STORE, &config))
    }

    /// HAProxy and the agents of a data centre.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where there are fewer.
    pub fn node(&self, centre: usize) -> Result<&Node, Trouble> {
        Ok(&self.centre(centre)?.node)
    }

    /// Whoever holds the edge's key, towards a data centre.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where there are fewer.
    pub fn forge(&self, centre: usize) -> Result<&Forge, Trouble> {
        Ok(&self.centre(centre)?.forge)
    }

    /// The bot.
    #[must_use]
    pub fn bot(&self) -> &Bot {
        &self.bot
    }

    /// Requests that the applications of all pools have answered.
    #[must_use]
    pub async fn served(&self) -> u64 {
        let mut served = self.shipped.served();
        for (_, application) in &self.own {
            served += application.lock().await.as_ref().map_or(0, Application::served);
        }
        served
    }

    fn centre(&self, number: usize) -> Result<&RunningCentre, Trouble> {
        self.centres.get(number).ok_or_else(|| Trouble::unexpected("a data centre more", number.to_string()))
    }

    fn location(&self, number: usize) -> Result<&RunningLocation, Trouble> {
        self.locations.get(number).ok_or_else(|| Trouble::unexpected("a location more", number.to_string()))
    }
}

/// The files of a data centre's agents, all in one folder as on its machine.
fn lay_out(files: &ExampleFiles, centre: &Centre, keys: &Path, folder: &Path) -> Result<(), Trouble> {
    let settings = match centre.agents {
        Some(name) => files.folder().join(name),
        None => pieces::shipped_agent_settings()?,
    };
    fs::create_dir_all(folder).map_err(Trouble::io("make the folder of a data centre"))?;
    let sources = [
        (settings, "countersign.toml"),
        (files.folder().join(POLICY), POLICY),
        (keys.join("assertion.jwks.json"), "assertion.jwks.json"),
        (receipts::file(keys), "receipt.keys"),
    ];
    for (source, name) in sources {
        fs::copy(&source, folder.join(name)).map_err(Trouble::io(format!("copy `{}`", source.display())))?;
    }
    Ok(())
}

/// The items of the edge's config store.
async fn config(files: &ExampleFiles, policy: &Path) -> Result<Items, Trouble> {
    let mut items = command_line::compiled_policy(policy).await?;
    items.insert("settings".into(), files.read("edge-settings.json")?);
    Ok(items)
}

async fn secrets(keys: &Path) -> Result<Items, Trouble> {
    let assertion = fs::read_to_string(keys.join("assertion.private.jwk.json"))
        .map_err(Trouble::io("read the edge's private key"))?;
    Ok(Items::from([
        ("assertion-key".to_owned(), assertion),
        ("list-key".to_owned(), command_line::run(&["keys", "list", "--kid", "list-1"]).await?),
        ("receipt-key".to_owned(), receipts::read_keys(keys)?),
    ]))
}
