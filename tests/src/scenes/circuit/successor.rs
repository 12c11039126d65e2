//! Another number of buckets, or another key: the next list is built beside the one in use, so that there
//! is a whole one at every moment, at every place.

use std::time::{Duration, Instant};

use countersign_contract::list::{Bucket, META_ITEM, Meta, Set};

use crate::circuit::{Circuit, LIST_KEYS};
use crate::cluster::{Client, Fate};
use crate::fastly_api::{Operation, Recorded};
use crate::publisher::Store;
use crate::scene::{Row, Scene};
use crate::scenes::circuit::watch::watch;
use crate::scenes::circuit::{PROPAGATION, RULES, Result};
use crate::scenes::reason::LISTED;

const LISTED_CLIENT: Client = Client::at("127.0.0.80");
/// Banned before, and lifted while the next list is built.
const LIFTED: Client = Client::at("127.0.0.81");
/// Banned while the next list is built.
const NEW: Client = Client::at("127.0.0.82");

/// How long the store really takes, within what the publisher is told.
const REALLY: Duration = Duration::from_millis(400);
const BUCKETS: u32 = 23;
const FEWER: u32 = 9;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_circuit("another number of buckets", RULES, |circuit| {
            Box::pin(succeeded(circuit, |store| store.rules.buckets = BUCKETS))
        }),
        Scene::on_circuit("fewer buckets than before", RULES, |circuit| {
            Box::pin(succeeded(circuit, |store| store.rules.buckets = FEWER))
        }),
        Scene::on_circuit("two changes of buckets in a row", RULES, |circuit| Box::pin(twice(circuit))),
        Scene::on_circuit("another list key", RULES, |circuit| {
            let second = circuit.list_keys()[1].clone();
            Box::pin(succeeded(circuit, move |store| {
                store.list_keys.push(second);
                store.list_key = LIST_KEYS[1];
            }))
        }),
    ]
}

/// The store still has the old list where its head has not come yet, and whoever replaced it is gone.
async fn twice(circuit: &Circuit) -> Result {
    circuit.ban(LISTED_CLIENT.address, "block").await?;
    circuit.ban_all((1..=20).map(|last| [198, 51, 100, last].into())).await?;
    circuit.until_edge(LISTED_CLIENT, Fate::Refused, Instant::now()).await?;
    circuit.until_right(Instant::now()).await?;
    circuit.api().propagate_after(REALLY);
    let (watched, pause) = watch(circuit, LISTED_CLIENT, async {
        restart_with(circuit, |store| store.rules.buckets = BUCKETS).await?;
        circuit.until_head(|head| head.set == Set::B, Instant::now()).await?;
        let turned = circuit.writes().len();
        circuit.cluster().publisher().await.daemon.kill();
        restart_with(circuit, |store| store.rules.buckets = FEWER).await?;
        circuit.until_head(|head| head.set == Set::A, Instant::now()).await?;
        // Nothing of a lifted client is left, wherever the first list had it.
        for last in 1..=10 {
            circuit.command(&["bans", "remove", &format!("198.51.100.{last}")]).await?;
        }
        circuit.until_right(Instant::now()).await?;
        let writes = circuit.writes();
        let last = turned.checked_sub(1).and_then(|turned| writes.get(turned));
        let next = writes.iter().skip(turned).find(|write| touches(write, Set::A));
        Ok(next.and_then(|next| next.at.duration_since(last?.at).ok()))
    })
    .await?;
    let seen = circuit.send(LISTED_CLIENT).await?;
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .is("buckets of the list in use", Some(FEWER), circuit.head().map(|head| head.buckets.get()))
        .holds(
            format!("the old list is written over a propagation after the head: {pause:?}"),
            pause.is_some_and(|pause| pause >= PROPAGATION),
        );
    Ok(watched.state_listed_at_edge(watched.state_bystander(row)))
}

/// Whether it runs or not, it runs with another store's settings then.
async fn restart_with(circuit: &Circuit, change: impl FnOnce(&mut Store)) -> Result<()> {
    let mut publisher = circuit.cluster().publisher().await;
    publisher.daemon.stop().await?;
    publisher.change_store(change)?;
    publisher.daemon.start_again().await
}

async fn succeeded(circuit: &Circuit, change: impl FnOnce(&mut Store) + Send) -> Result {
    for client in [LISTED_CLIENT, LIFTED] {
        circuit.ban(client.address, "block").await?;
    }
    circuit.ban_all((1..=60).map(|last| [198, 51, 100, last].into())).await?;
    circuit.until_edge(LIFTED, Fate::Refused, Instant::now()).await?;
    circuit.until_right(Instant::now()).await?;
    circuit.api().propagate_after(REALLY);
    let writes_before = circuit.writes().len();
    let (watched, turned) = watch(circuit, LISTED_CLIENT, async {
        restart_with(circuit, change).await?;
        let began = Instant::now();
        // Before it is built, while it is, and while it waits for its turn.
        circuit.ban(NEW.address, "block").await?;
        tokio::time::sleep(PROPAGATION + PROPAGATION / 4).await;
        circuit.command(&["bans", "remove", LIFTED.address]).await?;
        let turned = circuit.until_head(|head| head.set == Set::B, began).await?;
        circuit.until_right(began).await?;
        // Until the old one may go, and has gone.
        tokio::time::sleep(PROPAGATION * 2).await;
        circuit.until_right(began).await?;
        Ok(turned)
    })
    .await?;
    circuit.until_edge(LIFTED, Fate::Passes, Instant::now()).await?;
    circuit.until_edge(NEW, Fate::Refused, Instant::now()).await?;
    let seen = circuit.send(LISTED_CLIENT).await?;
    let writes = circuit.writes();
    let of_old = |key: &str| Bucket::of_item_key(key).is_some_and(|(set, _)| set == Set::A);
    let left = circuit.api().items(circuit.store()).keys().filter(|key| of_old(key)).count();
    let fresh: Vec<&Recorded> = writes.iter().skip(writes_before).collect();
    let turn = fresh.iter().find(|write| heads(write).any(|head| head.set == Set::B));
    let built = fresh.iter().filter(|write| puts_into(write, Set::B)).map(|write| write.at).min();
    let gone = fresh.iter().filter(|write| takes_away(write)).map(|write| write.at).min();
    let between = |earlier: Option<std::time::SystemTime>, later: Option<std::time::SystemTime>| {
        later.and_then(|later| later.duration_since(earlier?).ok())
    };
    let turn = turn.map(|write| write.at);
    let (before, after) = (between(built, turn), between(turn, gone));
    let waits = |pause: Option<Duration>| pause.is_some_and(|pause| pause >= PROPAGATION);
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .is("buckets of the old list that are left", 0, left)
        .holds(format!("the next list is there a propagation before its head: {before:?}"), waits(before))
        .holds(format!("the old list is there a propagation after it: {after:?}"), waits(after))
        .note(format!("in use {turned:.1?} after the start; {} writes", fresh.len()));
    Ok(watched.state_listed_at_edge(watched.state_bystander(row)))
}

fn heads(write: &Recorded) -> impl Iterator<Item = Meta> {
    write.operations.iter().filter_map(|operation| match operation {
        Operation::Upsert { key, value } if key == META_ITEM => Meta::parse(value).ok(),
        _ => None,
    })
}

fn puts_into(write: &Recorded, set: Set) -> bool {
    write.operations.iter().any(|operation| match operation {
        Operation::Upsert { key, .. } => Bucket::of_item_key(key).is_some_and(|(of, _)| of == set),
        _ => false,
    })
}

fn takes_away(write: &Recorded) -> bool {
    write.operations.iter().any(|operation| matches!(operation, Operation::Delete { .. }))
}

fn touches(write: &Recorded, set: Set) -> bool {
    write
        .operations
        .iter()
        .any(|operation| Bucket::of_item_key(operation.key()).is_some_and(|(of, _)| of == set))
}
