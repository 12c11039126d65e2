//! Fastly's local runtime as the benches start it: its stores in memory, since it would read a file again at
//! each request.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use countersign_tests::identity_provider::{self, TokenAlgorithm};
use countersign_tests::reaper::Reaper;
use countersign_tests::trouble::Trouble;
use countersign_tests::viceroy::{CONFIG_STORE, Items, LIST_STORE, SECRET_STORE, Viceroy};
use countersign_tests::world::{AUDIENCE, ENVIRONMENT, SERVICE};
use serde_json::{Value, json};

/// What the settings call the issuer.
pub(crate) const ISSUER: &str = "staff";
/// The name of the backend that the issuer's documents come from.
pub(crate) const ISSUER_BACKEND: &str = "issuer";
/// The name of the backend that the issuer's keys come from.
pub(crate) const KEYS_BACKEND: &str = "idp";

/// What a program is given.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// Backends by name.
    pub(crate) backends: Vec<(&'static str, SocketAddr)>,
    /// Settings and policy.
    pub(crate) config: Items,
    /// The list.
    pub(crate) list: Items,
    /// The secrets.
    pub(crate) secrets: Items,
}

impl Service {
    /// Starts the runtime on a program, with its configuration in `folder`; `log` as `RUST_LOG` takes it.
    pub(crate) async fn start(
        &self,
        program: &Path,
        folder: &Path,
        log: &str,
        reaper: &Arc<Reaper>,
    ) -> Result<Viceroy, Trouble> {
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{name}.toml"));
        std::fs::write(&path, self.configuration()).map_err(Trouble::io("write the runtime's settings"))?;
        Viceroy::run(program, &path, folder.to_owned(), log, reaper).await
    }

    fn configuration(&self) -> String {
        let mut text =
            "manifest_version = 3\nname = \"countersign-bench\"\nlanguage = \"other\"\n".to_owned();
        for (name, address) in &self.backends {
            let _ = write!(text, "[local_server.backends.{name}]\nurl = \"http://{address}\"\n");
        }
        for (store, items) in [(CONFIG_STORE, &self.config), (LIST_STORE, &self.list)] {
            let section = format!("local_server.config_stores.{store}");
            let _ = write!(text, "[{section}]\nformat = \"inline-toml\"\n[{section}.contents]\n");
            for (key, value) in items {
                let _ = writeln!(text, "{} = {}", quoted(key), quoted(value));
            }
        }
        for (key, value) in &self.secrets {
            let section = format!("local_server.secret_stores.{SECRET_STORE}");
            let _ = write!(text, "[[{section}]]\nkey = {}\ndata = {}\n", quoted(key), quoted(value));
        }
        text
    }
}

/// A basic string of TOML; JSON's escapes are among those that it has.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The edge's settings: one issuer with all its algorithms, people who sign in to `hosts`, and bots.
pub(crate) fn settings(origin: &str, hosts: &[&str], bots: &Value) -> String {
    let login = json!({ "issuer": ISSUER, "hosts": hosts, "client_id": "www" });
    let logins = if hosts.is_empty() { json!([]) } else { json!([login]) };
    json!({
        "version": 1, "service": SERVICE, "environment": ENVIRONMENT,
        "origins": [{ "backend": origin, "audience": AUDIENCE }],
        "issuers": [{
            "name": ISSUER,
            "issuer": identity_provider::ISSUER,
            "audience": identity_provider::AUDIENCE,
            "bearer_tokens": "jwt",
            "backend": ISSUER_BACKEND,
            "jwks_uri": format!("{}/jwks", identity_provider::ISSUER),
            "jwks_backend": KEYS_BACKEND,
            "algorithms": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
        }],
        "logins": logins,
        "bots": bots,
    })
    .to_string()
}
