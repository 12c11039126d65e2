//! The admin socket: who may open it may ban and lift.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haproxy_wire::peers::{Key, Lifetime, Schema, Value};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::Publisher;
use crate::admin::{Banned, Explanation, LONGEST_REQUEST, Reply, Request, SignalCounts};
use crate::reputation::aggregate::{NodeNumber, plain};
use crate::reputation::bans::{Ban, Cause, ChangeNumber, State as Standing};
use crate::reputation::heard::Held;
use crate::reputation::signal::LONGEST_BAN;
use crate::serve::clock::now;

/// How long a client may be silent, or not read.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines that are made while sessions wait.
const AT_ONCE: usize = 256;

/// The socket can't be had.
#[derive(Debug, Error)]
#[error("admin socket {socket}: {source}", socket = socket.display())]
pub struct AdminError {
    socket: PathBuf,
    source: io::Error,
}

/// Listens, for this user alone.
pub(super) fn bind(socket: &Path) -> Result<UnixListener, AdminError> {
    let fault = |source| AdminError { socket: socket.to_owned(), source };
    let mut beside = socket.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let listener = UnixListener::bind(&beside).map_err(fault)?;
    // Under its name it is there with its mode, or not at all; one that was left behind gives way.
    let placed = std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&beside, socket));
    match placed {
        Ok(()) => Ok(listener),
        Err(error) => {
            let _gone = std::fs::remove_file(&beside);
            Err(fault(error))
        }
    }
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: UnixListener, publisher: Arc<Publisher>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let publisher = Arc::clone(&publisher);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &publisher).await {
                        tracing::debug!(%error, "an admin connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::error!(%error, "admin connections can't be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, publisher: &Publisher) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut stream).take(LONGEST_REQUEST);
        if timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(());
        }
        let request = match serde_json::from_slice(&line) {
            Ok(request) if line.ends_with(b"\n") => request,
            Ok(_) => return say(&mut stream, [failed("the request has no end: expected one line")]).await,
            Err(error) => {
                let message = format!("the request can't be read: {error}: expected one of the same release");
                return say(&mut stream, [failed(message)]).await;
            }
        };
        answer(request, publisher, &mut stream).await?;
    }
}

async fn answer(
    request: Request,
    publisher: &Publisher,
    stream: &mut BufReader<UnixStream>,
) -> io::Result<()> {
    match request {
        Request::BansList {} => list(publisher, stream).await,
        Request::BansExplain { client } => {
            let explanation = {
                let state = publisher.lock();
                let counts = state.aggregate.counts_of(&client, Instant::now()).into_iter();
                let counts = counts.map(|(signal, nodes)| SignalCounts {
                    signal: signal.name.to_string(),
                    table: signal.table.clone(),
                    value: signal.value.to_string(),
                    over: signal.over,
                    nodes: nodes.into_iter().map(|(node, count)| (node.to_owned(), count)).collect(),
                });
                let counts = counts.collect();
                let standing =
                    state.bans.get(&client, now().seconds()).map(|standing| standing.state.clone());
                let edge = publisher.edge.as_ref().map(|edge| edge.status());
                Explanation { client, state: standing, counts, edge }
            };
            say(stream, [Reply::Explanation(explanation), Reply::Done]).await
        }
        Request::BansAdd { client, action, until, reason } => {
            let since = now().seconds();
            if until.since(since) > LONGEST_BAN {
                let message =
                    format!("a ban of {} s is too long: expected at most {LONGEST_BAN}", until.since(since));
                return say(stream, [failed(message)]).await;
            }
            let ban = Ban { action, since, until, cause: Cause::Operator { reason } };
            match publisher.add(&client, ban) {
                Ok(()) => {
                    tracing::info!(%client, action = action.as_str(), until = until.0, "banned by hand");
                    say(stream, [Reply::Done]).await
                }
                Err(fault) => say(stream, [failed(format!("{client}: {fault}"))]).await,
            }
        }
        Request::BansRemove { client } => match publisher.remove(&client) {
            Some((ban, pardoned_until)) => {
                tracing::info!(%client, "lifted by hand");
                say(stream, [Reply::Lifted { ban, pardoned_until }, Reply::Done]).await
            }
            None => say(stream, [failed(format!("{client} is not banned: `bans list` shows who is"))]).await,
        },
        Request::BansApprove {} => match publisher.approve() {
            Ok(banned) => {
                tracing::info!(banned, "what was held is approved");
                say(stream, [Reply::Approved { banned }, Reply::Done]).await
            }
            Err(fault) => say(stream, [failed(fault.to_string())]).await,
        },
        Request::PeersStatus {} => {
            let peers = publisher.lock().peers.clone();
            let held = publisher.lock().bans.hold().map(|(hold, clients)| Reply::Held { hold, clients });
            let edge = publisher.edge.as_ref().map(|edge| Reply::Edge(edge.status()));
            let peers = peers.into_iter().map(Reply::Peer);
            say(stream, peers.chain(edge).chain(held).chain([Reply::Done])).await
        }
        Request::PeersDump { node, table } => dump(publisher, node, table, stream).await,
    }
}

async fn list(publisher: &Publisher, stream: &mut BufReader<UnixStream>) -> io::Result<()> {
    let mut seen = ChangeNumber::default();
    loop {
        let mut replies = Vec::new();
        {
            let (state, at) = (publisher.lock(), now().seconds());
            while replies.len() < AT_ONCE {
                let Some((number, client, standing)) = state.bans.bans().change_after(seen) else { break };
                seen = number;
                if let Standing::Banned(ban) = &standing.state
                    && ban.until > at
                {
                    replies.push(Reply::Ban(Banned { client: client.clone(), ban: ban.clone() }));
                }
            }
            if state.bans.bans().change_after(seen).is_none() {
                replies.push(Reply::Done);
            }
        }
        let over = replies.last() == Some(&Reply::Done);
        say(stream, replies).await?;
        if over {
            return Ok(());
        }
    }
}

async fn dump(
    publisher: &Publisher,
    only_node: Option<String>,
    only_table: Option<String>,
    stream: &mut BufReader<UnixStream>,
) -> io::Result<()> {
    let names: Vec<String> = publisher.lock().peers.iter().map(|peer| peer.name.clone()).collect();
    if let Some(node) = only_node.as_ref().filter(|node| !names.contains(node)) {
        return say(
            stream,
            [failed(format!("`{node}` is not a node: expected one of {}", names.join(", ")))],
        )
        .await;
    }
    for (number, node) in names.iter().enumerate() {
        if only_node.as_ref().is_some_and(|only| only != node) {
            continue;
        }
        let number = NodeNumber(number);
        let tables: Vec<(Box<[u8]>, Schema, usize)> = {
            let state = publisher.lock();
            let tables = state.aggregate.tables(number);
            tables.map(|(name, schema, entries)| (name.into(), *schema, entries)).collect()
        };
        for (name, schema, entries) in tables {
            let table = plain(&name).escape_ascii().to_string();
            if only_table.as_ref().is_some_and(|only| *only != table) {
                continue;
            }
            let store =
                schema.columns().map(|(data_type, index)| column(&schema, data_type, index)).collect();
            let key = format!("{:?}", schema.key());
            say(stream, [Reply::Table { node: node.clone(), table, key, store, entries }]).await?;
            dump_table(publisher, number, &name, stream).await?;
        }
    }
    say(stream, [Reply::Done]).await
}

async fn dump_table(
    publisher: &Publisher,
    node: NodeNumber,
    name: &[u8],
    stream: &mut BufReader<UnixStream>,
) -> io::Result<()> {
    let mut place = 0;
    loop {
        let mut replies = Vec::new();
        {
            let (state, at) = (publisher.lock(), Instant::now());
            let schema =
                state.aggregate.tables(node).find(|(other, ..)| *other == name).map(|(_, schema, _)| *schema);
            let Some(schema) = schema else { return Ok(()) };
            while replies.len() < AT_ONCE {
                let Some((next, held)) = state.aggregate.next_entry(node, name, place, at) else { break };
                place = next;
                replies.push(entry(&schema, &held));
            }
        }
        if replies.is_empty() {
            return Ok(());
        }
        say(stream, replies).await?;
    }
}

fn entry(schema: &Schema, held: &Held<'_>) -> Reply {
    let key = match held.key {
        Key::Integer(value) => value.to_string(),
        Key::Ipv4(address) => address.to_string(),
        Key::Ipv6(address) => address.to_string(),
        Key::String(text) => text.escape_ascii().to_string(),
        Key::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let expires_millis = match held.lifetime {
        Lifetime::Forever => None,
        Lifetime::For(left) => Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    };
    let mut held_values = held.values.iter();
    let mut values = BTreeMap::new();
    for (data_type, index) in schema.columns() {
        if data_type.shape() == haproxy_wire::peers::Shape::Dictionary {
            continue;
        }
        let number = match held_values.next() {
            Some(Value::Unsigned(value)) => u64::from(*value),
            Some(Value::Counter(value)) => *value,
            Some(Value::Signed(value)) => u64::try_from(*value).unwrap_or_default(),
            Some(Value::Rate(rate)) => {
                schema.period(data_type).map_or(0, |period| rate.events(period, Duration::ZERO))
            }
            Some(Value::Dictionary(_)) | None => continue,
        };
        values.insert(column(schema, data_type, index), number);
    }
    Reply::Entry { key, expires_millis, values }
}

/// As HAProxy's `show table` names it, with the index of an array behind.
fn column(schema: &Schema, data_type: haproxy_wire::peers::DataType, index: u8) -> String {
    let index = if schema.elements(data_type) > 1 { format!("[{index}]") } else { String::new() };
    let period =
        schema.period(data_type).map(|period| format!("({})", period.as_millis())).unwrap_or_default();
    format!("{data_type}{index}{period}")
}

fn failed(message: impl Into<String>) -> Reply {
    Reply::Failed { message: message.into() }
}

async fn say(stream: &mut BufReader<UnixStream>, replies: impl IntoIterator<Item = Reply>) -> io::Result<()> {
    let mut text = Vec::new();
    for reply in replies {
        serde_json::to_writer(&mut text, &reply)?;
        text.push(b'\n');
    }
    timeout(PATIENCE, stream.get_mut().write_all(&text)).await?
}
