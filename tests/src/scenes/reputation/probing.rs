//! A client that asks for what is not there: counted at HAProxy, refused everywhere.

use std::time::Instant;

use crate::cluster::{Client, Cluster, Fate, refusal_of_haproxy};
use crate::publisher::{Rules, Rung, Signal};
use crate::scene::{Row, Scene};
use crate::scenes::reason::{LISTED, LISTED_THROTTLE};
use crate::scenes::reputation::{BYSTANDER, HALVES, OVER, PROBING, RULES, Result, SETTLED};

const OFFENDER: Client = Client::at("192.0.2.20");

/// A first rung that ends soon.
const SHORT: Rules = Rules {
    signals: &[Signal {
        rungs: &[Rung { action: "throttle", seconds: 2 }, Rung { action: "block", seconds: 600 }],
        ..PROBING
    }],
    ..RULES
};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("a client that draws too many 404s", RULES, |cluster| Box::pin(above(cluster))),
        Scene::on_cluster("a client that draws just not too many 404s", RULES, |cluster| {
            Box::pin(below(cluster))
        }),
        Scene::on_cluster("404s spread over two nodes", RULES, |cluster| Box::pin(spread(cluster))),
        Scene::on_cluster("a client that does it again", SHORT, |cluster| Box::pin(again(cluster))),
    ]
}

async fn above(cluster: &Cluster) -> Result {
    let [hap1, hap2] = cluster.nodes();
    let drawn = cluster.draw(hap1, OFFENDER, 404, OVER + 1).await?;
    let times = cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let [at_first, at_second] = cluster.try_everywhere(OFFENDER).await?;
    let before = cluster.served();
    let refused = cluster.draw(hap2, OFFENDER, 404, 3).await?;
    Ok(Row::of(&at_first)
        .refused(429, LISTED_THROTTLE)
        .holds("with Retry-After", at_first.answer.header("retry-after").is_some())
        .is("404s drawn", OVER + 1, drawn)
        .is("reason at the other node", Some(LISTED_THROTTLE.to_owned()), refusal_of_haproxy(&at_second))
        .is("reasons of the agents", vec![LISTED_THROTTLE.to_owned(); 4], cluster.reasons(OFFENDER).await?)
        .is("404s drawn while it is refused", 0, refused)
        .is("requests that the pools served meanwhile", before, cluster.served())
        .is("statuses of somebody else", [200; 2], cluster.statuses(BYSTANDER).await?)
        .note(times.to_string()))
}

async fn below(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    let drawn = cluster.draw(hap1, OFFENDER, 404, OVER).await?;
    // Neither what goes well nor what another counter counts is a probe.
    let well = cluster.draw(hap1, OFFENDER, 200, OVER).await?;
    let failed = cluster.draw(hap1, OFFENDER, 500, OVER).await?;
    tokio::time::sleep(SETTLED).await;
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    Ok(Row::of(&seen).status(200).pool("web").is("answers drawn", [OVER; 3], [drawn, well, failed]).is(
        "status at the other node",
        200,
        other.answer.status,
    ))
}

async fn spread(cluster: &Cluster) -> Result {
    let [hap1, hap2] = cluster.nodes();
    let [half, rest] = HALVES;
    let first = cluster.draw(hap1, OFFENDER, 404, half).await?;
    tokio::time::sleep(SETTLED).await;
    let between = cluster.statuses(OFFENDER).await?;
    let second = cluster.draw(hap2, OFFENDER, 404, rest).await?;
    let times = cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("reason at the other node", Some(LISTED_THROTTLE.to_owned()), refusal_of_haproxy(&other))
        .is("404s drawn at each node", HALVES, [first, second])
        .is("statuses after the first half", [200; 2], between)
        .note(times.to_string()))
}

/// Throttled for two seconds; what it draws after that is the second offence.
async fn again(cluster: &Cluster) -> Result {
    let [hap1, hap2] = cluster.nodes();
    let drawn = cluster.draw(hap1, OFFENDER, 404, OVER + 1).await?;
    cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let first = cluster.try_everywhere(OFFENDER).await?.map(|seen| refusal_of_haproxy(&seen));
    let began = Instant::now();
    let over = cluster.until(OFFENDER, Fate::Passes, began).await?;
    // What it did before alone must not be taken for a second offence.
    tokio::time::sleep(SETTLED).await;
    let between = cluster.statuses(OFFENDER).await?;
    cluster.draw(hap2, OFFENDER, 404, OVER + 1).await?;
    let times = cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .is("404s drawn", OVER + 1, drawn)
        .is("reasons of the first time", [(); 2].map(|()| Some(LISTED_THROTTLE.to_owned())), first)
        .is("statuses after it", [200; 2], between)
        .is("reason at the other node", Some(LISTED.to_owned()), refusal_of_haproxy(&other))
        .note(format!("passes again: {over}"))
        .note(format!("refused again: {times}")))
}
