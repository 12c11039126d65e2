//! A program that speaks HAProxy's peers protocol to the publisher, in whatever bytes it is given.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use haproxy_wire::peers::{
    Ack, Control, DataType, Definition, Elements, EncodeError, Hello, Key, KeyType, MaxMessageSize,
    Parameters, Period, Rate, Schema, TableId, Update, UpdateId, Value,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::trouble::Trouble;

/// Longest wait for what the other side says or does about it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the publisher answers to a hello that it accepts.
pub const WELCOME: &[u8] = b"200\n";

/// The sensor table as a node announces it.
const SENSOR: TableId = TableId(1);
/// The verdict table, of which only the publisher has a say.
const VERDICT: TableId = TableId(2);

/// The hello of a node.
#[must_use]
pub fn hello(to: &str, from: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    Hello { to, from, process: 1, relative_process: 1 }.encode(&mut out);
    out.to_vec()
}

/// A conversation as a node has it, a message each: it asks for everything, announces both tables,
/// tells of `client` once in each way, and even tries to teach a verdict that blocks `victim`.
///
/// # Errors
/// [`Trouble::Unexpected`] when a message cannot be written.
pub fn conversation(client: Ipv6Addr, victim: Ipv6Addr) -> Result<Vec<Vec<u8>>, Trouble> {
    let (sensor, verdict) = (sensor()?, verdict()?);
    let counts = [Value::Rate(Rate { elapsed: 1, current: 1, previous: 0 }); 4];
    let blocked = [Value::Unsigned(4), Value::Unsigned(u32::MAX)];
    let expiry = Some(Duration::from_secs(60));
    Ok(vec![
        control(Control::ResyncRequest),
        define(SENSOR, b"/cs_sensor", &sensor)?,
        update(Some(UpdateId(1)), None, &sensor, client, &counts)?,
        update(None, None, &sensor, client, &counts)?,
        update(Some(UpdateId(7)), expiry, &sensor, client, &counts)?,
        update(None, expiry, &sensor, client, &counts)?,
        define(VERDICT, b"/cs_verdict", &verdict)?,
        update(Some(UpdateId(1)), expiry, &verdict, victim, &blocked)?,
        written(|out| {
            SENSOR.encode_switch(out);
            Ok(())
        })?,
        update(None, None, &sensor, client, &counts)?,
        written(|out| {
            Ack { table: VERDICT, update: UpdateId(1) }.encode(out);
            Ok(())
        })?,
        control(Control::Heartbeat),
        control(Control::ResyncFinished),
        control(Control::ResyncConfirm),
    ])
}

/// The word by which a node ends what it was asked for.
#[must_use]
pub fn end_of_lesson() -> Vec<u8> {
    control(Control::ResyncFinished)
}

/// Counts of as many addresses, each once, as a node tells them that has seen a flood.
///
/// # Errors
/// [`Trouble::Unexpected`] when a message cannot be written.
pub fn flood(clients: u32) -> Result<Vec<u8>, Trouble> {
    let sensor = sensor()?;
    let counts = [Value::Rate(Rate { elapsed: 1, current: 1, previous: 0 }); 4];
    let mut bytes = define(SENSOR, b"/cs_sensor", &sensor)?;
    for client in 0..clients {
        let address = Ipv6Addr::from_bits(0x2001_0db8_ffff << 80 | u128::from(client) << 64);
        bytes.extend(update(None, None, &sensor, address, &counts)?);
    }
    Ok(bytes)
}

/// Definitions of as many tables of different names.
///
/// # Errors
/// [`Trouble::Unexpected`] when a message cannot be written.
pub fn tables(number: u64) -> Result<Vec<u8>, Trouble> {
    let sensor = sensor()?;
    let mut bytes = Vec::new();
    for table in 0..number {
        bytes.extend(define(TableId(100 + table), format!("/table-{table}").as_bytes(), &sensor)?);
    }
    Ok(bytes)
}

/// What the other side did about some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// It closed the connection, and said this before.
    Closed(Vec<u8>),
    /// It goes on; this is what it said so far.
    GoesOn(Vec<u8>),
}

/// A connection of such a program.
#[derive(Debug)]
pub struct Peer {
    stream: UnixStream,
}

impl Peer {
    /// Connects.
    ///
    /// # Errors
    /// [`Trouble::Io`] when nobody listens.
    pub async fn connect(socket: &Path) -> Result<Self, Trouble> {
        let stream = UnixStream::connect(socket).await.map_err(Trouble::io("connect to the publisher"))?;
        Ok(Self { stream })
    }

    /// Sends; a publisher that has closed meanwhile is no trouble.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await;
    }

    /// Waits for these bytes to be said next.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`] when something else is, or nothing.
    pub async fn expect(&mut self, expected: &[u8]) -> Result<(), Trouble> {
        let mut said = vec![0; expected.len()];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut said)).await;
        if matches!(read, Ok(Ok(_))) && said == expected {
            return Ok(());
        }
        let why = format!("`{}` where `{}` belongs", said.escape_ascii(), expected.escape_ascii());
        Err(Trouble::NoAnswer { peer: "the publisher".into(), why })
    }

    /// What is said until the connection is closed, or until nothing came for `quiet`.
    pub async fn reaction(&mut self, quiet: Duration) -> Reaction {
        let mut said = Vec::new();
        loop {
            match timeout(quiet, self.stream.read_buf(&mut said)).await {
                Ok(Ok(0) | Err(_)) => return Reaction::Closed(said),
                Ok(Ok(_)) => {}
                Err(_) => return Reaction::GoesOn(said),
            }
        }
    }
}

fn sensor() -> Result<Schema, Trouble> {
    let misfit = || Trouble::unexpected("a schema", "one that does not fit");
    let elements = Elements::new(4).ok_or_else(misfit)?;
    let period = Period::from_millis(60_000).ok_or_else(misfit)?;
    Schema::new(KeyType::Ipv6, Duration::from_secs(600))
        .with(DataType::GpcRate, Parameters::ElementsAndPeriod(elements, period))
        .map_err(|_| misfit())
}

fn verdict() -> Result<Schema, Trouble> {
    let misfit = || Trouble::unexpected("a schema", "one that does not fit");
    let elements = Elements::new(2).ok_or_else(misfit)?;
    Schema::new(KeyType::Ipv6, Duration::from_secs(24 * 86_400))
        .with(DataType::Gpt, Parameters::Elements(elements))
        .map_err(|_| misfit())
}

fn control(control: Control) -> Vec<u8> {
    let mut out = BytesMut::new();
    control.encode(&mut out);
    out.to_vec()
}

fn define(table: TableId, name: &[u8], schema: &Schema) -> Result<Vec<u8>, Trouble> {
    written(|out| Definition::encode(table, name, schema, MaxMessageSize::DEFAULT, out))
}

fn update(
    id: Option<UpdateId>,
    expiry: Option<Duration>,
    schema: &Schema,
    client: Ipv6Addr,
    values: &[Value<'_>],
) -> Result<Vec<u8>, Trouble> {
    let (key, values) = (Key::Ipv6(client), values.iter().copied());
    written(|out| Update::encode(id, expiry, schema, &key, values, MaxMessageSize::DEFAULT, out))
}

fn written(write: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>) -> Result<Vec<u8>, Trouble> {
    let mut out = BytesMut::new();
    write(&mut out)
        .map_err(|error| Trouble::unexpected("a message that can be written", error.to_string()))?;
    Ok(out.to_vec())
}
