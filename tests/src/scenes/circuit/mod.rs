//! From an offence to the edge and back: what is learnt behind the edge is published, acted on before a
//! request costs anything, and taken back.

mod api;
mod guard;
mod ladder;
mod lift;
mod offence;
mod once;
mod store;
mod successor;
mod watch;

use crate::circuit::CircuitRules;
use crate::cluster::Client;
use crate::fastly_api::{self, Budget, FailingBatch, Told};
use crate::publisher::{EdgeRules, Guard, Rules, Rung, Signal};
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;

use std::time::Duration;

pub(super) fn scenes() -> Vec<Scene> {
    [
        offence::scenes(),
        guard::scenes(),
        lift::scenes(),
        api::scenes(),
        store::scenes(),
        successor::scenes(),
        ladder::scenes(),
        once::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Result<T = Row> = std::result::Result<T, Trouble>;

/// How many 404s a client may draw in a minute before it is an offence.
const OVER: u32 = 10;
/// Longer than the publisher takes to act on a count, or to write what it may, so that what has not
/// happened by then will not.
const SETTLED: Duration = Duration::from_millis(500);
/// How long the publisher is told that a write takes to be seen everywhere.
const PROPAGATION: Duration = Duration::from_secs(1);
/// The most writes an hour of the publisher: what the API would take, were it not its usual 1000.
const FLUSHES: usize = 400;

const PROBING: Signal = Signal {
    name: "probing",
    table: "cs_sensor",
    value: "gpc_rate[0]",
    over: OVER,
    remember_seconds: 600,
    rungs: &[Rung { action: "throttle", seconds: 300 }, Rung { action: "block", seconds: 600 }],
};

pub(super) const RULES: CircuitRules = CircuitRules {
    bans: Rules {
        pardon_seconds: 600,
        signals: &[PROBING],
        guard: Guard { reserved: "as-others", ..Guard::USUAL },
    },
    edge: EdgeRules {
        buckets: 16,
        mode: "enforce",
        flushes_per_hour: FLUSHES,
        flushes_for_lifts: 10,
        reconcile_seconds: 2,
        propagation_seconds: PROPAGATION.as_secs(),
    },
    api: fastly_api::Rules {
        budget: Budget { writes: 1000, window: Duration::from_secs(3600), told: Told::OnWrites },
        failing_batch: FailingBatch::DoesNothing,
    },
};

/// Somebody who does nothing wrong.
const BYSTANDER: Client = Client::at("127.0.0.90");
