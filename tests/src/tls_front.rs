//! What ends TLS before the edge: on the platform Fastly does, and Viceroy cannot.
//!
//! A HAProxy with a certificate for `*.example.test` that nobody trusts. By the host it passes requests
//! on to the identity provider or to the edge, by plain HTTP/1.1 and otherwise unchanged. It is no
//! part of Countersign, and not the HAProxy behind the edge.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;

use crate::oidc_provider;
use crate::pieces::{HaproxyCommand, Subject};
use crate::ports;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::trouble::Trouble;

/// Longest wait for it to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running front. Dropping it ends it.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    provider: SocketAddr,
    binary: HaproxyCommand,
    folder: PathBuf,
    journals: Journals,
    reaper: Arc<Reaper>,
    process: Process,
}

impl TlsFront {
    /// Starts it on a free port: `idp.example.test` leads to `provider`, every other host to `edge`.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without HAProxy, [`Trouble::NotReady`] with what it printed.
    pub async fn start(
        subject: Subject,
        provider: SocketAddr,
        edge: SocketAddr,
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let binary = HaproxyCommand::find(subject)?;
        let folder = folder.join("front");
        fs::create_dir_all(&folder).map_err(Trouble::io("make the TLS front's folder"))?;
        fs::write(folder.join("front.pem"), certificate()?)
            .map_err(Trouble::io("write the TLS front's certificate"))?;
        let address = ports::free()?;
        let journals = Journals::fresh();
        fs::write(folder.join("front.cfg"), configuration(address, provider, edge))
            .map_err(Trouble::io("write the TLS front's configuration"))?;
        let process = run(&binary, &folder, address, &journals, reaper).await?;
        Ok(Self { address, provider, binary, folder, journals, reaper: Arc::clone(reaper), process })
    }

    /// Where browsers connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on another edge is behind it; connections that browsers keep are closed.
    ///
    /// # Errors
    /// As [`TlsFront::start`].
    pub async fn lead_to(&mut self, edge: SocketAddr) -> Result<(), Trouble> {
        fs::write(self.folder.join("front.cfg"), configuration(self.address, self.provider, edge))
            .map_err(Trouble::io("write the TLS front's configuration"))?;
        self.process.kill();
        self.process = run(&self.binary, &self.folder, self.address, &self.journals, &self.reaper).await?;
        Ok(())
    }
}

async fn run(
    binary: &HaproxyCommand,
    folder: &Path,
    address: SocketAddr,
    journals: &Journals,
    reaper: &Arc<Reaper>,
) -> Result<Process, Trouble> {
    let mut command = binary.command();
    command.args(["-db", "-f", "front.cfg"]).current_dir(folder);
    let mut process = Process::start("the TLS front", &mut command, journals, reaper)?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE && process.runs() {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(process);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Trouble::NotReady { what: "the TLS front".into(), waited: started.elapsed(), said: journals.tail() })
}

fn configuration(address: SocketAddr, provider: SocketAddr, edge: SocketAddr) -> String {
    // A connection for each request behind it: an edge or provider that was replaced is never met as
    // a kept connection that has just been closed.
    format!(
        "global
    maxconn 200
defaults
    mode http
    option http-server-close
    retries 0
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend tls
    bind {address} ssl crt front.pem alpn h2,http/1.1
    use_backend provider if {{ req.hdr(host),field(1,:) -i {host} }}
    default_backend edge
backend provider
    server provider {provider}
backend edge
    server edge {edge}
",
        host = oidc_provider::HOST,
    )
}

/// Certificate and key, one behind the other as HAProxy reads them.
fn certificate() -> Result<String, Trouble> {
    let made = || -> Result<String, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["*.example.test".to_owned()])?.self_signed(&key)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    };
    made().map_err(|error| Trouble::unexpected("a certificate", error.to_string()))
}
