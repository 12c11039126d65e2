//! A wire tap between the edge and HAProxy: passes bytes on unchanged and remembers the requests.
//!
//! It is how a scene knows what HAProxy was sent, or that it was sent nothing, and how an
//! assertion that the edge really made is captured to be played again.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::trouble::Trouble;

/// Connections remembered; Viceroy opens one for each request.
const KEPT_CONNECTIONS: usize = 2_000;
/// Bytes remembered of each connection.
const KEPT_BYTES: usize = 64 << 10;

type Heard = Arc<Mutex<VecDeque<Arc<Mutex<Vec<u8>>>>>>;

/// The tap; dropping it closes every connection through it.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    heard: Heard,
    task: JoinHandle<()>,
}

impl Tap {
    /// Listens on a free port and passes everything on to `target`.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start(target: SocketAddr) -> Result<Self, Trouble> {
        let doing = "listen between the edge and HAProxy";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Trouble::io(doing))?;
        let address = listener.local_addr().map_err(Trouble::io(doing))?;
        let heard = Heard::default();
        let record = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((stream, _)) = listener.accept().await {
                    let bytes = Arc::new(Mutex::new(Vec::new()));
                    let mut heard = record.lock().unwrap_or_else(PoisonError::into_inner);
                    if heard.len() == KEPT_CONNECTIONS {
                        heard.pop_front();
                    }
                    heard.push_back(Arc::clone(&bytes));
                    drop(heard);
                    connections.spawn(relay(stream, target, bytes));
                }
            }
        });
        Ok(Self { address, heard, task })
    }

    /// Where the edge must connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the edge sent on the newest connection whose bytes contain `marker`, as text.
    #[must_use]
    pub fn heard(&self, marker: &str) -> Option<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().rev().find_map(|bytes| {
            let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
            let text = String::from_utf8_lossy(&bytes);
            text.contains(marker).then(|| text.into_owned())
        })
    }

    /// How many connections brought bytes that contain `marker`: the edge opens one for each request.
    #[must_use]
    pub fn times(&self, marker: &str) -> usize {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let contains = |bytes: &&Arc<Mutex<Vec<u8>>>| {
            let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&bytes).contains(marker)
        };
        heard.iter().filter(contains).count()
    }

    /// The value of a header that the edge sent with the request that contains `marker`.
    #[must_use]
    pub fn heard_header(&self, marker: &str, name: &str) -> Option<String> {
        self.heard(marker)?.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(edge: TcpStream, target: SocketAddr, bytes: Arc<Mutex<Vec<u8>>>) {
    let Ok(haproxy) = TcpStream::connect(target).await else { return };
    let _ = edge.set_nodelay(true);
    let _ = haproxy.set_nodelay(true);
    let (mut from_edge, mut to_edge) = edge.into_split();
    let (mut from_haproxy, mut to_haproxy) = haproxy.into_split();
    let requests = async {
        let mut chunk = vec![0; 16 << 10];
        while let Ok(read) = from_edge.read(&mut chunk).await {
            let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
            {
                let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                let room = KEPT_BYTES.saturating_sub(bytes.len()).min(part.len());
                bytes.extend(part.iter().take(room));
            }
            if to_haproxy.write_all(part).await.is_err() {
                break;
            }
        }
        let _ = to_haproxy.shutdown().await;
    };
    let answers = async {
        let _ = tokio::io::copy(&mut from_haproxy, &mut to_edge).await;
        let _ = to_edge.shutdown().await;
    };
    tokio::join!(requests, answers);
}
