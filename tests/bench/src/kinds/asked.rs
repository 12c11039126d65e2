//! Kinds of requests in turn, each over a connection of its own that is kept alive.

use std::time::Instant;

use countersign_tests::client::{AnswerReader, PATIENCE, connect};
use countersign_tests::trouble::Trouble;
use countersign_tests::viceroy::Viceroy;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Effort, Kind};
use crate::process_costs;

/// The runtime's threads that run programs, by the beginning of their name; beside them there is only a clock.
const WORKERS: &str = "tokio";
/// Requests before the first that counts: keys are fetched, pages are touched.
const WARMING: u32 = 10;

/// Somebody who asks the same again and again.
pub(super) struct Connection<'a> {
    kind: &'a Kind,
    bytes: Vec<u8>,
    process: u32,
    stream: TcpStream,
    reader: AnswerReader,
}

/// What a request took in one turn, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Of the runtime's processor time.
    pub(super) processor: f64,
    /// Until it was answered.
    pub(super) answered: f64,
}

/// What was found, one value a round.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Of each connection.
    pub(super) taken: Vec<Vec<Taken>>,
    /// A signature in wasm, in microseconds.
    pub(super) signature: Vec<f64>,
    /// A MAC in wasm, in microseconds.
    pub(super) mac: Vec<f64>,
}

impl<'a> Connection<'a> {
    /// Connects to a runtime, and asks until all is warm.
    pub(super) async fn open(runtime: &Viceroy, kind: &'a Kind) -> Result<Self, Trouble> {
        let (from, to) = (kind.request.from, runtime.address());
        let stream = connect(from, to).await.map_err(Trouble::io(format!("connect to {to}")))?;
        let (bytes, process) = (kind.request.bytes(), runtime.process_id());
        let mut connection = Self { kind, bytes, process, stream, reader: AnswerReader::default() };
        for _ in 0..WARMING {
            connection.ask().await?;
        }
        Ok(connection)
    }

    /// Asks once; the answer's body.
    async fn ask(&mut self) -> Result<Vec<u8>, Trouble> {
        let no_answer = |why: String| Trouble::NoAnswer { peer: self.kind.what.to_owned(), why };
        let exchange = async {
            self.stream.write_all(&self.bytes).await?;
            self.reader.read(&mut self.stream, &self.kind.request.method).await
        };
        let answer = timeout(PATIENCE, exchange).await.map_err(|_| no_answer("nothing came".to_owned()))?;
        let (status, _, body) = answer.map_err(|error| no_answer(error.to_string()))?;
        if status == self.kind.status {
            return Ok(body);
        }
        let expected = format!("status {} of `{}`", self.kind.status, self.kind.what);
        Err(Trouble::unexpected(expected, format!("{status}: {}", String::from_utf8_lossy(&body))))
    }

    async fn take_a_turn(&mut self, requests: u32) -> Result<Taken, Trouble> {
        // Not counted: brings code and data of this kind back into the caches.
        self.ask().await?;
        let used = process_costs::time_of_threads(self.process, WORKERS)?;
        let began = Instant::now();
        for _ in 0..requests {
            self.ask().await?;
        }
        let answered = began.elapsed().as_secs_f64() * 1e6;
        let processor = process_costs::time_of_threads(self.process, WORKERS)? - used;
        let each = f64::from(requests);
        Ok(Taken { processor: processor / each, answered: answered / each })
    }
}

/// Lets each connection ask `effort.batch` times in each round. Each round begins with another one of them,
/// so that none always comes after the same neighbour.
pub(super) async fn take_turns(
    effort: Effort,
    connections: &mut [Connection<'_>],
    primitives: &mut Connection<'_>,
) -> Result<Turns, Trouble> {
    let mut turns = Turns { taken: vec![Vec::new(); connections.len()], ..Turns::default() };
    for round in 0..effort.rounds {
        let order = (0..connections.len()).map(|turn| (round + turn) % connections.len());
        for index in order.collect::<Vec<_>>() {
            let (Some(one), Some(taken)) = (connections.get_mut(index), turns.taken.get_mut(index)) else {
                continue;
            };
            taken.push(one.take_a_turn(effort.batch).await?);
        }
        let said = String::from_utf8_lossy(&primitives.ask().await?).into_owned();
        let nanoseconds: Vec<f64> = said.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [signature, mac] = nanoseconds.as_slice() else {
            return Err(Trouble::unexpected("two numbers of the program that signs", said));
        };
        turns.signature.push(signature / 1e3);
        turns.mac.push(mac / 1e3);
    }
    Ok(turns)
}
