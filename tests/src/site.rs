//! A site that people sign in to: a circuit whose edge believes a real identity provider, TLS before both,
//! and a real browser.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::application::SeenByApplication;
use crate::browser::{Browser, Person};
use crate::circuit::{Circuit, CircuitRules};
use crate::command_line;
use crate::edge::{NextKeys, Provider, Trusted};
use crate::faulty_provider::FaultyProvider;
use crate::identity_provider::{ISSUER, TokenAlgorithm};
use crate::journal::Place;
use crate::oidc_client::{ClientProof, OidcClient};
use crate::oidc_provider::{OidcPlan, OidcProvider};
use crate::page::Shown;
use crate::pieces::Subject;
use crate::reaper::Reaper;
use crate::records::Record;
use crate::tls_front::TlsFront;
use crate::trouble::Trouble;
use crate::viceroy::{CONFIG_STORE, Items};
use crate::world::HOST;

/// The site's address.
pub const SITE: &str = "https://www.example.test";
/// What access tokens for the site are for.
pub const RESOURCE: &str = "https://api.example.test";
/// The client at the provider that the edge is.
pub const CLIENT: &str = "site";
/// The session keys, of which the first makes sessions until a scene names the second.
pub const SESSION_KEYS: [&str; 2] =
    ["s1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "s2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"];
/// The key for assertions that is used next.
pub const NEXT_KEY: &str = "edge-2";
/// The key of receipts that is used next.
pub const NEXT_RECEIPT_KEY: &str = "receipt-2:YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8";

/// How long things hold.
#[derive(Debug, Clone, Copy)]
pub struct SiteRules {
    /// What publisher and API are told.
    pub circuit: CircuitRules,
    /// How long a session lives, in seconds.
    pub session_lifetime: u64,
    /// How old it is when it is renewed, in seconds.
    pub renew_after: u64,
    /// How long the provider's keys are fresh, in seconds.
    pub jwks_max_age: u64,
    /// How long after that they are used if no newer ones can be had, in seconds.
    pub jwks_stale: u64,
}

/// The running stage. Dropping it ends every process and removes the folders.
#[derive(Debug)]
pub struct Site {
    browser: OnceCell<Browser>,
    front: TlsFront,
    circuit: Circuit,
    faulty: FaultyProvider,
    provider: Mutex<OidcProvider>,
    settings: Mutex<Items>,
    asked: AtomicU64,
    // Last: they outlive the processes above.
    reaper: std::sync::Arc<Reaper>,
    folder: TempDir,
}

impl Site {
    /// Sets the stage; the browser comes with the first person.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(subject: Subject, rules: SiteRules) -> Result<Self, Trouble> {
        let (folder, reaper) = Reaper::of_new_folder()?;
        let client = OidcClient::site(CLIENT, HOST, TokenAlgorithm::Es256)?;
        let ClientProof::Basic(secret) = client.proof.clone() else {
            return Err(Trouble::unexpected("a client with a secret", "another one"));
        };
        let mut clients = vec![client];
        for algorithm in TokenAlgorithm::ALL {
            clients.push(OidcClient::program(algorithm.name(), algorithm, &["engineering"])?);
        }
        let engineers = ["ann", "dora", "emil"].map(|name| (name, vec!["engineering", "book-club"]));
        let people = engineers.into_iter().chain([("ben", vec!["admins"])]);
        let plan = OidcPlan {
            clients,
            accounts: people
                .map(|(name, groups)| (name.to_owned(), groups.into_iter().map(str::to_owned).collect()))
                .collect(),
            resources: vec![RESOURCE.into()],
            ..OidcPlan::default()
        };
        let provider = OidcProvider::start(&plan, folder.path(), &reaper).await?;
        let faulty = FaultyProvider::start(provider.address()).await?;
        let next = folder.path().join("next");
        command_line::generate_keys(&next, NEXT_KEY).await?;
        let assertion = std::fs::read_to_string(next.join("assertion.private.jwk.json"))
            .map_err(Trouble::io("read the edge's next key"))?;
        let trusted = Provider {
            address: faulty.address(),
            issuers: issuers(rules),
            logins: logins(rules),
            secrets: Items::from([
                ("client-secret".to_owned(), secret),
                ("session-key".to_owned(), SESSION_KEYS.join(" ")),
            ]),
            next: Some(NextKeys { assertion, receipt: NEXT_RECEIPT_KEY.to_owned() }),
        };
        let circuit = Circuit::start_with(subject, rules.circuit, Trusted::Provider(trusted)).await?;
        let edge = circuit.edge().viceroy().address();
        provider.deliver_to(edge)?;
        let front = TlsFront::start(subject, faulty.address(), edge, folder.path(), &reaper).await?;
        let settings = Mutex::new(circuit.edge().stores().config.clone());
        Ok(Self {
            browser: OnceCell::new(),
            front,
            circuit,
            faulty,
            provider: Mutex::new(provider),
            settings,
            asked: AtomicU64::new(0),
            reaper,
            folder,
        })
    }

    /// Somebody with a browser of their own.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub async fn person(&self) -> Result<Person, Trouble> {
        let start = || Browser::start(self.front.address(), self.folder.path(), &self.reaper);
        self.browser.get_or_try_init(start).await?.person().await
    }

    /// The address of a page of the site that nobody else asks for.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        format!("{SITE}{path}/visit-{:06}-end", self.asked.fetch_add(1, Ordering::Relaxed))
    }

    /// The edge, HAProxy and what is behind it.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The provider itself.
    pub async fn provider(&self) -> MutexGuard<'_, OidcProvider> {
        self.provider.lock().await
    }

    /// What stands before it.
    #[must_use]
    pub fn faulty(&self) -> &FaultyProvider {
        &self.faulty
    }

    /// Changes the edge's settings.
    ///
    /// # Errors
    /// [`Trouble::Io`] when they cannot be written.
    pub async fn change_settings(&self, change: impl FnOnce(&mut Value)) -> Result<(), Trouble> {
        let mut config = self.settings.lock().await;
        let text = config.get("settings").cloned().unwrap_or_default();
        let mut settings: Value = serde_json::from_str(&text)
            .map_err(|error| Trouble::unexpected("the edge's settings", error.to_string()))?;
        change(&mut settings);
        config.insert("settings".into(), settings.to_string());
        self.circuit.edge().viceroy().replace_store(CONFIG_STORE, &config)
    }

    /// The public half of the key for assertions that is used next, a JWK Set.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it can't be read.
    pub fn next_public_key(&self) -> Result<String, Trouble> {
        std::fs::read_to_string(self.folder.path().join("next/assertion.jwks.json"))
            .map_err(Trouble::io("read the edge's next public key"))
    }

    /// What is in the edge's settings now, as a file.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it can't be written.
    pub async fn settings_file(&self) -> Result<PathBuf, Trouble> {
        let file = self.folder.path().join("settings.json");
        let config = self.settings.lock().await;
        let text = config.get("settings").map_or("", String::as_str);
        std::fs::write(&file, text).map_err(Trouble::io("write the edge's settings"))?;
        Ok(file)
    }

    /// Every decision record so far of the edge and of the agents, as a file.
    ///
    /// # Errors
    /// [`Trouble::Io`] when it can't be written.
    pub fn records_file(&self) -> Result<PathBuf, Trouble> {
        let file = self.folder.path().join("records.jsonl");
        let agents = self.circuit.cluster().nodes().iter().flat_map(|node| {
            let lines = node.agent_journals().out.all(Place::START, |_| true);
            lines.into_iter().filter_map(|line| Record::read(&line))
        });
        let mut text = String::new();
        for record in self.records(Place::START).into_iter().chain(agents) {
            text.push_str(&record.value().to_string());
            text.push('\n');
        }
        std::fs::write(&file, text).map_err(Trouble::io("write the records"))?;
        Ok(file)
    }

    /// The log-in by which somebody was known since `place`, as the edge's records name it.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] where none names one.
    pub fn session_of(&self, place: Place, subject: &str) -> Result<String, Trouble> {
        let records = self.records(place);
        let theirs = records.iter().filter(|record| record.text("subject").as_deref() == Some(subject));
        let named = theirs.filter_map(|record| record.text("session")).next_back();
        named.ok_or_else(|| Trouble::unexpected("a record with a log-in", "none"))
    }

    /// Where the edge's log ends now.
    #[must_use]
    pub fn place(&self) -> Place {
        self.circuit.edge().viceroy().journals().out.end()
    }

    /// The edge's records of one page since `place`; browsers ask for `/favicon.ico` besides.
    #[must_use]
    pub fn records_of(&self, place: Place, page: &str) -> Vec<Record> {
        let is_of_page = |record: &Record| record.text("path").is_some_and(|path| page.contains(&path));
        self.records(place).into_iter().filter(is_of_page).collect()
    }

    /// The edge's records since `place`.
    #[must_use]
    pub fn records(&self, place: Place) -> Vec<Record> {
        let lines = self.circuit.edge().viceroy().journals().out.all(place, |_| true);
        lines.iter().filter_map(|line| Record::read(line)).collect()
    }
}

/// What the application saw of the request that a page shows the answer of.
#[must_use]
pub fn application(shown: &Shown) -> Option<SeenByApplication> {
    SeenByApplication::read(&serde_json::from_str(&shown.text).ok()?)
}

fn issuers(rules: SiteRules) -> Value {
    json!([{
        "name": "staff",
        "issuer": ISSUER,
        "audience": RESOURCE,
        "backend": "idp",
        "algorithms": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
        "jwks_max_age_seconds": rules.jwks_max_age,
        "jwks_stale_seconds": rules.jwks_stale,
        "discovery_max_age_seconds": rules.jwks_max_age,
        "refetch_cooldown_seconds": 1,
    }])
}

fn logins(rules: SiteRules) -> Value {
    json!([{
        "issuer": "staff",
        "hosts": [HOST],
        "client_id": CLIENT,
        "scopes": ["openid", "groups"],
        "session_lifetime_seconds": rules.session_lifetime,
        "renew_after_seconds": rules.renew_after,
    }])
}
