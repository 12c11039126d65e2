//! Listening sockets of every kind, and the connections that come from them.

use super::connection::Connection;
use super::handshakes::{Handshake, Handshakes};
use super::{Address, TlsServer};
use crate::accept_error::{ACCEPT_PAUSE, is_of_the_peer};
use crate::unix_socket::{self, SocketFile, SocketMode, UnixSocketError};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the handshake of TLS may take.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Plain TCP off loopback.
    #[error(
        "`{0}` is not on loopback, and the protocol has no protection of its own: \
         use `tls:ip:port` with certificates, a loopback address or `unix:/path`"
    )]
    Plain(Address),
    /// TLS without a certificate.
    #[error("`{0}` needs a certificate, a key and the clients' authority: none are given")]
    NoCertificate(Address),
    /// TLS on a host's name.
    #[error("`{0}` is a name: expected an IP address to listen on")]
    Name(Address),
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

/// Sockets on which peers connect. Socket files go with it.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<Bound>,
    // Which one is asked first, so that a busy one holds no other up.
    first: usize,
    handshakes: Handshakes,
    shaking: JoinSet<Option<Connection>>,
}

#[derive(Debug)]
struct Bound {
    address: Address,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    // The file before the socket, which is the order in which they go.
    Unix { _file: SocketFile, socket: UnixListener },
    Tcp(TcpListener),
    Tls(TcpListener, TlsServer),
}

/// What a socket gave.
enum Accepted {
    Ready(Connection),
    Shaking(TcpStream, TlsServer),
}

impl Listener {
    /// Binds all addresses or none; connections wait until [`accept`](Self::accept).
    ///
    /// A Unix socket file on which nobody answers is replaced, and owner and group may connect to the new
    /// one. Must be called within a tokio runtime with I/O and time.
    pub async fn bind(addresses: &[Address], tls: Option<&TlsServer>) -> Result<Self, BindError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            sockets.push(Bound::new(address, tls).await?);
        }
        Ok(Self { sockets, first: 0, handshakes: Handshakes::default(), shaking: JoinSet::new() })
    }

    /// The addresses as bound: a port of 0 is replaced by the real one.
    pub fn addresses(&self) -> Vec<Address> {
        self.sockets.iter().map(|bound| bound.address.clone()).collect()
    }

    /// The next connection; nothing is lost when the future is dropped.
    ///
    /// TLS handshakes go on beside each other, on tasks of their own. What fails is logged and not given.
    pub async fn accept(&mut self) -> Connection {
        loop {
            let Self { sockets, first, handshakes, shaking } = self;
            tokio::select! {
                Some(shaken) = shaking.join_next(), if !shaking.is_empty() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
                accepted = poll_fn(|cx| poll_accept(sockets, first, cx)) => match accepted {
                    Ok(Accepted::Ready(connection)) => return connection.during(handshakes.begin()),
                    Ok(Accepted::Shaking(stream, tls)) => {
                        shaking.spawn(shake(stream, tls, handshakes.begin()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a peer's connection");
                        if !is_of_the_peer(&error) {
                            sleep(ACCEPT_PAUSE).await;
                        }
                    }
                },
            }
        }
    }
}

/// Asks the sockets in turn.
fn poll_accept(sockets: &[Bound], first: &mut usize, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
    let count = sockets.len();
    *first = if *first < count { *first + 1 } else { 0 };
    let (before, after) = sockets.split_at_checked(*first).unwrap_or((sockets, &[]));
    for bound in after.iter().chain(before) {
        if let Poll::Ready(accepted) = bound.poll_accept(cx) {
            return Poll::Ready(accepted);
        }
    }
    Poll::Pending
}

async fn shake(stream: TcpStream, tls: TlsServer, handshake: Handshake) -> Option<Connection> {
    let from = stream.peer_addr().ok();
    let shaken = tokio::select! {
        shaken = timeout(TLS_HANDSHAKE, tls.accept(stream)) => shaken,
        () = handshake.gives_way() => {
            tracing::debug!(?from, "a TLS handshake gave way to newer ones");
            return None;
        }
    };
    match shaken.unwrap_or_else(|late| Err(late.into())) {
        Ok(connection) => Some(connection.during(handshake)),
        Err(error) => {
            tracing::info!(?from, %error, "a TLS handshake failed");
            None
        }
    }
}

impl Bound {
    async fn new(address: &Address, tls: Option<&TlsServer>) -> Result<Self, BindError> {
        let io = |source| BindError::Io { address: address.clone(), source };
        let (address, socket) = match address {
            Address::Unix(path) => {
                let listening = unix_socket::listen(path, SocketMode::GROUP).await;
                let (socket, file) = listening.map_err(|error| match error {
                    UnixSocketError::InUse => BindError::InUse(address.clone()),
                    UnixSocketError::NotASocket => BindError::NotASocket(address.clone()),
                    UnixSocketError::Io(source) => io(source),
                })?;
                (address.clone(), Socket::Unix { _file: file, socket })
            }
            Address::Tcp(_) if !address.is_of_this_host() => return Err(BindError::Plain(address.clone())),
            Address::Tcp(wanted) => {
                let socket = TcpListener::bind(wanted).await.map_err(io)?;
                (Address::Tcp(socket.local_addr().map_err(io)?), Socket::Tcp(socket))
            }
            Address::Tls { host, port } => {
                let ip: IpAddr = host.parse().map_err(|_| BindError::Name(address.clone()))?;
                let tls = tls.ok_or_else(|| BindError::NoCertificate(address.clone()))?;
                let socket = TcpListener::bind(SocketAddr::new(ip, *port)).await.map_err(io)?;
                (Address::tls(socket.local_addr().map_err(io)?), Socket::Tls(socket, tls.clone()))
            }
        };
        Ok(Self { address, socket })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        Poll::Ready(match &self.socket {
            Socket::Unix { socket, .. } => {
                let (stream, _) = ready!(socket.poll_accept(cx))?;
                Ok(Accepted::Ready(Connection::new(stream, self.address.clone())))
            }
            Socket::Tcp(socket) => {
                let (stream, from) = ready!(socket.poll_accept(cx))?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Ready(Connection::new(stream, Address::Tcp(from))))
            }
            Socket::Tls(socket, tls) => {
                let (stream, _) = ready!(socket.poll_accept(cx))?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Shaking(stream, tls.clone()))
            }
        })
    }
}
