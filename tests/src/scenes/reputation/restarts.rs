//! Parts that are reloaded, restarted, killed and frozen: no ban is lost, and none is invented.
//!
//! Before the disturbance one client is banned and two have drawn a part of what it takes. After it
//! the one draws as many as were missing, the other one less: were counts lost the first would pass,
//! were they doubled the second would be refused.

use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::cluster::{Client, Cluster, Fate, refusal_of_haproxy};
use crate::haproxy::Health;
use crate::node::{AGENTS, Node};
use crate::scene::{Row, Scene};
use crate::scenes::reason::LISTED_THROTTLE;
use crate::scenes::reputation::watch::{BANNED, watch};
use crate::scenes::reputation::{BYSTANDER, OVER, RULES, Result, SETTLED};
use crate::trouble::Trouble;

/// Draws more than it takes, a part before and the rest after.
const HALFWAY: Client = Client::at("192.0.2.61");
/// Draws just not too many, a part before and the rest after.
const NEARLY: Client = Client::at("192.0.2.62");
/// Draws too many while the publisher is away.
const MEANWHILE: Client = Client::at("192.0.2.63");
/// What the two have drawn before.
const PART: u32 = OVER / 2 + 1;

/// Longer than HAProxy waits for a word of a peer before it closes the connection.
const LONG: Duration = Duration::from_secs(7);
/// Longest wait for a cold node to be taught again; HAProxy waits up to five seconds before it
/// connects again.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("HAProxy reloaded, with bans and counts", RULES, |cluster| {
            Box::pin(haproxy_reloaded(cluster))
        }),
        Scene::on_cluster("HAProxy killed and started again", RULES, |cluster| {
            Box::pin(haproxy_killed(cluster))
        }),
        Scene::on_cluster("HAProxy reloaded while the publisher is dead", RULES, |cluster| {
            Box::pin(haproxy_reloaded_alone(cluster))
        }),
        Scene::on_cluster("agents restarted, with bans", RULES, |cluster| {
            Box::pin(agents_restarted(cluster))
        }),
        Scene::on_cluster("agents killed, with bans", RULES, |cluster| Box::pin(agents_killed(cluster))),
        Scene::on_cluster("the publisher restarted", RULES, |cluster| Box::pin(publisher_restarted(cluster))),
        Scene::on_cluster("the publisher killed, and started again", RULES, |cluster| {
            Box::pin(publisher_killed(cluster))
        }),
        Scene::on_cluster("the publisher frozen for longer than a connection lives", RULES, |cluster| {
            Box::pin(publisher_frozen(cluster))
        }),
    ]
}

/// Has one client banned and the counts of two begun, at the first node.
async fn set_up(cluster: &Cluster) -> std::result::Result<(), Trouble> {
    let [hap1, _] = cluster.nodes();
    for (client, times) in [(BANNED, OVER + 1), (HALFWAY, PART), (NEARLY, PART)] {
        cluster.draw(hap1, client, 404, times).await?;
    }
    cluster.until(BANNED, Fate::Refused, Instant::now()).await?;
    tokio::time::sleep(SETTLED).await;
    Ok(())
}

/// States that everybody is dealt with as before, and that counts go on where they were.
async fn goes_on(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    let agents = cluster.reasons(BANNED).await?;
    let [banned, other] = cluster.try_everywhere(BANNED).await?;
    let before = [cluster.statuses(HALFWAY).await?, cluster.statuses(NEARLY).await?];
    let drawn = [
        cluster.draw(hap1, NEARLY, 404, OVER - PART).await?,
        cluster.draw(hap1, HALFWAY, 404, OVER - PART + 1).await?,
    ];
    let times = cluster.until(HALFWAY, Fate::Refused, Instant::now()).await?;
    tokio::time::sleep(SETTLED).await;
    Ok(Row::of(&banned)
        .refused(429, LISTED_THROTTLE)
        .is("status at the other node", 429, other.answer.status)
        .is("reasons of the agents", vec![LISTED_THROTTLE.to_owned(); 4], agents)
        .is("statuses of those halfway", [[200; 2]; 2], before)
        .is("404s that they drew more", [OVER - PART, OVER - PART + 1], drawn)
        .is("statuses of who drew just not too many", [200; 2], cluster.statuses(NEARLY).await?)
        .is("statuses of somebody else", [200; 2], cluster.statuses(BYSTANDER).await?)
        .note(format!("who went on beyond the threshold is refused: {times}")))
}

/// Waits until this HAProxy has counted the part of a client that it drew before.
async fn until_counted(node: &Node, client: Client) -> std::result::Result<(), Trouble> {
    let started = Instant::now();
    let mut counted = None;
    while started.elapsed() < PATIENCE {
        counted = node.haproxy().await.counted(client.key()?, 0).await?;
        if counted == Some(PART) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let said = format!("{counted:?} where {PART} were drawn");
    Err(Trouble::NotReady { what: "a HAProxy with its counts".into(), waited: PATIENCE, said })
}

async fn haproxy_reloaded(cluster: &Cluster) -> Result {
    set_up(cluster).await?;
    let [hap1, _] = cluster.nodes();
    let (watched, ()) = watch(cluster, async {
        for _ in 0..2 {
            hap1.haproxy().await.reload().await?;
            tokio::time::sleep(SETTLED).await;
        }
        until_counted(hap1, HALFWAY).await
    })
    .await?;
    let row = goes_on(cluster).await?;
    Ok(watched.state_undisturbed(row))
}

async fn haproxy_killed(cluster: &Cluster) -> Result {
    set_up(cluster).await?;
    let [hap1, _] = cluster.nodes();
    let (watched, (counts, ban)) = watch(cluster, async {
        hap1.haproxy().await.kill();
        let started = Instant::now();
        hap1.haproxy().await.start_again().await?;
        until_counted(hap1, HALFWAY).await?;
        let counts = started.elapsed();
        Ok((counts, cluster.until(BANNED, Fate::Refused, started).await?))
    })
    .await?;
    let row = goes_on(cluster).await?;
    Ok(watched
        .state(row)
        .note(format!("from its start on: its counts were back after {} ms", counts.as_millis()))
        .note(format!("the ban: {ban}")))
}

/// HAProxy hands its tables over by itself, and does not need the publisher for that.
async fn haproxy_reloaded_alone(cluster: &Cluster) -> Result {
    set_up(cluster).await?;
    let [hap1, _] = cluster.nodes();
    cluster.publisher().await.daemon.kill();
    let (watched, ()) = watch(cluster, async {
        hap1.haproxy().await.reload().await?;
        tokio::time::sleep(SETTLED).await;
        Ok(())
    })
    .await?;
    let [alone, _] = cluster.try_everywhere(BANNED).await?;
    let alone = refusal_of_haproxy(&alone);
    cluster.publisher().await.daemon.start_again().await?;
    let row = goes_on(cluster).await?;
    Ok(watched.state_undisturbed(row).is(
        "HAProxy's own reason without the publisher",
        Some(LISTED_THROTTLE.to_owned()),
        alone,
    ))
}

/// Does something with each agent in turn, as any rolling restart does.
async fn each_agent(
    cluster: &Cluster,
    disturb: impl AsyncFn(&mut Agent) -> std::result::Result<(), Trouble>,
) -> Result {
    set_up(cluster).await?;
    let (watched, ()) = watch(cluster, async {
        for node in cluster.nodes() {
            for (agent, server) in node.agents().iter().zip(AGENTS) {
                disturb(&mut *agent.lock().await).await?;
                node.haproxy().await.wait_for_agent(server, Health::Up).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    })
    .await?;
    let times = cluster.until(BANNED, Fate::Refused, Instant::now()).await?;
    let row = goes_on(cluster).await?;
    Ok(watched.state(row).note(format!("after the last start: {times}")))
}

async fn agents_restarted(cluster: &Cluster) -> Result {
    each_agent(cluster, async |agent| {
        agent.daemon.stop().await?;
        agent.daemon.start_again().await
    })
    .await
}

async fn agents_killed(cluster: &Cluster) -> Result {
    each_agent(cluster, async |agent| {
        agent.daemon.kill();
        agent.daemon.start_again().await
    })
    .await
}

async fn publisher_restarted(cluster: &Cluster) -> Result {
    set_up(cluster).await?;
    let (watched, ()) = watch(cluster, async {
        let mut publisher = cluster.publisher().await;
        publisher.daemon.stop().await?;
        publisher.daemon.start_again().await?;
        tokio::time::sleep(SETTLED).await;
        Ok(())
    })
    .await?;
    let row = goes_on(cluster).await?;
    Ok(watched.state_undisturbed(row))
}

/// While it is away nobody new is refused; what was drawn meanwhile counts as soon as it is back.
async fn publisher_away(
    cluster: &Cluster,
    go: impl Future<Output = std::result::Result<(), Trouble>>,
    away: Duration,
    come_back: impl Future<Output = std::result::Result<(), Trouble>>,
) -> Result {
    set_up(cluster).await?;
    let [_, hap2] = cluster.nodes();
    let (watched, (drawn, meanwhile, back)) = watch(cluster, async {
        go.await?;
        let drawn = cluster.draw(hap2, MEANWHILE, 404, OVER + 1).await?;
        tokio::time::sleep(away).await;
        let meanwhile = cluster.statuses(MEANWHILE).await?;
        let back = Instant::now();
        come_back.await?;
        Ok((drawn, meanwhile, back))
    })
    .await?;
    let times = cluster.until(MEANWHILE, Fate::Refused, back).await?;
    let row = goes_on(cluster).await?;
    Ok(watched
        .state_undisturbed(row)
        .is("404s drawn meanwhile", OVER + 1, drawn)
        .is("statuses of who drew them, while it was away", [200; 2], meanwhile)
        .note(format!("who drew too many meanwhile is refused, from its return on: {times}")))
}

async fn publisher_killed(cluster: &Cluster) -> Result {
    let go = async {
        cluster.publisher().await.daemon.kill();
        Ok(())
    };
    let come_back = async { cluster.publisher().await.daemon.start_again().await };
    publisher_away(cluster, go, SETTLED, come_back).await
}

async fn publisher_frozen(cluster: &Cluster) -> Result {
    let go = async { cluster.publisher().await.daemon.freeze().await };
    let come_back = async { cluster.publisher().await.daemon.thaw() };
    publisher_away(cluster, go, LONG, come_back).await
}
