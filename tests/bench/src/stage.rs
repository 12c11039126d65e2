//! One folder, the programs in it, and their end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_tests::journal::Place;
use countersign_tests::pieces::{self, HaproxyCommand, Subject};
use countersign_tests::ports;
use countersign_tests::process::{Journals, Process};
use countersign_tests::reaper::Reaper;
use countersign_tests::trouble::Trouble;
use countersign_tests::world::{AUDIENCE, ENVIRONMENT, HOST, SERVICE};
use tempfile::TempDir;

use crate::edge::{Edge, KEY_ID, SECRET_ID, TARGET};
use crate::process_costs;

/// Longest wait for a program to be ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// What programs of a bench share.
pub(crate) struct Stage {
    runtime: tokio::runtime::Runtime,
    haproxy: HaproxyCommand,
    // Dropped before the folder: it ends whatever still writes there.
    reaper: Arc<Reaper>,
    folder: TempDir,
}

/// Settings of the whole agent beside those that every bench shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentSettings<'a> {
    /// File of records.
    pub(crate) records: &'a Path,
    /// Entries of the log of used assertions.
    pub(crate) replay_capacity: usize,
    /// JWKS of shared secrets.
    pub(crate) shared_secrets: Option<&'a str>,
}

/// A program that answers HAProxy on a socket.
pub(crate) struct RunningAgent {
    /// Where it listens.
    pub(crate) socket: PathBuf,
    process: Process,
}

/// An HAProxy with one frontend.
pub(crate) struct RunningHaproxy {
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl Stage {
    /// An empty folder, and the HAProxy that the environment names.
    pub(crate) fn new() -> Result<Self, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Trouble::io("start a runtime"))?;
        let folder = tempfile::tempdir().map_err(Trouble::io("make a folder"))?;
        let haproxy = HaproxyCommand::find(Subject::from_environment()?)?;
        let reaper = Reaper::start(folder.path())?;
        Ok(Self { runtime, haproxy, reaper, folder })
    }

    /// Where files of this bench go.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for something asynchronous.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The version of HAProxy.
    pub(crate) fn haproxy_version(&self) -> String {
        self.haproxy.version().unwrap_or_default()
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Trouble> {
        let path = self.folder().join(name);
        std::fs::write(&path, text).map_err(Trouble::io(format!("write `{name}`")))?;
        Ok(path)
    }

    /// Starts an agent of this program: `kind` and what it is told, its socket named `name`.
    pub(crate) fn agent(&self, name: &str, kind: &str, told: &[&str]) -> Result<RunningAgent, Trouble> {
        let program = std::env::current_exe().map_err(Trouble::io("find this program"))?;
        let socket = self.folder().join(format!("{name}.sock"));
        let mut command = Command::new(program);
        command.args(["agent", kind]).arg(&socket).args(told);
        self.start_agent(command, socket)
    }

    /// Starts `countersign serve`, built beside this program, on the policy of the scenes.
    pub(crate) fn countersign(
        &self,
        edge: &Edge,
        settings: AgentSettings<'_>,
    ) -> Result<RunningAgent, Trouble> {
        let socket = self.folder().join("countersign.sock");
        let keys = self.write("assertion.jwks.json", edge.jwks())?;
        let (secrets, signers) = match settings.shared_secrets {
            None => (String::new(), format!("{KEY_ID:?}")),
            Some(jwks) => {
                let file = self.write("secrets.jwks.json", jwks)?;
                (format!("shared_secrets = \"{}\"", file.display()), format!("{KEY_ID:?}, {SECRET_ID:?}"))
            }
        };
        let text = format!(
            "[spop]\nlisten = [\"unix:{socket}\"]\n\
             [policy]\nfile = \"{policy}\"\n\
             [assertion]\nkeys = \"{keys}\"\naudience = \"{AUDIENCE}\"\nenvironment = \"{ENVIRONMENT}\"\n{secrets}\n\
             [[assertion.services]]\nname = \"{SERVICE}\"\nkeys = [{signers}]\nhosts = [\"{HOST}\"]\n\
             [replay]\ncapacity = {capacity}\n\
             [records]\nfile = \"{records}\"\n",
            socket = socket.display(),
            policy = pieces::policy("www.toml")?.display(),
            keys = keys.display(),
            capacity = settings.replay_capacity,
            records = settings.records.display(),
        );
        let mut command = Command::new(built_beside_us()?);
        command.args(["serve", "--settings"]).arg(self.write("countersign.toml", &text)?);
        self.start_agent(command, socket)
    }

    /// Starts a program that says when it is ready, and listens on `socket`.
    pub(crate) fn start_agent(&self, mut command: Command, socket: PathBuf) -> Result<RunningAgent, Trouble> {
        let journals = Journals::fresh();
        let process = Process::start("an agent", &mut command, &journals, &self.reaper)?;
        let ready = journals.err.wait_for(Place::START, |line| line.contains("ready"), PATIENCE);
        match self.runtime.block_on(ready) {
            Some(_) => Ok(RunningAgent { socket, process }),
            None => Err(not_ready("an agent", &journals)),
        }
    }

    /// Starts HAProxy on a frontend with these rules, and a backend of one agent where there is one.
    pub(crate) fn haproxy(
        &self,
        name: &str,
        global: &str,
        rules: &str,
        agent: Option<&RunningAgent>,
    ) -> Result<RunningHaproxy, Trouble> {
        let backend = agent.map(|agent| {
            format!(
                "backend countersign-agents\n\
                 .if version_atleast(3.1)\n    mode spop\n.else\n    mode tcp\n.endif\n    \
                 timeout connect 100ms\n    timeout server 1m\n    server a unix@{}\n",
                agent.socket.display()
            )
        });
        self.haproxy_with(name, global, rules, &backend.unwrap_or_default(), |_| ())
    }

    /// Starts HAProxy on a frontend with these rules and these other sections; `more` adds to its
    /// command line and environment.
    pub(crate) fn haproxy_with(
        &self,
        name: &str,
        global: &str,
        rules: &str,
        sections: &str,
        more: impl FnOnce(&mut Command),
    ) -> Result<RunningHaproxy, Trouble> {
        let address = ports::free()?;
        let text = format!(
            "global\n    maxconn 4000\n    nbthread {threads}\n{global}\n\
             defaults\n    mode http\n    timeout connect 1s\n    timeout client 30s\n    timeout server 30s\n\
             frontend bench\n    bind {address}\n{rules}\n    http-request return status 200\n{sections}",
            threads = threads(),
        );
        let configuration = self.write(&format!("{name}.cfg"), &text)?;
        let journals = Journals::fresh();
        let mut command = self.haproxy.command();
        command.arg("-db").arg("-f").arg(configuration);
        more(&mut command);
        let process = Process::start("HAProxy", &mut command, &journals, &self.reaper)?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Ok(RunningHaproxy { address, _process: process });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(not_ready("HAProxy", &journals))
    }
}

impl RunningAgent {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Processor time that it has used, in microseconds.
    pub(crate) fn processor_time(&self) -> Result<f64, Trouble> {
        process_costs::processor_time(self.id())
    }
}

/// The status of one GET, with or without an assertion.
pub(crate) fn status_of(address: SocketAddr, assertion: Option<&str>) -> Result<u16, Trouble> {
    let header = assertion.map(|assertion| format!("Countersign-Assertion: {assertion}\r\n"));
    let request = format!(
        "GET {TARGET} HTTP/1.1\r\nHost: {HOST}\r\n{}Connection: close\r\n\r\n",
        header.unwrap_or_default()
    );
    let exchange = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer: String = exchange().map_err(Trouble::io("ask HAProxy"))?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Trouble::unexpected("a status", answer))
}

/// One thread of HAProxy for each processor, as it chooses itself.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The agent of the same build: a debug build would be no comparison.
pub(crate) fn built_beside_us() -> Result<PathBuf, Trouble> {
    let this = std::env::current_exe().map_err(Trouble::io("find this program"))?;
    let path = this.with_file_name("countersign");
    if path.exists() {
        Ok(path)
    } else {
        Err(Trouble::Missing {
            what: "the agent (binary `countersign`) of this build",
            looked_at: path.display().to_string(),
        })
    }
}

fn not_ready(what: &str, journals: &Journals) -> Trouble {
    Trouble::NotReady { what: what.to_owned(), waited: PATIENCE, said: journals.tail() }
}
