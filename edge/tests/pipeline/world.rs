//! A platform in memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use countersign_contract::assertion::AssertionKeys;
use countersign_contract::list::Action;
use countersign_contract::policy::{EdgePolicy, PolicyDigest};
use countersign_contract::route::{Penalty, Window};
use countersign_contract::time::{UnixMillis, UnixSeconds};
use countersign_edge::certificate::ClientCertificate;
use countersign_edge::forward::Forward;
use countersign_edge::pipeline;
use countersign_edge::platform::{
    ASSERTION_KEY, Attempt, CacheEntry, Fetch, FetchFault, Fetched, LIST_KEY, Make, OriginHead, Platform,
    SECRET_STORE, SESSION_KEY, SendFault, Store, StoreFault,
};
use countersign_edge::rate::{Counted, RateFault};
use countersign_edge::sealed::{Kind, SessionKeys};
use countersign_edge::session::{NewSession, Session};
use serde_json::{Value, json};

pub(crate) use crate::exchange::{Ask, Seen, Sent, get};
use crate::listing::{LIST_KEY_TEXT, Listing};
use crate::{bot, issuer};

/// When the tests play, in seconds.
pub(crate) const NOW: u64 = 1_795_000_000;
pub(crate) const HOST: &str = "www.example.test";
pub(crate) const COOKIE: &str = countersign_edge::session::COOKIE;
/// The keys of sessions, the second to replace the first.
pub(crate) const SESSION_KEYS: &str =
    "s1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 s2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
/// The edge's private key: that of RFC 8032 section 7.1, test 1, as RFC 8037 appendix A.1 gives it.
pub(crate) const EDGE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"edge-1",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;

type Items = Result<BTreeMap<String, String>, StoreFault>;

/// A platform whose every part can be broken.
pub(crate) struct World {
    pub(crate) now: Cell<u64>,
    pub(crate) random: Option<[u8; 16]>,
    pub(crate) config: Items,
    pub(crate) list: Items,
    pub(crate) secrets: Result<BTreeMap<String, Vec<u8>>, StoreFault>,
    pub(crate) origin: Result<OriginHead, SendFault>,
    /// What the platform says to handing a WebSocket over.
    pub(crate) handed_over: Result<(), SendFault>,
    /// Origins that can't be reached, by backend.
    pub(crate) unreachable: BTreeSet<&'static str>,
    pub(crate) key_server: RefCell<Result<Fetched, FetchFault>>,
    pub(crate) metadata: RefCell<Result<Fetched, FetchFault>>,
    pub(crate) token_endpoint: RefCell<Result<Fetched, FetchFault>>,
    /// The forms that were sent to the token endpoint, with their `Authorization`.
    pub(crate) redeemed: RefCell<Vec<(Option<String>, String)>>,
    /// How often the keys were fetched.
    pub(crate) fetches: Cell<usize>,
    /// Documents of other issuers, by URL, had from a backend of that name.
    pub(crate) elsewhere: BTreeMap<(&'static str, String), Vec<u8>>,
    /// The key directory of the bot.
    pub(crate) bot_server: RefCell<Result<Fetched, FetchFault>>,
    /// How often that was fetched.
    pub(crate) bot_fetches: Cell<usize>,
    pub(crate) body: Vec<u8>,
    /// Whether the platform's rate counter can be used.
    pub(crate) counters: Result<(), RateFault>,
    /// Everything that was counted, with the second it was counted in.
    pub(crate) counted: RefCell<Vec<(Counted, u64)>>,
    penalties: RefCell<HashMap<Counted, u64>>,
    /// The certificate of whoever asks.
    pub(crate) certificate: Option<ClientCertificate>,
    /// How often it was asked for.
    pub(crate) certificate_looks: Cell<usize>,
    drawn: Cell<u8>,
    cache: RefCell<HashMap<String, (Vec<u8>, u64)>>,
    locks: RefCell<HashMap<String, u64>>,
    forwards: RefCell<Vec<(Forward, Attempt)>>,
    lines: RefCell<Vec<String>>,
    looked_up: RefCell<Vec<(Store, String)>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_routes(&routes())
    }

    pub(crate) fn with_routes(routes: &Value) -> Self {
        Self::with_policy(routes, &["admins", "engineering", "suspended"])
    }

    pub(crate) fn with_policy(routes: &Value, groups: &[&str]) -> Self {
        let policy = EdgePolicy {
            digest: PolicyDigest::of(routes.to_string().as_bytes()),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            experiments: BTreeMap::new(),
            routes: serde_json::from_value(routes.clone()).unwrap(),
        };
        let mut config: BTreeMap<String, String> = policy.to_items().unwrap().into_iter().collect();
        config.insert("settings".to_owned(), settings().to_string());
        let secrets = [
            (ASSERTION_KEY, EDGE_KEY.to_owned()),
            (LIST_KEY, format!("k1:{LIST_KEY_TEXT}")),
            (SESSION_KEY, SESSION_KEYS.to_owned()),
            ("client-secret", "s3cr+t".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value.into_bytes()));
        Self {
            now: Cell::new(NOW),
            random: Some(*b"0123456789abcdef"),
            config: Ok(config),
            list: Ok(Listing::of(&[]).items()),
            secrets: Ok(secrets.into()),
            origin: Ok(OriginHead {
                status: 200,
                header_names: vec!["content-type".to_owned()],
                decisions: vec![],
                receipts: vec![],
            }),
            handed_over: Ok(()),
            unreachable: BTreeSet::new(),
            key_server: RefCell::new(Ok(Fetched { status: 200, body: issuer::published() })),
            metadata: RefCell::new(Ok(Fetched { status: 200, body: issuer::metadata().to_string().into() })),
            token_endpoint: RefCell::new(Ok(Fetched { status: 500, body: vec![] })),
            redeemed: RefCell::default(),
            fetches: Cell::new(0),
            elsewhere: BTreeMap::new(),
            bot_server: RefCell::new(Ok(Fetched { status: 200, body: bot::directory() })),
            bot_fetches: Cell::new(0),
            body: vec![],
            counters: Ok(()),
            counted: RefCell::default(),
            penalties: RefCell::default(),
            certificate: None,
            certificate_looks: Cell::new(0),
            drawn: Cell::new(0),
            cache: RefCell::default(),
            locks: RefCell::default(),
            forwards: RefCell::default(),
            lines: RefCell::default(),
            looked_up: RefCell::default(),
        }
    }

    /// Lists clients, for an hour.
    pub(crate) fn listing(self, clients: &[(&str, Action)]) -> Self {
        self.with_list(&Listing::of(clients))
    }

    pub(crate) fn with_list(mut self, list: &Listing) -> Self {
        self.list = Ok(list.items());
        self
    }

    /// The name of the item that holds the policy's first part.
    pub(crate) fn policy_part(&self) -> String {
        let names = self.config.as_ref().unwrap().keys();
        names.filter(|name| name.starts_with("policy.")).min().unwrap().clone()
    }

    /// Changes the settings.
    pub(crate) fn setting(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        self.config.as_mut().unwrap().insert("settings".to_owned(), settings.to_string());
        self
    }

    /// The edge's own public key, as an agent holds it.
    pub(crate) fn agent_keys() -> AssertionKeys {
        let mut key: Value = serde_json::from_str(EDGE_KEY).unwrap();
        key.as_object_mut().unwrap().remove("d");
        AssertionKeys::from_jwks(
            json!({ "keys": [key] }).to_string().as_bytes(),
            countersign_contract::assertion::SharedSecrets::Refused,
        )
        .unwrap()
    }
}

pub(crate) fn settings() -> Value {
    json!({
        "version": 1, "service": "edge-www", "environment": "production",
        "origins": [{ "backend": "haproxy", "audience": "eu-1" }],
        "assertion_lifetime_seconds": 30, "clock_skew_seconds": 30,
        "issuers": [{
            "name": "staff", "issuer": issuer::ISSUER, "audience": issuer::AUDIENCE, "backend": "idp",
            "groups_claim": "groups", "algorithms": ["RS256", "ES256", "EdDSA"],
            "jwks_max_age_seconds": 300, "jwks_stale_seconds": 3600, "refetch_cooldown_seconds": 10,
        }],
        "logins": [{
            "issuer": "staff", "hosts": [HOST], "client_id": issuer::CLIENT, "scopes": ["openid", "groups"],
            "session_lifetime_seconds": 3600, "renew_after_seconds": 600,
        }],
    })
}

/// One route of every kind.
pub(crate) fn routes() -> Value {
    let route = |name: &str, path: &str, class: &str, mode: &str, identity: &str| {
        json!({ "name": name, "hosts": [HOST], "path": path, "class": class, "mode": mode,
                "identity": identity, "pool": "web" })
    };
    let mut routes = vec![
        route("api", "/api/**", "private", "enforce", "required"),
        route("page", "/page/**", "private", "enforce", "optional"),
        route("static", "/static/**", "public", "enforce", "optional"),
        route("beta", "/beta/**", "private", "observe", "required"),
        route("old", "/old/**", "private", "off", "required"),
        route("files", "/files/**", "private", "enforce", "optional"),
        route("orders", "/orders", "private", "enforce", "optional"),
    ];
    routes[5]["allow"] = json!(["encoded-slash"]);
    routes[6]["methods"] = json!(["POST"]);
    let mut wild = route("wild", "/static/**", "public", "enforce", "optional");
    wild["hosts"] = json!(["*.wild.test"]);
    routes.push(wild);
    Value::Array(routes)
}

impl Platform for World {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.now.get() * 1000 + 250)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(1234)
    }

    fn random(&self) -> Option<[u8; 16]> {
        let mut random = self.random?;
        // Never the same twice.
        random[15] = random[15].wrapping_add(self.drawn.replace(self.drawn.get().wrapping_add(1)));
        Some(random)
    }

    fn service_version(&self) -> Option<u64> {
        Some(42)
    }

    fn item(&self, store: Store, key: &str) -> Result<Option<String>, StoreFault> {
        let items = match store {
            Store::Config => &self.config,
            Store::List => &self.list,
        };
        self.looked_up.borrow_mut().push((store, key.to_owned()));
        Ok(items.as_ref().map_err(Clone::clone)?.get(key).cloned())
    }

    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.secrets.as_ref().map_err(Clone::clone)?.get(name).cloned())
    }

    fn log(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
    }

    fn body(&self, most: usize) -> Result<Vec<u8>, FetchFault> {
        if self.body.len() > most { Err(FetchFault::TooLong(most)) } else { Ok(self.body.clone()) }
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        self.certificate_looks.set(self.certificate_looks.get() + 1);
        self.certificate.clone()
    }

    fn send(&self, forward: &Forward, attempt: Attempt) -> Result<OriginHead, SendFault> {
        let mut forwards = self.forwards.borrow_mut();
        let sent_before = forwards.last().map(|(_, attempt)| *attempt);
        assert_ne!(sent_before, Some(Attempt::Last), "sent after the last attempt");
        forwards.push((forward.clone(), attempt));
        if self.unreachable.contains(forward.backend.as_str()) {
            let backend = forward.backend.to_string();
            return Err(SendFault { backend, reason: "connection refused".to_owned() });
        }
        self.origin.clone()
    }

    fn hand_over(&self, forward: &Forward) -> Result<(), SendFault> {
        self.forwards.borrow_mut().push((forward.clone(), Attempt::Last));
        self.handed_over.clone()
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, FetchFault> {
        let elsewhere = self.elsewhere.iter().find(|((backend, url), _)| {
            (fetch.backend.as_str(), fetch.url.as_str()) == (*backend, url.as_str())
        });
        if let (Some((_, body)), None) = (elsewhere, fetch.form) {
            return Ok(Fetched { status: 200, body: body.clone() });
        }
        let url = fetch.url.as_str();
        let path = url.strip_prefix(issuer::ISSUER).unwrap_or(url);
        let fetched = match (fetch.backend.as_str(), path, fetch.form) {
            ("goodbot", bot::DIRECTORY, None) => {
                self.bot_fetches.set(self.bot_fetches.get() + 1);
                self.bot_server.borrow().clone()?
            }
            ("idp", "/.well-known/openid-configuration", None) => self.metadata.borrow().clone()?,
            ("idp", "/jwks", None) => {
                self.fetches.set(self.fetches.get() + 1);
                self.key_server.borrow().clone()?
            }
            ("idp", "/token", Some(form)) => {
                self.redeemed.borrow_mut().push((form.authorization.clone(), form.body.clone()));
                self.token_endpoint.borrow().clone()?
            }
            other => panic!("nobody fetches {other:?}"),
        };
        if fetched.body.len() > fetch.most { Err(FetchFault::TooLong(fetch.most)) } else { Ok(fetched) }
    }

    fn cached(&self, entry: &CacheEntry, make: Make<'_>) -> Result<Vec<u8>, FetchFault> {
        let age = |stored: u64| self.now.get() - stored;
        let found = self.cache.borrow().get(&entry.key).cloned();
        let usable = found.filter(|(_, stored)| age(*stored) <= (entry.max_age + entry.stale).as_secs());
        match usable {
            Some((content, stored)) if age(stored) <= entry.max_age.as_secs() => Ok(content),
            Some((content, _)) => self.stored(entry, make).or(Ok(content)),
            None => self.stored(entry, make),
        }
    }

    fn cached_anew(
        &self,
        entry: &CacheEntry,
        cool_down: Duration,
        make: Make<'_>,
    ) -> Result<Vec<u8>, FetchFault> {
        let locked = self.locks.borrow().get(&entry.key).is_some_and(|until| *until > self.now.get());
        if locked {
            return self.cached(entry, make);
        }
        self.locks.borrow_mut().insert(entry.key.clone(), self.now.get() + cool_down.as_secs());
        self.stored(entry, make)
    }

    fn count(&self, counted: &Counted, window: Window) -> Result<u32, RateFault> {
        self.counters.clone()?;
        let now = self.now.get();
        let mut all = self.counted.borrow_mut();
        all.push((counted.clone(), now));
        let in_window =
            |(other, then): &&(Counted, u64)| other == counted && then + u64::from(window.get()) > now;
        Ok(all.iter().filter(in_window).count().try_into().unwrap())
    }

    fn is_penalised(&self, counted: &Counted) -> Result<bool, RateFault> {
        self.counters.clone()?;
        Ok(self.penalties.borrow().get(counted).is_some_and(|until| *until > self.now.get()))
    }

    fn penalise(&self, counted: &Counted, penalty: Penalty) -> Result<(), RateFault> {
        self.counters.clone()?;
        self.penalties.borrow_mut().insert(counted.clone(), self.now.get() + u64::from(penalty.get()));
        Ok(())
    }
}

impl World {
    /// Gives the policy experiments.
    pub(crate) fn experiments(mut self, experiments: &Value) -> Self {
        let items = self.config.as_mut().unwrap();
        let mut policy = EdgePolicy::from_items(|key| items.get(key).cloned()).unwrap();
        policy.experiments = serde_json::from_value(experiments.clone()).unwrap();
        items.extend(policy.to_items().unwrap());
        self
    }

    fn stored(&self, entry: &CacheEntry, make: Make<'_>) -> Result<Vec<u8>, FetchFault> {
        let content = make()?;
        self.cache.borrow_mut().insert(entry.key.clone(), (content.clone(), self.now.get()));
        Ok(content)
    }

    /// A session cookie of somebody who signed in `ago` seconds ago.
    pub(crate) fn session(&self, subject: &str, groups: &[&str], ago: u64) -> String {
        let mut session = self.new_session(subject, groups);
        for date in ["iat", "renew", "exp"] {
            session[date] = json!(session[date].as_u64().unwrap() - ago);
        }
        self.seal(&session)
    }

    /// What is in the session of somebody who signs in now.
    pub(crate) fn new_session(&self, subject: &str, groups: &[&str]) -> Value {
        let session = Session::new(NewSession {
            host: HOST,
            issuer: "staff".to_owned().try_into().unwrap(),
            subject: subject.parse().unwrap(),
            session: Some("08a5".parse().unwrap()),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            now: UnixSeconds(self.now.get()),
            renew_after: 600,
            lifetime: 3600,
        });
        serde_json::to_value(session).unwrap()
    }

    /// A session cookie with any content, under the first key.
    pub(crate) fn seal(&self, session: &Value) -> String {
        SessionKeys::load(self, None).unwrap().seal(Kind::Session, session)
    }

    /// Puts a secret into the store in place of the one that is there.
    pub(crate) fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.as_mut().unwrap().insert(name.to_owned(), value.as_bytes().to_vec());
        self
    }

    pub(crate) fn without_secret(mut self, name: &str) -> Self {
        self.secrets.as_mut().unwrap().remove(name).unwrap();
        self
    }

    pub(crate) fn absent(store: &'static str) -> StoreFault {
        StoreFault::Absent(store)
    }

    pub(crate) fn half_written(store: &'static str) -> StoreFault {
        StoreFault::Unreadable { store, status: "the platform says FastlyStatus::ERROR".to_owned() }
    }

    pub(crate) fn no_secrets(mut self, fault: fn(&'static str) -> StoreFault) -> Self {
        self.secrets = Err(fault(SECRET_STORE));
        self
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Seen {
        let received = ask.received();
        let answer = pipeline::handle(self, &received);
        let lines = self.lines.take();
        assert_eq!(lines.len(), 1, "one record a request: {lines:?}");
        let mut sent: Vec<Sent> =
            self.forwards.take().iter().map(|(forward, _)| Sent::of(ask, forward)).collect();
        Seen {
            answer,
            record: serde_json::from_str(&lines[0]).unwrap(),
            sent: sent.pop(),
            unanswered: sent,
            looked_up: self.looked_up.take(),
        }
    }
}
