//! Lifting: at HAProxy at once, at the edge with the next write, whatever else waits.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::circuit::{Circuit, CircuitRules};
use crate::cluster::{Client, Fate};
use crate::publisher::EdgeRules;
use crate::scene::{Row, Scene};
use crate::scenes::circuit::{RULES, Result, SETTLED};

const OFFENDER: Client = Client::at("127.0.0.72");
/// Banned while the budget is as good as used up.
const NEXT: Client = Client::at("127.0.0.73");

/// The list's first write and that of one ban are free; then ordinary writes are far apart.
const SCARCE: CircuitRules =
    CircuitRules { edge: EdgeRules { flushes_per_hour: 12, flushes_for_lifts: 4, ..RULES.edge }, ..RULES };

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_circuit("a ban lifted while other changes wait", SCARCE, |circuit| {
        Box::pin(ahead(circuit))
    })]
}

async fn ahead(circuit: &Circuit) -> Result {
    circuit.ban(OFFENDER.address, "block").await?;
    circuit.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let first_items = circuit.items_of(OFFENDER)?;
    circuit.until_right(Instant::now()).await?;
    let before = circuit.writes().len();
    circuit.ban_all((1..=40).map(|last| Ipv4Addr::new(198, 51, 100, last))).await?;
    circuit.ban(NEXT.address, "block").await?;
    tokio::time::sleep(SETTLED).await;
    let waiting = circuit.writes().len();
    let next_meanwhile = circuit.look(NEXT).await?;
    let explained = circuit.command(&["bans", "explain", NEXT.address]).await?;
    let removed = Instant::now();
    let said = circuit.command(&["bans", "remove", OFFENDER.address]).await?;
    let times = circuit.until(OFFENDER, Fate::Passes, removed).await?;
    let right = circuit.until_right(removed).await?;
    let seen = circuit.send(OFFENDER).await?;
    let writes = circuit.writes();
    let of_lift = writes.get(waiting).map(|write| write.operations.clone()).unwrap_or_default();
    let explained_after = circuit.command(&["bans", "explain", OFFENDER.address]).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .holds("`bans remove` says what was lifted", said.contains("`block` lifted"))
        .is("writes while changes wait", before, waiting)
        .is("who refuses one whose ban waits", (crate::circuit::Answered::Origin, 403), next_meanwhile)
        .holds("`bans explain` says that they wait", explained.contains("changes wait to be written"))
        .is("writes for the lift", 1, writes.len() - waiting)
        .holds(
            "the lifted client's item is the first of the batch",
            of_lift.first().is_some_and(|operation| first_items.iter().any(|item| item == operation.key())),
        )
        .holds(
            "`bans explain` says by when everybody has let go",
            explained_after.contains("was lifted by hand") && explained_after.contains(", everywhere by "),
        )
        .note(format!("from the command on: {times}"))
        .note(format!("{} operations in the write; the store is right after {right:.0?}", of_lift.len())))
}
