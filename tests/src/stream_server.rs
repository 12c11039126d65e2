//! An application for large bodies: Node.js on `tests/applications/stream.mjs`.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::journal::Place;
use crate::pieces;
use crate::ports;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::tally::Tally;
use crate::trouble::Trouble;

/// Longest wait for it to listen, or to say what it has sent.
const PATIENCE: Duration = Duration::from_secs(20);

/// The running application. It keeps nothing of a body but how much it was, and its digest. Dropping it ends it.
#[derive(Debug)]
pub struct StreamServer {
    address: SocketAddr,
    journals: Journals,
    _process: Process,
}

impl StreamServer {
    /// Starts it on a free port and waits until it listens.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Node.js, [`Trouble::NotReady`] with what it printed.
    pub async fn start(reaper: &Arc<Reaper>) -> Result<Self, Trouble> {
        let address = ports::free()?;
        let journals = Journals::fresh();
        let mut command = Command::new(pieces::node()?);
        command.arg(pieces::tests_folder("applications")?.join("stream.mjs"));
        command.arg(address.port().to_string()).env_remove("NODE_OPTIONS");
        let process = Process::start("Node.js", &mut command, &journals, reaper)?;
        let listens = journals.out.wait_for(Place::START, |line| line == "listening", PATIENCE).await;
        if listens.is_none() {
            let what = "the application for large bodies".into();
            return Err(Trouble::NotReady { what, waited: PATIENCE, said: journals.tail() });
        }
        Ok(Self { address, journals, _process: process })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has sent in answer to the request whose target contains `marker`.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it has not sent all of it.
    pub async fn sent(&self, marker: &str) -> Result<Tally, Trouble> {
        let line = self.journals.out.wait_for(Place::START, |line| line.contains(marker), PATIENCE).await;
        let told = line.as_deref().and_then(|line| tally(&serde_json::from_str(line).ok()?));
        told.ok_or_else(|| Trouble::NotReady {
            what: format!("the whole answer to `{marker}`"),
            waited: PATIENCE,
            said: self.journals.tail(),
        })
    }
}

/// What it told of a body.
#[must_use]
pub fn tally(told: &Value) -> Option<Tally> {
    let sha256 = told.get("sha256")?.as_str()?.to_owned();
    Some(Tally { bytes: told.get("bytes")?.as_u64()?, sha256 })
}
