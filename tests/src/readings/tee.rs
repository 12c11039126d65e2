//! The only server of a pool: passes the bytes that HAProxy sends on to every application, unchanged,
//! and remembers how each one read them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::client::AnswerReader;
use crate::http_server::Reply;
use crate::trouble::Trouble;

use super::reading::{Reader, Reading};

/// Longest wait for an application's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an application gets to answer to more than it was asked.
const GRACE: Duration = Duration::from_millis(10);
/// Bytes that are taken of one request.
const MAX_REQUEST: usize = 1 << 20;

/// One connection of HAProxy's, and what became of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The pool that it was for.
    pub pool: &'static str,
    /// All bytes.
    pub bytes: Vec<u8>,
    /// How each application read them.
    pub readings: Vec<Reading>,
    /// Who answered more than once, which is to have read more than one request.
    pub answered_again: Vec<Reader>,
}

impl Seen {
    /// The request target, as it came.
    #[must_use]
    pub fn target(&self) -> String {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        line.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The only value of a header, as it came, by its name without case.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then(|| value.trim().to_owned())
    }
}

/// What all pools have seen since it was last taken.
pub type Sightings = Arc<Mutex<Vec<Seen>>>;

/// The server of one pool; dropping it ends it.
#[derive(Debug)]
pub struct Tee {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Tee {
    /// Listens on a free port.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start(
        pool: &'static str,
        applications: [(Reader, SocketAddr); 3],
        sightings: &Sightings,
    ) -> Result<Self, Trouble> {
        let doing = || format!("listen for pool `{pool}`");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Trouble::io(doing()))?;
        let address = listener.local_addr().map_err(Trouble::io(doing()))?;
        let sightings = Arc::clone(sightings);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(converse(stream, pool, applications, Arc::clone(&sightings)));
                }
            }
        });
        Ok(Self { address, task })
    }

    /// Where HAProxy must connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(
    mut haproxy: TcpStream,
    pool: &'static str,
    applications: [(Reader, SocketAddr); 3],
    sightings: Sightings,
) {
    let mut bytes = Vec::new();
    // A health check connects and says nothing.
    if !matches!(haproxy.read_buf(&mut bytes).await, Ok(read) if read > 0) {
        return;
    }
    let method = bytes.split(|byte| *byte == b' ').next().map(String::from_utf8_lossy).unwrap_or_default();
    let method = method.into_owned();
    let (mut writers, mut answers) = (Vec::new(), JoinSet::new());
    for (reader, address) in applications {
        let Ok(stream) = TcpStream::connect(address).await else { continue };
        let (reads, mut writes) = stream.into_split();
        let _ = writes.write_all(&bytes).await;
        writers.push(writes);
        answers.spawn(answer(reader, reads, method.clone()));
    }
    let mut told = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    let mut more = true;
    while !answers.is_empty() {
        tokio::select! {
            answer = answers.join_next() => told.extend(answer.and_then(Result::ok)),
            read = haproxy.read(&mut chunk), if more => {
                let part = read.ok().and_then(|read| chunk.get(..read)).unwrap_or_default();
                more = !part.is_empty() && bytes.len() < MAX_REQUEST;
                bytes.extend_from_slice(part);
                for writer in &mut writers {
                    let _ = writer.write_all(part).await;
                }
            }
        }
    }
    let answered_again = told.iter().filter(|(_, again)| *again).map(|(reading, _)| reading.reader).collect();
    let readings = Reader::ALL
        .into_iter()
        .filter_map(|reader| told.iter().find(|(reading, _)| reading.reader == reader))
        .map(|(reading, _)| reading.clone())
        .collect();
    let seen = Seen { pool, bytes, readings, answered_again };
    sightings.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let mut reply = Reply::json(&json!({ "pool": pool }));
    reply.headers.push(("Connection".into(), "close".into()));
    let _ = haproxy.write_all(&reply.bytes()).await;
}

/// One answer, and whether another one came behind it.
async fn answer(
    reader: Reader,
    mut stream: tokio::net::tcp::OwnedReadHalf,
    method: String,
) -> (Reading, bool) {
    let mut answers = AnswerReader::default();
    let Ok(Ok((status, _, body))) = timeout(PATIENCE, answers.read(&mut stream, &method)).await else {
        return (Reading::silent(reader), false);
    };
    let again = timeout(GRACE, answers.read(&mut stream, &method)).await;
    (Reading::of(reader, status, &body), matches!(again, Ok(Ok(_))))
}
