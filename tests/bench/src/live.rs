//! What it costs HAProxy to be heard while it serves: the publisher beside a `show table` each second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_tests::trouble::Trouble;

use crate::Pace;
use crate::interleaved::median;
use crate::node::{self, Node, Stats};
use crate::publisher::Publisher;
use crate::report::{Line, Report};
use crate::stage::{RunningHaproxy, Stage, threads};
use crate::wrk::{self, Load, Outcome};

/// Connections of the load.
const CONNECTIONS: u32 = 32;
/// How often the table is read by those who poll.
const POLL: Duration = Duration::from_secs(1);
/// Runs that may be needed until the tables are full.
const WARM_UPS: usize = 20;

/// The lines that others are compared with.
const ALONE: &str = "(a)";

/// How long and with how many clients.
#[derive(Clone, Copy)]
struct Plan {
    clients: u64,
    rounds: usize,
    time: Duration,
}

/// One run.
#[derive(Clone, Copy)]
struct Sample {
    outcome: Outcome,
    /// Updates or entries that were heard in a second.
    heard: f64,
    /// Processor time of whoever heard, in microseconds a second; HAProxy's own isn't in it.
    processor: f64,
}

/// Measures; takes a minute, quickly ten seconds.
pub(crate) fn run(pace: Pace) -> Result<Report, Trouble> {
    let plan = match pace {
        Pace::Full => Plan { clients: 100_000, rounds: 7, time: Duration::from_secs(3) },
        Pace::Quick => Plan { clients: 20_000, rounds: 1, time: Duration::from_secs(2) },
    };
    let stage = Stage::new()?;
    let stats = Stats::new(&stage, "alone", "sensor");
    let table = "backend sensor\n    stick-table type ipv6 size 1m expire 10m store gpc_rate(4,1m)\n";
    let alone = stage.haproxy_with("alone", &stats.global(), &rules(plan, "sensor"), table, |_| ())?;
    let node = Node::start(&stage, &rules(plan, "countersign/cs_sensor"))?;
    let publisher = Publisher::start(&stage, "publish", node::NAME)?;
    node.open_to(&publisher.process.socket)?;
    publisher.told_all()?;
    warm_up(&stage, plan, &alone, &stats)?;
    warm_up(&stage, plan, &node.haproxy, &node.stats)?;

    let mut samples: [Vec<Sample>; 3] = Default::default();
    for round in 0..plan.rounds {
        // Each round begins with another one, so that none always runs behind the same neighbour.
        for turn in 0..samples.len() {
            let subject = (round + turn) % samples.len();
            let sample = match subject {
                0 => Sample { outcome: load(&stage, plan, &alone)?, heard: 0.0, processor: 0.0 },
                1 => with_publisher(&stage, plan, &node, &publisher)?,
                _ => with_polling(&stage, plan, &alone, &stats)?,
            };
            if let Some(samples) = samples.get_mut(subject) {
                samples.push(sample);
            }
        }
        eprintln!("round {} of {}", round + 1, plan.rounds);
    }
    Ok(report(&stage, plan, &samples))
}

/// Each request is of another client, and counts.
fn rules(plan: Plan, table: &str) -> String {
    format!(
        "    http-request track-sc1 rand({}) table {table}\n    http-request sc-inc-gpc(0,1)",
        plan.clients
    )
}

fn load(stage: &Stage, plan: Plan, haproxy: &RunningHaproxy) -> Result<Outcome, Trouble> {
    let load = Load { connections: CONNECTIONS, time: plan.time };
    wrk::run(haproxy.address, "none", load, stage.folder())
}

/// Runs until nearly every client is known: the tables are as large in every run that counts.
fn warm_up(stage: &Stage, plan: Plan, haproxy: &RunningHaproxy, stats: &Stats) -> Result<(), Trouble> {
    let mut used = 0;
    for _ in 0..WARM_UPS {
        load(stage, plan, haproxy)?;
        used = stats.used()?;
        if used * 100 >= plan.clients * 95 {
            return Ok(());
        }
    }
    Err(Trouble::unexpected(format!("a table of {} clients", plan.clients), used.to_string()))
}

fn with_publisher(stage: &Stage, plan: Plan, node: &Node, publisher: &Publisher) -> Result<Sample, Trouble> {
    let (before, used) = (publisher.status()?.heard, publisher.process.processor_time()?);
    let began = Instant::now();
    let outcome = load(stage, plan, &node.haproxy)?;
    let seconds = began.elapsed().as_secs_f64();
    let heard = (publisher.status()?.heard - before) as f64 / seconds;
    let processor = (publisher.process.processor_time()? - used) / seconds;
    Ok(Sample { outcome, heard, processor })
}

fn with_polling(
    stage: &Stage,
    plan: Plan,
    haproxy: &RunningHaproxy,
    stats: &Stats,
) -> Result<Sample, Trouble> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| poll(stats, &over));
        let began = Instant::now();
        let outcome = load(stage, plan, haproxy);
        let seconds = began.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        let lines = polling.join().unwrap_or(Ok(f64::NAN))?;
        Ok(Sample { outcome: outcome?, heard: lines / seconds, processor: 0.0 })
    })
}

/// Reads the table each second, as fast as it comes where that takes longer. Gives how many lines
/// came; nobody looks at more of them, so a real reader costs more.
fn poll(stats: &Stats, over: &AtomicBool) -> Result<f64, Trouble> {
    let (mut said, mut lines) = (Vec::new(), 0);
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        if Instant::now() < due {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        due += POLL;
        stats.dump(&mut said)?;
        lines += said.iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(lines as f64)
}

fn report(stage: &Stage, plan: Plan, samples: &[Vec<Sample>; 3]) -> Report {
    let [alone, taught, polled] = samples;
    let of = |samples: &[Sample], figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
    let rate = |samples: &[Sample]| {
        let (rate, p99) = (of(samples, |it| it.outcome.rate), of(samples, |it| it.outcome.p99));
        format!("{rate:.0} requests a second, p99 {p99:.0} us")
    };
    let ratio = |samples: &[Sample]| {
        let ratios = samples.iter().zip(alone).map(|(one, alone)| one.outcome.rate / alone.outcome.rate);
        median(ratios.collect())
    };
    Report {
        title: "live: HAProxy serves clients that it counts, and is heard".to_owned(),
        notes: vec![
            format!(
                "HAProxy {}, nbthread {}; HAProxy, wrk and whoever hears share {} processors, nothing is pinned",
                stage.haproxy_version(),
                threads(),
                threads()
            ),
            format!(
                "each request tracks one of {} clients at random in a table like `cs_sensor`, counts in it and is \
                 answered by `return status 200`; the tables are full before",
                plan.clients
            ),
            format!(
                "wrk with one thread and {CONNECTIONS} connections; {} rounds in turn of {} s; medians, the ratio \
                 of requests is the median of the rounds' ratios",
                plan.rounds,
                plan.time.as_secs()
            ),
            "(c) reads the stats socket and looks at nothing of what comes".to_owned(),
        ],
        lines: vec![
            Line::new("(a) HAProxy, nobody hears it", rate(alone)),
            Line::new("(b) countersign publish is its peer", rate(taught)).beside(ALONE, ratio(taught), None),
            Line::new(
                "(b) updates that the publisher takes",
                format!(
                    "{:.0} a second, its processor {:.2} us each",
                    of(taught, |it| it.heard),
                    of(taught, |it| it.processor / it.heard)
                ),
            ),
            Line::new("(c) `show table` each second instead", rate(polled)).beside(
                ALONE,
                ratio(polled),
                None,
            ),
            Line::new("(c) entries that are read", format!("{:.0} a second", of(polled, |it| it.heard))),
        ],
    }
}
