//! A store that no edge can read: the site stays up and lists nobody, says so, and is mended.

use std::time::Instant;

use serde_json::json;

use crate::ask::Observed;
use crate::circuit::Circuit;
use crate::cluster::{Client, Fate};
use crate::forge::ENGINEER;
use crate::identity_provider::now;
use crate::scene::{Row, Scene};
use crate::scenes::circuit::watch::watch;
use crate::scenes::circuit::{BYSTANDER, PROPAGATION, RULES, Result, SETTLED};
use crate::scenes::reason::LISTED;
use crate::trouble::Trouble;
use crate::viceroy::LIST_STORE;

/// Somebody signed in who does nothing wrong.
const USER: Client = Client::at("127.0.0.78").signed_in(ENGINEER);
const OFFENDER: Client = Client::at("127.0.0.79");

/// Items of somebody else, among them one with nearly a bucket's name.
const FOREIGN: [(&str, &str); 3] =
    [("maintenance", "off"), ("a00001", "not a bucket"), ("blocked_ips", "127.0.0.90")];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_circuit("a store that is missing at the edge", RULES, |circuit| Box::pin(missing(circuit))),
        Scene::on_circuit("a store that is half written at the edge", RULES, |circuit| {
            Box::pin(half_written(circuit))
        }),
        Scene::on_circuit("a store that is not there at the API", RULES, |circuit| {
            Box::pin(no_such_store(circuit))
        }),
        Scene::on_circuit("a store of an older layout with foreign items", RULES, |circuit| {
            Box::pin(older_layout(circuit))
        }),
    ]
}

/// While the edge lists nobody, HAProxy refuses.
async fn unreadable(
    circuit: &Circuit,
    break_it: impl FnOnce() -> std::result::Result<(), Trouble>,
) -> Result {
    circuit.ban(OFFENDER.address, "block").await?;
    circuit.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    break_it()?;
    let (by_origin, other) = (circuit.send(OFFENDER).await?, circuit.send(BYSTANDER).await?);
    let signed_in = circuit.send(USER).await?;
    // The next write brings it back.
    circuit.ban("198.51.100.7", "block").await?;
    circuit.until_edge(OFFENDER, Fate::Refused, Instant::now()).await?;
    let after = circuit.send(OFFENDER).await?;
    Ok(Row::of(&after)
        .refused(403, LISTED)
        .is("who refused the listed client meanwhile", Some(LISTED.to_owned()), why(&by_origin))
        .is("statuses of others meanwhile", [200; 2], [other.answer.status, signed_in.answer.status])
        .holds(format!("the edge's record says what is wrong: {:?}", fault(&other)), fault(&other).is_some()))
}

async fn missing(circuit: &Circuit) -> Result {
    let file = circuit.edge().viceroy().store_file(LIST_STORE);
    unreadable(circuit, || std::fs::remove_file(&file).map_err(Trouble::io("take the store away"))).await
}

async fn half_written(circuit: &Circuit) -> Result {
    unreadable(circuit, || circuit.edge().viceroy().break_store(LIST_STORE)).await
}

/// Somebody has deleted it, or its id is a wrong one.
async fn no_such_store(circuit: &Circuit) -> Result {
    let id = circuit.store().text().to_owned();
    restart_with(circuit, "nosuchstore").await?;
    let began = Instant::now();
    circuit.ban(OFFENDER.address, "block").await?;
    let times = circuit.cluster().until(OFFENDER, Fate::Refused, began).await?;
    tokio::time::sleep(SETTLED).await;
    let status = circuit.command(&["peers", "status"]).await?;
    let other = circuit.send(BYSTANDER).await?;
    let writes = circuit.writes().len();
    restart_with(circuit, &id).await?;
    circuit.until_edge(OFFENDER, Fate::Refused, Instant::now()).await?;
    let seen = circuit.send(OFFENDER).await?;
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .is("status of somebody else meanwhile", 200, other.answer.status)
        .holds("`peers status` says so", status.contains("the API answers 404"))
        .holds("nothing was written beside the first list", writes == 1)
        .note(format!("without a store: {times}")))
}

async fn restart_with(circuit: &Circuit, store: &str) -> Result<()> {
    let mut publisher = circuit.cluster().publisher().await;
    publisher.daemon.stop().await?;
    publisher.change_store(|told| store.clone_into(&mut told.id))?;
    publisher.daemon.start_again().await
}

/// As the release before left it: what is ours is replaced, and nothing else is touched.
async fn older_layout(circuit: &Circuit) -> Result {
    let api = circuit.api();
    circuit.cluster().publisher().await.daemon.stop().await?;
    api.empty_by_hand(circuit.store());
    let head = json!({ "layout": 1, "buckets": 7, "generation": 41, "epoch": now() - 60, "writer": "older" });
    api.put_by_hand(circuit.store(), "_meta", &head.to_string());
    for number in 0..7 {
        api.put_by_hand(circuit.store(), &format!("b{number:04}"), "AAAA");
    }
    for (key, value) in FOREIGN {
        api.put_by_hand(circuit.store(), key, value);
    }
    let before = circuit.send(BYSTANDER).await?;
    let (watched, right) = watch(circuit, BYSTANDER, async {
        let began = Instant::now();
        circuit.cluster().publisher().await.daemon.start_again().await?;
        circuit.ban(OFFENDER.address, "block").await?;
        circuit.until_edge(OFFENDER, Fate::Refused, began).await?;
        let right = circuit.until_right(began).await?;
        // Until what is left over from before may go, and has gone.
        tokio::time::sleep(PROPAGATION * 4).await;
        Ok(right)
    })
    .await?;
    let seen = circuit.send(OFFENDER).await?;
    let items = api.items(circuit.store());
    let kept = FOREIGN.iter().all(|(key, value)| items.get(*key).is_some_and(|item| item == value));
    let left = items.keys().filter(|key| key.starts_with("b0")).count();
    let row = Row::of(&seen)
        .refused(403, LISTED)
        .holds(
            format!("the edge's record says what is wrong: {:?}", fault(&before)),
            fault(&before).is_some(),
        )
        .holds("the items of somebody else stay", kept)
        .is("buckets of the older layout that are left", 0, left)
        .holds("the generation goes on", circuit.head().is_some_and(|head| head.generation >= 1))
        .note(format!("the store is right {right:.1?} after the start"));
    Ok(watched.state_bystander(row))
}

fn fault(seen: &Observed) -> Option<String> {
    seen.records.edge.as_ref()?.text("list_fault")
}

fn why(seen: &Observed) -> Option<String> {
    seen.records.haproxy.as_ref()?.text("why")
}
