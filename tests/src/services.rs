//! The edge services that agents are told of, and their keys.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command_line;
use crate::forge::Forge;
use crate::receipts;
use crate::trouble::Trouble;
use crate::world::{AUDIENCE, ENVIRONMENT, KEY_ID, SERVICE};

/// An edge service, as an agent's settings have it.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// The id of its key.
    pub key: &'static str,
    /// The hosts that it may vouch for.
    pub hosts: &'static [&'static str],
    /// The groups that it may say; `None` is every one.
    pub groups: Option<&'static [&'static str]>,
    /// Whether it may say that a log-in is over.
    pub log_outs: &'static str,
    /// The environments that it may be of; `None` is the agent's own.
    pub environments: Option<&'static [&'static str]>,
}

/// The edge of the stage: every host, every group.
pub const EDGE: Service = Service {
    name: SERVICE,
    key: KEY_ID,
    hosts: &["*.example.test"],
    groups: None,
    log_outs: "accepted",
    environments: None,
};
/// Somebody else's edge service: one host, one group, and a second environment.
pub const SHOP: Service = Service {
    name: "edge-shop",
    key: "shop-1",
    hosts: &["shop.example.test"],
    groups: Some(&["engineering"]),
    log_outs: "refused",
    environments: Some(&[ENVIRONMENT, "preview"]),
};

/// The file of public keys, in the folder of keys.
const PUBLIC: &str = "assertion.jwks.json";
/// The file of a private key, in a folder of its own.
const PRIVATE: &str = "assertion.private.jwk.json";

impl Service {
    /// Whoever holds its key.
    ///
    /// # Errors
    /// As [`Forge::open`].
    pub fn forge(&self, keys: &Path) -> Result<Forge, Trouble> {
        Forge::open(&self.folder(keys).join(PRIVATE), self.name, AUDIENCE, ENVIRONMENT)
    }

    /// Its table of an agent's settings.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { name, key, hosts, groups, log_outs, environments } = self;
        let mut table = format!(
            "[[assertion.services]]\nname = {name:?}\nkeys = [{key:?}]\nhosts = {hosts:?}\nlog_outs = {log_outs:?}\n"
        );
        for (list, words) in [("groups", groups), ("environments", environments)] {
            if let Some(words) = words {
                table.push_str(&format!("{list} = {words:?}\n"));
            }
        }
        table
    }

    /// The edge of the stage has the folder itself.
    fn folder(&self, keys: &Path) -> PathBuf {
        if self.name == EDGE.name { keys.to_owned() } else { keys.join(self.name) }
    }
}

/// Makes a key for each service, with one file of all public ones, and one for receipts.
///
/// # Errors
/// [`Trouble::Command`] with what was printed, [`Trouble::Io`] where a file can't be read or written.
pub async fn make_keys(keys: &Path) -> Result<(), Trouble> {
    let mut public = Vec::new();
    for service in [EDGE, SHOP] {
        let folder = service.folder(keys);
        command_line::generate_keys(&folder, service.key).await?;
        let text = std::fs::read_to_string(folder.join(PUBLIC)).map_err(Trouble::io("read public keys"))?;
        let mut set: Value = serde_json::from_str(&text).unwrap_or_default();
        public.extend(
            set.get_mut("keys").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default(),
        );
    }
    let set = serde_json::json!({ "keys": public });
    std::fs::write(keys.join(PUBLIC), set.to_string()).map_err(Trouble::io("write public keys"))?;
    receipts::make_keys(keys, &[receipts::KEY_ID]).await.map(drop)
}
