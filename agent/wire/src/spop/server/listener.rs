//! Listening sockets, their files, and the loop that accepts connections.

use super::drain::DrainSignal;
use super::session::{Session, Shared};
use super::socket::Socket;
use super::{Address, Agent, SocketMode};
use crate::accept_error::{ACCEPT_PAUSE, is_of_the_peer};
use crate::spop::{Disconnect, Sender, Status};
use crate::unix_socket::{self, SocketFile, UnixSocketError};
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

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
                let listening = unix_socket::listen(path, mode).await;
                let (socket, file) = listening.map_err(|error| match error {
                    UnixSocketError::InUse => BindError::InUse(address.clone()),
                    UnixSocketError::NotASocket => BindError::NotASocket(address.clone()),
                    UnixSocketError::Io(source) => io(source),
                })?;
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
