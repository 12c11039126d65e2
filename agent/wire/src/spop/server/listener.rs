//! Listening sockets, their files, and the loop that accepts connections.

use super::drain::DrainSignal;
use super::session::{Session, Shared};
use super::socket::Socket;
use super::{Address, Agent, SocketMode};
use crate::spop::{Disconnect, Sender, Status};
use bytes::BytesMut;
use socket2::{Domain, SockAddr, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long an answer on an existing socket file is awaited; a full backlog counts as an answer.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// Pause after a failed accept: file descriptors do not come back faster for asking more often.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time between the end of a socket file and that of its socket, for whoever had just found the file.
const LAST_CALL: Duration = Duration::from_millis(20);

/// Time past all other bounds that a connection has to end before it is cut.
const CUT_AFTER: Duration = Duration::from_secs(1);

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something answers on the socket file already.
    #[error("`{0}` is in use: stop what listens there or choose another address")]
    InUse(Address),
    /// The path is taken by something that is not a socket.
    #[error("`{0}` exists and is no socket: remove it or choose another path")]
    NotASocket(Address),
    /// The system refused.
    #[error("`{address}` cannot be bound: {source}")]
    Io {
        /// The address.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
}

#[derive(Debug)]
pub(super) struct Listener {
    address: Address,
    // Before the socket: the file must go while the socket still holds its inode.
    file: Option<SocketFile>,
    socket: ListenSocket,
}

#[derive(Debug)]
enum ListenSocket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) async fn bind(address: &Address, mode: SocketMode) -> Result<Self, BindError> {
        let io = |source| BindError::Io { address: address.clone(), source };
        match address {
            Address::Unix(path) => {
                clear_path(path, address).await?;
                let (socket, file) = bind_unix(path, mode).map_err(io)?;
                Ok(Self { address: address.clone(), file: Some(file), socket: ListenSocket::Unix(socket) })
            }
            Address::Tcp(wanted) => {
                let socket = TcpListener::bind(wanted).await.map_err(io)?;
                let bound = socket.local_addr().map_err(io)?;
                Ok(Self { address: Address::Tcp(bound), file: None, socket: ListenSocket::Tcp(socket) })
            }
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Accepts until the drain begins and HAProxy has checked once more, then waits for its connections;
    /// gives how many had to be cut.
    pub(super) async fn accept<A: Agent>(mut self, shared: Arc<Shared<A>>, mut drain: DrainSignal) -> usize {
        let mut sessions = JoinSet::new();
        let drain_until = loop {
            tokio::select! {
                biased;
                until = drain.begins() => break until,
                Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
                accepted = self.socket.accept() => self.take(accepted, &shared, &mut sessions, &drain).await,
            }
        };
        let asked = shared.counters.notifies.get();
        let checked = shared.checked.notified();
        let unchecked = sleep_until(drain_until.min(Instant::now() + shared.limits.check_interval));
        tokio::pin!(checked, unchecked);
        loop {
            // Nobody asks anything: nobody is hurt.
            if sessions.is_empty() && shared.counters.notifies.get() == asked {
                break;
            }
            tokio::select! {
                biased;
                () = &mut checked => break,
                () = &mut unchecked => break,
                Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
                accepted = self.socket.accept() => self.take(accepted, &shared, &mut sessions, &drain).await,
            }
        }
        // First the file, so that nobody new comes; then those who came already, whom a close would reset.
        self.file = None;
        let last_call = sleep(LAST_CALL);
        tokio::pin!(last_call);
        loop {
            tokio::select! {
                biased;
                accepted = self.socket.accept() => self.take(accepted, &shared, &mut sessions, &drain).await,
                () = &mut last_call => break,
            }
        }
        drop(self);
        let limits = &shared.limits;
        let last = drain_until + limits.notify_deadline + limits.write_timeout + CUT_AFTER;
        while let Ok(Some(ended)) = timeout_at(last, sessions.join_next()).await {
            report(ended);
        }
        let cut = sessions.len();
        sessions.shutdown().await;
        cut
    }

    async fn take<A: Agent>(
        &self,
        accepted: io::Result<Socket>,
        shared: &Arc<Shared<A>>,
        sessions: &mut JoinSet<()>,
        drain: &DrainSignal,
    ) {
        match accepted {
            Ok(socket) => serve(shared, sessions, drain, socket),
            Err(error) => {
                shared.counters.accept_errors.count();
                tracing::warn!(address = %self.address, %error, "cannot accept a connection");
                if !is_of_the_peer(&error) {
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl ListenSocket {
    async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }
}

fn serve<A: Agent>(shared: &Arc<Shared<A>>, sessions: &mut JoinSet<()>, drain: &DrainSignal, socket: Socket) {
    match Arc::clone(&shared.slots).try_acquire_owned() {
        Ok(slot) => {
            sessions.spawn(Session::new(Arc::clone(shared), socket, drain.clone(), slot).run());
        }
        Err(_) => {
            shared.counters.connections_refused.count();
            let mut out = BytesMut::new();
            // A disconnect of ours always fits the floor of 256 bytes.
            let _fits =
                Disconnect::new(Status::Resource, "too many connections").encode(Sender::Agent, &mut out);
            socket.write_or_forget(&out);
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended early");
    }
}

/// Errors of one connection that ended before it was accepted; the next accept may be well.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Makes way for a new socket file: a file that nobody answers on goes.
async fn clear_path(path: &Path, address: &Address) -> Result<(), BindError> {
    let io = |source| BindError::Io { address: address.clone(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(BindError::NotASocket(address.clone()));
        }
        Ok(_) => {}
    }
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Err(io(error)),
        Ok(_) | Err(_) => return Err(BindError::InUse(address.clone())),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

/// Binds, sets the mode, then listens, so that nobody connects before the mode holds.
fn bind_unix(path: &Path, mode: SocketMode) -> io::Result<(UnixListener, SocketFile)> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// A socket file that is removed when dropped, if it is still the one we made.
#[derive(Debug)]
struct SocketFile {
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
