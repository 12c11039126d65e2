//! An identity provider gone wrong: passes requests on to the real one, or does what such a one does
//! on a bad day.
//!
//! It stands between the edge and the provider, on plain http.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::client::{AnswerReader, PATIENCE};
use crate::http_server::{Received, Reply, receive};
use crate::ports;
use crate::trouble::Trouble;

/// How much longer than it should be an answer gets.
pub const PADDING: usize = 10 << 20;
/// Paths whose requests are counted one by one; those beyond count as `*`.
const COUNTED_PATHS: usize = 1_000;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answering {
    /// It is passed on, and the provider's answer back.
    Forward,
    /// The connection is closed without an answer.
    Close,
    /// As [`Answering::Forward`], after this time.
    Late(Duration),
    /// This status, with nothing in it.
    Status(u16),
    /// Status 200 and JSON that breaks off, in bytes that are no text.
    Garbage,
    /// Status 200 and the set of no keys.
    NoKeys,
    /// The provider's answer and [`PADDING`] spaces behind it: right, but for its length.
    TooLong,
    /// Status 302 to this address.
    Redirect(String),
}

/// It, running. Dropping it closes every connection through it.
#[derive(Debug)]
pub struct FaultyProvider {
    address: SocketAddr,
    provider: SocketAddr,
    state: Arc<Mutex<State>>,
    listening: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    anywhere: Answering,
    by_path: BTreeMap<String, Answering>,
    counted: BTreeMap<String, u64>,
}

impl FaultyProvider {
    /// Listens on a free port before `provider`, and passes everything on at first.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start(provider: SocketAddr) -> Result<Self, Trouble> {
        let state =
            State { anywhere: Answering::Forward, by_path: BTreeMap::new(), counted: BTreeMap::new() };
        let started = Self {
            // Not one of the kernel's choice: it must still be free after a refusal.
            address: ports::free()?,
            provider,
            state: Arc::new(Mutex::new(state)),
            listening: tokio::sync::Mutex::new(None),
        };
        started.accept_connections().await?;
        Ok(started)
    }

    /// Where the edge connects.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every request is answered so; what was said of single paths is forgotten.
    pub fn answer(&self, how: Answering) {
        let mut state = locked(&self.state);
        state.anywhere = how;
        state.by_path.clear();
    }

    /// From now on requests of one path are answered so, whatever their query.
    pub fn answer_at(&self, path: &str, how: Answering) {
        locked(&self.state).by_path.insert(path.to_owned(), how);
    }

    /// From now on connections are refused, and those that there are closed.
    pub async fn refuse_connections(&self) {
        if let Some(task) = self.listening.lock().await.take() {
            task.abort();
            // The port is closed only when the task is gone.
            let _ = task.await;
        }
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// [`Trouble::Io`] when somebody else has the port by now.
    pub async fn accept_connections(&self) -> Result<(), Trouble> {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            let doing = format!("listen on {} for the identity provider", self.address);
            let listener = TcpListener::bind(self.address).await.map_err(Trouble::io(doing))?;
            let (provider, state) = (self.provider, Arc::clone(&self.state));
            *listening = Some(tokio::spawn(async move {
                let mut connections = JoinSet::new();
                loop {
                    while connections.try_join_next().is_some() {}
                    if let Ok((stream, _)) = listener.accept().await {
                        connections.spawn(converse(stream, provider, Arc::clone(&state)));
                    }
                }
            }));
        }
        Ok(())
    }

    /// How many requests came for a path, whatever their query and whatever became of them.
    #[must_use]
    pub fn requests(&self, path: &str) -> u64 {
        locked(&self.state).counted.get(path).copied().unwrap_or_default()
    }
}

impl Drop for FaultyProvider {
    fn drop(&mut self) {
        if let Some(task) = self.listening.get_mut().take() {
            task.abort();
        }
    }
}

async fn converse(mut stream: TcpStream, provider: SocketAddr, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(received) = receive(&mut stream, &mut buffer).await {
        let how = look_up(&received, &state);
        let Some(reply) = reply(&received, how, provider).await else { return };
        if stream.write_all(&reply.bytes()).await.is_err() {
            return;
        }
    }
}

/// Counts the request and finds what becomes of it.
fn look_up(received: &Received, state: &Mutex<State>) -> Answering {
    let target = received.line.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let mut state = locked(state);
    let known = state.counted.len() < COUNTED_PATHS || state.counted.contains_key(path);
    *state.counted.entry(if known { path } else { "*" }.to_owned()).or_default() += 1;
    state.by_path.get(path).unwrap_or(&state.anywhere).clone()
}

/// `None`: the connection is closed.
async fn reply(received: &Received, how: Answering, provider: SocketAddr) -> Option<Reply> {
    let json = |body: &[u8]| Reply {
        status: 200,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: body.to_vec(),
    };
    match how {
        Answering::Forward => forward(received, provider).await,
        Answering::Close => None,
        Answering::Late(by) => {
            tokio::time::sleep(by).await;
            forward(received, provider).await
        }
        Answering::Status(status) => Some(Reply::status(status)),
        Answering::Garbage => Some(json(b"{\"issuer\": \"\xff\xfe\x00")),
        Answering::NoKeys => Some(json(b"{\"keys\":[]}")),
        Answering::TooLong => {
            let mut reply = forward(received, provider).await?;
            reply.body.resize(reply.body.len().saturating_add(PADDING), b' ');
            Some(reply)
        }
        Answering::Redirect(to) => {
            Some(Reply { status: 302, headers: vec![("Location".into(), to)], body: Vec::new() })
        }
    }
}

/// The provider's answer to the same request, body and all.
async fn forward(received: &Received, provider: SocketAddr) -> Option<Reply> {
    let mut bytes = format!("{}\r\n", received.line).into_bytes();
    for (name, value) in &received.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&received.body);
    let method = received.line.split(' ').next().unwrap_or_default();
    let exchange = async {
        let mut stream = TcpStream::connect(provider).await?;
        stream.write_all(&bytes).await?;
        AnswerReader::default().read(&mut stream, method).await
    };
    let (status, mut headers, body) = timeout(PATIENCE, exchange).await.ok()?.ok()?;
    // The body is in one piece now, and the connection to the edge a matter of its own.
    let of_the_hop = ["content-length", "transfer-encoding", "connection", "keep-alive"];
    headers.retain(|(name, _)| !of_the_hop.iter().any(|hop| name.eq_ignore_ascii_case(hop)));
    Some(Reply { status, headers, body })
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
