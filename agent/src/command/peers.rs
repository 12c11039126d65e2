//! `countersign peers`

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use countersign_contract::time::UnixMillis;

use super::Failure;
use super::admin::Socket;
use crate::admin::{EdgeStatus, PeerStatus, Reply, Request};
use crate::reputation::guard::Hold;

#[derive(Debug, Subcommand)]
pub(super) enum Peers {
    /// Say which HAProxy nodes and agents are connected, and what is wrong
    Status(Status),
    /// Print what the nodes' stick tables hold, decoded
    Dump(Dump),
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    socket: Socket,
}

#[derive(Debug, Args)]
pub(super) struct Dump {
    #[command(flatten)]
    socket: Socket,
    /// Of this node only
    #[arg(long)]
    node: Option<String>,
    /// Of this table only, as HAProxy's configuration names it
    #[arg(long)]
    table: Option<String>,
}

impl Peers {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Status(status) => status.run(),
            Self::Dump(dump) => dump.run(),
        }
    }
}

impl Status {
    fn run(self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        self.socket.connect()?.ask(&Request::PeersStatus {}, |reply| match reply {
            Reply::Peer(peer) => status(&peer, &mut out),
            Reply::Edge(edge) => edge_status(&edge, &mut out),
            Reply::Held { hold, clients } => {
                let why = match hold {
                    Hold::Share { suspects, seen } => {
                        format!("{suspects} of {seen} clients seen lately offend or are half way there")
                    }
                    Hold::Growth { bans } => format!("{bans} bans in a minute"),
                };
                writeln!(out, "HELD: {clients} clients wait for `countersign bans approve`: {why}")
            }
            _ => Ok(()),
        })?;
        Ok(())
    }
}

fn status(peer: &PeerStatus, out: &mut impl io::Write) -> io::Result<()> {
    let PeerStatus { name, kind, connected_since, heard, told_all, taught, acknowledged, faults } = peer;
    match connected_since {
        None => writeln!(out, "{kind} {name}: not connected")?,
        Some(since) => {
            let since = UnixMillis(since.0.saturating_mul(1000)).rfc3339();
            let all = told_all.map_or_else(String::new, |all| {
                let at = UnixMillis(all.at.0.saturating_mul(1000)).rfc3339();
                format!(" (told all that it held at {at}, within {} ms)", all.took_millis)
            });
            let owing = if *acknowledged { "" } else { ", not all of it acknowledged yet" };
            writeln!(
                out,
                "{kind} {name}: connected since {since}, heard {heard}{all}, taught {taught}{owing}"
            )?;
        }
    }
    faults.iter().try_for_each(|fault| writeln!(out, "  {fault}"))
}

fn edge_status(edge: &EdgeStatus, out: &mut impl io::Write) -> io::Result<()> {
    let EdgeStatus { generation, everywhere, listed, left_out, writes, fault, .. } = edge;
    let generation = generation.map_or_else(|| "none yet".to_owned(), |number| number.to_string());
    let written = if everywhere.is_some() { "written" } else { "changes wait to be written" };
    writeln!(
        out,
        "edge: list generation {generation}, {written}; {listed} clients, {left_out} without room, {writes} writes in the last hour"
    )?;
    fault.iter().try_for_each(|fault| writeln!(out, "  {fault}"))
}

impl Dump {
    fn run(self) -> Result<(), Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let request = Request::PeersDump { node: self.node, table: self.table };
        self.socket.connect()?.ask(&request, |reply| match reply {
            Reply::Table { node, table, key, store, entries } => {
                writeln!(
                    out,
                    "# node {node}, table {table}: key {key}, store {}, {entries} entries",
                    store.join(",")
                )
            }
            Reply::Entry { key, expires_millis, values } => {
                let expires = expires_millis.map_or_else(|| "never".to_owned(), |millis| millis.to_string());
                write!(out, "key={key} exp={expires}")?;
                values.iter().try_for_each(|(name, value)| write!(out, " {name}={value}"))?;
                writeln!(out)
            }
            _ => Ok(()),
        })?;
        Ok(out.flush()?)
    }
}
