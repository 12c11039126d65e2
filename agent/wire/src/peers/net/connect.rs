//! Connections to peers.

use super::connection::Connection;
use super::listener::TLS_HANDSHAKE;
use super::{Address, TlsClient};
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long the network may take to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a peer was not connected to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Plain TCP off loopback.
    #[error("`{0}` is not on loopback, and the protocol has no protection of its own: use `tls:host:port`")]
    Plain(Address),
    /// TLS without a certificate.
    #[error("`{0}` needs a certificate, a key and the other side's authority: none are given")]
    NoCertificate(Address),
    /// The network or TLS failed.
    #[error("`{address}` cannot be connected to: {source}")]
    Io {
        /// The address.
        address: Address,
        /// What failed.
        source: io::Error,
    },
}

/// Connects to a peer.
pub async fn connect(address: &Address, tls: Option<&TlsClient>) -> Result<Connection, ConnectError> {
    let connecting = async {
        match address {
            Address::Unix(path) => Ok(Connection::new(UnixStream::connect(path).await?, address.clone())),
            Address::Tcp(to) => Ok(Connection::new(reach((to.ip(), to.port())).await?, address.clone())),
            Address::Tls { host, port } => {
                let stream = reach((host.as_str(), *port)).await?;
                match tls {
                    Some(tls) => timeout(TLS_HANDSHAKE, tls.connect(stream, host)).await?,
                    None => Err(io::ErrorKind::Unsupported.into()),
                }
            }
        }
    };
    match address {
        Address::Tcp(_) if !address.is_of_this_host() => Err(ConnectError::Plain(address.clone())),
        Address::Tls { .. } if tls.is_none() => Err(ConnectError::NoCertificate(address.clone())),
        _ => connecting.await.map_err(|source| ConnectError::Io { address: address.clone(), source }),
    }
}

async fn reach(to: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, TcpStream::connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
