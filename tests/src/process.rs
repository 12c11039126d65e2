//! A program started by the stage: its own process group, its lines, its end.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::journal::Journal;
use crate::reaper::Reaper;
use crate::trouble::Trouble;

/// How often the end of a program is looked for.
const POLL: Duration = Duration::from_millis(2);

/// A running program. Dropping it kills its process group and waits.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    reaper: Arc<Reaper>,
    ended: bool,
}

/// Where the lines of a program go.
#[derive(Debug, Clone)]
pub struct Journals {
    /// Its standard output.
    pub out: Arc<Journal>,
    /// Its standard error.
    pub err: Arc<Journal>,
}

impl Journals {
    /// Two empty journals.
    #[must_use]
    pub fn fresh() -> Self {
        Self { out: Journal::shared(), err: Journal::shared() }
    }

    /// The end of both, for error messages.
    #[must_use]
    pub fn tail(&self) -> String {
        format!("{}\n{}", self.out.tail(20), self.err.tail(20))
    }
}

impl Process {
    /// Starts `command` in a process group of its own, without a standard input.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the program cannot be started.
    pub fn start(
        name: impl Into<String>,
        command: &mut Command,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        Self::spawn(name.into(), command.stdin(Stdio::null()), journals, reaper)
    }

    /// As [`Process::start`], with a pipe to its standard input.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the program cannot be started.
    pub fn start_spoken_to(
        name: impl Into<String>,
        command: &mut Command,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<(Self, ChildStdin), Trouble> {
        let name = name.into();
        let mut process = Self::spawn(name.clone(), command.stdin(Stdio::piped()), journals, reaper)?;
        let input = process.child.stdin.take();
        let input = input.ok_or_else(|| Trouble::unexpected(format!("a pipe to {name}"), "none"))?;
        Ok((process, input))
    }

    fn spawn(
        name: String,
        command: &mut Command,
        journals: &Journals,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().map_err(
                Trouble::io(format!("start {name} (`{}`)", command.get_program().to_string_lossy())),
            )?;
        reaper.watch(child.id());
        if let Some(out) = child.stdout.take() {
            journals.out.follow(out);
        }
        if let Some(err) = child.stderr.take() {
            journals.err.follow(err);
        }
        Ok(Self { name, child, reaper: Arc::clone(reaper), ended: false })
    }

    /// The process id; also the id of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        !self.ended && matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal to the process itself.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        let pid =
            self.pid().ok_or_else(|| Trouble::unexpected("a process id", self.child.id().to_string()))?;
        kill_process(pid, signal)
            .map_err(|errno| Trouble::Io { doing: format!("signal {}", self.name), source: errno.into() })
    }

    /// Asks it to end by SIGTERM and waits; what has not ended within `grace` is a trouble.
    ///
    /// # Errors
    /// [`Trouble::NotReady`] when it still runs after `grace`; [`Trouble::Command`] when it ended
    /// otherwise than with exit code 0.
    pub async fn terminate(mut self, grace: Duration) -> Result<(), Trouble> {
        self.signal(Signal::TERM)?;
        self.wait(grace).await
    }

    /// Waits for an end that something else brings about.
    ///
    /// # Errors
    /// As [`Process::terminate`].
    pub async fn wait(&mut self, limit: Duration) -> Result<(), Trouble> {
        let started = Instant::now();
        while started.elapsed() < limit {
            let status = self.child.try_wait().map_err(Trouble::io(format!("wait for {}", self.name)))?;
            if let Some(status) = status {
                self.ended = true;
                self.reaper.forget(self.child.id());
                if status.success() {
                    return Ok(());
                }
                return Err(Trouble::Command {
                    command: self.name.clone(),
                    status: status.to_string(),
                    said: String::new(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Trouble::NotReady {
            what: format!("the end of {}", self.name),
            waited: limit,
            said: "(it still runs)".into(),
        })
    }

    /// Ends it at once, with everything in its group.
    pub fn kill(&mut self) {
        if self.ended {
            return;
        }
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
        self.ended = true;
        self.reaper.forget(self.child.id());
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
