//! Listening on Unix socket files: stale ones give way, and ours go when the listener does.

use socket2::{Domain, SockAddr, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long an answer on an existing socket file is awaited; a full backlog counts as an answer.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// Permissions of a Unix socket file, as in `chmod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl SocketMode {
    /// Owner and group may connect.
    pub const GROUP: Self = Self(0o660);
}

/// Why a socket file could not be listened on.
#[derive(Debug)]
pub(crate) enum UnixSocketError {
    /// Something answers on it already.
    InUse,
    /// The path is taken by something that is not a socket.
    NotASocket,
    /// The system refused.
    Io(io::Error),
}

/// Listens on a path; a socket file there on which nobody answers is replaced.
pub(crate) async fn listen(
    path: &Path,
    mode: SocketMode,
) -> Result<(UnixListener, SocketFile), UnixSocketError> {
    clear_path(path).await?;
    bind(path, mode).map_err(UnixSocketError::Io)
}

/// Makes way for a new socket file: a file that nobody answers on goes.
async fn clear_path(path: &Path) -> Result<(), UnixSocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(UnixSocketError::Io(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(UnixSocketError::NotASocket),
        Ok(_) => {}
    }
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
            return Err(UnixSocketError::Io(error));
        }
        Ok(_) | Err(_) => return Err(UnixSocketError::InUse),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(UnixSocketError::Io(error)),
        _ => Ok(()),
    }
}

/// Binds, sets the mode, then listens, so that nobody connects before the mode holds.
fn bind(path: &Path, mode: SocketMode) -> io::Result<(UnixListener, SocketFile)> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// A socket file that is removed when dropped, if it is still the one we made.
///
/// Drop it before its socket: the file must go while the socket still holds its inode.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another instance may have bound a file of its own here; ours is then gone already.
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode; the inode cannot be used anew while a socket is bound to it.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
