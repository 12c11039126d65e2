//! What a listed client and another one get at the edge while something goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::circuit::{Answered, Circuit};
use crate::cluster::Client;
use crate::scene::Row;
use crate::scenes::circuit::{BYSTANDER, Result};
use crate::trouble::Trouble;

/// How often who answered with what; no answer is status 0 of the edge.
type Looks = BTreeMap<(Answered, u16), u32>;

/// What the two got, at every look.
#[derive(Debug, Default)]
pub(super) struct Watched {
    listed: Looks,
    bystander: Looks,
}

/// Does something, and meanwhile looks how the edge deals with `listed` and with the bystander.
pub(super) async fn watch<T>(
    circuit: &Circuit,
    listed: Client,
    disturb: impl Future<Output = std::result::Result<T, Trouble>>,
) -> Result<(Watched, T)> {
    let over = AtomicBool::new(false);
    let look = async {
        let mut watched = Watched::default();
        loop {
            for (client, looks) in [(listed, &mut watched.listed), (BYSTANDER, &mut watched.bystander)] {
                let seen = circuit.look(client).await.unwrap_or((Answered::Edge, 0));
                *looks.entry(seen).or_insert(0) += 1;
            }
            if over.load(Ordering::Relaxed) {
                return watched;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let disturb = async {
        let disturbed = disturb.await;
        over.store(true, Ordering::Relaxed);
        disturbed
    };
    let (watched, disturbed) = tokio::join!(look, disturb);
    Ok((watched, disturbed?))
}

impl Watched {
    /// States that the bystander passed at every look.
    pub(super) fn state_bystander(&self, row: Row) -> Row {
        let Self { bystander, .. } = self;
        row.holds(
            format!("somebody who is not listed passes at every look: {bystander:?}"),
            bystander.keys().all(|seen| *seen == (Answered::Origin, 200)),
        )
    }

    /// States that the listed one never reached an application, whoever refused it.
    pub(super) fn state_listed(&self, row: Row) -> Row {
        let Self { listed, .. } = self;
        row.holds(
            format!("the listed client never gets through: {listed:?}"),
            listed.keys().all(|(_, status)| *status == 403),
        )
    }

    /// States that the edge itself refused the listed one at every look.
    pub(super) fn state_listed_at_edge(&self, row: Row) -> Row {
        let Self { listed, .. } = self;
        row.holds(
            format!("the edge refuses the listed client at every look: {listed:?}"),
            listed.keys().all(|seen| *seen == (Answered::Edge, 403)),
        )
    }
}
