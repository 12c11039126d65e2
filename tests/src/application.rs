//! A pool of the operator's own application: answers with exactly what it received.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::http_server::{HttpServer, Reply};
use crate::trouble::Trouble;

/// Stands in every header that an application makes up.
pub const MADE_UP: &str = "made-up-by-the-application";

/// Names that an application must not be able to speak in.
const OUR_NAMES: [&str; 3] = ["Countersign-Decision", "Countersign-Receipt", "Countersign_Decision"];

/// One application server of a pool.
///
/// Every answer is JSON: `{"pool": …, "line": "GET /… HTTP/1.1", "headers": [[name, value], …]}`,
/// with status 200, or with the one that the query `?status=404` asks for, and with a header line for
/// each `header=NAME%3A+VALUE` of it.
/// It also answers with headers in our name, which must never get past HAProxy.
#[derive(Debug)]
pub struct Application {
    server: HttpServer,
    served: Arc<AtomicU64>,
}

impl Application {
    /// Starts the only server of the pool `pool`.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start(pool: &str) -> Result<Self, Trouble> {
        let name = pool.to_owned();
        let served = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&served);
        let server = HttpServer::start(pool, move |received| {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut reply = Reply::json(&json!({
                "pool": name,
                "line": received.line,
                "headers": received.headers,
                "body": String::from_utf8_lossy(&received.body),
            }));
            let wanted = Wanted::of(&received.line);
            reply.status = wanted.status.unwrap_or(reply.status);
            reply.headers.extend(wanted.headers);
            for name in OUR_NAMES {
                reply.headers.push((name.into(), MADE_UP.into()));
            }
            reply
        })
        .await?;
        Ok(Self { server, served })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How many requests it has answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

/// How a request wants to be answered.
#[derive(Debug, Default)]
struct Wanted {
    status: Option<u16>,
    headers: Vec<(String, String)>,
}

impl Wanted {
    /// Reads the query of a request line.
    fn of(line: &str) -> Self {
        let mut wanted = Self::default();
        let target = line.split_whitespace().nth(1).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "status" => wanted.status = value.parse().ok(),
                "header" => wanted.headers.extend(header_line(&value)),
                _ => {}
            }
        }
        wanted
    }
}

fn header_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    Some((name.to_owned(), value.to_owned()))
}

/// What an application saw of a request, read back from its answer.
#[derive(Debug, Clone)]
pub struct SeenByApplication {
    /// The pool that answered.
    pub pool: String,
    /// The request line it received.
    pub line: String,
    /// The headers it received, in order.
    pub headers: Vec<(String, String)>,
}

impl SeenByApplication {
    /// Reads an application's answer; `None` when the answer is somebody else's.
    #[must_use]
    pub fn read(body: &Value) -> Option<Self> {
        Some(Self {
            pool: body.get("pool")?.as_str()?.to_owned(),
            line: body.get("line")?.as_str()?.to_owned(),
            headers: serde_json::from_value(body.get("headers")?.clone()).ok()?,
        })
    }

    /// All values of a header, by name without case; `_` and `-` are told apart.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The only value of a header; `None` when there is none or more than one.
    #[must_use]
    pub fn only<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether any header line, name or value, contains `text`.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.headers.iter().any(|(name, value)| name.contains(text) || value.contains(text))
    }
}
