//! The whole way, once around.

use std::time::{Duration, Instant};

use crate::circuit::Circuit;
use crate::cluster::{Client, Fate};
use crate::scene::{Row, Scene};
use crate::scenes::circuit::{BYSTANDER, OVER, PROPAGATION, RULES, Result};
use crate::scenes::reason::LISTED_THROTTLE;

const OFFENDER: Client = Client::at("127.0.0.71");

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_circuit("an offence, and the edge refuses", RULES, |circuit| {
            Box::pin(refused_everywhere(circuit, Duration::ZERO))
        }),
        Scene::on_circuit("an offence, where the store takes a second", RULES, |circuit| {
            Box::pin(refused_everywhere(circuit, PROPAGATION))
        }),
    ]
}

async fn refused_everywhere(circuit: &Circuit, propagation: Duration) -> Result {
    circuit.api().propagate_after(propagation);
    let drawn = circuit.draw(OFFENDER, 404, OVER + 1).await?;
    let times = circuit.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let before = circuit.node().haproxy().await.connections().await?;
    let refused = circuit.draw(OFFENDER, 404, 3).await?;
    let seen = circuit.send(OFFENDER).await?;
    let connections = circuit.node().haproxy().await.connections().await? - before;
    let other = circuit.send(BYSTANDER).await?;
    let explained = circuit.command(&["bans", "explain", OFFENDER.address]).await?;
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .holds("with Retry-After", seen.answer.header("retry-after").is_some())
        .holds("no tier but the edge has a record", seen.records.haproxy.is_none())
        .is("404s drawn", OVER + 1, drawn)
        .is("404s drawn while it is refused", 0, refused)
        .is("connections that HAProxy saw", 0, connections)
        .is("status of somebody else", 200, other.answer.status)
        .holds(
            "`bans explain` tells the list's generation",
            explained.contains("at the edge: list generation "),
        )
        .note(format!("from the last 404 on, with a propagation of {propagation:?}: {times}")))
}
