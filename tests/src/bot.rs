//! A bot that signs its requests: npm's `web-bot-auth` signs, on the script `tests/oidc/sign-bot.mjs`, and a
//! directory of the bot's own publishes the key.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::ask::Ask;
use crate::client::Request;
use crate::http_server::{HttpServer, Reply};
use crate::identity_provider::random;
use crate::script::Scripts;
use crate::trouble::Trouble;

/// What the edge's settings call it.
pub const NAME: &str = "crawler";
/// What it calls itself.
pub const AGENT: &str = "https://crawler.example.test";
/// The group that the edge's settings give it.
pub const GROUP: &str = "engineering";
const DIRECTORY: &str = "/.well-known/http-message-signatures-directory";
/// Longest wait for a signature: Node.js starts in a fraction of a second, later on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bot. Dropping it ends its directory.
#[derive(Debug)]
pub struct Bot {
    directory: HttpServer,
    fails: Arc<AtomicBool>,
    folder: PathBuf,
    key: PathBuf,
    // Laid out with the first signature, so that a stage without bots needs no Node.js.
    scripts: OnceCell<Scripts>,
}

/// The headers of a signed request to one host.
#[derive(Debug, Clone)]
pub struct Signed(Map<String, Value>);

impl Bot {
    /// Makes a key in `folder` and publishes its public half.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound or no file written, [`Trouble::Unexpected`] without randomness.
    pub async fn start(folder: &Path) -> Result<Self, Trouble> {
        let pair = SigningKey::from_bytes(&random()?);
        let public = json!({
            "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.verifying_key().as_bytes()),
        });
        let mut private = public.clone();
        if let Some(members) = private.as_object_mut() {
            members.insert("d".into(), URL_SAFE_NO_PAD.encode(pair.as_bytes()).into());
        }
        let key = folder.join("bot.private.jwk.json");
        fs::write(&key, private.to_string()).map_err(Trouble::io("write the bot's key"))?;
        let fails = Arc::new(AtomicBool::new(false));
        let failing = Arc::clone(&fails);
        let directory = HttpServer::start("the bot's directory", move |received| {
            if failing.load(Ordering::Relaxed) {
                return Reply::status(500);
            }
            if received.line.split(' ').nth(1) != Some(DIRECTORY) {
                return Reply::status(404);
            }
            Reply::json(&json!({ "keys": [public.clone()] }))
        })
        .await?;
        Ok(Self { directory, fails, folder: folder.to_owned(), key, scripts: OnceCell::new() })
    }

    /// Where its directory listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.directory.address()
    }

    /// From now on its directory answers with status 500.
    pub fn lose_directory(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// `bots` of the edge's settings.
    #[must_use]
    pub fn settings() -> Value {
        json!([{
            "name": NAME,
            "signature_agent": AGENT,
            "directory": format!("{AGENT}{DIRECTORY}"),
            "backend": "bot",
            "groups": [GROUP],
        }])
    }

    /// Signs for requests to `host`, good for five minutes.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Node.js or the packages, [`Trouble::Command`] with what the script said.
    pub async fn sign(&self, host: &str) -> Result<Signed, Trouble> {
        let lay_out = || async { Scripts::lay_out(&self.folder) };
        let scripts = self.scripts.get_or_try_init(lay_out).await?;
        let mut command = tokio::process::Command::from(scripts.command("sign-bot.mjs"));
        command.arg(&self.key).args([host, AGENT]).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output())
            .await
            .map_err(|_| Trouble::NoAnswer {
                peer: "sign-bot.mjs".into(),
                why: format!("still running after {PATIENCE:?}"),
            })?
            .map_err(Trouble::io("run sign-bot.mjs, which signs as a bot"))?;
        if !output.status.success() {
            return Err(Trouble::Command {
                command: "node sign-bot.mjs".into(),
                status: output.status.to_string(),
                said: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let headers = serde_json::from_slice(&output.stdout);
        headers
            .map(Signed)
            .map_err(|error| Trouble::unexpected("the headers of sign-bot.mjs", error.to_string()))
    }
}

impl Signed {
    /// Adds the headers to what a scene asks.
    #[must_use]
    pub fn on(&self, ask: Ask) -> Ask {
        Ask { request: self.on_request(ask.request), ..ask }
    }

    /// Adds the headers to a request.
    #[must_use]
    pub fn on_request(&self, request: Request) -> Request {
        let value = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.0.iter().fold(request, |request, (name, text)| request.header(name, &value(text)))
    }
}
