//! A peer of the publisher that says what no HAProxy says: nobody else suffers.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cluster::{Client, Cluster, Fate, SPARE_AGENT, SPARE_NODE};
use crate::peer::{self, Peer, Reaction, WELCOME};
use crate::publisher::PUBLISHER;
use crate::scene::{Row, Scene};
use crate::scenes::reason::LISTED_THROTTLE;
use crate::scenes::reputation::watch::{BANNED, watch};
use crate::scenes::reputation::{BYSTANDER, OVER, RULES, Result, draw_halves};
use crate::trouble::Trouble;

/// Does something wrong while the hostile peer is at work.
const OFFENDER: Client = Client::at("192.0.2.90");
/// What the hostile peer tells of; nobody has it (RFC 5737, for documentation).
const STRANGER: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7101);
/// The bystander's key in HAProxy's tables.
const VICTIM: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x02c8);
/// How long a peer that may go on is listened to.
const QUIET: Duration = Duration::from_millis(50);
/// Addresses of the flood: more than a node's table of a busy site holds in a minute.
const FLOOD: u32 = 200_000;
/// What the publisher may grow by, in KiB, over all of it.
const GROWTH: u64 = 64 << 10;

/// The end of a session: a protocol error, and one of size.
const PROTOCOL_ERROR: &[u8] = &[1, 0];
const SIZE_ERROR: &[u8] = &[1, 1];

/// Something in place of a hello, and the status that it deserves.
struct BadHello {
    name: &'static str,
    bytes: &'static [u8],
    status: &'static [u8],
}

const BAD_HELLOS: [BadHello; 5] = [
    BadHello { name: "HTTP", bytes: b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", status: b"501\n" },
    BadHello { name: "another version", bytes: b"HAProxyS 3.0\ncountersign\nhap3 1 1\n", status: b"502\n" },
    BadHello { name: "another receiver", bytes: b"HAProxyS 2.1\nsomebody\nhap3 1 1\n", status: b"503\n" },
    BadHello { name: "an unknown sender", bytes: b"HAProxyS 2.1\ncountersign\nhap9 1 1\n", status: b"504\n" },
    BadHello { name: "no process number", bytes: b"HAProxyS 2.1\ncountersign\nhap3\n", status: b"501\n" },
];

/// A message that no session survives, and the word of farewell.
struct Fatal {
    name: &'static str,
    bytes: &'static [u8],
    farewell: &'static [u8],
}

const FATAL: [Fatal; 6] = [
    Fatal { name: "an unknown class", bytes: &[255, 0], farewell: PROTOCOL_ERROR },
    Fatal {
        name: "a length past 64 bits",
        bytes: &[10, 0x80, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
        farewell: PROTOCOL_ERROR,
    },
    Fatal {
        name: "a message of 16 MiB",
        bytes: &[10, 0x80, 0xf0, 0xf1, 0xf5, 0xfe, 0x06],
        farewell: SIZE_ERROR,
    },
    Fatal { name: "a definition of nothing", bytes: &[10, 0x82, 0], farewell: PROTOCOL_ERROR },
    Fatal { name: "a table without a name", bytes: &[10, 0x82, 2, 1, 0], farewell: PROTOCOL_ERROR },
    Fatal { name: "a name beyond its message", bytes: &[10, 0x82, 3, 1, 9, b't'], farewell: PROTOCOL_ERROR },
];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("a hostile peer: verdicts of its own", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| own_verdicts(socket).await))
        }),
        Scene::on_cluster("a hostile peer: hellos", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| bad_hellos(socket).await))
        }),
        Scene::on_cluster("a hostile peer: messages that are none", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| fatal_messages(socket).await))
        }),
        Scene::on_cluster("a hostile peer: cut at every byte", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| cut(socket).await))
        }),
        Scene::on_cluster("a hostile peer: every byte another", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| altered(socket).await))
        }),
        Scene::on_cluster("a hostile peer: messages left out, doubled, in another order", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| reordered(socket).await))
        }),
        Scene::on_cluster("a hostile peer: floods", RULES, |cluster| {
            Box::pin(beside(cluster, async |socket| floods(socket).await))
        }),
    ]
}

/// What the hostile peer found out: statements with whether they hold, and notes.
#[derive(Debug, Default)]
struct Findings {
    statements: Vec<(String, bool)>,
    notes: Vec<String>,
}

type Found = std::result::Result<Findings, Trouble>;

/// Lets the hostile peer work, while the cluster does what it is there for; then looks whether
/// everything is as it was.
async fn beside(cluster: &Cluster, attack: impl AsyncFn(&Path) -> Found) -> Result {
    let [hap1, _] = cluster.nodes();
    cluster.draw(hap1, BANNED, 404, OVER + 1).await?;
    cluster.until(BANNED, Fate::Refused, Instant::now()).await?;
    let (socket, id) = {
        let publisher = cluster.publisher().await;
        (publisher.peers().to_owned(), publisher.daemon.id())
    };
    // A publisher without a past believes what it finds in a node's verdict table, up to the end of
    // that node's first lesson; from then on nothing.
    let mut node = welcomed(&socket, SPARE_NODE).await?;
    node.send(&peer::end_of_lesson()).await;
    node.reaction(QUIET).await;
    drop(node);
    let (before, connections) = (resident(id), cluster.publisher_connections().await?);
    let (watched, (findings, times)) = watch(cluster, async {
        let offend = async {
            draw_halves(cluster, OFFENDER, OFFENDER).await?;
            cluster.until(OFFENDER, Fate::Refused, Instant::now()).await
        };
        tokio::try_join!(attack(&socket), offend)
    })
    .await?;
    let after = resident(id);
    let runs = cluster.publisher().await.daemon.runs();
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    let mut row = Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("status at the other node", 429, other.answer.status)
        .holds("the publisher goes on", runs)
        .is("connections that each node opened to it", connections, cluster.publisher_connections().await?)
        .is("statuses of who it tried to have listed", [200; 2], cluster.statuses(BYSTANDER).await?)
        .holds(
            format!("it grew from {before} KiB to {after}, by no more than {GROWTH}"),
            before > 0 && after <= before + GROWTH,
        )
        .note(format!("a new offender meanwhile: {times}"));
    for (statement, so) in findings.statements {
        row = row.holds(statement, so);
    }
    for note in findings.notes {
        row = row.note(note);
    }
    Ok(watched.state_undisturbed(row))
}

/// What a process holds of memory, in KiB; 0 when it has ended.
fn resident(id: Option<u32>) -> u64 {
    let status = id.and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok());
    let line =
        status.as_deref().and_then(|status| status.lines().find_map(|line| line.strip_prefix("VmRSS:")));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// A peer that was welcomed.
async fn welcomed(socket: &Path, name: &str) -> std::result::Result<Peer, Trouble> {
    let mut peer = Peer::connect(socket).await?;
    peer.send(&peer::hello(PUBLISHER, name)).await;
    peer.expect(WELCOME).await?;
    Ok(peer)
}

/// It bans, and means it: as a node, and as an agent, which has no say in anything.
async fn own_verdicts(socket: &Path) -> Found {
    let mut findings = Findings::default();
    for name in [SPARE_NODE, SPARE_AGENT] {
        let mut peer = welcomed(socket, name).await?;
        peer.send(&peer::conversation(STRANGER, VICTIM)?.concat()).await;
        let reaction = peer.reaction(QUIET).await;
        findings.statements.push((format!("{name} is heard out"), matches!(reaction, Reaction::GoesOn(_))));
    }
    Ok(findings)
}

async fn bad_hellos(socket: &Path) -> Found {
    let mut findings = Findings::default();
    for bad in &BAD_HELLOS {
        let mut peer = Peer::connect(socket).await?;
        peer.send(bad.bytes).await;
        let reaction = peer.reaction(Duration::from_secs(2)).await;
        let so = reaction == Reaction::Closed(bad.status.to_vec());
        let status = bad.status.trim_ascii_end().escape_ascii();
        findings.statements.push((format!("{} gets {status}, not {reaction:?}", bad.name), so));
    }
    // A line that does not end is not waited for without end, and not kept.
    let mut peer = Peer::connect(socket).await?;
    peer.send(&vec![b'x'; 1 << 20]).await;
    let reaction = peer.reaction(Duration::from_secs(2)).await;
    findings.statements.push(("a line of 1 MiB ends it".into(), matches!(reaction, Reaction::Closed(_))));
    // Nor is a hello that does not come.
    let mut silent = Peer::connect(socket).await?;
    silent.send(b"HAProxyS 2.1\n").await;
    let reaction = silent.reaction(Duration::from_secs(7)).await;
    findings
        .statements
        .push(("half a hello ends it in time".into(), matches!(reaction, Reaction::Closed(_))));
    Ok(findings)
}

async fn fatal_messages(socket: &Path) -> Found {
    let mut findings = Findings::default();
    for fatal in &FATAL {
        let mut peer = welcomed(socket, SPARE_NODE).await?;
        // What was begun before must not change what comes of it.
        let mut bytes = peer::conversation(STRANGER, VICTIM)?.concat();
        bytes.extend_from_slice(fatal.bytes);
        peer.send(&bytes).await;
        let reaction = peer.reaction(Duration::from_secs(2)).await;
        let so = matches!(&reaction, Reaction::Closed(said) if said.ends_with(fatal.farewell));
        findings.statements.push((format!("{} ends the session with a word: {reaction:?}", fatal.name), so));
    }
    Ok(findings)
}

async fn cut(socket: &Path) -> Found {
    let mut whole = peer::hello(PUBLISHER, SPARE_NODE);
    whole.extend(peer::conversation(STRANGER, VICTIM)?.concat());
    for end in 0..whole.len() {
        let mut peer = Peer::connect(socket).await?;
        peer.send(whole.get(..end).unwrap_or_default()).await;
        // Closed as it is dropped.
    }
    Ok(Findings { notes: vec![format!("{} connections", whole.len())], ..Findings::default() })
}

async fn altered(socket: &Path) -> Found {
    let whole = peer::conversation(STRANGER, VICTIM)?.concat();
    let (mut ended, mut went_on) = (0, 0);
    for place in 0..whole.len() {
        for change in [|byte: u8| byte ^ 0x80, |byte: u8| byte.wrapping_add(1), |_| 0xff] {
            let mut bytes = whole.clone();
            if let Some(byte) = bytes.get_mut(place) {
                *byte = change(*byte);
            }
            let mut peer = welcomed(socket, SPARE_NODE).await?;
            peer.send(&bytes).await;
            match peer.reaction(Duration::from_millis(2)).await {
                Reaction::Closed(_) => ended += 1,
                Reaction::GoesOn(_) => went_on += 1,
            }
        }
    }
    let note = format!("{ended} sessions ended, {went_on} went on or waited for more");
    let statement = ("some end and some go on".to_owned(), ended > 0 && went_on > 0);
    Ok(Findings { statements: vec![statement], notes: vec![note] })
}

async fn reordered(socket: &Path) -> Found {
    let messages = peer::conversation(STRANGER, VICTIM)?;
    let mut orders: Vec<Vec<Vec<u8>>> = Vec::new();
    for place in 0..messages.len() {
        let mut without = messages.clone();
        let message = without.remove(place);
        for other in 0..messages.len() {
            let mut moved = without.clone();
            moved.insert(other.min(moved.len()), message.clone());
            orders.push(moved);
        }
        let mut doubled = messages.clone();
        doubled.insert(place, message);
        orders.push(doubled);
        orders.push(without);
    }
    orders.push(messages.iter().rev().cloned().collect());
    let sessions = orders.len();
    for order in orders {
        let mut peer = welcomed(socket, SPARE_NODE).await?;
        peer.send(&order.concat()).await;
        peer.reaction(Duration::from_millis(2)).await;
    }
    Ok(Findings { notes: vec![format!("{sessions} sessions")], ..Findings::default() })
}

async fn floods(socket: &Path) -> Found {
    let mut findings = Findings::default();
    let mut peer = welcomed(socket, SPARE_NODE).await?;
    let started = Instant::now();
    peer.send(&peer::flood(FLOOD)?).await;
    let reaction = peer.reaction(QUIET).await;
    findings.notes.push(format!("{FLOOD} addresses in {} ms", started.elapsed().as_millis()));
    findings
        .statements
        .push(("a node may tell of many addresses".into(), matches!(reaction, Reaction::GoesOn(_))));
    peer.send(&peer::tables(10_000)?).await;
    // Nothing is read any more: what the publisher has to say must not pile up.
    for _ in 0..200 {
        peer.send(&peer::conversation(STRANGER, VICTIM)?.concat()).await;
    }
    drop(peer);
    // As many connections as nobody needs, and nothing said on them.
    let mut idle = Vec::new();
    for _ in 0..500 {
        match Peer::connect(socket).await {
            Ok(peer) => idle.push(peer),
            Err(_) => break,
        }
    }
    findings.notes.push(format!("{} idle connections", idle.len()));
    let reaction = match idle.pop() {
        Some(mut last) => last.reaction(Duration::from_secs(7)).await,
        None => Reaction::Closed(Vec::new()),
    };
    findings.statements.push(("idle connections are closed".into(), matches!(reaction, Reaction::Closed(_))));
    Ok(findings)
}
