//! Mutual TLS: both ends show a certificate, always.

use super::Address;
use super::connection::Connection;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// PEM files of one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// One's own certificate, and those between it and the authority that the other end trusts.
    pub certificate: PathBuf,
    /// The private key of the first of them.
    pub key: PathBuf,
    /// The authorities of which the other end's certificate must be.
    pub authority: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM file.
    #[error("`{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: pem::Error,
    },
    /// A file has no certificate.
    #[error("`{}` has no certificate: expected at least one in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// A file has no private key.
    #[error("`{}` has no private key: expected one in PEM", .0.display())]
    NoKey(PathBuf),
    /// An authority cannot be used.
    #[error("`{}` has no usable authority: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key cannot be used together.
    #[error("key `{}` cannot be used with certificate `{}`: {source}", key.display(), certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: tokio_rustls::rustls::Error,
    },
}

/// How clients are met: with our certificate, and only if they show one of theirs.
#[derive(Clone)]
pub struct TlsServer {
    acceptor: TlsAcceptor,
}

/// How servers are met: theirs must be valid for the host that was connected to, and we show ours.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
}

impl TlsServer {
    /// Reads the files.
    pub fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(authorities(files)?, Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| unusable(files, &error))?;
        let (certificates, key) = (certificates(&files.certificate)?, key(files)?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|source| pair(files, source))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates, key)
            .map_err(|source| pair(files, source))?;
        // A certificate that expired must not live on in a ticket.
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: Arc::new(config).into() })
    }

    /// Shakes hands with a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Connection> {
        let address = Address::tls(stream.peer_addr()?);
        let stream = self.acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.ok_or(io::ErrorKind::PermissionDenied)?.clone().into_owned();
        Ok(Connection::new(stream, address).of(Certificate(certificate)))
    }
}

impl TlsClient {
    /// Reads the files.
    pub fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(authorities(files)?, Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| unusable(files, &error))?;
        let (certificates, key) = (certificates(&files.certificate)?, key(files)?);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|source| pair(files, source))?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(certificates, key)
            .map_err(|source| pair(files, source))?;
        config.resumption = Resumption::disabled();
        Ok(Self { connector: Arc::new(config).into() })
    }

    /// Shakes hands with a server.
    pub(super) async fn connect(&self, stream: TcpStream, host: &str) -> io::Result<Connection> {
        let address = Address::tls(stream.peer_addr()?);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = self.connector.connect(name, stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.ok_or(io::ErrorKind::PermissionDenied)?.clone().into_owned();
        Ok(Connection::new(stream, address).of(Certificate(certificate)))
    }
}

/// The certificate that the other end showed; it is of an authority that is trusted.
pub(super) struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Is it valid for this DNS name?
    pub(super) fn is_for(&self, name: &str) -> bool {
        let (Ok(certificate), Ok(name)) = (ParsedCertificate::try_from(&self.0), DnsName::try_from(name))
        else {
            return false;
        };
        verify_server_name(&certificate, &ServerName::DnsName(name)).is_ok()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let read = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(unreadable)?;
    if read.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(read) }
}

fn key(files: &TlsFiles) -> Result<PrivateKeyDer<'static>, TlsError> {
    let path = files.key.clone();
    PrivateKeyDer::from_pem_file(&files.key).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(path),
        source => TlsError::Unreadable { path, source },
    })
}

fn authorities(files: &TlsFiles) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(&files.authority)? {
        store.add(certificate).map_err(|error| TlsError::Authority {
            path: files.authority.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(Arc::new(store))
}

fn unusable(files: &TlsFiles, error: &VerifierBuilderError) -> TlsError {
    TlsError::Authority { path: files.authority.clone(), reason: error.to_string() }
}

fn pair(files: &TlsFiles, source: tokio_rustls::rustls::Error) -> TlsError {
    TlsError::Pair { certificate: files.certificate.clone(), key: files.key.clone(), source }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer(..)")
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient(..)")
    }
}
