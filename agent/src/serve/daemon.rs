//! Starting, reloading and stopping.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haproxy_wire::peers::net::{TlsClient, TlsError};
use haproxy_wire::spop::MaxFrameSize;
use haproxy_wire::spop::server::{Address, BindError, Limits, Readiness, Server};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::clock::now;
use super::follower;
use super::load::{LoadError, load};
use super::service_manager;
use super::verdicts::Verdicts;
use crate::audit::{RecordSink, SinkError};
use crate::reputation::list::List;
use crate::settings::{Settings, SettingsError};
use crate::snapshot::{CurrentSnapshot, Snapshot};
use crate::trust::ReplayLog;

/// Why the daemon can't run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Policy or keys are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Load(Vec<LoadError>),
    /// Records can't be written.
    #[error(transparent)]
    Records(#[from] SinkError),
    /// Certificates for the publisher can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// After a reload assertions would be accepted for longer than they are remembered.
    #[error(
        "`assertion.max_lifetime_seconds` and twice `assertion.clock_skew_seconds` are {wanted} s together, \
         and used assertions are remembered for {held} s since the start: restart to accept them for longer"
    )]
    Outlasts {
        /// Seconds for which they would be accepted.
        wanted: u64,
        /// Seconds for which they are remembered.
        held: u64,
    },
    /// The runtime or a signal handler can't be had.
    #[error("the runtime can't be started: {0}")]
    Runtime(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT, then drains. SIGHUP reloads policy and keys, all or nothing,
/// and opens the file of records anew.
///
/// # Errors
/// [`ServeError`] if it can't start; once it serves, only a signal ends it.
pub fn serve(file: &Path) -> Result<(), ServeError> {
    let settings = Settings::load(file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(file, settings))
}

async fn run(file: &Path, settings: Settings) -> Result<(), ServeError> {
    // First, so that a reload that comes early ends nothing.
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let snapshot = load(&settings).map_err(ServeError::Load)?;
    warn_of_idle_keys(&snapshot);
    let (routes, policy) = (snapshot.policy.routes().routes().len(), snapshot.policy.digest().clone());
    let snapshot = Arc::new(CurrentSnapshot::new(snapshot));
    let records = Arc::new(RecordSink::open(&settings.records.file)?);
    let window = settings.assertion.acceptance_window();
    let used = ReplayLog::new(settings.replay.capacity, window, now().seconds());
    let list = Arc::new(List::default());
    let links = link_to_publisher(&settings, &list)?;
    let verdicts = Arc::new(Verdicts::new(Arc::clone(&snapshot), used, list, Arc::clone(&records)));
    for address in settings.spop.listen.iter().filter(|address| !is_local(address)) {
        tracing::warn!(%address, "SPOP has no authentication: whoever reaches this address can ask for verdicts");
    }
    let server = Server::bind(&settings.spop.listen, verdicts, limits(&settings), Readiness::ready()).await?;
    let addresses: Vec<_> = server.addresses().iter().map(Address::to_string).collect();
    tracing::info!(listen = addresses.join(","), routes, %policy, "ready");
    service_manager::say_ready();
    let reloads = tokio::spawn(reload_at(hangup, file.to_owned(), window, snapshot, records));
    let drained = server.run(first_of(terminate, interrupt)).await;
    reloads.abort();
    links.iter().for_each(JoinHandle::abort);
    tracing::info!(cut = drained.cut, "stopped");
    Ok(())
}

/// Follows the publisher, where there is one.
fn link_to_publisher(settings: &Settings, list: &Arc<List>) -> Result<Vec<JoinHandle<()>>, ServeError> {
    let Some(reputation) = settings.reputation.clone() else { return Ok(Vec::new()) };
    let publisher = follower::Publisher {
        address: reputation.publisher,
        tls: reputation.tls.map(|files| TlsClient::new(&files.into())).transpose()?,
        name: reputation.publisher_name,
        own_name: reputation.name,
    };
    Ok(vec![
        tokio::spawn(follower::follow(publisher, Arc::clone(list))),
        tokio::spawn(follower::tidy(Arc::clone(list))),
    ])
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        max_frame_size: MaxFrameSize::new(settings.spop.max_frame_bytes).unwrap_or(MaxFrameSize::DEFAULT),
        ..Limits::default()
    }
}

const fn is_local(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        Address::Tcp(address) => address.ip().is_loopback(),
    }
}

async fn first_of(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn reload_at(
    mut hangup: Signal,
    file: PathBuf,
    window: u64,
    current: Arc<CurrentSnapshot>,
    records: Arc<RecordSink>,
) {
    while hangup.recv().await.is_some() {
        if let Err(error) = records.reopen() {
            tracing::error!(%error, "the old file of records goes on being written");
        }
        match reload(&file, window) {
            Ok(snapshot) => {
                warn_of_idle_keys(&snapshot);
                tracing::info!(policy = %snapshot.policy.digest(), keys = snapshot.keys.ids().count(), "reloaded");
                current.swap(snapshot);
            }
            Err(error) => tracing::error!("reload refused, nothing changed: {error}"),
        }
    }
}

/// A key that is left over, or whose service was forgotten.
fn warn_of_idle_keys(snapshot: &Snapshot) {
    for key in snapshot.idle_keys() {
        tracing::warn!(%key, "the key signs for nobody: no service of `assertion.services` names it");
    }
}

/// A new snapshot, for a log of used assertions that remembers each for `window` seconds.
fn reload(file: &Path, window: u64) -> Result<Snapshot, ServeError> {
    let settings = Settings::load(file)?;
    let wanted = settings.assertion.acceptance_window();
    if wanted > window {
        return Err(ServeError::Outlasts { wanted, held: window });
    }
    load(&settings).map_err(ServeError::Load)
}
