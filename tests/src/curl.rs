//! Requests by curl, a client that nobody here wrote.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, Command};

use crate::client::{Answer, PATIENCE, Request};
use crate::pieces;
use crate::tally::{Counter, Stream, Tally};
use crate::trouble::Trouble;

/// Bytes of an answer's body that are kept.
const KEPT: usize = 1 << 20;
/// Bytes that are read from curl at once.
const CHUNK: usize = 128 << 10;
/// How much longer curl may take to end than it was told.
const GRACE: Duration = Duration::from_secs(2);

/// The version of HTTP that curl speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, known beforehand.
    Http2,
    /// HTTP/1.1 with an offer to change to HTTP/2 (`Upgrade: h2c`).
    OffersHttp2,
}

impl Version {
    /// The two that a server may be asked in.
    pub const BOTH: [Self; 2] = [Self::Http1, Self::Http2];

    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::OffersHttp2 => "HTTP/1.1 that offers h2c",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Http1 => "--http1.1",
            Self::Http2 => "--http2-prior-knowledge",
            Self::OffersHttp2 => "--http2",
        }
    }
}

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By its last chunk, over HTTP/1.1.
    Chunked,
    /// By `Content-Length`.
    Length,
}

/// A body that is made while it is sent, and never kept.
#[derive(Debug, Clone, Copy)]
pub struct Upload {
    /// How many bytes.
    pub bytes: u64,
    /// How its end is told.
    pub framing: Framing,
}

/// One run of curl, still to be made.
#[derive(Debug, Clone)]
pub struct Curl {
    request: Request,
    version: Version,
    /// A target that is no path of a URL.
    odd_target: Option<&'static str>,
    upload: Option<Upload>,
    limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Got {
    /// The answer, with the first MiB of its body.
    pub answer: Answer,
    /// The statuses before it: 100 where the server asked for the body.
    pub interim: Vec<u16>,
    /// The version that the server answered in, as `1.1` or `2`.
    pub version: String,
    /// Bytes of the request's body that curl sent.
    pub uploaded: u64,
    /// What was fed to curl as the body.
    pub fed: Tally,
    /// All of the answer's body.
    pub body: Tally,
}

impl Curl {
    /// Sends `request`, whose method, target, header lines, body and address curl is told. Its host becomes
    /// the URL's.
    #[must_use]
    pub fn new(request: &Request, version: Version) -> Self {
        Self { request: request.clone(), version, odd_target: None, upload: None, limit: PATIENCE }
    }

    /// With another target than the URL's path, as `*`.
    #[must_use]
    pub fn odd_target(mut self, target: &'static str) -> Self {
        self.odd_target = Some(target);
        self
    }

    /// With a body that is made while it is sent, in place of the request's own.
    #[must_use]
    pub fn upload(mut self, upload: Upload) -> Self {
        self.upload = Some(upload);
        self
    }

    /// Longest time for all of it, in whole seconds, instead of ten.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs curl against `to`.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without curl; [`Trouble::NoAnswer`] with what curl says where no whole answer came.
    pub async fn send(&self, to: SocketAddr) -> Result<Got, Trouble> {
        let no_answer = |why: String| Trouble::NoAnswer { peer: to.to_string(), why };
        let head = tempfile::NamedTempFile::new().map_err(Trouble::io("make a file for curl's headers"))?;
        let mut command = Command::from(self.command(to)?);
        command.arg("--dump-header").arg(head.path());
        let stdin = if self.feeds() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut curl = command.spawn().map_err(Trouble::io("start curl"))?;
        let (stdin, stdout, stderr) = (curl.stdin.take(), curl.stdout.take(), curl.stderr.take());
        let run = async {
            let (fed, body, told) = tokio::join!(self.feed(stdin), receive(stdout), receive(stderr));
            let status = curl.wait().await?;
            Ok::<_, std::io::Error>((fed, body?, told?, status))
        };
        let (fed, (kept, body), (told, _), status) = tokio::time::timeout(self.limit + GRACE, run)
            .await
            .map_err(|_| no_answer(format!("curl still runs after {:?}", self.limit + GRACE)))?
            .map_err(Trouble::io("run curl"))?;
        let told = String::from_utf8_lossy(&told);
        if !status.success() {
            // Before its figures it says what went wrong.
            return Err(no_answer(told.lines().next().unwrap_or_default().to_owned()));
        }
        let figures: Value =
            serde_json::from_str(told.lines().last().unwrap_or_default()).unwrap_or_default();
        let text = fs::read_to_string(head.path()).map_err(Trouble::io("read curl's headers"))?;
        let (interim, status, headers) = read_heads(&text).ok_or_else(|| no_answer(format!("`{text}`")))?;
        let took = figures.get("time_total").and_then(Value::as_f64).unwrap_or_default();
        Ok(Got {
            answer: Answer { status, headers, body: kept, took: Duration::from_secs_f64(took) },
            interim,
            version: figures.get("http_version").and_then(Value::as_str).unwrap_or_default().to_owned(),
            uploaded: figures.get("size_upload").and_then(Value::as_u64).unwrap_or_default(),
            fed,
            body,
        })
    }

    fn command(&self, to: SocketAddr) -> Result<std::process::Command, Trouble> {
        let Self { request, .. } = self;
        let mut command = std::process::Command::new(pieces::curl()?);
        // First, or it reads `~/.curlrc`.
        command.arg("--disable");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--path-as-is", "--globoff"]);
        command.args(["--max-time", &self.limit.as_secs().to_string(), self.version.option()]);
        command.args(["--write-out", "%{stderr}\n%{json}", "--output", "-"]);
        command.args(["--connect-to", &format!("::{to}")]);
        if request.from != Ipv4Addr::LOCALHOST {
            command.args(["--interface", &request.from.to_string()]);
        }
        if let Some(target) = self.odd_target {
            command.args(["--request-target", target]);
        }
        for (name, value) in &request.headers {
            if !name.eq_ignore_ascii_case("host") {
                command.args(["--header", &format!("{name}: {value}")]);
            }
        }
        match (&self.upload, request.method.as_str()) {
            (Some(Upload { bytes, framing }), _) => {
                // It asks before it sends so much, and by default sends after a second without an answer.
                command.args(["--upload-file", "-", "--expect100-timeout", "10"]);
                if *framing == Framing::Length {
                    command.args(["--header", "Transfer-Encoding:"]);
                    command.args(["--header", &format!("Content-Length: {bytes}")]);
                }
            }
            // By `--head` it would not look whether a body comes; so it reads until the end, which somebody must make.
            (None, "HEAD") => {
                command.arg("--ignore-content-length");
            }
            (None, _) if !request.body.is_empty() => {
                command.args(["--data-binary", "@-"]);
            }
            (None, _) => {}
        }
        command.args(["--request", &request.method]);
        command.arg(format!("http://{}{}", request.host(), request.target));
        Ok(command)
    }

    fn feeds(&self) -> bool {
        self.upload.is_some() || !self.request.body.is_empty()
    }

    /// Writes the body until curl takes no more: it need not want all of it.
    async fn feed(&self, stdin: Option<ChildStdin>) -> Tally {
        let mut counter = Counter::default();
        let Some(mut stdin) = stdin else { return counter.tally() };
        let Some(upload) = &self.upload else {
            counter.add(&self.request.body);
            let _ = stdin.write_all(&self.request.body).await;
            return counter.tally();
        };
        let mut stream = Stream::of(upload.bytes);
        while let Some(piece) = stream.next_piece() {
            if stdin.write_all(piece).await.is_err() {
                break;
            }
            counter.add(piece);
        }
        counter.tally()
    }
}

/// Reads a pipe to its end: the beginning of what came, and how much it was.
async fn receive(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<(Vec<u8>, Tally)> {
    let (mut kept, mut counter) = (Vec::new(), Counter::default());
    let Some(mut pipe) = pipe else { return Ok((kept, counter.tally())) };
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = pipe.read(&mut chunk).await?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        counter.add(part);
        let room = KEPT.saturating_sub(kept.len()).min(part.len());
        kept.extend(part.iter().take(room));
    }
    Ok((kept, counter.tally()))
}

type Heads = (Vec<u16>, u16, Vec<(String, String)>);

/// Reads the heads that curl wrote down one after the other; all but the last are interim.
fn read_heads(text: &str) -> Option<Heads> {
    let mut statuses = Vec::new();
    let mut headers = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("HTTP/") {
            statuses.push(line.split_whitespace().nth(1)?.parse().ok()?);
            headers.clear();
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    let status = statuses.pop()?;
    Some((statuses, status, headers))
}
