//! What one HAProxy sees, the publisher decides and every node acts on.

mod addresses;
mod bans;
mod hostile_peer;
pub(super) mod log_ins;
mod pardon;
mod probing;
mod restarts;
mod shared_address;
mod victim;
mod watch;

use std::time::Duration;

use crate::cluster::{Client, Cluster};
use crate::publisher::{Guard, Rules, Rung, Signal};
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;

pub(super) fn scenes() -> Vec<Scene> {
    [
        probing::scenes(),
        shared_address::scenes(),
        victim::scenes(),
        pardon::scenes(),
        bans::scenes(),
        addresses::scenes(),
        restarts::scenes(),
        log_ins::scenes(),
        hostile_peer::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Result = std::result::Result<Row, Trouble>;

/// How many 404s a client may draw in a minute before it is an offence.
const OVER: u32 = 10;
/// What a client draws at each node where both together see an offence, and neither alone: the last
/// one is the one that is too many, so that none of them is refused already.
const HALVES: [u32; 2] = [OVER / 2, OVER / 2 + 1];
/// Longer than the publisher takes to act on a count, so that what has not happened by then will not.
const SETTLED: Duration = Duration::from_millis(300);

/// Nothing ends while a scene plays.
pub(super) const RULES: Rules =
    Rules { pardon_seconds: 600, signals: &[PROBING, PROBING_BY_SUBJECT], guard: Guard::USUAL };

const PROBING: Signal = Signal {
    name: "probing",
    table: "cs_sensor",
    value: "gpc_rate[0]",
    over: OVER,
    remember_seconds: 600,
    rungs: &[Rung { action: "throttle", seconds: 300 }, Rung { action: "block", seconds: 600 }],
};

const PROBING_BY_SUBJECT: Signal =
    Signal { name: "probing-by-subject", table: "cs_sensor_subject", ..PROBING };

/// Somebody who does nothing wrong, at an address of their own.
const BYSTANDER: Client = Client::at("192.0.2.200");

/// Draws 404s at both nodes, enough together and at neither; gives how many came.
async fn draw_halves(
    cluster: &Cluster,
    first: Client,
    second: Client,
) -> std::result::Result<[u32; 2], Trouble> {
    let ([hap1, hap2], [half, rest]) = (cluster.nodes(), HALVES);
    Ok([cluster.draw(hap1, first, 404, half).await?, cluster.draw(hap2, second, 404, rest).await?])
}
