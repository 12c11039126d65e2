//! Log-ins that are revoked: one of somebody's, while they stay signed in elsewhere.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::ask::Ask;
use crate::cluster::{Client, Cluster};
use crate::forge::{ENGINEER, HEADER};
use crate::scene::{Row, Scene};
use crate::scenes::reputation::{RULES, Result, SETTLED};
use crate::trouble::Trouble;

const CLIENT: Client = Client::at("192.0.2.90").signed_in(ENGINEER);
/// More than each node has agents, so that each of them is asked.
const ROUND: usize = 4;
/// Longest wait until every agent knows.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_cluster("a revoked log-in", RULES, |cluster| Box::pin(revoked(cluster)))]
}

/// A request of somebody who is known by this log-in.
fn known_by(cluster: &Cluster, session: &str) -> std::result::Result<Ask, Trouble> {
    let ask = cluster.ask(CLIENT, 200);
    let draft = cluster.forge().draft(&ask.request, CLIENT.sender)?.claim("sid", json!(session));
    Ok(ask.header(HEADER, &draft.signed(cluster.forge())))
}

/// The statuses of requests that reach every agent, in order and once each.
async fn statuses(cluster: &Cluster, session: &str) -> std::result::Result<Vec<u16>, Trouble> {
    let mut statuses = Vec::new();
    for node in cluster.nodes() {
        for _ in 0..ROUND {
            statuses.push(node.answer(&known_by(cluster, session)?).await?.status);
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    Ok(statuses)
}

/// Waits until every agent refuses this log-in, or none does.
async fn until(cluster: &Cluster, session: &str, status: u16) -> std::result::Result<Duration, Trouble> {
    let since = Instant::now();
    let mut last = Vec::new();
    while since.elapsed() < PATIENCE {
        last = statuses(cluster, session).await?;
        if last == [status] {
            return Ok(since.elapsed());
        }
    }
    let what = format!("agents that answer log-in {session} with {status}");
    Err(Trouble::NotReady { what, waited: PATIENCE, said: format!("{last:?}") })
}

async fn revoked(cluster: &Cluster) -> Result {
    until(cluster, "at-work", 200).await?;
    cluster.command(&["revoke", "--session", "at-work"]).await?;
    let took = until(cluster, "at-work", 403).await?;
    let [hap1, _] = cluster.nodes();
    let seen = hap1.send(&known_by(cluster, "at-work")?).await?;
    let elsewhere = statuses(cluster, "at-home").await?;
    tokio::time::sleep(SETTLED).await;
    cluster.command(&["bans", "remove", "session:at-work"]).await?;
    until(cluster, "at-work", 200).await?;
    Ok(Row::of(&seen)
        .refused(403, "listed")
        .is("statuses of another log-in of the same person", vec![200], elsewhere)
        .note(format!("every agent refuses after {took:.0?}")))
}
