//! The real agent, as an operator starts it: settings file, policy file, Unix socket.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::journal::{Journal, Place};
use crate::pieces;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::trouble::Trouble;

/// Longest wait for the line that says that it is ready.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest drain: the agent's own default is shorter.
const DRAIN: Duration = Duration::from_secs(15);

/// What an agent is told.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// `a` or `b`: names its files.
    pub name: &'static str,
    /// The policy file.
    pub policy: PathBuf,
    /// The public keys.
    pub keys: PathBuf,
    /// Its data centre.
    pub audience: &'static str,
    /// Its environment.
    pub environment: &'static str,
}

/// An agent that can be stopped and started again on the same socket.
#[derive(Debug)]
pub struct Agent {
    settings: PathBuf,
    socket: PathBuf,
    journals: Journals,
    reaper: Arc<Reaper>,
    process: Option<Process>,
}

impl Agent {
    /// Writes the settings file into `folder`, starts `countersign serve` and waits until it is ready.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without the binary, [`Trouble::NotReady`] with what it printed.
    pub async fn start(
        told: &AgentSettings,
        folder: &Path,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let socket = folder.join(format!("{}.sock", told.name));
        let settings = folder.join(format!("agent-{}.toml", told.name));
        std::fs::write(&settings, text(told, &socket)).map_err(Trouble::io("write the agent's settings"))?;
        let mut agent =
            Self { settings, socket, journals: journals.clone(), reaper: Arc::clone(reaper), process: None };
        agent.start_again().await?;
        Ok(agent)
    }

    /// The socket that HAProxy asks.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its settings file.
    #[must_use]
    pub fn settings(&self) -> &Path {
        &self.settings
    }

    /// Its process id; `None` while it is stopped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Starts it again after [`Agent::stop`] or [`Agent::kill`].
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub async fn start_again(&mut self) -> Result<(), Trouble> {
        let journals = Journals { out: Arc::clone(&self.journals.out), err: Journal::shared() };
        let mut command = Command::new(pieces::agent()?);
        command.arg("serve").arg("--settings").arg(&self.settings);
        let process = Process::start("the agent", &mut command, &journals, &self.reaper)?;
        self.process = Some(process);
        if journals.err.wait_for(Place::START, |line| line.contains("ready"), PATIENCE).await.is_none() {
            return Err(Trouble::NotReady {
                what: "the agent".into(),
                waited: PATIENCE,
                said: journals.tail(),
            });
        }
        self.journals.err.push(journals.err.tail(20));
        Ok(())
    }

    /// SIGTERM: it drains and ends with exit code 0.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it does not end, [`Trouble::Command`] when it ends otherwise.
    pub async fn stop(&mut self) -> Result<(), Trouble> {
        match self.process.take() {
            Some(process) => process.terminate(DRAIN).await,
            None => Ok(()),
        }
    }

    /// SIGKILL: what it was about to answer is never answered.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGSTOP: it neither answers nor closes. Waits until every thread has stopped, since on a
    /// busy machine one may still answer after the signal was sent.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it does not run, [`Trouble::NotReady`] when it does not stop.
    pub async fn freeze(&self) -> Result<(), Trouble> {
        self.signal(Signal::STOP)?;
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.id().is_some_and(is_frozen) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(Trouble::NotReady { what: "a frozen agent".into(), waited: PATIENCE, said: String::new() })
    }

    /// SIGCONT, after [`Agent::freeze`].
    ///
    /// # Errors
    /// [`Trouble::Io`] when it does not run.
    pub fn thaw(&self) -> Result<(), Trouble> {
        self.signal(Signal::CONT)
    }

    /// SIGHUP: it reads policy and keys again.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it does not run.
    pub fn reload(&self) -> Result<(), Trouble> {
        self.signal(Signal::HUP)
    }

    fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        self.process.as_ref().map_or_else(
            || Err(Trouble::unexpected("a running agent", "a stopped one")),
            |process| process.signal(signal),
        )
    }
}

/// Whether all threads of a process are in state `T` (proc_pid_stat(5)).
fn is_frozen(id: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before it is in parentheses and may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

fn text(told: &AgentSettings, socket: &Path) -> String {
    let AgentSettings { policy, keys, audience, environment, .. } = told;
    format!(
        r#"[spop]
listen = ["unix:{socket}"]

[policy]
file = "{policy}"

[assertion]
keys = "{keys}"
audience = "{audience}"
environment = "{environment}"

[records]
file = "-"
"#,
        socket = socket.display(),
        policy = policy.display(),
        keys = keys.display(),
    )
}
