//! A long-running subcommand of the agent's binary: started, stopped, killed, frozen, started again.

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
/// Between two looks whether it still runs.
const LOOK: Duration = Duration::from_millis(100);
/// Longest drain: the default of every subcommand is shorter.
const DRAIN: Duration = Duration::from_secs(15);

/// Which subcommand, and what its messages call it.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// `serve` or `publish`.
    pub subcommand: &'static str,
    /// In words.
    pub name: &'static str,
}

/// `countersign SUBCOMMAND --settings FILE`, running or not.
#[derive(Debug)]
pub struct Daemon {
    role: Role,
    settings: PathBuf,
    journals: Journals,
    reaper: Arc<Reaper>,
    process: Option<Process>,
    /// The standard error of every start, the newest last.
    complaints: Vec<Arc<Journal>>,
}

impl Daemon {
    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without the binary, [`Trouble::NotReady`] with what it printed.
    pub async fn start(
        role: Role,
        settings: PathBuf,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let journals = journals.clone();
        let reaper = Arc::clone(reaper);
        let mut daemon = Self { role, settings, journals, reaper, process: None, complaints: Vec::new() };
        daemon.start_again().await?;
        Ok(daemon)
    }

    /// Its settings file.
    #[must_use]
    pub fn settings(&self) -> &Path {
        &self.settings
    }

    /// What it printed: standard output as it came, standard error of each start once it was ready.
    #[must_use]
    pub fn journals(&self) -> &Journals {
        &self.journals
    }

    /// All lines that it has printed on standard error, of every start, that `wanted` accepts.
    pub fn complaints(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.complaints.iter().flat_map(|journal| journal.all(Place::START, &wanted)).collect()
    }

    /// Its process id; `None` while it is stopped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Whether it runs, by its own choice or not.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::runs)
    }

    /// Starts it again after [`Daemon::stop`] or [`Daemon::kill`].
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub async fn start_again(&mut self) -> Result<(), Trouble> {
        let journals = Journals { out: Arc::clone(&self.journals.out), err: Journal::shared() };
        self.complaints.push(Arc::clone(&journals.err));
        let mut command = Command::new(pieces::agent()?);
        command.arg(self.role.subcommand).arg("--settings").arg(&self.settings);
        let mut process = Process::start(self.role.name, &mut command, &journals, &self.reaper)?;
        let started = Instant::now();
        // What has ended will not say it any more.
        while started.elapsed() < PATIENCE && process.runs() {
            let ready = |line: &str| line.contains("ready");
            if journals.err.wait_for(Place::START, ready, LOOK).await.is_some() {
                self.process = Some(process);
                self.journals.err.push(journals.err.tail(20));
                return Ok(());
            }
        }
        let what = self.role.name.into();
        Err(Trouble::NotReady { what, waited: started.elapsed(), said: journals.tail() })
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

    /// SIGKILL: what it was about to say is never said.
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
        let what = format!("{}, frozen", self.role.name);
        Err(Trouble::NotReady { what, waited: PATIENCE, said: String::new() })
    }

    /// SIGCONT, after [`Daemon::freeze`].
    ///
    /// # Errors
    /// [`Trouble::Io`] when it does not run.
    pub fn thaw(&self) -> Result<(), Trouble> {
        self.signal(Signal::CONT)
    }

    /// SIGHUP: it reads its files again.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it does not run.
    pub fn reload(&self) -> Result<(), Trouble> {
        self.signal(Signal::HUP)
    }

    fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        let stopped = || Trouble::unexpected(format!("{}, running", self.role.name), "stopped");
        self.process.as_ref().ok_or_else(stopped)?.signal(signal)
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
