//! A real OpenID provider: npm's `oidc-provider` on the script `tests/oidc/provider.mjs`.
//!
//! It listens on plain http, as HAProxy before it ends TLS, and names https URLs of its issuer
//! whoever asks. A log-in takes a name and no password; consent is granted without asking. All its
//! sessions end when it is started again.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, PATIENCE, Request};
use crate::identity_provider::{ISSUER, TokenAlgorithm};
use crate::journal::Place;
use crate::oidc_client::{ClientProof, OidcClient};
use crate::ports;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::script::Scripts;
use crate::trouble::Trouble;

/// Longest wait for it to listen: half a second of one core, more on a busy machine.
const START: Duration = Duration::from_secs(30);
/// The host of its issuer.
pub const HOST: &str = "idp.example.test";

/// What it is told at the start.
#[derive(Debug, Clone, Default)]
pub struct OidcPlan {
    /// Who may ask it for tokens.
    pub clients: Vec<OidcClient>,
    /// The groups of each account, by the name that is typed into the log-in form.
    pub accounts: BTreeMap<String, Vec<String>>,
    /// URIs that an access token may be asked for; it is a JWT then (RFC 9068), else a random string.
    pub resources: Vec<String>,
    /// Lifetimes in seconds that are not an hour, or a day for sessions, by the library's names:
    /// `AccessToken`, `AuthorizationCode` (a minute), `ClientCredentials`, `Grant`, `IdToken`, `Session`.
    pub lifetimes: BTreeMap<&'static str, u64>,
}

/// What becomes of the keys before a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OlderKeys {
    /// They stay published.
    Stay,
    /// Those of the same algorithm are published no more.
    Go,
}

/// A running provider. Dropping it ends it.
#[derive(Debug)]
pub struct OidcProvider {
    address: SocketAddr,
    clients: Vec<OidcClient>,
    scripts: Scripts,
    configuration: PathBuf,
    deliver_to: PathBuf,
    journals: Journals,
    reaper: Arc<Reaper>,
    process: Process,
}

impl OidcProvider {
    /// Makes a key of each algorithm, starts it on a free port with its files in `folder`, and waits
    /// until it listens.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without Node.js or its packages, [`Trouble::NotReady`] with what it printed.
    pub async fn start(plan: &OidcPlan, folder: &Path, reaper: &Arc<Reaper>) -> Result<Self, Trouble> {
        let scripts = Scripts::lay_out(folder)?;
        make_keys(&scripts, OlderKeys::Go, &TokenAlgorithm::ALL).await?;
        let address = ports::free()?;
        let deliver_to = scripts.folder().join("deliver-to");
        let configuration = scripts.folder().join("provider.json");
        let settings = json!({
            "issuer": ISSUER,
            "port": address.port(),
            "jwks": jwks(&scripts),
            "clients": plan.clients.iter().map(OidcClient::metadata).collect::<Vec<_>>(),
            "accounts": plan.accounts.iter().map(|(name, groups)| (name.clone(), json!({ "groups": groups })))
                .collect::<serde_json::Map<_, _>>(),
            "resources": plan.resources,
            "ttl": plan.lifetimes,
            "deliver_to": deliver_to,
        });
        fs::write(&configuration, settings.to_string()).map_err(Trouble::io("write provider.json"))?;
        let journals = Journals::fresh();
        let process = run(&scripts, &configuration, &journals, reaper).await?;
        let (clients, reaper) = (plan.clients.clone(), Arc::clone(reaper));
        Ok(Self { address, clients, scripts, configuration, deliver_to, journals, reaper, process })
    }

    /// Where it listens, also after it was started again.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it printed: what happened, a JSON object a line, on standard output.
    #[must_use]
    pub fn journals(&self) -> &Journals {
        &self.journals
    }

    /// From now on its logout tokens go to this address by plain http, under the host that the client's
    /// URL has: where the edge listens, which starts later than this.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the file cannot be written.
    pub fn deliver_to(&self, address: SocketAddr) -> Result<(), Trouble> {
        let fresh = self.deliver_to.with_extension("new");
        fs::write(&fresh, address.to_string())
            .and_then(|()| fs::rename(&fresh, &self.deliver_to))
            .map_err(Trouble::io("write where logout tokens go"))
    }

    /// Ends it at once. Whoever connects is refused until [`OidcProvider::start_again`].
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, without any of the sessions and codes of before.
    ///
    /// # Errors
    /// As [`OidcProvider::start`].
    pub async fn start_again(&mut self) -> Result<(), Trouble> {
        self.process.kill();
        self.process = run(&self.scripts, &self.configuration, &self.journals, &self.reaper).await?;
        Ok(())
    }

    /// Makes a new key that signs from now on, starts again, and answers the key's id.
    ///
    /// # Errors
    /// As [`OidcProvider::start`].
    pub async fn rotate(&mut self, algorithm: TokenAlgorithm, older: OlderKeys) -> Result<String, Trouble> {
        let ids = make_keys(&self.scripts, older, &[algorithm]).await?;
        self.start_again().await?;
        ids.into_iter().next().ok_or_else(|| Trouble::unexpected("the id of a new key", "nothing"))
    }

    /// Asks it for something by GET, as the edge does.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn get(&self, path: &str) -> Result<Answer, Trouble> {
        Request::new("GET", HOST, path).send(self.address, PATIENCE).await
    }

    /// Posts a form to its token endpoint in a client's name.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], and [`Trouble::Unexpected`] for a client that it was not told of.
    pub async fn ask_for_token(&self, client: &str, form: &[(&str, &str)]) -> Result<Answer, Trouble> {
        self.token_request(client, form)?.send(self.address, PATIENCE).await
    }

    fn token_request(&self, client: &str, form: &[(&str, &str)]) -> Result<Request, Trouble> {
        let known = self.clients.iter().find(|known| known.id == client);
        let client = known.ok_or_else(|| Trouble::unexpected("a client of the provider", client))?;
        let mut fields = form_urlencoded::Serializer::new(String::new());
        fields.extend_pairs(form);
        let mut request =
            Request::new("POST", HOST, "/token").header("Content-Type", "application/x-www-form-urlencoded");
        match &client.proof {
            ClientProof::None => {
                fields.append_pair("client_id", &client.id);
            }
            ClientProof::Basic(secret) => {
                request = request.header("Authorization", &client.basic_authorization(secret));
            }
            ClientProof::Post(secret) => {
                fields.append_pair("client_id", &client.id).append_pair("client_secret", secret);
            }
        }
        Ok(request.body(fields.finish().as_bytes()))
    }

    /// An access token for a resource in a client's own name, signed by the client's algorithm; its
    /// groups are the client's.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`], and [`Trouble::Unexpected`] with the provider's own words.
    pub async fn client_credentials_token(&self, client: &str, resource: &str) -> Result<String, Trouble> {
        let form = [("grant_type", "client_credentials"), ("resource", resource), ("scope", "groups")];
        let answer = self.ask_for_token(client, &form).await?;
        let token = answer.json();
        token
            .get("access_token")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Trouble::unexpected("an access token", answer.summary()))
    }

    /// The newest happening of a kind since `place` of the journal of standard output, waited for up to
    /// ten seconds: `logged-in`, `grant.success`, `authorization.error`, `backchannel.success`, ….
    ///
    /// # Errors
    /// [`Trouble::NotReady`] with what it printed when it did not happen.
    pub async fn happening(&self, place: Place, event: &str) -> Result<Value, Trouble> {
        let start = format!("{{\"event\":\"{event}\"");
        let line = self.journals.out.wait_for(place, |line| line.starts_with(&start), PATIENCE).await;
        line.and_then(|line| serde_json::from_str(&line).ok()).ok_or_else(|| Trouble::NotReady {
            what: format!("`{event}` at the identity provider"),
            waited: PATIENCE,
            said: self.journals.tail(),
        })
    }
}

async fn run(
    scripts: &Scripts,
    configuration: &Path,
    journals: &Journals,
    reaper: &Arc<Reaper>,
) -> Result<Process, Trouble> {
    let place = journals.out.end();
    let mut command = scripts.command("provider.mjs");
    command.arg(configuration);
    let process = Process::start("the identity provider", &mut command, journals, reaper)?;
    match journals.out.wait_for(place, |line| line.starts_with("listening "), START).await {
        Some(_) => Ok(process),
        None => Err(Trouble::NotReady {
            what: "the identity provider".into(),
            waited: START,
            said: journals.tail(),
        }),
    }
}

fn jwks(scripts: &Scripts) -> PathBuf {
    scripts.folder().join("jwks.json")
}

/// The ids of the new keys.
async fn make_keys(
    scripts: &Scripts,
    older: OlderKeys,
    algorithms: &[TokenAlgorithm],
) -> Result<Vec<String>, Trouble> {
    let mut command = tokio::process::Command::from(scripts.command("keys.mjs"));
    command.arg(jwks(scripts)).arg(match older {
        OlderKeys::Stay => "keep",
        OlderKeys::Go => "drop",
    });
    command.args(algorithms.iter().map(|algorithm| algorithm.name())).kill_on_drop(true);
    let output = tokio::time::timeout(START, command.output())
        .await
        .map_err(|_| Trouble::NoAnswer {
            peer: "keys.mjs".into(),
            why: format!("still running after {START:?}"),
        })?
        .map_err(Trouble::io("run keys.mjs, which makes the provider's keys"))?;
    if !output.status.success() {
        return Err(Trouble::Command {
            command: "node keys.mjs".into(),
            status: output.status.to_string(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
}
