//! The state file: a line of JSON for each change, so that bans and pardons outlive a restart and a kill.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::reputation::bans::{BanFault, Bans, ChangeNumber, Standing};

/// Lines beyond those that are needed before the file is written anew.
const SLACK: usize = 10_000;

/// An open state file. Later lines win over earlier ones of the same client.
#[derive(Debug)]
pub(super) struct Journal {
    file: PathBuf,
    out: File,
    lines: usize,
    /// Something was not written, or half of it: all has to be written anew.
    torn: bool,
    // Held for as long as this process lives: two publishers would undo each other's work.
    _lock: File,
}

/// Whether anything was known at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// There was no file.
    Fresh,
    /// There was one.
    Restored,
}

/// Why the state file can't be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("state file {file}: {source}", file = file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another publisher uses it.
    #[error("state file {file} is in use: expected no other `countersign publish` on it", file = file.display())]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// A line can't be read.
    #[error(
        "{file}:{line}: {source}: expected a line that a publisher wrote; move the file away to begin with what the HAProxy nodes hold",
        file = file.display()
    )]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// More than is remembered.
    #[error("state file {file}: {source}", file = file.display())]
    Full {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: BanFault,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    client: &'a ClientKey,
    #[serde(flatten)]
    standing: &'a Standing,
}

#[derive(Deserialize)]
struct Read {
    client: ClientKey,
    #[serde(flatten)]
    standing: Standing,
}

impl Journal {
    /// Opens the file, reads what it holds, and writes it anew without what is over at `now`.
    pub(super) fn open(file: &Path, now: UnixSeconds) -> Result<(Self, Bans, Beginning), JournalError> {
        let fault = |source| JournalError::Io { file: file.to_owned(), source };
        let lock = OpenOptions::new().create(true).append(true).open(beside(file, "lock")).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { file: file.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        let (mut bans, beginning) = match std::fs::read_to_string(file) {
            Ok(text) => (read(file, &text, now)?, Beginning::Restored),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Bans::default(), Beginning::Fresh),
            Err(error) => return Err(fault(error)),
        };
        bans.expire(now);
        let (out, lines) = write_anew(file, &bans).map_err(fault)?;
        Ok((Self { file: file.to_owned(), out, lines, torn: false, _lock: lock }, bans, beginning))
    }

    /// Reads the file of another process.
    pub(super) fn read_only(file: &Path, now: UnixSeconds) -> Result<Bans, JournalError> {
        match std::fs::read_to_string(file) {
            Ok(text) => read(file, &text, now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bans::default()),
            Err(source) => Err(JournalError::Io { file: file.to_owned(), source }),
        }
    }

    /// Appends what changed after `seen`, in one write.
    pub(super) fn write_after(&mut self, bans: &Bans, mut seen: ChangeNumber) -> io::Result<()> {
        if self.torn {
            return self.write_all_anew(bans);
        }
        let mut text = Vec::new();
        while let Some((number, client, standing)) = bans.change_after(seen) {
            line(client, standing, &mut text)?;
            self.lines += 1;
            seen = number;
        }
        let written = self.out.write_all(&text);
        self.torn = written.is_err();
        written
    }

    fn write_all_anew(&mut self, bans: &Bans) -> io::Result<()> {
        (self.out, self.lines) = write_anew(&self.file, bans)?;
        self.torn = false;
        Ok(())
    }

    /// Writes the file anew where most of its lines are over.
    pub(super) fn compact_if_long(&mut self, bans: &Bans) -> io::Result<()> {
        if self.torn || self.lines > 2 * bans.len() + SLACK {
            self.write_all_anew(bans)?;
        }
        Ok(())
    }
}

fn read(file: &Path, text: &str, now: UnixSeconds) -> Result<Bans, JournalError> {
    let mut bans = Bans::default();
    for (at, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str::<Read>(line) {
            Ok(Read { client, standing }) => {
                if bans.is_full() {
                    // Of those that the file names, some are over.
                    bans.expire(now);
                }
                bans.restore(&client, standing)
                    .map_err(|source| JournalError::Full { file: file.to_owned(), source })?;
            }
            // Cut off when the process was killed: nobody was taught it yet.
            Err(_) if !line.ends_with('\n') => {
                tracing::warn!(file = %file.display(), "the last line of the state file is cut off and left out");
            }
            Err(source) => return Err(JournalError::Line { file: file.to_owned(), line: at + 1, source }),
        }
    }
    Ok(bans)
}

/// Writes all that is remembered to a file beside, which then takes the place: whenever this is cut
/// short, one whole file is there.
fn write_anew(file: &Path, bans: &Bans) -> io::Result<(File, usize)> {
    let new = beside(file, "new");
    let mut out = OpenOptions::new().create(true).write(true).truncate(true).open(&new)?;
    let (mut text, mut seen, mut lines) = (Vec::new(), ChangeNumber::default(), 0);
    while let Some((number, client, standing)) = bans.change_after(seen) {
        line(client, standing, &mut text)?;
        (seen, lines) = (number, lines + 1);
        if text.len() > 1 << 16 {
            out.write_all(&text)?;
            text.clear();
        }
    }
    out.write_all(&text)?;
    out.sync_data()?;
    std::fs::rename(&new, file)?;
    Ok((out, lines))
}

fn line(client: &ClientKey, standing: &Standing, text: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, &Written { client, standing })?;
    text.push(b'\n');
    Ok(())
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
