//! A client that sends exactly the bytes it was given, from the loopback address it was given.
//!
//! Well-behaved HTTP clients tidy a request up; these tests are about requests that are not tidy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::trouble::Trouble;

/// Longest wait for one answer unless the scene says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 << 20;
const MAX_HEADERS: usize = 100;

/// A request as bytes: nothing is checked, added or encoded but the header lines given here.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The request target, as sent.
    pub target: String,
    /// Header lines in order, `Host` among them.
    pub headers: Vec<(String, String)>,
    /// The body; `Content-Length` is added when it is not empty.
    pub body: Vec<u8>,
    /// The loopback address to send from.
    pub from: Ipv4Addr,
}

impl Request {
    /// A request with a `Host` line and nothing else, sent from 127.0.0.1.
    #[must_use]
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: vec![("Host".into(), host.into())],
            body: Vec::new(),
            from: Ipv4Addr::LOCALHOST,
        }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Sends from another loopback address: to the edge it is another client.
    #[must_use]
    pub fn from(mut self, address: Ipv4Addr) -> Self {
        self.from = address;
        self
    }

    /// The value of the first `Host` line.
    #[must_use]
    pub fn host(&self) -> &str {
        self.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map_or("", |(_, value)| value.as_str())
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !self.body.is_empty() {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it on a fresh connection and reads one whole answer.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`] when the connection is refused or closed, or `limit` passes.
    pub async fn send(&self, to: SocketAddr, limit: Duration) -> Result<Answer, Trouble> {
        send_bytes(&self.bytes(), &self.method, self.from, to, limit).await
    }
}

/// Sends bytes on a fresh connection and reads one whole answer; `method` decides whether it has a body.
///
/// # Errors
/// As [`Request::send`].
pub async fn send_bytes(
    bytes: &[u8],
    method: &str,
    from: Ipv4Addr,
    to: SocketAddr,
    limit: Duration,
) -> Result<Answer, Trouble> {
    let no_answer = |why: String| Trouble::NoAnswer { peer: to.to_string(), why };
    let started = Instant::now();
    let exchange = async {
        let mut stream = connect(from, to).await?;
        stream.write_all(bytes).await?;
        let mut reader = AnswerReader::default();
        let (status, headers, body) = reader.read(&mut stream, method).await?;
        Ok::<_, std::io::Error>(Answer { status, headers, body, took: started.elapsed() })
    };
    match timeout(limit, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(no_answer(error.to_string())),
        Err(_) => Err(no_answer(format!("nothing within {limit:?}"))),
    }
}

/// Connects from a given loopback address.
///
/// # Errors
/// As the system says.
pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines in order; names as received.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    /// From before the connection was opened to the last byte.
    pub took: Duration,
}

impl Answer {
    /// The first value of a header, by name without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a header in order, by name without case.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status, headers and the beginning of the body on one line, for messages.
    #[must_use]
    pub fn summary(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {:?} {}", self.status, self.headers, body.chars().take(300).collect::<String>())
    }
}

/// Reads answers off a connection one after the other; keeps what came too early for the next.
#[derive(Debug, Default)]
pub struct AnswerReader {
    buffer: Vec<u8>,
}

type Head = (u16, Vec<(String, String)>);

impl AnswerReader {
    /// Reads one answer; `method` decides whether it has a body.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closes before the first byte, `ConnectionAborted` when it
    /// closes before the last, `InvalidData` when it is not HTTP/1.1.
    pub async fn read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        method: &str,
    ) -> std::io::Result<(u16, Vec<(String, String)>, Vec<u8>)> {
        let (status, headers) = loop {
            let (status, headers) = self.head(stream).await?;
            // Interim answers (100 Continue, 103 Early Hints) come before the one that counts.
            if status >= 200 || status == 101 {
                break (status, headers);
            }
        };
        let value = |name: &str| {
            headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let body = if method == "HEAD" || matches!(status, 101 | 204 | 304) {
            Vec::new()
        } else if value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            self.chunks(stream).await?
        } else if let Some(length) = value("content-length") {
            let length = length.parse::<usize>().map_err(|_| invalid("a number in Content-Length"))?;
            self.fill(stream, length).await?;
            self.take(length)
        } else {
            while self.more(stream).await? {}
            std::mem::take(&mut self.buffer)
        };
        Ok((status, headers, body))
    }

    async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Head> {
        loop {
            let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parsed = httparse::Response::new(&mut slots);
            let state = parsed.parse(&self.buffer).map_err(|error| invalid(&error.to_string()))?;
            if let httparse::Status::Complete(length) = state {
                let status = parsed.code.ok_or_else(|| invalid("a status code"))?;
                let headers = parsed
                    .headers
                    .iter()
                    .map(|header| {
                        (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
                    })
                    .collect();
                self.buffer.drain(..length);
                return Ok((status, headers));
            }
            if !self.more(stream).await? {
                // Told apart: a client may repeat a request only when nothing of an answer came.
                let nothing_came = self.buffer.is_empty();
                return Err(if nothing_came {
                    std::io::ErrorKind::UnexpectedEof.into()
                } else {
                    cut_short()
                });
            }
        }
    }

    async fn chunks(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete(found)) => break found,
                    Ok(httparse::Status::Partial) => {
                        if !self.more(stream).await? {
                            return Err(cut_short());
                        }
                    }
                    Err(_) => return Err(invalid("a chunk size")),
                }
            };
            self.buffer.drain(..start);
            let size = usize::try_from(size).map_err(|_| invalid("a smaller chunk"))?;
            self.fill(stream, size + 2).await?;
            let mut chunk = self.take(size + 2);
            chunk.truncate(size);
            body.append(&mut chunk);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin), length: usize) -> std::io::Result<()> {
        while self.buffer.len() < length {
            if !self.more(stream).await? {
                return Err(cut_short());
            }
        }
        Ok(())
    }

    async fn more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<bool> {
        if self.buffer.len() > MAX_ANSWER {
            return Err(invalid("a shorter answer"));
        }
        self.buffer.reserve(16 << 10);
        Ok(stream.read_buf(&mut self.buffer).await? > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length.min(self.buffer.len())).collect()
    }
}

fn cut_short() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "the answer was cut short")
}

fn invalid(expected: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("expected {expected}"))
}
