//! A platform in memory, and requests to it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use countersign_contract::assertion::AssertionKeys;
use countersign_contract::list::Action;
use countersign_contract::policy::{EdgePolicy, PolicyDigest};
use countersign_contract::time::UnixMillis;
use countersign_edge::answer::Answer;
use countersign_edge::forward::{Caching, Forward};
use countersign_edge::pipeline;
use countersign_edge::platform::{
    ASSERTION_KEY, CacheEntry, FetchFault, Fetched, LIST_KEY, Make, OriginHead, Platform, Protocol, Received,
    SECRET_STORE, SendFault, Store, StoreFault,
};
use countersign_edge::settings::{BackendName, KeySetUrl};
use serde_json::{Value, json};

use crate::issuer;
use crate::listing::{LIST_KEY_TEXT, Listing};

/// When the tests play, in seconds.
pub(crate) const NOW: u64 = 1_795_000_000;
pub(crate) const HOST: &str = "www.example.test";
pub(crate) const COOKIE: &str = "__Host-session";
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
    pub(crate) key_server: RefCell<Result<Fetched, FetchFault>>,
    pub(crate) fetches: Cell<usize>,
    cache: RefCell<HashMap<String, (Vec<u8>, u64)>>,
    locks: RefCell<HashMap<String, u64>>,
    forwards: RefCell<Vec<Forward>>,
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
            routes: serde_json::from_value(routes.clone()).unwrap(),
        };
        let mut config: BTreeMap<String, String> = policy.to_items().unwrap().into_iter().collect();
        config.insert("settings".to_owned(), settings().to_string());
        let secrets = [(ASSERTION_KEY, EDGE_KEY.to_owned()), (LIST_KEY, format!("k1:{LIST_KEY_TEXT}"))]
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
            }),
            key_server: RefCell::new(Ok(Fetched { status: 200, body: issuer::published() })),
            fetches: Cell::new(0),
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
        "version": 1, "service": "edge-www", "audience": "eu-1", "environment": "production",
        "backend": "haproxy", "assertion_lifetime_seconds": 30, "session_cookie": COOKIE,
        "clock_skew_seconds": 30,
        "issuers": [{
            "issuer": issuer::ISSUER, "audience": issuer::AUDIENCE, "jwks_uri": "http://idp.example.test/jwks",
            "jwks_backend": "idp", "groups_claim": "groups", "algorithms": ["RS256", "ES256", "EdDSA"],
            "jwks_max_age_seconds": 300, "jwks_stale_seconds": 3600, "refetch_cooldown_seconds": 10,
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
        self.random
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

    fn send(&self, forward: &Forward) -> Result<OriginHead, SendFault> {
        self.forwards.borrow_mut().push(forward.clone());
        self.origin.clone()
    }

    fn fetch(&self, backend: &BackendName, url: &KeySetUrl, most: usize) -> Result<Fetched, FetchFault> {
        assert_eq!((backend.as_str(), url.as_str()), ("idp", "http://idp.example.test/jwks"));
        self.fetches.set(self.fetches.get() + 1);
        let fetched = self.key_server.borrow().clone()?;
        if fetched.body.len() > most { Err(FetchFault::TooLong(most)) } else { Ok(fetched) }
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
}

impl World {
    fn stored(&self, entry: &CacheEntry, make: Make<'_>) -> Result<Vec<u8>, FetchFault> {
        let content = make()?;
        self.cache.borrow_mut().insert(entry.key.clone(), (content.clone(), self.now.get()));
        Ok(content)
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
        let mut forwards = self.forwards.take();
        assert!(forwards.len() <= 1, "sent more than once");
        Seen {
            answer,
            record: serde_json::from_str(&lines[0]).unwrap(),
            sent: forwards.pop().map(|forward| Sent::of(ask, &forward)),
            looked_up: self.looked_up.take(),
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) target: Vec<u8>,
    pub(crate) protocol: Protocol,
    pub(crate) client: Option<IpAddr>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// `GET` of a target at the usual host, by HTTP/1.1.
pub(crate) fn get(target: &str) -> Ask {
    Ask {
        method: "GET".to_owned(),
        scheme: "https".to_owned(),
        authority: HOST.to_owned(),
        target: target.as_bytes().to_vec(),
        protocol: Protocol::Http1,
        client: Some([192, 0, 2, 7].into()),
        headers: vec![("host".to_owned(), HOST.as_bytes().to_vec())],
    }
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.authority = host.to_owned();
        self.headers.retain(|(name, _)| name != "host");
        self.header("host", host)
    }

    pub(crate) fn from(mut self, client: &str) -> Self {
        self.client = Some(client.parse().unwrap());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn session(self, token: &str) -> Self {
        self.header("cookie", format!("theme=dark; {COOKIE}={token}; lang=en"))
    }

    pub(crate) fn received(&self) -> Received {
        let values = |wanted: &str| {
            let fitting = self.headers.iter().filter(|(name, _)| name == wanted);
            fitting.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let names: BTreeSet<String> = self.headers.iter().map(|(name, _)| name.clone()).collect();
        Received {
            url: [format!("{}://{}", self.scheme, self.authority).as_bytes(), &self.target].concat(),
            method: self.method.as_bytes().to_vec(),
            protocol: self.protocol,
            client: self.client,
            header_names: names.into_iter().collect(),
            host: values("host"),
            cookie: values("cookie"),
            authorization: values("authorization"),
            assertion: values("countersign-assertion"),
            upgrade: values("upgrade"),
            too_large: None,
        }
    }
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) record: Value,
    pub(crate) sent: Option<Sent>,
    pub(crate) looked_up: Vec<(Store, String)>,
}

/// A request as HAProxy gets it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) backend: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) caching: Caching,
}

impl Sent {
    fn of(ask: &Ask, forward: &Forward) -> Self {
        let mut headers = ask.headers.clone();
        headers.retain(|(name, _)| !forward.remove.contains(name));
        headers.retain(|(name, _)| forward.set.iter().all(|(set, _)| set != name));
        headers.extend(forward.set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Self { backend: forward.backend.to_string(), headers, caching: forward.caching }
    }

    pub(crate) fn all(&self, wanted: &str) -> Vec<String> {
        let fitting = self.headers.iter().filter(|(name, _)| name == wanted);
        fitting.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The one assertion.
    pub(crate) fn assertion(&self) -> String {
        let [assertion] = self.all("countersign-assertion").try_into().unwrap();
        assertion
    }

    /// The claims of the one assertion.
    pub(crate) fn claims(&self) -> Value {
        use base64::Engine as _;
        let assertion = self.assertion();
        let claims = assertion.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap())
            .unwrap()
    }
}

impl Seen {
    /// States that the edge refused, and that nothing reached HAProxy.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, reason: &str) -> &Self {
        assert!(self.sent.is_none(), "reached HAProxy: {:?}", self.sent);
        self.answered(status, reason)
    }

    /// States a refusal, whether or not HAProxy was asked.
    #[track_caller]
    pub(crate) fn answered(&self, status: u16, reason: &str) -> &Self {
        let Answer::Refused(answer) = &self.answer else {
            panic!("let on, expected {reason}: {}", self.record)
        };
        assert_eq!(self.record["reason"], reason, "{}", self.record);
        assert_eq!(answer.status.code(), status);
        assert_eq!(self.record["status"], status);
        assert_eq!(self.record["verdict"], "deny");
        self
    }

    /// States that it was let on, and why.
    #[track_caller]
    pub(crate) fn passed(&self, reason: &str) -> &Sent {
        assert!(matches!(self.answer, Answer::FromOrigin(_)), "refused: {}", self.record);
        assert_eq!(self.record["verdict"], "allow");
        assert_eq!(self.record["reason"], reason, "{}", self.record);
        self.sent.as_ref().unwrap()
    }

    /// The items of the list that were looked up.
    pub(crate) fn list_items(&self) -> Vec<&str> {
        self.looked_up
            .iter()
            .filter(|(store, _)| *store == Store::List)
            .map(|(_, key)| key.as_str())
            .collect()
    }

    /// A header of a refusal.
    pub(crate) fn answer_header(&self, wanted: &str) -> Option<&str> {
        let Answer::Refused(answer) = &self.answer else { return None };
        answer.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
    }
}
