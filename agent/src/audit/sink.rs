//! Writing records without making a verdict wait for a disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_contract::record::DecisionRecord;
use thiserror::Error;

/// Bytes that may wait to be written: about ten thousand records. Past that, records are counted
/// as lost, and the next line that is written says how many.
const MOST_WAITING: usize = 8 << 20;
/// Bytes of most lines.
const USUAL_LINE: usize = 640;
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(10);
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a stop waits for what is still to be written.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// Takes records and hands them to a thread that writes them.
#[derive(Debug)]
pub struct RecordSink {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

/// Why records can't be written.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The file can't be opened.
    #[error("records can't be written to {file}: {source}")]
    Open {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No thread for the writer.
    #[error("no thread to write records: {0}")]
    Thread(io::Error),
}

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    file: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    lost: u64,
    reopen: Option<Reopen>,
    ended: bool,
    done: bool,
}

/// What was said before the file was opened anew belongs into the old one.
#[derive(Debug)]
struct Reopen {
    file: File,
    /// Bytes that were waiting then.
    waiting: usize,
}

impl RecordSink {
    /// Opens `file` for appending, `-` for standard output.
    ///
    /// # Errors
    /// [`SinkError`] if that can't be done.
    pub fn open(file: &Path) -> Result<Self, SinkError> {
        let target = if file == Path::new("-") { stdout(file)? } else { open(file)? };
        let queue =
            Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), file: file.to_owned() });
        let for_writer = Arc::clone(&queue);
        let writer = std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || for_writer.write_all(target))
            .map_err(SinkError::Thread)?;
        Ok(Self { queue, writer: Some(writer) })
    }

    /// Hands a record over; never waits for the disk.
    pub fn write(&self, record: &DecisionRecord<'_>) {
        let mut line = Vec::with_capacity(USUAL_LINE);
        // Plain data: there is nothing here that JSON can't write.
        if serde_json::to_writer(&mut line, record).is_err() {
            return;
        }
        line.push(b'\n');
        let mut state = self.queue.lock();
        if state.waiting.len() >= MOST_WAITING {
            state.lost += 1;
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(&line);
        drop(state);
        if was_empty {
            self.queue.changed.notify_one();
        }
    }

    /// Opens the file anew, after it was moved away by a log rotation.
    ///
    /// # Errors
    /// [`SinkError::Open`]; the old file goes on being written then.
    pub fn reopen(&self) -> Result<(), SinkError> {
        if self.queue.file != Path::new("-") {
            let file = open(&self.queue.file)?;
            let mut state = self.queue.lock();
            state.reopen = Some(Reopen { file, waiting: state.waiting.len() });
        }
        Ok(())
    }
}

impl Drop for RecordSink {
    /// Writes what is waiting, as far as it is taken in time: a stop waits for no reader that is stuck.
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.ended = true;
        self.queue.changed.notify_all();
        let waited = self.queue.changed.wait_timeout_while(state, LAST_CHANCE, |state| !state.done);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if timeout.timed_out() {
            tracing::error!("records were lost at the end: what takes them is stuck");
            return;
        }
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of records ended unexpectedly");
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut target: File) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() && !state.ended {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !state.ended {
                drop(state);
                std::thread::sleep(GATHER);
                state = self.lock();
            }
            std::mem::swap(&mut lines, &mut state.waiting);
            let lost = std::mem::take(&mut state.lost);
            let reopen = state.reopen.take();
            let ended = state.ended;
            drop(state);
            if let Some(Reopen { file, waiting }) = reopen {
                self.write_until_done(&mut target, lines.get(..waiting).unwrap_or_default());
                lines.drain(..waiting.min(lines.len()));
                target = file;
            }
            if lost > 0 {
                lines.extend_from_slice(
                    format!("{{\"tier\":\"agent\",\"event\":\"records-lost\",\"count\":{lost}}}\n")
                        .as_bytes(),
                );
                tracing::warn!(lost, "records were lost: what takes them is too slow");
            }
            if lines.is_empty() && ended {
                self.lock().done = true;
                self.changed.notify_all();
                return;
            }
            self.write_until_done(&mut target, &lines);
            lines.clear();
        }
    }

    /// Tries again until it works or the sink ends: what waits meanwhile is bounded. Goes on where it
    /// stopped, so that a full disk leaves no line twice.
    fn write_until_done(&self, target: &mut impl Write, mut lines: &[u8]) {
        while !lines.is_empty() {
            let error = match target.write(lines) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    lines = lines.get(written..).unwrap_or_default();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            tracing::error!(file = %self.file.display(), %error, "records can't be written, trying again");
            if self.lock().ended {
                return;
            }
            std::thread::sleep(RETRY);
        }
    }
}

fn open(file: &Path) -> Result<File, SinkError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .map_err(|source| SinkError::Open { file: file.to_owned(), source })
}

/// Standard output without the buffer of its own that `io::stdout` has.
fn stdout(file: &Path) -> Result<File, SinkError> {
    let cloned = io::stdout().as_fd().try_clone_to_owned();
    cloned.map(File::from).map_err(|source| SinkError::Open { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::path::PathBuf;
    use std::sync::{Condvar, Mutex};

    use super::Queue;

    /// A disk that is full after four bytes, until it is asked again.
    #[derive(Default)]
    struct Disk {
        held: Vec<u8>,
        was_full: bool,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let free = if self.was_full { bytes.len() } else { 4 - self.held.len() };
            if free == 0 {
                self.was_full = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = &bytes[..free.min(bytes.len())];
            self.held.extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_write_that_stopped_halfway_goes_on_there() {
        let queue = Queue { state: Mutex::default(), changed: Condvar::new(), file: PathBuf::from("full") };
        let mut disk = Disk::default();
        queue.write_until_done(&mut disk, b"{one}\n{two}\n");
        assert_eq!(disk.held, b"{one}\n{two}\n");
    }
}
