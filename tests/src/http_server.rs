//! A small HTTP/1.1 server with keep-alive, for the parts of the stage that answer requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::trouble::Trouble;

/// Longest request head plus body that is read, in bytes.
const MAX_REQUEST: usize = 1 << 20;
const MAX_HEADERS: usize = 128;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// `GET /path HTTP/1.1`, as received.
    pub line: String,
    /// Header lines in order, names as received.
    pub headers: Vec<(String, String)>,
    /// The body by `Content-Length`; chunked bodies are left on the wire and close the connection.
    pub body: Vec<u8>,
}

/// An answer to be written.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header lines; `Content-Length` is added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A JSON answer with status 200.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type".into(), "application/json".into())],
            // With a line break, for people who read it in a terminal.
            body: format!("{value}\n").into_bytes(),
        }
    }

    /// An HTML page with status 200.
    #[must_use]
    pub fn html(page: &str) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type".into(), "text/html; charset=utf-8".into())],
            body: page.into(),
        }
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The bytes before the body, which are all that HEAD gets.
    fn head(&self) -> Vec<u8> {
        // A client reads the number; the phrase may be empty (RFC 9112 section 4).
        let mut bytes = format!("HTTP/1.1 {} \r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes
    }

    /// An empty answer.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

type Handler = dyn Fn(Received) -> Reply + Send + Sync;

/// A server on a free loopback port; dropping it ends it.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HttpServer {
    /// Binds a free port and answers every request by `handler`.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start(
        name: &str,
        handler: impl Fn(Received) -> Reply + Send + Sync + 'static,
    ) -> Result<Self, Trouble> {
        let doing = || format!("listen for {name}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Trouble::io(doing()))?;
        let address = listener.local_addr().map_err(Trouble::io(doing()))?;
        let handler: Arc<Handler> = Arc::new(handler);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(converse(stream, Arc::clone(&handler)));
                }
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut stream: TcpStream, handler: Arc<Handler>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(8 << 10);
    loop {
        let Some(received) = receive(&mut stream, &mut buffer).await else { return };
        let closes = received.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding")
                || name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
        });
        let is_head = received.line.starts_with("HEAD ");
        let mut reply = handler(received);
        if closes {
            reply.headers.push(("Connection".into(), "close".into()));
        }
        let bytes = if is_head { reply.head() } else { reply.bytes() };
        if stream.write_all(&bytes).await.is_err() || closes {
            return;
        }
    }
}

/// Reads one request; what came of the next one stays in `buffer`. `None` at the end, or when it is not HTTP.
pub(crate) async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some((received, length)) = parse(buffer)? {
            buffer.drain(..length);
            return Some(received);
        }
        if buffer.len() > MAX_REQUEST {
            return None;
        }
        if !matches!(stream.read_buf(buffer).await, Ok(read) if read > 0) {
            return None;
        }
    }
}

/// Outer `None`: not HTTP. Inner `None`: not all of it is there yet.
fn parse(buffer: &[u8]) -> Option<Option<(Received, usize)>> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let httparse::Status::Complete(head) = parsed.parse(buffer).ok()? else { return Some(None) };
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Some(0), |(_, value)| value.parse::<usize>().ok())?;
    let end = head.checked_add(length)?;
    let Some(body) = buffer.get(head..end) else { return Some(None) };
    let line = format!(
        "{} {} HTTP/1.{}",
        parsed.method.unwrap_or_default(),
        parsed.path.unwrap_or_default(),
        parsed.version.unwrap_or_default()
    );
    Some(Some((Received { line, headers, body: body.to_vec() }, end)))
}
