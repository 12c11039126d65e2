//! Fastly's API fails in every way, and somebody else writes to the store: it comes to hold the right
//! list, nobody else is turned away meanwhile, and the budget is kept.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use crate::circuit::{Circuit, CircuitRules};
use crate::cluster::{Client, Fate};
use crate::fastly_api::{self, Budget, ErrorShape, Fault, Matching, Plan, Recorded, Told};
use crate::publisher::EdgeRules;
use crate::scene::{Row, Scene};
use crate::scenes::circuit::watch::watch;
use crate::scenes::circuit::{FLUSHES, RULES, Result, SETTLED};
use crate::scenes::reason::LISTED;

/// Is banned before anything begins.
const BANNED: Client = Client::at("127.0.0.74");
/// Is banned last.
const LAST: Client = Client::at("127.0.0.75");

/// The API's hour, and what the publisher keeps of its writes for lifts.
const HOUR: Duration = Duration::from_secs(15);
const WRITES: u32 = 6;
const FOR_LIFTS: usize = 2;

const SCARCE: CircuitRules = CircuitRules {
    edge: EdgeRules { flushes_for_lifts: FOR_LIFTS, ..RULES.edge },
    api: fastly_api::Rules {
        budget: Budget { writes: WRITES, window: HOUR, told: Told::OnWrites },
        ..RULES.api
    },
    ..RULES
};

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = vec![
        Scene::on_circuit("a publisher killed while it writes", WITHOUT_COMPARISON, |circuit| {
            Box::pin(killed(circuit))
        }),
        Scene::on_circuit("an API whose hour is nearly used up", SCARCE, |circuit| Box::pin(scarce(circuit))),
        Scene::on_circuit("a second publisher that writes an older list", RULES, |circuit| {
            Box::pin(stale_writer(circuit))
        }),
        Scene::on_circuit("a store that is emptied by hand", RULES, |circuit| Box::pin(emptied(circuit))),
    ];
    for (name, fault) in FAULTS {
        scenes.push(Scene::on_circuit(format!("an API that {name}"), WITHOUT_COMPARISON, move |circuit| {
            Box::pin(faulty(circuit, fault))
        }));
    }
    scenes
}

/// No comparison helps: each error has to be mended by what is done after it.
const WITHOUT_COMPARISON: CircuitRules =
    CircuitRules { edge: EdgeRules { reconcile_seconds: 300, ..RULES.edge }, ..RULES };

/// Each is met twice: the second time by what mends the first.
const FAULTS: [(&str, Fault); 8] = [
    ("has too many requests", Fault::TooManyRequests { reset_in_seconds: 3 }),
    ("answers with errors", Fault::Status { status: 500, shape: ErrorShape::Html }),
    ("cuts the connection before", Fault::CutBefore),
    ("cuts the connection half way", Fault::CutAfter { operations: 5 }),
    ("cuts the connection after", Fault::CutBeforeAnswer),
    ("loses an update", Fault::Lost),
    ("is slow", Fault::Slow { delay: Duration::from_millis(1500) }),
    ("answers with garbage", Fault::Garbage),
];

/// Enough to be in every bucket.
fn crowd() -> impl Iterator<Item = Ipv4Addr> {
    (1..=60).map(|last| Ipv4Addr::new(198, 51, 100, last))
}

async fn banned(circuit: &Circuit) -> Result<()> {
    circuit.ban(BANNED.address, "block").await?;
    circuit.until_edge(BANNED, Fate::Refused, Instant::now()).await?;
    circuit.until_right(Instant::now()).await.map(drop)
}

/// States what is the same of all: who passes and who does not, and that the budget is kept.
fn state_kept(circuit: &Circuit, row: Row, planned: usize) -> Row {
    let writes = circuit.writes();
    let refused = writes.iter().filter(|write| write.status == Some(429)).count();
    row.is("writes that the API refused for being too many", planned, refused)
        .holds(format!("the budget is kept: {} writes", writes.len()), writes.len() <= FLUSHES)
        .note(format!("{} writes in all", writes.len()))
}

async fn faulty(circuit: &Circuit, fault: Fault) -> Result {
    banned(circuit).await?;
    // What a good answer to a write says is not read; what a list says is.
    let matching = if fault == Fault::Garbage { Matching::Every } else { Matching::Batches };
    circuit.api().plan(Plan::once(matching, fault).times(2));
    let began = Instant::now();
    let (watched, right) = watch(circuit, BANNED, async {
        circuit.ban_all(crowd()).await?;
        circuit.ban(LAST.address, "block").await?;
        let at_edge = circuit.until_edge(LAST, Fate::Refused, began).await?;
        Ok((at_edge, circuit.until_right(began).await?))
    })
    .await?;
    let (at_edge, right) = right;
    let seen = circuit.send(LAST).await?;
    let writes = circuit.writes();
    let struck = writes.iter().position(|write| write.fault.is_some());
    let pause = struck.and_then(|at| {
        let (struck, next) = (writes.get(at)?, writes.get(at + 1)?);
        next.at.duration_since(struck.at).ok()
    });
    let (least, planned) = least_pause(fault);
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .holds("the faults struck", circuit.api().all_plans_struck())
        .holds(
            format!("the next write comes {least:?} later at the earliest: {pause:?}"),
            least.is_zero() || pause.is_some_and(|pause| pause >= least),
        )
        .note(format!("the edge has it after {at_edge:.1?}, the store is right after {right:.1?}"));
    Ok(watched.state_listed_at_edge(watched.state_bystander(state_kept(circuit, row, planned))))
}

/// How soon after a fault the next write may be, and how many writes are refused for being too many.
fn least_pause(fault: Fault) -> (Duration, usize) {
    match fault {
        // The reset is told in whole seconds.
        Fault::TooManyRequests { reset_in_seconds } => (Duration::from_secs(reset_in_seconds - 1), 2),
        Fault::Lost | Fault::Slow { .. } | Fault::Trickle { .. } | Fault::Garbage => (Duration::ZERO, 0),
        Fault::Status { .. } | Fault::CutBefore | Fault::CutAfter { .. } | Fault::CutBeforeAnswer => {
            (Duration::from_millis(200), 0)
        }
    }
}

/// Half of a batch is in the store, and whoever sent it is gone.
async fn killed(circuit: &Circuit) -> Result {
    banned(circuit).await?;
    circuit.api().plan(Plan::once(Matching::Batches, Fault::CutAfter { operations: 5 }));
    let (watched, right) = watch(circuit, BANNED, async {
        circuit.ban_all(crowd()).await?;
        let began = Instant::now();
        while !circuit.api().all_plans_struck() && began.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        circuit.cluster().publisher().await.daemon.kill();
        // The half stands for a while.
        tokio::time::sleep(SETTLED).await;
        let began = Instant::now();
        circuit.cluster().publisher().await.daemon.start_again().await?;
        circuit.ban(LAST.address, "block").await?;
        circuit.until_edge(LAST, Fate::Refused, began).await?;
        circuit.until_right(began).await
    })
    .await?;
    let seen = circuit.send(LAST).await?;
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .holds("the connection was cut", circuit.api().all_plans_struck())
        .is("clients in the store", 62, circuit.listed()?.len())
        .note(format!("the store is right {right:.1?} after the start"));
    Ok(watched.state_listed_at_edge(watched.state_bystander(state_kept(circuit, row, 0))))
}

/// The API takes few writes in an hour of a few seconds, and says what is left.
async fn scarce(circuit: &Circuit) -> Result {
    banned(circuit).await?;
    let (watched, lifted) = watch(circuit, LAST, async {
        circuit.ban(LAST.address, "block").await?;
        circuit.until_edge(LAST, Fate::Refused, Instant::now()).await?;
        for client in crowd().take(6) {
            circuit.ban(&client.to_string(), "block").await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let waiting = by_hour(&circuit.writes());
        let removed = Instant::now();
        circuit.command(&["bans", "remove", BANNED.address]).await?;
        Ok((waiting, circuit.until_edge(BANNED, Fate::Passes, removed).await?))
    })
    .await?;
    let (waiting, lifted) = lifted;
    let late = Client::at("127.0.0.76");
    circuit.ban(late.address, "block").await?;
    let at_edge = circuit.until_edge(late, Fate::Refused, Instant::now()).await?;
    circuit.until_right(Instant::now()).await?;
    let seen = circuit.send(late).await?;
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .holds(
            format!("what is kept for lifts is left of every hour: {waiting:?} writes before the lift"),
            waiting.iter().all(|writes| *writes <= WRITES as usize - FOR_LIFTS),
        )
        .holds("the lift did not wait for the next hour", lifted < Duration::from_secs(2))
        .note(format!(
            "a lift is at the edge after {lifted:.1?}, a ban in the next hour after {at_edge:.1?}"
        ));
    Ok(watched.state_bystander(state_kept(circuit, row, 0)))
}

/// How many writes there were in each of the API's hours, which begin with a write.
fn by_hour(writes: &[Recorded]) -> Vec<usize> {
    let mut hours: Vec<(SystemTime, usize)> = Vec::new();
    for write in writes {
        match hours.last_mut() {
            // Ends are whole seconds.
            Some((first, count)) if write.at < *first + HOUR - Duration::from_secs(1) => *count += 1,
            _ => hours.push((write.at, 1)),
        }
    }
    hours.into_iter().map(|(_, count)| count).collect()
}

/// As one that was left running somewhere, with what it remembers of before.
async fn stale_writer(circuit: &Circuit) -> Result {
    let empty = circuit.api().items(circuit.store());
    banned(circuit).await?;
    circuit.ban_all(crowd()).await?;
    circuit.until_right(Instant::now()).await?;
    let gone = Client::at("127.0.0.77");
    circuit.ban(gone.address, "block").await?;
    circuit.until_right(Instant::now()).await?;
    let with_gone = circuit.api().items(circuit.store());
    circuit.command(&["bans", "remove", gone.address]).await?;
    circuit.until_edge(gone, Fate::Passes, Instant::now()).await?;
    circuit.until_right(Instant::now()).await?;
    let (watched, times) = watch(circuit, BANNED, async {
        let mut times = Vec::new();
        // One that knows nobody, and one that still knows somebody who was lifted.
        for older in [empty, with_gone] {
            let began = Instant::now();
            for (key, value) in older {
                circuit.api().put_by_hand(circuit.store(), &key, &value);
            }
            // What it wrote is seen at the next comparison.
            tokio::time::sleep(SETTLED).await;
            times.push(circuit.until_right(began).await?);
        }
        Ok(times)
    })
    .await?;
    let seen = circuit.send(BANNED).await?;
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .is("status of one who was lifted before", 200, circuit.send(gone).await?.answer.status)
        .note(format!("the store is right again after {times:.1?}"));
    Ok(watched.state_listed(watched.state_bystander(state_kept(circuit, row, 0))))
}

/// The edge lists nobody until the next comparison; HAProxy refuses meanwhile.
async fn emptied(circuit: &Circuit) -> Result {
    banned(circuit).await?;
    let (watched, right) = watch(circuit, BANNED, async {
        let began = Instant::now();
        circuit.api().empty_by_hand(circuit.store());
        circuit.until_edge(BANNED, Fate::Refused, began).await?;
        circuit.until_right(began).await
    })
    .await?;
    let seen = circuit.send(BANNED).await?;
    let row = Row::of(&seen).refused(403, LISTED).note(format!("the store is right again after {right:.1?}"));
    Ok(watched.state_listed(watched.state_bystander(state_kept(circuit, row, 0))))
}
