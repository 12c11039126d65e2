//! A request, and what came of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use countersign_edge::answer::{Answer, OwnAnswer};
use countersign_edge::forward::{Body, Caching, Forward};
use countersign_edge::platform::{Protocol, Received, Store};
use serde_json::Value;

use crate::world::{COOKIE, HOST};

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

    pub(crate) fn session(self, session: &str) -> Self {
        self.header("cookie", format!("theme=dark; {COOKIE}={session}; lang=en"))
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
            accept: values("accept"),
            content_type: values("content-type"),
            content_length: values("content-length"),
            fetch_mode: values("sec-fetch-mode"),
            fetch_dest: values("sec-fetch-dest"),
            fetch_site: values("sec-fetch-site"),
            origin: values("origin"),
            asks_for_method: values("access-control-request-method"),
            asks_for_headers: values("access-control-request-headers"),
            signature: values("signature"),
            signature_input: values("signature-input"),
            signature_agent: values("signature-agent"),
            too_large: None,
        }
    }
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) record: Value,
    /// As the origin that answered got it.
    pub(crate) sent: Option<Sent>,
    /// As those would have got it that could not be reached.
    pub(crate) unanswered: Vec<Sent>,
    pub(crate) looked_up: Vec<(Store, String)>,
}

/// A request as HAProxy gets it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) backend: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) caching: Caching,
    pub(crate) body: Body,
    pub(crate) protocol: Protocol,
}

impl Sent {
    pub(crate) fn of(ask: &Ask, forward: &Forward) -> Self {
        let mut headers = ask.headers.clone();
        headers.retain(|(name, _)| !forward.remove.contains(name));
        headers.retain(|(name, _)| forward.set.iter().all(|(set, _)| set != name));
        headers.extend(forward.set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Self {
            backend: forward.backend.to_string(),
            headers,
            caching: forward.caching,
            body: forward.body,
            protocol: forward.protocol,
        }
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
        let answer = self.own();
        assert_eq!(self.record["reason"], reason, "{}", self.record);
        assert_eq!(answer.status, status);
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

    /// States that the edge answered by itself, and that it is no refusal.
    #[track_caller]
    pub(crate) fn done(&self, status: u16, reason: &str) -> &OwnAnswer {
        let answer = self.own();
        assert_eq!(self.record["reason"], reason, "{}", self.record);
        assert_eq!((answer.status, &self.record["status"]), (status, &Value::from(status)));
        assert_eq!(self.record["verdict"], "allow");
        answer
    }

    /// The items of the list that were looked up.
    pub(crate) fn list_items(&self) -> Vec<&str> {
        self.looked_up
            .iter()
            .filter(|(store, _)| *store == Store::List)
            .map(|(_, key)| key.as_str())
            .collect()
    }

    /// The answer, which has to be the edge's own.
    #[track_caller]
    pub(crate) fn own(&self) -> &OwnAnswer {
        let Answer::Own(answer) = &self.answer else { panic!("let on: {}", self.record) };
        answer
    }

    /// The cookies that are set, each `name=value` and the rest.
    pub(crate) fn set_cookies(&self) -> Vec<(&str, &str)> {
        let cookies = self.own().headers.iter().filter(|(name, _)| *name == "set-cookie");
        cookies.map(|(_, value)| value.split_once("; ").unwrap()).collect()
    }

    /// A header of an answer of the edge's own.
    pub(crate) fn answer_header(&self, wanted: &str) -> Option<&str> {
        let Answer::Own(answer) = &self.answer else { return None };
        answer.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
    }
}
