//! `countersign bans`

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::{UnixMillis, UnixSeconds};
use serde::Deserialize;
use thiserror::Error;

use super::Failure;
use super::admin::{Admin, AdminError, Socket};
use crate::admin::{Banned, EdgeStatus, Explanation, Reply, Request};
use crate::reputation::bans::{Ban, Cause, State};
use crate::reputation::signal::LONGEST_BAN;

#[derive(Debug, Subcommand)]
pub(super) enum Bans {
    /// Print every ban
    List(List),
    /// Say how one client stands: which signal, which counts on which node, until when
    Explain(One),
    /// Ban a client by hand
    Add(Add),
    /// Lift a ban on every tier; for a time no signal bans the client again
    Remove(One),
    /// Let through what the guard holds, and hold nothing more for a time
    Approve(Approve),
    /// Write every ban as a line of JSON, for `bans import`
    Export(Export),
    /// Ban every client of a file: lines that `bans export` wrote, or one client a line
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    socket: Socket,
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[command(flatten)]
    socket: Socket,
    /// An address, an IPv6 /64, or `subject:NAME`
    client: ClientKey,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    socket: Socket,
    /// An address, an IPv6 /64, or `subject:NAME`
    client: ClientKey,
    #[command(flatten)]
    what: What,
}

/// What is done about a client, and for how long.
#[derive(Clone, Debug, Args)]
struct What {
    /// What is done: observe, require-identity, throttle or block
    #[arg(long, default_value = "block")]
    action: Action,
    /// For how long, at most 24 days
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=LONGEST_BAN))]
    seconds: u64,
    /// Why, for those who ask later
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    #[command(flatten)]
    socket: Socket,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    socket: Socket,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    socket: Socket,
    /// The file; `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    what: What,
}

/// Why a file of bans can't be taken; nothing of it was.
#[derive(Debug, Error)]
enum ImportError {
    #[error("{file}: {source}", file = file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{file}:{line}: {why}: expected a client, or a line that `bans export` wrote", file = file.display())]
    Line { file: PathBuf, line: usize, why: String },
}

impl Bans {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(),
            Self::Explain(one) => one.explain(),
            Self::Add(add) => add.run(),
            Self::Remove(one) => one.remove(),
            Self::Approve(approve) => approve.run(),
            Self::Export(export) => Ok(print_json(&export.socket)?),
            Self::Import(import) => import.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        if self.json {
            return Ok(print_json(&self.socket)?);
        }
        let mut out = io::stdout().lock();
        let mut count = 0_usize;
        self.socket.connect()?.ask(&Request::BansList {}, |reply| {
            let Reply::Ban(Banned { client, ban }) = reply else { return Ok(()) };
            count += 1;
            let (action, until) = (ban.action.as_str(), time(ban.until));
            writeln!(out, "{client:<40} {action:<16} until {until}  {}", short(&ban.cause))
        })?;
        if count == 0 {
            writeln!(out, "nobody is banned")?;
        }
        Ok(())
    }
}

impl One {
    fn explain(self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let request = Request::BansExplain { client: self.client };
        self.socket.connect()?.ask(&request, |reply| match reply {
            Reply::Explanation(explanation) => explain(&explanation, &mut out),
            _ => Ok(()),
        })?;
        Ok(())
    }

    fn remove(self) -> Result<(), Failure> {
        let client = self.client.clone();
        let mut out = io::stdout().lock();
        self.socket.connect()?.ask(&Request::BansRemove { client: self.client }, |reply| {
            let Reply::Lifted { ban, pardoned_until } = reply else { return Ok(()) };
            writeln!(
                out,
                "{client}: `{}` lifted; no signal acts on it until {}",
                ban.action.as_str(),
                time(pardoned_until)
            )
        })?;
        Ok(())
    }
}

impl Approve {
    fn run(self) -> Result<(), Failure> {
        self.socket.connect()?.ask(&Request::BansApprove {}, |reply| {
            if let Reply::Approved { banned } = reply {
                println!("{banned} clients banned that were held; nothing is held until the approval ends");
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Add {
    fn run(self) -> Result<(), Failure> {
        let until = now().plus(self.what.seconds);
        let Self { socket, client, what } = self;
        let name = client.to_string();
        add(&mut socket.connect()?, client, what.action, until, what.reason)?;
        println!("{name}: `{}` until {}", what.action.as_str(), time(until));
        Ok(())
    }
}

impl Import {
    fn run(self) -> Result<(), Failure> {
        let read = if self.file.as_os_str() == "-" {
            io::read_to_string(io::stdin())
        } else {
            std::fs::read_to_string(&self.file)
        };
        let text = read.map_err(|source| ImportError::Read { file: self.file.clone(), source })?;
        let now = now();
        let mut wanted = Vec::new();
        let mut ended = 0_usize;
        // All lines first: a file with a mistake bans nobody.
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |why| ImportError::Line { file: self.file.clone(), line: at + 1, why };
            let (client, action, until, reason) = self.read(line, now).map_err(fault)?;
            if until > now {
                wanted.push((client, action, until, reason));
            } else {
                ended += 1;
            }
        }
        let count = wanted.len();
        let mut admin = self.socket.connect()?;
        for (client, action, until, reason) in wanted {
            add(&mut admin, client, action, until, reason)?;
        }
        println!("{count} banned, {ended} left out since their time was over");
        Ok(())
    }

    fn read(&self, line: &str, now: UnixSeconds) -> Result<(ClientKey, Action, UnixSeconds, String), String> {
        /// What an import needs of a line; what else an export wrote is passed over.
        #[derive(Deserialize)]
        struct Line {
            client: ClientKey,
            action: Action,
            until: UnixSeconds,
            cause: Cause,
        }

        if line.starts_with('{') {
            let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
            return Ok((line.client, line.action, line.until, short(&line.cause)));
        }
        let client =
            line.parse().map_err(|error: countersign_contract::client_key::NotAClient| error.to_string())?;
        let What { action, seconds, reason } = &self.what;
        Ok((client, *action, now.plus(*seconds), reason.clone()))
    }
}

fn add(
    admin: &mut Admin,
    client: ClientKey,
    action: Action,
    until: UnixSeconds,
    reason: String,
) -> Result<(), AdminError> {
    admin.ask(&Request::BansAdd { client, action, until, reason }, |_| Ok(()))
}

fn print_json(socket: &Socket) -> Result<(), AdminError> {
    let mut out = io::stdout().lock();
    socket.connect()?.ask(&Request::BansList {}, |reply| {
        let Reply::Ban(banned) = reply else { return Ok(()) };
        serde_json::to_writer(&mut out, &banned)?;
        out.write_all(b"\n")
    })
}

fn explain(explanation: &Explanation, out: &mut impl io::Write) -> io::Result<()> {
    let client = &explanation.client;
    match &explanation.state {
        None => writeln!(out, "{client} is not listed")?,
        Some(State::Pardoned { until }) => {
            writeln!(out, "{client} was lifted by hand; no signal acts on it until {}", time(*until))?;
        }
        Some(State::Banned(ban)) => explain_ban(client, ban, out)?,
    }
    if let Some(edge) = &explanation.edge {
        explain_edge(edge, out)?;
    }
    if explanation.counts.is_empty() {
        return writeln!(out, "no node counts anything of it now");
    }
    writeln!(out, "counted now:")?;
    for counts in &explanation.counts {
        let sum = counts.nodes.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let (signal, table, value, over) = (&counts.signal, &counts.table, &counts.value, counts.over);
        writeln!(
            out,
            "  signal {signal}: {sum} of more than {over} in {table} {value}{}",
            by_node(&counts.nodes)
        )?;
    }
    Ok(())
}

fn explain_ban(client: &ClientKey, ban: &Ban, out: &mut impl io::Write) -> io::Result<()> {
    let (action, since, until) = (ban.action.as_str(), time(ban.since), time(ban.until));
    writeln!(out, "{client}: `{action}` since {since}, until {until}")?;
    match &ban.cause {
        Cause::Signal(offence) => {
            let sum = offence.counts.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
            let (signal, rung, over) = (&offence.signal, offence.rung, offence.over);
            let (table, value) = (&offence.table, &offence.value);
            writeln!(
                out,
                "by signal {signal}, rung {rung}: {table} {value} was {sum}, more than {over}{}",
                by_node(&offence.counts)
            )
        }
        Cause::Operator { reason } => writeln!(out, "by hand: {reason}"),
        Cause::SignedOut => writeln!(out, "signed out at the identity provider"),
        Cause::Node { node } => {
            writeln!(out, "found in the table of node {node} when this publisher began without a state file")
        }
    }
}

/// By when every tier acts on the last change: HAProxy and agents are taught at once.
fn explain_edge(edge: &EdgeStatus, out: &mut impl io::Write) -> io::Result<()> {
    let generation = edge.generation.map_or_else(|| "none yet".to_owned(), |number| number.to_string());
    match edge.everywhere {
        Some(at) => writeln!(out, "at the edge: list generation {generation}, everywhere by {}", time(at)),
        None => writeln!(out, "at the edge: list generation {generation}; changes wait to be written"),
    }?;
    match &edge.fault {
        Some(fault) => writeln!(out, "  {fault}"),
        None => Ok(()),
    }
}

fn by_node(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let parts: Vec<_> = counts.iter().map(|(node, count)| format!("{node} {count}")).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// A cause on half a line.
fn short(cause: &Cause) -> String {
    match cause {
        Cause::Signal(offence) => format!("signal {}, rung {}", offence.signal, offence.rung),
        Cause::Operator { reason } => reason.clone(),
        Cause::SignedOut => "signed out at the identity provider".to_owned(),
        Cause::Node { node } => format!("found at node {node}"),
    }
}

pub(super) fn time(at: UnixSeconds) -> String {
    let text = UnixMillis(at.0.saturating_mul(1000)).rfc3339();
    text.replace(".000Z", "Z")
}

pub(super) fn now() -> UnixSeconds {
    UnixSeconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
