//! One client, however its address is spelled.

use std::time::Instant;

use crate::cluster::{Client, Cluster, Fate};
use crate::scene::{Row, Scene};
use crate::scenes::reason::LISTED_THROTTLE;
use crate::scenes::reputation::{HALVES, RULES, Result, draw_halves};
use crate::trouble::Trouble;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("two addresses of one /64", RULES, |cluster| Box::pin(same_network(cluster))),
        Scene::on_cluster("an IPv4 address, mapped and plain", RULES, |cluster| Box::pin(mapped(cluster))),
    ]
}

/// What is the same client, and what is not.
struct Spellings {
    /// Draws the first half at one node.
    first: Client,
    /// Draws the second half at the other.
    second: Client,
    /// Has drawn nothing, and is the same client.
    third: Client,
    /// Is another.
    other: Client,
}

async fn same_network(cluster: &Cluster) -> Result {
    let spellings = Spellings {
        first: Client::at("2001:db8:0:70::7"),
        second: Client::at("2001:db8:0:70:ffff:ffff:ffff:fffe"),
        third: Client::at("2001:DB8::70:0:0:0:1"),
        other: Client::at("2001:db8:0:71::7"),
    };
    one_client(cluster, spellings, "2001:db8:0:70::/64").await
}

async fn mapped(cluster: &Cluster) -> Result {
    let spellings = Spellings {
        first: Client::at("::ffff:192.0.2.70"),
        second: Client::at("192.0.2.70"),
        third: Client::at("::FFFF:c000:246"),
        other: Client::at("::ffff:192.0.2.71"),
    };
    one_client(cluster, spellings, "192.0.2.70").await
}

async fn one_client(cluster: &Cluster, spellings: Spellings, name: &str) -> Result {
    let Spellings { first, second, third, other } = spellings;
    let drawn = draw_halves(cluster, first, second).await?;
    let times = cluster.until(first, Fate::Refused, Instant::now()).await?;
    let [seen, _] = cluster.try_everywhere(third).await?;
    let mut row =
        Row::of(&seen).refused(429, LISTED_THROTTLE).is("404s drawn", HALVES, drawn).note(times.to_string());
    for client in [first, second, third] {
        let refused = vec![LISTED_THROTTLE.to_owned(); 4];
        row = row
            .is(&format!("statuses of {}", client.address), [429; 2], cluster.statuses(client).await?)
            .is(&format!("the agents of {}", client.address), refused, cluster.reasons(client).await?)
            .holds(
                format!("the publisher explains {} as {name}", client.address),
                explained(cluster, client).await?.contains(name),
            );
    }
    Ok(row.is("statuses of another client", [200; 2], cluster.statuses(other).await?))
}

async fn explained(cluster: &Cluster, client: Client) -> std::result::Result<String, Trouble> {
    cluster.command(&["bans", "explain", client.address]).await
}
