//! An agent in memory: a NOTIFY's bytes go in, the variables that HAProxy would get come out.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::audit::RecordSink;
use countersign::policy::Policy;
use countersign::reputation::list::List;
use countersign::serve::{Verdicts, now};
use countersign::snapshot::{CurrentSnapshot, Snapshot};
use countersign::trust::{LogOuts, ReplayLog, Service, Services};
use countersign_contract::assertion::{AssertionKeys, AssertionSigner, Claims, SharedSecrets, VERSION};
use countersign_contract::binding::RequestBinding;
use countersign_contract::canonical::{Authority, Method, Target};
use countersign_contract::decision_id::DecisionId;
use countersign_contract::policy::PolicyDigest;
use countersign_contract::receipt::ReceiptKeys;
use ed25519_dalek::SigningKey;
use haproxy_wire::spop::server::{Agent as _, Answer};
use haproxy_wire::spop::{Action, Actions, FrameId, MaxFrameSize, Notify, NotifyWriter, Value};
use serde_json::json;

const POLICY: &str = r#"
version = 1
[roles.engineer]
groups = ["engineering"]
permissions = ["api.use"]
[roles.admin]
groups = ["admins"]
permissions = ["api.use", "admin.use"]
[[route]]
name = "api"
hosts = ["www.example.test", "*.shop.example.test"]
path = "/api/**"
permission = "api.use"
deny_groups = ["suspended"]
replay = "window"
pool = "api"
[[route]]
name = "admin"
hosts = ["www.example.test"]
path = "/admin/**"
permission = "admin.use"
pool = "admin"
[[route]]
name = "account"
hosts = ["www.example.test"]
path = "/account/**"
bots = "none"
pool = "web"
[[route]]
name = "forum"
hosts = ["www.example.test"]
path = "/forum/**"
mode = "observe"
bots = "none"
pool = "web"
[[route]]
name = "feed"
hosts = ["www.example.test"]
path = "/feed/**"
bots = "verified"
pool = "web"
[[route]]
name = "chat"
hosts = ["www.example.test"]
path = "/chat/**"
permission = "api.use"
upgrade = "websocket"
pool = "web"
[[route]]
name = "static"
hosts = ["www.example.test"]
path = "/static/**"
class = "public"
pool = "web"
[[route]]
name = "beta"
hosts = ["www.example.test"]
path = "/beta/**"
mode = "observe"
permission = "admin.use"
pool = "web"
[[route]]
name = "legacy"
hosts = ["www.example.test"]
path = "/legacy/**"
mode = "off"
pool = "web"
"#;

/// The key of `edge-www`.
pub(crate) const WWW_KEY: Key = Key { id: "k1", seed: [1; 32] };
/// The key of `edge-shop`.
pub(crate) const SHOP_KEY: Key = Key { id: "k2", seed: [2; 32] };
/// Held, and no service's.
pub(crate) const IDLE_KEY: Key = Key { id: "k3", seed: [3; 32] };

#[derive(Clone, Copy)]
pub(crate) struct Key {
    id: &'static str,
    seed: [u8; 32],
}

impl Key {
    fn public(self) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&self.seed).verifying_key().as_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x})
    }

    fn signer(self) -> AssertionSigner {
        let mut jwk = self.public();
        jwk["d"] = URL_SAFE_NO_PAD.encode(self.seed).into();
        AssertionSigner::from_jwk(jwk.to_string().as_bytes()).unwrap()
    }
}

pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) hosts: i64,
    pub(crate) host: &'static str,
    pub(crate) target: &'static str,
    pub(crate) assertions: i64,
    pub(crate) assertion: Option<String>,
    /// What HAProxy sends as `upgrade`; empty for nothing.
    pub(crate) upgrade: &'static str,
}

pub(crate) const API: Asked = Asked {
    method: "GET",
    hosts: 1,
    host: "www.example.test",
    target: "/api/x?q=1",
    assertions: 0,
    assertion: None,
    upgrade: "",
};

impl Asked {
    /// The same request with a good assertion of its own.
    pub(crate) fn signed(self, groups: &[&str]) -> Self {
        self.vouched(groups, |_| {})
    }

    /// The same with other claims.
    pub(crate) fn vouched(self, groups: &[&str], change: impl FnOnce(&mut Claims)) -> Self {
        self.by(WWW_KEY, groups, change)
    }

    /// The same, signed by another key.
    pub(crate) fn by(self, key: Key, groups: &[&str], change: impl FnOnce(&mut Claims)) -> Self {
        let subject = (!groups.is_empty()).then(|| "alice".parse().unwrap());
        let mut claims = Claims {
            v: VERSION,
            iss: "edge-www".parse().unwrap(),
            aud: "eu-1".parse().unwrap(),
            iat: now().seconds(),
            exp: now().seconds().plus(30),
            txn: DecisionId::from_random(rand()),
            req: RequestBinding::of(
                Method::parse(self.method.as_bytes()).unwrap(),
                &Authority::parse(self.host.as_bytes()).unwrap(),
                &Target::parse(self.target.as_bytes()).unwrap(),
            ),
            ip: "192.0.2.7".parse().unwrap(),
            sub: subject,
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            env: "production".parse().unwrap(),
            sv: None,
            pol: Some(policy()),
            sid: None,
            bot: None,
            arm: None,
            known: false,
            ends: None,
            rep: None,
        };
        change(&mut claims);
        let assertion = key.signer().mint(&claims).unwrap();
        Self { assertions: 1, assertion: Some(assertion), ..self }
    }
}

fn rand() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// The text of one key of receipts.
pub(crate) const RECEIPT_KEY: &str = "r1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

pub(crate) fn receipt_keys() -> ReceiptKeys {
    ReceiptKeys::parse(RECEIPT_KEY).unwrap()
}

pub(crate) fn keys() -> AssertionKeys {
    let public = [WWW_KEY, SHOP_KEY, IDLE_KEY].map(Key::public);
    let set = json!({"keys": public});
    AssertionKeys::from_jwks(set.to_string().as_bytes(), SharedSecrets::Refused).unwrap()
}

pub(crate) fn service(name: &str, key: &str, hosts: &[&str]) -> Service {
    Service {
        name: name.parse().unwrap(),
        keys: vec![key.parse().unwrap()],
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        groups: None,
        subject_prefixes: None,
        log_outs: LogOuts::Refused,
        environments: None,
    }
}

/// The services, that of the usual requests changed.
fn services(change: impl FnOnce(&mut Service)) -> Services {
    let preview = || ["production", "preview"].map(|name| name.parse().unwrap()).to_vec();
    let shop = Service {
        groups: Some(["engineering".parse().unwrap()].into()),
        environments: Some(preview()),
        ..service("edge-shop", "k2", &["*.shop.example.test"])
    };
    let hosts = ["www.example.test", "other.example.test", "eu.shop.example.test"];
    let mut www = Service { log_outs: LogOuts::Accepted, ..service("edge-www", "k1", &hosts) };
    change(&mut www);
    Services::new(vec![www, shop], &"production".parse().unwrap()).unwrap()
}

pub(crate) struct Stage {
    verdicts: Verdicts,
    pub(crate) list: Arc<List>,
    records: Arc<RecordSink>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new(replay_capacity: usize) -> Self {
        Self::of(replay_capacity, services(|_| {}))
    }

    /// One whose `edge-www` is changed.
    pub(crate) fn with_service(change: impl FnOnce(&mut Service)) -> Self {
        Self::of(10, services(change))
    }

    fn of(replay_capacity: usize, services: Services) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Arc::new(RecordSink::open(&folder.path().join("records.jsonl")).unwrap());
        let snapshot = Snapshot {
            policy: Policy::parse(POLICY).unwrap(),
            keys: keys(),
            audience: "eu-1".parse().unwrap(),
            services,
            receipts: Some(receipt_keys()),
            clock_skew: 5,
            longest_lifetime: 60,
        };
        let used = ReplayLog::new(replay_capacity, 71, now().seconds());
        let snapshot = Arc::new(CurrentSnapshot::new(snapshot));
        let list = Arc::new(List::default());
        let verdicts = Verdicts::new(snapshot, used, Arc::clone(&list), Arc::clone(&records));
        Self { verdicts, list, records, folder }
    }

    /// The digest of its policy.
    pub(crate) fn policy(&self) -> PolicyDigest {
        policy()
    }

    /// The names in the order of the ACK, and the variables.
    pub(crate) fn ask(&self, asked: &Asked) -> (Vec<String>, BTreeMap<String, String>) {
        let mut writer = NotifyWriter::new();
        let text =
            |text: &'static str| if text.is_empty() { Value::Null } else { Value::Str(text.as_bytes()) };
        let assertion = asked.assertion.as_ref().map_or(Value::Null, |a| Value::Str(a.as_bytes()));
        let message = writer.message("request");
        for (name, value) in [
            ("id", Value::Str(b"79263d98-2d45-49a3-9c3d-ac4a8516755b")),
            ("method", text(asked.method)),
            ("host", text(asked.host)),
            ("hosts", Value::Int64(asked.hosts)),
            ("target", text(asked.target)),
            ("src", Value::Ipv4([192, 0, 2, 1].into())),
            ("assertions", Value::Int64(asked.assertions)),
            ("assertion", assertion),
            ("upgrade", text(asked.upgrade)),
        ] {
            message.arg(name, value).unwrap();
        }
        self.notify(&writer)
    }

    pub(crate) fn notify(&self, writer: &NotifyWriter) -> (Vec<String>, BTreeMap<String, String>) {
        let mut frame = bytes::BytesMut::new();
        writer.encode(FrameId { stream: 1, frame: 1 }, MaxFrameSize::DEFAULT, &mut frame).unwrap();
        let notify = Notify::parse(&frame[4..]).unwrap();
        let mut actions = Actions::new();
        assert!(matches!(self.verdicts.notify(&notify, &mut actions), Answer::Ready));
        let mut order = Vec::new();
        let mut variables = BTreeMap::new();
        for action in actions.iter() {
            let Action::SetVar { name, value, .. } = action else { panic!("only variables are set") };
            let name = String::from_utf8(name.to_vec()).unwrap();
            let value = match value {
                Value::Str(text) => String::from_utf8(text.to_vec()).unwrap(),
                Value::Int32(number) => number.to_string(),
                Value::Ipv4(address) => format!("ipv4 {address}"),
                Value::Ipv6(address) => format!("ipv6 {address}"),
                other => panic!("{name} is {other:?}"),
            };
            order.push(name.clone());
            variables.insert(name, value);
        }
        (order, variables)
    }

    pub(crate) fn refused(&self, asked: &Asked) -> (String, String) {
        let (order, variables) = self.ask(asked);
        assert_eq!(order.last().map(String::as_str), Some("verdict"));
        assert_eq!(variables["verdict"], "deny", "{variables:?}");
        assert!(!variables.contains_key("pool"), "{variables:?}");
        (variables["reason"].clone(), variables["status"].clone())
    }

    pub(crate) fn records(self) -> Vec<serde_json::Value> {
        drop(self.verdicts);
        drop(self.records);
        let text = std::fs::read_to_string(self.folder.path().join("records.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The digest of the policy that stages have, which their edge has too.
fn policy() -> PolicyDigest {
    Policy::parse(POLICY).unwrap().digest().clone()
}
