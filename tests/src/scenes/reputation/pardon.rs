//! A ban that a person takes back, while what it was for is still counted.

use std::time::{Duration, Instant};

use crate::cluster::{Client, Cluster, Fate};
use crate::publisher::Rules;
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::scenes::reputation::{OVER, RULES, Result, SETTLED};
use crate::trouble::Trouble;

const OFFENDER: Client = Client::at("192.0.2.50");

/// A pardon that ends while the scene plays.
const SHORT: Rules = Rules { pardon_seconds: 2, ..RULES };

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("a ban taken back while the counters are high", RULES, |cluster| {
            Box::pin(taken_back(cluster))
        }),
        Scene::on_cluster("a pardon that is over", SHORT, |cluster| Box::pin(pardon_over(cluster))),
    ]
}

/// Has the offender banned, and the ban taken back; tells how long that took.
async fn ban_and_remove(cluster: &Cluster) -> std::result::Result<String, Trouble> {
    let [hap1, _] = cluster.nodes();
    cluster.draw(hap1, OFFENDER, 404, OVER + 1).await?;
    cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let asked = Instant::now();
    cluster.command(&["bans", "remove", OFFENDER.address]).await?;
    let answered = asked.elapsed();
    let times = cluster.until(OFFENDER, Fate::Passes, asked).await?;
    Ok(format!("from the command on: {times}; the command itself took {} ms", answered.as_millis()))
}

async fn taken_back(cluster: &Cluster) -> Result {
    let [hap1, hap2] = cluster.nodes();
    let times = ban_and_remove(cluster).await?;
    // It goes on as before, on either node.
    let drawn = [
        cluster.draw(hap1, OFFENDER, 404, 2 * OVER).await?,
        cluster.draw(hap2, OFFENDER, 404, 2 * OVER).await?,
    ];
    tokio::time::sleep(SETTLED).await;
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .is("status at the other node", 200, other.answer.status)
        .is("404s drawn at each node after it", [2 * OVER; 2], drawn)
        .is("reasons of the agents", vec![ALLOWED.to_owned(); 4], cluster.reasons(OFFENDER).await?)
        .note(times))
}

async fn pardon_over(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    ban_and_remove(cluster).await?;
    let removed = Instant::now();
    let during = cluster.draw(hap1, OFFENDER, 404, OVER).await?;
    tokio::time::sleep(SETTLED).await;
    let within = cluster.statuses(OFFENDER).await?;
    // Seconds are counted whole: one more than the pardon has.
    tokio::time::sleep_until((removed + Duration::from_secs(SHORT.pardon_seconds + 1)).into()).await;
    cluster.draw(hap1, OFFENDER, 404, OVER + 1).await?;
    let times = cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    Ok(Row::of(&seen)
        .no_pool()
        .holds(
            "refused at both nodes",
            [seen.answer.status, other.answer.status].iter().all(|status| matches!(status, 403 | 429)),
        )
        .is("404s drawn within the pardon", OVER, during)
        .is("statuses within the pardon", [200; 2], within)
        .note(format!("refused again: {times}")))
}
