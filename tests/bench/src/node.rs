//! An HAProxy with the shipped stick tables, whose publisher is whoever the bench puts behind its door.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_tests::pieces;
use countersign_tests::ports;
use countersign_tests::trouble::Trouble;

use crate::stage::{RunningHaproxy, Stage};

/// Its `localpeer`.
pub(crate) const NAME: &str = "bench";
/// The table that is filled, as the command line of HAProxy names it.
const TABLE: &str = "countersign/cs_sensor";
/// Longest wait for a line of its command line.
const PATIENCE: Duration = Duration::from_secs(30);

/// The HAProxy.
pub(crate) struct Node {
    /// The process.
    pub(crate) haproxy: RunningHaproxy,
    /// Its command line.
    pub(crate) stats: Stats,
    door: PathBuf,
}

impl Node {
    /// Starts it on `countersign-backend.cfg` as it is shipped.
    pub(crate) fn start(stage: &Stage, rules: &str) -> Result<Self, Trouble> {
        let stats = Stats::new(stage, "node", TABLE);
        let door = stage.folder().join("peers.sock");
        let shipped = pieces::haproxy_file("countersign-backend.cfg")?;
        let own = ports::free()?.to_string();
        let nobody = format!("unix@{}", stage.folder().join("no-agent.sock").display());
        let haproxy = stage.haproxy_with("node", &stats.global(), rules, "", |command| {
            command.args(["-L", NAME, "-f"]).arg(shipped);
            command.env("COUNTERSIGN_PEERS", own);
            command.env("COUNTERSIGN_PUBLISH", format!("unix@{}", door.display()));
            command.env("COUNTERSIGN_AGENT_1", &nobody).env("COUNTERSIGN_AGENT_2", &nobody);
        })?;
        Ok(Self { haproxy, stats, door })
    }

    /// From now on whoever listens on `socket` is the publisher: HAProxy tries again every few seconds.
    pub(crate) fn open_to(&self, socket: &Path) -> Result<(), Trouble> {
        let beside = self.door.with_extension("next");
        symlink(socket, &beside)
            .and_then(|()| std::fs::rename(&beside, &self.door))
            .map_err(Trouble::io("put a publisher behind the door"))
    }

    /// From now on there is no publisher.
    pub(crate) fn close(&self) -> Result<(), Trouble> {
        std::fs::remove_file(&self.door).map_err(Trouble::io("take the publisher away"))
    }
}

/// One stick table over the command line of an HAProxy.
pub(crate) struct Stats {
    socket: PathBuf,
    table: &'static str,
}

impl Stats {
    pub(crate) fn new(stage: &Stage, name: &str, table: &'static str) -> Self {
        Self { socket: stage.folder().join(format!("{name}-stats.sock")), table }
    }

    /// The line of `global` that it needs.
    pub(crate) fn global(&self) -> String {
        format!("    stats socket unix@{} mode 600 level admin", self.socket.display())
    }

    /// How many entries the table holds.
    pub(crate) fn used(&self) -> Result<u64, Trouble> {
        let mut said = Vec::new();
        self.ask("show table", &mut said)?;
        let said = String::from_utf8_lossy(&said);
        let own = said.lines().find(|line| line.contains(&format!(" {},", self.table)));
        let used = own.and_then(|line| line.rsplit("used:").next()?.trim().parse().ok());
        used.ok_or_else(|| Trouble::unexpected(format!("table {} among those of HAProxy", self.table), said))
    }

    /// Reads the whole table as text, which nobody looks at; gives how many bytes that were.
    pub(crate) fn dump(&self, said: &mut Vec<u8>) -> Result<usize, Trouble> {
        said.clear();
        self.ask(&format!("show table {}", self.table), said)?;
        Ok(said.len())
    }

    fn ask(&self, command: &str, said: &mut Vec<u8>) -> Result<(), Trouble> {
        let mut exchange = || {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(format!("{command}\n").as_bytes())?;
            stream.read_to_end(said)
        };
        exchange().map(|_| ()).map_err(Trouble::io(format!("ask HAProxy to `{command}`")))
    }
}
