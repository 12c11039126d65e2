//! Stands for TLS where it was not built in: there are no certificates, so nothing can be done with them.

use super::connection::Connection;
use std::convert::Infallible;
use std::io;
use tokio::net::TcpStream;

/// How clients are met over TLS; made with feature `tls` only.
#[derive(Clone, Debug)]
pub struct TlsServer(Infallible);

/// How servers are met over TLS; made with feature `tls` only.
#[derive(Clone, Debug)]
pub struct TlsClient(Infallible);

#[derive(Debug)]
pub(super) struct Certificate(Infallible);

impl TlsServer {
    pub(super) async fn accept(&self, _: TcpStream) -> io::Result<Connection> {
        match self.0 {}
    }
}

impl TlsClient {
    pub(super) async fn connect(&self, _: TcpStream, _: &str) -> io::Result<Connection> {
        match self.0 {}
    }
}

impl Certificate {
    pub(super) fn is_for(&self, _: &str) -> bool {
        match self.0 {}
    }
}
