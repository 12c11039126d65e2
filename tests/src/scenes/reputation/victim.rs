//! An attacker who wants somebody else to be refused.

use std::time::Instant;

use serde_json::json;

use crate::ask::Ask;
use crate::cluster::{Client, Cluster, Fate};
use crate::forge::{ENGINEER, HEADER, NOBODY};
use crate::publisher::{Rules, Signal};
use crate::scene::{Row, Scene};
use crate::scenes::reason::LISTED_THROTTLE;
use crate::scenes::reputation::{OVER, PROBING, RULES, Result, SETTLED};
use crate::trouble::Trouble;

const VICTIM: Client = Client::at("192.0.2.40");
const ATTACKER: Client = Client::at("192.0.2.41");

/// Every counter that could be held against somebody.
const STRICT: Rules = Rules {
    signals: &[
        PROBING,
        Signal { name: "refused", value: "gpc_rate[1]", ..PROBING },
        Signal { name: "failing", value: "gpc_rate[2]", ..PROBING },
        Signal { name: "probing-by-subject", table: "cs_sensor_subject", ..PROBING },
        Signal { name: "refused-by-subject", table: "cs_sensor_subject", value: "gpc_rate[1]", ..PROBING },
    ],
    ..RULES
};

/// Far more than it takes.
const MANY: u32 = 3 * OVER;

/// Names in which an address could be brought along.
const HEADERS: [&str; 8] = [
    "X-Forwarded-For",
    "X_Forwarded_For",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "Fastly-Client-IP",
    "Countersign-Client-IP",
    "CF-Connecting-IP",
];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("forged assertions that name a victim", STRICT, |cluster| {
            Box::pin(forged_assertions(cluster))
        }),
        Scene::on_cluster("headers that name a victim", STRICT, |cluster| Box::pin(forged_headers(cluster))),
        Scene::on_cluster("a victim's browser on a hostile page", STRICT, |cluster| {
            Box::pin(cross_site(cluster))
        }),
        Scene::on_cluster("a client that only we refuse", STRICT, |cluster| Box::pin(own_refusals(cluster))),
        Scene::on_cluster("a client that the application refuses", STRICT, |cluster| {
            Box::pin(refusals_of_the_application(cluster))
        }),
    ]
}

/// Sends `times` requests that each are made afresh; gives the statuses that came, without repeats.
async fn send(
    cluster: &Cluster,
    times: u32,
    make: impl Fn(&Cluster) -> std::result::Result<Ask, Trouble>,
) -> std::result::Result<Vec<u16>, Trouble> {
    let mut statuses = Vec::new();
    for node in cluster.nodes() {
        for _ in 0..times {
            statuses.push(node.answer(&make(cluster)?).await?.status);
        }
    }
    statuses.dedup();
    Ok(statuses)
}

/// How often the counters of both nodes counted this address, by HAProxy's own tables.
async fn counted<const N: usize>(
    cluster: &Cluster,
    client: Client,
    counters: [usize; N],
) -> std::result::Result<[u32; N], Trouble> {
    let mut sums = [0; N];
    for node in cluster.nodes() {
        for (counter, sum) in counters.iter().zip(&mut sums) {
            *sum += node.haproxy().await.counted(client.key()?, *counter).await?.unwrap_or_default();
        }
    }
    Ok(sums)
}

/// Signed by a key of the attacker's own; all else about them is right.
async fn forged_assertions(cluster: &Cluster) -> Result {
    let statuses = send(cluster, MANY, |cluster| {
        let ask = cluster.ask(VICTIM, 404);
        let draft = cluster.forge().draft(&ask.request, NOBODY)?.claim("ip", json!(VICTIM.address));
        Ok(ask.header(HEADER, &draft.signed_by_a_stranger()?))
    })
    .await?;
    tokio::time::sleep(SETTLED).await;
    let [seen, other] = cluster.try_everywhere(VICTIM).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .is("status at the other node", 200, other.answer.status)
        .is("statuses of the forged ones", vec![403], statuses)
        .is("counted for the victim", [0; 4], counted(cluster, VICTIM, [0, 1, 2, 3]).await?))
}

/// The attacker's own assertion is right: what they do is counted, for themselves.
async fn forged_headers(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    for _ in 0..=OVER {
        let ask = HEADERS
            .iter()
            .fold(cluster.vouched(ATTACKER, 404)?, |ask, name| ask.header(name, VICTIM.address));
        hap1.answer(&ask).await?;
    }
    let times = cluster.until(ATTACKER, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(VICTIM).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .is("status at the other node", 200, other.answer.status)
        .is("counted for the victim", [0; 4], counted(cluster, VICTIM, [0, 1, 2, 3]).await?)
        .is("statuses of the attacker", [429; 2], cluster.statuses(ATTACKER).await?)
        .note(format!("the attacker is refused: {times}")))
}

/// A page elsewhere with images that are not there: every browser that sees it asks for them, with
/// the assertion that the edge makes for its user.
async fn cross_site(cluster: &Cluster) -> Result {
    let marked = send(cluster, MANY, |cluster| {
        Ok(cluster.vouched(VICTIM, 404)?.header("Sec-Fetch-Site", "cross-site"))
    })
    .await?;
    let old_browser = send(cluster, MANY, |cluster| {
        Ok(cluster.vouched(VICTIM, 404)?.header("Referer", "https://evil.example.test/page"))
    })
    .await?;
    tokio::time::sleep(SETTLED).await;
    let [seen, other] = cluster.try_everywhere(VICTIM).await?;
    let counts = counted(cluster, VICTIM, [0, 3]).await?;
    // A page of our own that links to what is not there is the application's fault, and looks like a probe.
    let own = send(cluster, OVER, |cluster| {
        Ok(cluster.vouched(ATTACKER, 404)?.header("Referer", "https://www.example.test/page"))
    })
    .await?;
    cluster.until(ATTACKER, Fate::Refused, Instant::now()).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .is("status at the other node", 200, other.answer.status)
        .is("statuses with Sec-Fetch-Site", vec![404], marked)
        .is("statuses with a foreign Referer", vec![404], old_browser)
        .is("counted as probes, and as cross-site", [0, 4 * MANY], counts)
        .holds("from a page of our own they count", own.contains(&404)))
}

/// Every refusal of ours, many times: none of them is a reason to refuse.
async fn own_refusals(cluster: &Cluster) -> Result {
    let client = ATTACKER.signed_in(ENGINEER);
    let anonymous = send(cluster, MANY, |cluster| cluster.vouch(cluster.ask(client, 404), ATTACKER)).await?;
    let forbidden =
        send(cluster, MANY, |cluster| cluster.vouch(cluster.ask_for("GET", "/admin/users"), client)).await?;
    let unvouched = send(cluster, MANY, |cluster| Ok(cluster.ask(ATTACKER, 404))).await?;
    let throttled = Client::at("192.0.2.42");
    cluster.command(&["bans", "add", throttled.address, "--action", "throttle", "--seconds", "600"]).await?;
    cluster.until(throttled, Fate::Refused, Instant::now()).await?;
    let refused = send(cluster, MANY, |cluster| cluster.vouched(throttled, 404)).await?;
    tokio::time::sleep(SETTLED).await;
    let [seen, other] = cluster.try_everywhere(client).await?;
    let mut tables = String::new();
    for node in cluster.nodes() {
        let haproxy = node.haproxy().await;
        tables.push_str(&haproxy.ask("show table countersign/cs_sensor").await?);
        tables.push_str(&haproxy.ask("show table countersign/cs_sensor_subject").await?);
    }
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .is("status at the other node", 200, other.answer.status)
        .is("statuses without an identity", vec![401], anonymous)
        .is("statuses without the permission", vec![403], forbidden)
        .is("statuses without an assertion", vec![401], unvouched)
        .is("statuses while listed", vec![429], refused)
        .holds("HAProxy counted nothing", counts(&tables).all(|count| count == "0"))
        .holds("but has seen who passed", counts(&tables).next().is_some())
        .is("statuses of the address", [200; 2], cluster.statuses(ATTACKER).await?))
}

/// The same statuses by the application are counted: that is what makes the scene above one.
async fn refusals_of_the_application(cluster: &Cluster) -> Result {
    let [hap1, hap2] = cluster.nodes();
    let drawn = [cluster.draw(hap1, ATTACKER, 403, OVER).await?, cluster.draw(hap2, ATTACKER, 401, 1).await?];
    let times = cluster.until(ATTACKER, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(ATTACKER).await?;
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("status at the other node", 429, other.answer.status)
        .is("refusals drawn at each node", [OVER, 1], drawn)
        .note(times.to_string()))
}

/// Every rate of every entry, as HAProxy's `show table` prints them.
fn counts(tables: &str) -> impl Iterator<Item = &str> {
    tables.split("_rate(60000)=").skip(1).filter_map(|rest| rest.split_whitespace().next())
}
