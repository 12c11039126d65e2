//! A world before an application that keeps streams open: WebSockets in pool `web`, gRPC in pool `api`.
//!
//! Server and clients are npm's `ws` and `@grpc/grpc-js`, on the scripts `tests/oidc/{streams,websocket,grpc}.mjs`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::ask::Ask;
use crate::journal::Place;
use crate::node::Places;
use crate::pools::Speaks;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::records::{self, Joined};
use crate::scene::Row;
use crate::script::Scripts;
use crate::trouble::Trouble;
use crate::world::{Plan, World};

/// Longest wait for the application to listen, and for a client to end: the clients themselves give up after 20 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// The running stage. Dropping it ends every process and removes the folders.
#[derive(Debug)]
pub struct Streams {
    world: World,
    application: StreamApplication,
    // Last: they outlive the processes above.
    _reaper: Arc<Reaper>,
    _folder: TempDir,
}

/// The application by itself, and its clients. Dropping it ends it.
#[derive(Debug)]
pub struct StreamApplication {
    ports: Ports,
    _process: Process,
    scripts: Scripts,
}

/// Where the application listens.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Ports {
    websocket: u16,
    grpc: u16,
}

/// Where the journals stood before something was sent.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    edge: Option<Place>,
    node: Places,
}

/// What a client says at its end.
#[derive(Debug, Clone)]
pub struct Said(Value);

impl Streams {
    /// Sets the stage.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(plan: Plan) -> Result<Self, Trouble> {
        let (folder, reaper) = Reaper::of_new_folder()?;
        let application = StreamApplication::start(folder.path(), &reaper).await?;
        let Ports { websocket, grpc } = application.ports;
        let world = World::start_before(plan, |mut pools| {
            pools.web.set_port(websocket);
            pools.api.set_port(grpc);
            pools.api_speaks = Speaks::Http2;
            pools
        })
        .await?;
        Ok(Self { world, application, _reaper: reaper, _folder: folder })
    }

    /// Edge, HAProxy and agents.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Where the journals stand now.
    #[must_use]
    pub fn since(&self) -> Since {
        let edge = self.world.viceroy().ok().map(|viceroy| viceroy.journals().out.end());
        Since { edge, node: self.world.node().places() }
    }

    /// What the tiers that were asked wrote since then, on lines with one of the marks.
    pub async fn records(&self, since: Since, marks: &[&str]) -> Joined {
        let edge = match (self.world.viceroy(), since.edge) {
            (Ok(viceroy), Some(place)) => {
                records::find(&viceroy.journals().out, place, marks, records::PATIENCE).await
            }
            _ => None,
        };
        let has_refused =
            edge.as_ref().is_some_and(|record| record.text("verdict").as_deref() == Some("deny"));
        let asked =
            !has_refused || edge.as_ref().is_some_and(|record| record.text("origin_status").is_some());
        let mut joined = Joined { edge, ..Joined::default() };
        if asked {
            let node = self.world.node().found(since.node, marks).await;
            (joined.haproxy, joined.agent) = (node.haproxy, node.agent);
        }
        joined
    }

    /// Runs a client on this stage.
    ///
    /// # Errors
    /// As [`run`].
    pub async fn client(&self, script: &str, told: &Value) -> Result<Said, Trouble> {
        self.application.client(script, told).await
    }

    /// The edge's address.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] in a world without an edge.
    pub fn edge(&self) -> Result<SocketAddr, Trouble> {
        Ok(self.world.viceroy()?.address())
    }
}

impl StreamApplication {
    /// Starts it with all its files in `folder`, and waits until it listens.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Node.js or the packages, [`Trouble::NotReady`] with what it printed.
    pub async fn start(folder: &Path, reaper: &Arc<Reaper>) -> Result<Self, Trouble> {
        let scripts = Scripts::lay_out(folder)?;
        let journals = Journals::fresh();
        let mut command = scripts.command("streams.mjs");
        let process = Process::start("the application with streams", &mut command, &journals, reaper)?;
        let listening = |line: &str| line.starts_with("listening ");
        let line = journals.out.wait_for(Place::START, listening, PATIENCE).await;
        let ports = line.and_then(|line| serde_json::from_str(line.strip_prefix("listening ")?).ok());
        let ports = ports.ok_or_else(|| Trouble::NotReady {
            what: "the application with streams".into(),
            waited: PATIENCE,
            said: journals.tail(),
        })?;
        Ok(Self { ports, _process: process, scripts })
    }

    /// Its WebSocket server.
    #[must_use]
    pub fn websocket(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.websocket))
    }

    /// Its gRPC server.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.grpc))
    }

    /// Runs a client.
    ///
    /// # Errors
    /// As [`run`].
    pub async fn client(&self, script: &str, told: &Value) -> Result<Said, Trouble> {
        run(&self.scripts, script, told).await
    }
}

/// Runs a client that is told all as JSON, and says all so at its end.
///
/// # Errors
/// [`Trouble::NoAnswer`] where it has no end, [`Trouble::Command`] where that is an error.
pub async fn run(scripts: &Scripts, script: &str, told: &Value) -> Result<Said, Trouble> {
    let mut command = tokio::process::Command::from(scripts.command(script));
    command.arg(told.to_string()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| Trouble::NoAnswer {
            peer: script.into(),
            why: format!("still running after {PATIENCE:?}"),
        })?
        .map_err(Trouble::io(format!("run {script}")))?;
    let failed = |said: String| Trouble::Command {
        command: format!("node {script}"),
        status: output.status.to_string(),
        said,
    };
    let said: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(String::from_utf8_lossy(&output.stderr).into_owned()))?;
    match said.get("error").and_then(Value::as_str) {
        Some(error) => Err(failed(error.to_owned())),
        None => Ok(Said(said)),
    }
}

impl Said {
    /// A part by its JSON pointer (RFC 6901) without the first slash.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.0.pointer(&format!("/{path}"))
    }

    /// A text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// A number.
    #[must_use]
    pub fn number(&self, path: &str) -> Option<u64> {
        self.get(path)?.as_u64()
    }

    /// Whether it says that this is so.
    #[must_use]
    pub fn is(&self, path: &str) -> bool {
        self.get(path).and_then(Value::as_bool) == Some(true)
    }
}

impl Said {
    /// What the gRPC service of `streams.mjs` saw of a call that it answered: a member of its first message.
    #[must_use]
    pub fn seen_by_service(&self, path: &str) -> Option<String> {
        let body: Value = serde_json::from_str(self.text("messages/0")?).ok()?;
        body.pointer(path)?.as_str().map(str::to_owned)
    }

    /// The decision id of a call, as the client learnt it or, of one that was answered, the service.
    #[must_use]
    pub fn decision_of_call(&self) -> Option<String> {
        let learnt = ["metadata/countersign-decision", "headers/countersign-decision"];
        let learnt = learnt.into_iter().find_map(|path| self.text(path)).map(str::to_owned);
        learnt.or_else(|| self.seen_by_service("/metadata/countersign-decision"))
    }
}

/// A row of what a client got and the tiers wrote; nothing is stated yet. It never has a pool: applications with
/// streams don't say theirs.
#[must_use]
pub fn row(status: Option<u16>, records: &Joined) -> Row {
    let (verdict, reason) = records.verdict_and_reason();
    let decision_id = records.decision_ids().into_iter().next();
    Row { status, verdict, reason, decision_id, ..Row::default() }
}

/// The headers of a request as one object; of several with one name the last counts.
#[must_use]
pub fn headers(ask: &Ask) -> Value {
    ask.request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}
