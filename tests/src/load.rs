//! A bounded load of equal requests over keep-alive connections, counted and timed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{AnswerReader, Request, connect};

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// After this many requests, over all connections together.
    Requests(u64),
    /// After this time; a request that has begun is finished.
    Time(Duration),
}

/// A load to be played.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to.
    pub to: SocketAddr,
    /// Open connections, each with one request in flight.
    pub connections: usize,
    /// When it ends.
    pub limit: Limit,
    /// Longest wait for one answer.
    pub patience: Duration,
    /// The request; all are the same.
    pub request: Request,
}

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer.
    pub lost: u64,
    /// Requests sent again because a reused connection was closed before the first byte of an
    /// answer, as RFC 9112 section 9.3.1 lets clients do for idempotent methods.
    pub retried: u64,
    /// Latencies of answered requests, ascending.
    pub latencies: Vec<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Answered requests.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests that were not answered by `status`, the lost ones included.
    #[must_use]
    pub fn other_than(&self, status: u16) -> u64 {
        self.lost + self.statuses.iter().filter(|(s, _)| **s != status).map(|(_, count)| count).sum::<u64>()
    }

    /// Answered requests a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.answered() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that `share` (0 to 1) of the answers do not exceed; zero without answers.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list that fits in memory, from a share between 0 and 1"
    )]
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.lost += other.lost;
        self.retried += other.retried;
        self.latencies.extend(other.latencies);
    }
}

impl Load {
    /// Plays it to its end.
    pub async fn run(self) -> Outcome {
        let started = Instant::now();
        let begun = Arc::new(AtomicU64::new(0));
        let load = Arc::new(self);
        let mut connections = JoinSet::new();
        for _ in 0..load.connections {
            connections.spawn(one_connection(Arc::clone(&load), Arc::clone(&begun), started));
        }
        let mut outcome = Outcome::default();
        while let Some(ended) = connections.join_next().await {
            outcome.add(ended.unwrap_or_default());
        }
        outcome.elapsed = started.elapsed();
        outcome.latencies.sort_unstable();
        outcome
    }

    fn goes_on(&self, begun: &AtomicU64, started: Instant) -> bool {
        match self.limit {
            Limit::Requests(count) => begun.fetch_add(1, Ordering::Relaxed) < count,
            Limit::Time(time) => started.elapsed() < time,
        }
    }
}

async fn one_connection(load: Arc<Load>, begun: Arc<AtomicU64>, started: Instant) -> Outcome {
    let bytes = load.request.bytes();
    let mut outcome = Outcome::default();
    let mut open: Option<(TcpStream, AnswerReader)> = None;
    while load.goes_on(&begun, started) {
        let asked = Instant::now();
        let reused = open.take();
        let was_reused = reused.is_some();
        let mut exchanged = exchange(&load, &bytes, reused).await;
        if was_reused && exchanged.as_ref().is_err_and(nothing_came) {
            outcome.retried += 1;
            exchanged = exchange(&load, &bytes, None).await;
        }
        match exchanged {
            Ok((status, connection)) => {
                outcome.latencies.push(asked.elapsed());
                *outcome.statuses.entry(status).or_default() += 1;
                open = connection;
            }
            Err(_) => outcome.lost += 1,
        }
    }
    outcome
}

fn nothing_came(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

type Open = (TcpStream, AnswerReader);

async fn exchange(load: &Load, bytes: &[u8], open: Option<Open>) -> std::io::Result<(u16, Option<Open>)> {
    let exchange = async {
        let (mut stream, mut reader) = match open {
            Some(open) => open,
            None => (connect(Ipv4Addr::LOCALHOST, load.to).await?, AnswerReader::default()),
        };
        stream.write_all(bytes).await?;
        let (status, headers, _) = reader.read(&mut stream, &load.request.method).await?;
        let closes = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
        });
        Ok((status, (!closes).then_some((stream, reader))))
    };
    match timeout(load.patience, exchange).await {
        Ok(result) => result,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}
