//! Two clients who are looked at all the time while something goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cluster::{Client, Cluster};
use crate::scene::Row;
use crate::scenes::reputation::BYSTANDER;
use crate::trouble::Trouble;

/// Is banned before anything begins.
pub(super) const BANNED: Client = Client::at("192.0.2.60");

/// What the two got at both nodes meanwhile: how often which status, with 0 for no answer.
#[derive(Debug, Default)]
pub(super) struct Watched {
    banned: BTreeMap<u16, u32>,
    bystander: BTreeMap<u16, u32>,
}

/// Does something, and meanwhile sends requests of both clients to both nodes.
pub(super) async fn watch<T>(
    cluster: &Cluster,
    disturb: impl Future<Output = Result<T, Trouble>>,
) -> Result<(Watched, T), Trouble> {
    let over = AtomicBool::new(false);
    let watch = async {
        let mut watched = Watched::default();
        loop {
            for node in cluster.nodes() {
                for (client, seen) in [(BANNED, &mut watched.banned), (BYSTANDER, &mut watched.bystander)] {
                    let answer = node.answer(&cluster.vouched(client, 200)?).await;
                    *seen.entry(answer.map_or(0, |answer| answer.status)).or_insert(0) += 1;
                }
            }
            if over.load(Ordering::Relaxed) {
                return Ok(watched);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let disturb = async {
        let disturbed = disturb.await;
        over.store(true, Ordering::Relaxed);
        disturbed
    };
    let (watched, disturbed) = tokio::join!(watch, disturb);
    Ok((watched?, disturbed?))
}

impl Watched {
    /// States that the banned one never passed, and that the other was never refused as a listed one.
    pub(super) fn state(&self, row: Row) -> Row {
        let Self { banned, bystander } = self;
        let refused = bystander.contains_key(&429) || bystander.contains_key(&403);
        row.holds(
            format!("the banned client is refused all the time: {banned:?}"),
            banned.contains_key(&429) && !banned.contains_key(&200),
        )
        .holds(
            format!("somebody else is not, at any time: {bystander:?}"),
            bystander.contains_key(&200) && !refused,
        )
    }

    /// States that nothing else happened either: nobody went without an answer, or got another one.
    pub(super) fn state_undisturbed(&self, row: Row) -> Row {
        let others = |answers: &BTreeMap<u16, u32>, usual: u16| -> Vec<(u16, u32)> {
            answers
                .iter()
                .filter(|(status, _)| **status != usual)
                .map(|(status, times)| (*status, *times))
                .collect()
        };
        self.state(row).is("other answers to the banned client", Vec::new(), others(&self.banned, 429)).is(
            "other answers to somebody else",
            Vec::new(),
            others(&self.bystander, 200),
        )
    }
}
