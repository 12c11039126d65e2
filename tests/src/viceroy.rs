//! Fastly's local Compute runtime with the edge program, its stores as files.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::journal::Place;
use crate::pieces;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::trouble::Trouble;
use crate::world::HOST;

/// Longest wait for the compiled program: two seconds of one core, more on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The store of settings and policy.
pub const CONFIG_STORE: &str = "countersign_config";
/// The store of the list, the edge dictionary.
pub const LIST_STORE: &str = "countersign_list";
/// The store of secrets.
pub const SECRET_STORE: &str = "countersign_secrets";
/// The log endpoint of the edge's records; Viceroy prints `NAME :: LINE`.
pub const LOG_ENDPOINT: &str = "countersign";

/// The backend of HAProxy for WebSockets to [`HOST`]: the runtime sends its host there, whatever the client said.
pub const WEBSOCKETS: &str = "haproxy-www";

/// The backend of HAProxy for gRPC: HTTP/2 all the way.
pub const GRPC: &str = "haproxy-grpc";

/// The backend of a data centre that can't be reached.
pub const ELSEWHERE: &str = "elsewhere";

/// Items of one store by key.
pub type Items = BTreeMap<String, String>;

/// What the runtime is given.
#[derive(Debug, Clone)]
pub struct EdgeStores {
    /// Where HAProxy, or the tap before it, listens.
    pub haproxy: SocketAddr,
    /// Another data centre, where nobody listens: the backend [`ELSEWHERE`].
    pub elsewhere: SocketAddr,
    /// Where the identity provider listens.
    pub idp: SocketAddr,
    /// Where the bot's directory listens.
    pub bot: SocketAddr,
    /// Settings and policy.
    pub config: Items,
    /// The list.
    pub list: Items,
    /// The secrets.
    pub secrets: Items,
}

/// A running edge.
#[derive(Debug)]
pub struct Viceroy {
    address: SocketAddr,
    folder: PathBuf,
    journals: Journals,
    process: Process,
}

impl Viceroy {
    /// Writes stores and configuration into `folder`, starts Viceroy on a free port, and waits
    /// until it listens.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Viceroy or the program, [`Trouble::NotReady`] with what it printed.
    pub async fn start(stores: &EdgeStores, folder: &Path, reaper: &Arc<Reaper>) -> Result<Self, Trouble> {
        let EdgeStores { config, list, secrets, .. } = stores;
        Self::start_before(&backends(stores), [config, list, secrets], &folder.join("edge"), reaper).await
    }

    /// The same with all its files in `folder` and other backends, tables `[local_server.backends.…]`; the stores
    /// are settings and policy, the list, and the secrets.
    ///
    /// # Errors
    /// As [`Viceroy::start`].
    pub async fn start_before(
        backends: &str,
        [config, list, secrets]: [&Items; 3],
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        fs::create_dir_all(folder).map_err(Trouble::io("make the edge's folder"))?;
        write_store(folder, CONFIG_STORE, config)?;
        write_store(folder, LIST_STORE, list)?;
        write_store(folder, SECRET_STORE, secrets)?;
        let configuration = folder.join("fastly.toml");
        let text = fastly_toml(backends, folder);
        fs::write(&configuration, text).map_err(Trouble::io("write fastly.toml"))?;
        Self::run(&pieces::edge()?, &configuration, folder.to_owned(), "info", reaper).await
    }

    /// Starts Viceroy in `folder` on a program and a configuration, and waits until it listens. `log` is what
    /// it says by itself, as `RUST_LOG` takes it; `info` of where it listens has to be in it.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Viceroy, [`Trouble::NotReady`] with what it printed.
    pub async fn run(
        program: &Path,
        configuration: &Path,
        folder: PathBuf,
        log: &str,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let viceroy = pieces::viceroy()?;
        let journals = Journals::fresh();
        let mut command = Command::new(viceroy);
        command
            .arg("-v")
            .arg("-C")
            .arg(configuration)
            .args(["--addr", "127.0.0.1:0"])
            .arg(program)
            .current_dir(&folder)
            .env("RUST_LOG", log)
            .env("NO_COLOR", "1");
        let process = Process::start("Viceroy", &mut command, &journals, reaper)?;
        let listening = listening_address(&journals).await;
        let address = listening.ok_or_else(|| Trouble::NotReady {
            what: format!("Viceroy with `{}`", program.display()),
            waited: PATIENCE,
            said: journals.tail(),
        })?;
        Ok(Self { address, folder, journals, process })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it printed; records are on standard output.
    #[must_use]
    pub fn journals(&self) -> &Journals {
        &self.journals
    }

    /// Replaces a config store: written beside it and renamed, so that no request sees half of it.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the file cannot be written.
    pub fn replace_store(&self, store: &str, items: &Items) -> Result<(), Trouble> {
        write_store(&self.folder, store, items)
    }

    /// The file of a config store, for whoever else writes it.
    #[must_use]
    pub fn store_file(&self, store: &str) -> PathBuf {
        store_path(&self.folder, store)
    }

    /// Breaks a config store: its file is no JSON from now on, as when a writer died half way.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the file cannot be written.
    pub fn break_store(&self, store: &str) -> Result<(), Trouble> {
        write_file(&self.folder, store, b"{\"_meta\": \"{")
    }
}

async fn listening_address(journals: &Journals) -> Option<SocketAddr> {
    const SIGN: &str = "Listening on http://";
    let on_out = journals.out.wait_for(Place::START, |line| line.contains(SIGN), PATIENCE);
    let on_err = journals.err.wait_for(Place::START, |line| line.contains(SIGN), PATIENCE);
    let line = tokio::select! { line = on_out => line, line = on_err => line }?;
    let (_, rest) = line.split_once(SIGN)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':'))).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn write_store(folder: &Path, store: &str, items: &Items) -> Result<(), Trouble> {
    let json: Value = items.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    write_file(folder, store, json.to_string().as_bytes())
}

fn write_file(folder: &Path, store: &str, bytes: &[u8]) -> Result<(), Trouble> {
    let path = store_path(folder, store);
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes)
        .and_then(|()| fs::rename(&fresh, &path))
        .map_err(Trouble::io(format!("write the store `{store}`")))
}

fn store_path(folder: &Path, store: &str) -> PathBuf {
    folder.join(format!("{store}.json"))
}

fn backends(stores: &EdgeStores) -> String {
    format!(
        r#"[local_server.backends.haproxy]
url = "http://{haproxy}"

[local_server.backends.{WEBSOCKETS}]
url = "http://{haproxy}"
override_host = "{HOST}"

[local_server.backends.{GRPC}]
url = "http://{haproxy}"
grpc = true

[local_server.backends.{ELSEWHERE}]
url = "http://{elsewhere}"

[local_server.backends.idp]
url = "http://{idp}"

[local_server.backends.bot]
url = "http://{bot}"
"#,
        haproxy = stores.haproxy,
        elsewhere = stores.elsewhere,
        idp = stores.idp,
        bot = stores.bot,
    )
}

fn fastly_toml(backends: &str, folder: &Path) -> String {
    let path = |store| store_path(folder, store).display().to_string();
    format!(
        r#"manifest_version = 3
name = "countersign-edge"
language = "other"

{backends}
[local_server.config_stores.{CONFIG_STORE}]
format = "json"
file = "{config}"

[local_server.config_stores.{LIST_STORE}]
format = "json"
file = "{list}"

[local_server.secret_stores.{SECRET_STORE}]
format = "json"
file = "{secrets}"
"#,
        config = path(CONFIG_STORE),
        list = path(LIST_STORE),
        secrets = path(SECRET_STORE),
    )
}
