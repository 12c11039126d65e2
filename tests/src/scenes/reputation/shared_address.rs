//! One address, several users: each pays for what they did themselves.

use std::time::Instant;

use crate::cluster::{Client, Cluster, Fate};
use crate::forge::{ADMIN, ENGINEER};
use crate::scene::{Row, Scene};
use crate::scenes::reason::LISTED_THROTTLE;
use crate::scenes::reputation::{HALVES, RULES, Result, draw_halves};

/// An address that many share, behind a company's NAT.
const SHARED: Client = Client::at("192.0.2.30");
const OFFENDER: Client = SHARED.signed_in(ENGINEER);
const NEIGHBOUR: Client = SHARED.signed_in(ADMIN);

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_cluster("a signed-in user misbehaves behind a shared address", RULES, |cluster| {
        Box::pin(one_of_many(cluster))
    })]
}

async fn one_of_many(cluster: &Cluster) -> Result {
    let drawn = draw_halves(cluster, OFFENDER, OFFENDER).await?;
    let times = cluster.until(OFFENDER, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(OFFENDER).await?;
    let elsewhere = Client { address: "192.0.2.31", ..OFFENDER };
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("404s drawn at each node", HALVES, drawn)
        .is("status at the other node", 429, other.answer.status)
        .is("reasons of the agents", vec![LISTED_THROTTLE.to_owned(); 4], cluster.reasons(OFFENDER).await?)
        .is("statuses of the same user elsewhere", [429; 2], cluster.statuses(elsewhere).await?)
        .is("statuses of a signed-in neighbour", [200; 2], cluster.statuses(NEIGHBOUR).await?)
        .is("statuses of an anonymous neighbour", [200; 2], cluster.statuses(SHARED).await?)
        .note(times.to_string()))
}
