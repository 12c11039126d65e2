//! A connection that was accepted or opened: its stream, and who may be at its other end.

use super::Address;
use super::handshakes::Handshake;
use super::tls::Certificate;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, before a session begins on it.
pub struct Connection {
    pub(super) stream: Box<dyn Duplex>,
    address: Address,
    certificate: Option<Certificate>,
    pub(super) handshake: Option<Handshake>,
}

impl Connection {
    pub(super) fn new(stream: impl Duplex + 'static, address: Address) -> Self {
        Self { stream: Box::new(stream), address, certificate: None, handshake: None }
    }

    #[cfg(feature = "tls")]
    pub(super) fn of(self, certificate: Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    pub(super) fn during(self, handshake: Handshake) -> Self {
        Self { handshake: Some(handshake), ..self }
    }

    /// Where the other end is; of a Unix socket, its file.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// May a peer of this name be at the other end? Over TLS its certificate must be valid for `name` as a
    /// DNS name. A Unix socket is guarded by its file's mode and loopback by the host: there everybody may
    /// have any name.
    pub fn may_be(&self, name: &str) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| certificate.is_for(name))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}
