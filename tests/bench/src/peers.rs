//! A full resync from a real HAProxy: `countersign publish` beside the cheapest receiver, and its memory.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_tests::trouble::Trouble;

use crate::Pace;
use crate::cheapest_peer;
use crate::interleaved::median;
use crate::node::{self, Node};
use crate::process_costs::{mebibytes, resident};
use crate::publisher::Publisher;
use crate::report::{Line, Report, Target};
use crate::stage::Stage;
use crate::teacher::{self, TeachingError};

/// What the publisher may take, as a multiple of the cheapest receiver's time.
const LONGEST: Target = Target::AtMost(1.3);
/// What an entry may take of the publisher's memory, in bytes.
const MOST_BYTES: f64 = 100.0;
/// Longest wait for HAProxy's next attempt to connect, and for anything that it sends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeersError {
    /// A program or file is missing, or didn't do as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// HAProxy's table isn't filled.
    #[error(transparent)]
    Teaching(#[from] TeachingError),
    /// The cheapest receiver failed.
    #[error("the cheapest receiver: {0}")]
    Cheapest(#[from] io::Error),
    /// Somebody heard less or more than HAProxy holds.
    #[error("expected {expected} entries at {whom}, found {found}")]
    Entries {
        /// Who.
        whom: &'static str,
        /// What HAProxy was taught.
        expected: u32,
        /// What there was.
        found: u64,
    },
}

/// One resync by the publisher.
struct Resync {
    seconds: f64,
    processor: f64,
    idle: f64,
    full: f64,
}

/// Measures; takes two minutes, quickly a quarter of one: HAProxy tries to connect every five seconds.
pub(crate) fn run(pace: Pace) -> Result<Report, PeersError> {
    let (entries, rounds) = match pace {
        Pace::Full => (1_000_000, 7),
        Pace::Quick => (100_000, 1),
    };
    let stage = Stage::new()?;
    let node = Node::start(&stage, "")?;
    fill(&stage, &node, entries)?;
    let (mut cheapest, mut ours) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Each round begins with the other one.
        if round % 2 == 0 {
            cheapest.push(by_the_cheapest(&stage, &node, entries)?);
        }
        ours.push(by_the_publisher(&stage, &node, entries, round)?);
        if round % 2 != 0 {
            cheapest.push(by_the_cheapest(&stage, &node, entries)?);
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    Ok(report(&stage, entries, &cheapest, &ours))
}

/// Has the node hold so many entries, and no publisher.
pub(crate) fn fill(stage: &Stage, node: &Node, entries: u32) -> Result<(), PeersError> {
    let socket = stage.folder().join("teacher.sock");
    node.open_to(&socket)?;
    stage.block_on(teacher::teach(&socket, entries))?;
    node.close()?;
    expect("HAProxy", entries, node.stats.used()?)
}

fn expect(whom: &'static str, expected: u32, found: u64) -> Result<(), PeersError> {
    if found == u64::from(expected) { Ok(()) } else { Err(PeersError::Entries { whom, expected, found }) }
}

fn by_the_cheapest(stage: &Stage, node: &Node, entries: u32) -> Result<f64, PeersError> {
    let socket = stage.folder().join("cheapest.sock");
    let listener = UnixListener::bind(&socket)?;
    node.open_to(&socket)?;
    let heard = cheapest_peer::hear(accept(&listener)?)?;
    node.close()?;
    forget(&socket)?;
    expect("the cheapest receiver", entries, heard.updates)?;
    Ok(heard.took.as_secs_f64())
}

fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    listener.set_nonblocking(true)?;
    let began = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

fn forget(socket: &Path) -> io::Result<()> {
    std::fs::remove_file(socket)
}

fn by_the_publisher(stage: &Stage, node: &Node, entries: u32, round: usize) -> Result<Resync, PeersError> {
    let publisher = Publisher::start(stage, &format!("publish-{round}"), node::NAME)?;
    let (idle, before) = (resident(publisher.process.id())?, publisher.process.processor_time()?);
    node.open_to(&publisher.process.socket)?;
    let (status, all) = publisher.told_all()?;
    let (full, after) = (resident(publisher.process.id())?, publisher.process.processor_time()?);
    node.close()?;
    expect("the publisher", entries, status.heard)?;
    let seconds = Duration::from_millis(all.took_millis).as_secs_f64();
    Ok(Resync { seconds, processor: (after - before) / f64::from(entries), idle, full })
}

fn report(stage: &Stage, entries: u32, cheapest: &[f64], ours: &[Resync]) -> Report {
    let of = |figure: fn(&Resync) -> f64| ours.iter().map(figure).collect::<Vec<_>>();
    let (seconds, fastest) =
        (of(|it| it.seconds), |times: &[f64]| times.iter().copied().fold(f64::NAN, f64::min));
    let ratios = seconds.iter().zip(cheapest).map(|(ours, cheapest)| ours / cheapest).collect();
    let figure = |times: &[f64]| format!("{:.3} s, {:.3} s", median(times.to_vec()), fastest(times));
    let (idle, full) = (median(of(|it| it.idle)), median(of(|it| it.full)));
    let each = median(of(|it| it.full - it.idle)) / f64::from(entries);
    let against = "the cheapest receiver";
    Report {
        title: format!("peers: a full resync of {entries} entries of the shipped `cs_sensor`"),
        notes: vec![
            format!("from HAProxy {} over a Unix socket; HAProxy and the receiver share the machine, nothing is pinned", stage.haproxy_version()),
            "from the request to the end of the lesson; the cheapest receiver is written by hand: it counts updates, \
             acknowledges, and looks at nothing else"
                .to_owned(),
            "every entry counts events of which a signal takes the sum, and is below its threshold".to_owned(),
            format!(
                "{} rounds in turn, a new publisher in each; median, fastest; the ratio is the median of the rounds' \
                 ratios, on a busy machine that of the two fastest says more",
                ours.len()
            ),
            "memory is VmRSS of /proc/PID/status, before the node connects and after the lesson".to_owned(),
        ],
        lines: vec![
            Line::new(against, figure(cheapest)),
            Line::new(
                "countersign publish",
                format!("{}; its processor {:.2} us an entry", figure(&seconds), median(of(|it| it.processor))),
            )
            .beside(against, median(ratios), Some(LONGEST)),
            Line::new("the two fastest", "").beside(
                against,
                fastest(&seconds) / fastest(cheapest),
                Some(LONGEST),
            ),
            Line::new("memory of countersign publish, idle", mebibytes(idle)),
            Line::new("memory with all entries", format!("{}, {each:.1} bytes an entry", mebibytes(full)))
                .beside("100 bytes an entry", each / MOST_BYTES, Some(Target::AtMost(1.0))),
        ],
    }
}
