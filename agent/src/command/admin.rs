//! The other end of the admin socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use thiserror::Error;

use crate::admin::{Reply, Request};

/// An answer comes at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which publisher is asked.
#[derive(Debug, Args)]
pub(super) struct Socket {
    /// The publisher's admin socket
    #[arg(long, value_name = "PATH", default_value = "/run/countersign-publish/admin.sock")]
    socket: PathBuf,
}

/// Why nothing was learnt.
#[derive(Debug, Error)]
pub(super) enum AdminError {
    #[error("{socket}: {source}: expected the admin socket of a running `countersign publish`")]
    Connect { socket: PathBuf, source: io::Error },
    #[error("the publisher doesn't answer: {0}")]
    Io(#[from] io::Error),
    #[error("the publisher closed the connection before it had said all")]
    Closed,
    #[error("the publisher's answer can't be read: {0}: expected one of the same release")]
    Unreadable(#[from] serde_json::Error),
    #[error("{0}")]
    Failed(String),
}

/// A connection to the publisher.
pub(super) struct Admin {
    lines: BufReader<UnixStream>,
}

impl Socket {
    pub(super) fn connect(&self) -> Result<Admin, AdminError> {
        let connected = open(&self.socket);
        let stream =
            connected.map_err(|source| AdminError::Connect { socket: self.socket.clone(), source })?;
        Ok(Admin { lines: BufReader::new(stream) })
    }
}

fn open(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Admin {
    /// Asks, and hands each line of the answer on.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        mut each: impl FnMut(Reply) -> io::Result<()>,
    ) -> Result<(), AdminError> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.lines.get_mut().write_all(&line)?;
        let mut answer = String::new();
        loop {
            answer.clear();
            if self.lines.read_line(&mut answer)? == 0 {
                return Err(AdminError::Closed);
            }
            match serde_json::from_str(&answer)? {
                Reply::Done => return Ok(()),
                Reply::Failed { message } => return Err(AdminError::Failed(message)),
                reply => each(reply)?,
            }
        }
    }
}
