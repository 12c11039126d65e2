//! `countersign publish` as a process, and what its admin socket says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign::admin::{PeerStatus, Reply, Request, ToldAll};
use countersign_tests::trouble::Trouble;

use crate::stage::{RunningAgent, Stage, built_beside_us};

/// Longest wait for a lesson, HAProxy's next attempt to connect included.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether the lesson is over.
const ASK: Duration = Duration::from_millis(50);

/// The publisher.
pub(crate) struct Publisher {
    /// Its process, and where it listens for peers.
    pub(crate) process: RunningAgent,
    admin: PathBuf,
}

impl Publisher {
    /// Starts it, built beside this program, for one node. Nobody offends: its signal looks at every
    /// entry and finds it below the threshold.
    pub(crate) fn start(stage: &Stage, name: &str, node: &str) -> Result<Self, Trouble> {
        let socket = stage.folder().join(format!("{name}.sock"));
        let admin = stage.folder().join(format!("{name}-admin.sock"));
        let text = format!(
            "[peers]\nname = \"countersign\"\nlisten = [\"unix:{socket}\"]\nnodes = [\"{node}\"]\n\
             [admin]\nsocket = \"{admin}\"\n\
             [reputation]\nstate = \"{state}\"\n\
             [[reputation.signals]]\nname = \"probing\"\ntable = \"cs_sensor\"\nvalue = \"gpc_rate[0]\"\n\
             over = 1000000\nrungs = [{{ action = \"throttle\", seconds = 300 }}]\n",
            socket = socket.display(),
            admin = admin.display(),
            state = stage.folder().join(format!("{name}.json")).display(),
        );
        let mut command = Command::new(built_beside_us()?);
        command.args(["publish", "--settings"]).arg(stage.write(&format!("{name}.toml"), &text)?);
        Ok(Self { process: stage.start_agent(command, socket)?, admin })
    }

    /// How it stands with its one node.
    pub(crate) fn status(&self) -> Result<PeerStatus, Trouble> {
        let exchange = || {
            let mut stream = UnixStream::connect(&self.admin)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut request = serde_json::to_vec(&Request::PeersStatus {})?;
            request.push(b'\n');
            stream.write_all(&request)?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line)?;
            Ok(line)
        };
        let line = exchange().map_err(Trouble::io("ask the publisher"))?;
        match serde_json::from_str(&line) {
            Ok(Reply::Peer(status)) => Ok(status),
            _ => Err(Trouble::unexpected("the status of a peer", line)),
        }
    }

    /// Waits until its node has told all that it holds.
    pub(crate) fn told_all(&self) -> Result<(PeerStatus, ToldAll), Trouble> {
        let began = Instant::now();
        loop {
            let status = self.status()?;
            if let Some(all) = status.told_all {
                return Ok((status, all));
            }
            if began.elapsed() > PATIENCE {
                return Err(Trouble::unexpected("a node that tells all", format!("{status:?}")));
            }
            std::thread::sleep(ASK);
        }
    }
}
