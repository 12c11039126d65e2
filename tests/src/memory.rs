//! Resident memory of running processes, as the kernel says it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::trouble::Trouble;

/// How often a watch looks.
const EVERY: Duration = Duration::from_millis(20);

/// Resident memory of a process (`VmRSS` of /proc/PID/status), in bytes.
///
/// # Errors
/// [`Trouble::Io`] when there is no such process, [`Trouble::Unexpected`] when the kernel doesn't say.
pub fn resident(process: u32) -> Result<u64, Trouble> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .map_err(Trouble::io("read the memory of a process"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map(|it| it * 1024).ok_or_else(|| Trouble::unexpected("VmRSS of a process", status))
}

/// The memory of one process while it was watched, in bytes.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Which process.
    pub name: String,
    /// At the beginning.
    pub before: u64,
    /// The most that was seen.
    pub most: u64,
    /// At the end.
    pub after: u64,
}

impl Watched {
    /// By how much the most exceeds the beginning.
    #[must_use]
    pub fn growth(&self) -> u64 {
        self.most.saturating_sub(self.before)
    }
}

/// Looks at some processes, 50 times a second, until it is told to end.
#[derive(Debug)]
pub struct Watch {
    over: Arc<AtomicBool>,
    task: JoinHandle<Result<Vec<Watched>, Trouble>>,
    processes: Vec<u32>,
}

impl Watch {
    /// Begins to look at processes, each with its name.
    ///
    /// # Errors
    /// As [`resident`].
    pub fn begin(processes: &[(String, u32)]) -> Result<Self, Trouble> {
        let mut seen = Vec::new();
        for (name, process) in processes {
            let before = resident(*process)?;
            seen.push(Watched { name: name.clone(), before, most: before, after: before });
        }
        let processes: Vec<_> = processes.iter().map(|(_, process)| *process).collect();
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, ids) = (Arc::clone(&over), processes.clone());
        let task = tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                for (watched, process) in seen.iter_mut().zip(&ids) {
                    watched.most = watched.most.max(resident(*process)?);
                }
                tokio::time::sleep(EVERY).await;
            }
            Ok(seen)
        });
        Ok(Self { over, task, processes })
    }

    /// What was seen until now.
    ///
    /// # Errors
    /// As [`resident`]: one of the processes has ended.
    pub async fn end(self) -> Result<Vec<Watched>, Trouble> {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.task.await.map_err(|error| Trouble::unexpected("a watch", error.to_string()))?;
        let mut seen = seen?;
        for (watched, process) in seen.iter_mut().zip(&self.processes) {
            watched.after = resident(*process)?;
            watched.most = watched.most.max(watched.after);
        }
        Ok(seen)
    }
}
