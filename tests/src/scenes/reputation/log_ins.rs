//! Log-ins that are revoked, or end at the identity provider: one of somebody's, while they stay signed in elsewhere.

use std::time::{Duration, Instant};

use countersign_contract::header::SIGNED_OUT_PATH;
use serde_json::json;

use crate::ask::Ask;
use crate::cluster::{Client, Cluster};
use crate::forge::{ENGINEER, HEADER, NOBODY};
use crate::node::Node;
use crate::receipts::{self, KEY_ID, Receipt};
use crate::scene::{Row, Scene};
use crate::scenes::reason::SESSION_REVOKED;
use crate::scenes::reputation::{RULES, Result, SETTLED};
use crate::trouble::Trouble;

const CLIENT: Client = Client::at("192.0.2.90").signed_in(ENGINEER);
/// More than each node has agents, so that each of them is asked.
const ROUND: usize = 4;
/// Longest wait until every agent knows.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("a revoked log-in", RULES, |cluster| Box::pin(revoked(cluster))),
        Scene::on_cluster("a log-in that ends at the identity provider", RULES, |cluster| {
            Box::pin(signed_out(cluster))
        }),
        Scene::on_cluster("a log-in that ends while there is no publisher", RULES, |cluster| {
            Box::pin(unheard(cluster))
        }),
        Scene::on_cluster("an end of a log-in, replayed", RULES, |cluster| Box::pin(replayed(cluster))),
        Scene::on_cluster("ends of log-ins that are none", RULES, |cluster| Box::pin(none(cluster))),
        Scene::on_cluster("an end of a log-in is told again and again", RULES, |cluster| {
            Box::pin(told_again(cluster))
        }),
    ]
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

/// What the edge sends when the identity provider says that this log-in is over.
pub(in crate::scenes) fn end(cluster: &Cluster, session: &str) -> std::result::Result<Ask, Trouble> {
    let mut ask = cluster.ask_for("POST", "");
    ask.request.target = SIGNED_OUT_PATH.to_owned();
    let draft = cluster.forge().draft(&ask.request, NOBODY)?.claim("ends", json!(session));
    // The path is the same for all: a record is found by its id.
    ask.marker = draft.decision_id();
    Ok(ask.header(HEADER, &draft.signed(cluster.forge())))
}

/// The line of a log-in in `bans list`, once there is one, or what there is after a while.
async fn line_of(cluster: &Cluster, session: &str) -> std::result::Result<Option<String>, Trouble> {
    let (since, mark) = (Instant::now(), format!("session:{session} "));
    loop {
        let list = cluster.command(&["bans", "list"]).await?;
        let line = list.lines().find(|line| line.starts_with(&mark)).map(str::to_owned);
        if line.is_some() || since.elapsed() > SETTLED {
            return Ok(line);
        }
    }
}

async fn signed_out(cluster: &Cluster) -> Result {
    let keys = receipts::read_keys(&cluster.keys())?;
    let [hap1, _] = cluster.nodes();
    until(cluster, "at-work", 200).await?;
    let served = cluster.served();
    let seen = hap1.send(&end(cluster, "at-work")?).await?;
    let reached = cluster.served() - served;
    let took = until(cluster, "at-work", 401).await?;
    let line = line_of(cluster, "at-work").await?.unwrap_or_default();
    let explained = cluster.command(&["bans", "explain", "session:at-work"]).await?;
    let refused = hap1.send(&known_by(cluster, "at-work")?).await?;
    let says =
        Receipt { key: KEY_ID.to_owned(), verdict: "allow".to_owned(), reason: "signed-out".to_owned() };
    Ok(Row::of(&seen)
        .status(204)
        .no_pool()
        .verdict("allow", "signed-out")
        .is("requests that the applications served", 0, reached)
        .is("its Cache-Control", Some("no-store"), seen.answer.header("cache-control"))
        .is("its receipt", Some(says), Receipt::seen(&seen, &keys))
        .holds("it is in the list, blocked", line.contains(" block "))
        .holds("the list says why", line.contains("signed out at the identity provider"))
        .holds("`bans explain` says why", explained.contains("signed out at the identity provider"))
        .is(
            "the log-in is refused at the other node too",
            Row::of(&refused).reason,
            Some(SESSION_REVOKED.to_owned()),
        )
        .is("statuses of another log-in of the same person", vec![200], statuses(cluster, "at-home").await?)
        .note(format!("every agent refuses after {took:.0?}")))
}

/// HAProxy's table keeps it until somebody hears.
async fn unheard(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    cluster.publisher().await.daemon.stop().await?;
    let seen = hap1.send(&end(cluster, "unheard")?).await?;
    cluster.publisher().await.daemon.start_again().await?;
    let took = until(cluster, "unheard", 401).await?;
    let line = line_of(cluster, "unheard").await?;
    Ok(Row::of(&seen)
        .status(204)
        .holds("it is in the list", line.is_some())
        .note(format!("every agent refuses {took:.0?} after the publisher is ready")))
}

async fn replayed(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    let ask = end(cluster, "once")?;
    let first = hap1.send(&ask).await?;
    let line = line_of(cluster, "once").await?;
    cluster.command(&["bans", "remove", "session:once"]).await?;
    let mut row = Row::default();
    // Each of the agents may be asked.
    for _ in 0..ROUND {
        row = Row::of(&hap1.send(&ask).await?).refused(403, "replayed");
        if !row.went_as_stated() {
            break;
        }
    }
    Ok(row
        .is("status the first time", 204, first.answer.status)
        .holds("it was in the list", line.is_some())
        .is("what the replays put into the list", None, line_of(cluster, "once").await?))
}

/// Each of them is well signed; what is wrong is what it asks for, or where.
async fn none(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    let nothing = |method: &'static str, target: &'static str, session: Option<&'static str>| async move {
        let mut ask = cluster.ask_for(method, "");
        ask.request.target = target.to_owned();
        let draft = cluster.forge().draft(&ask.request, ENGINEER)?.claim("ends", json!(session));
        let seen = hap1.send(&ask.header(HEADER, &draft.signed(cluster.forge()))).await?;
        Ok::<_, Trouble>((seen.answer.status, Row::of(&seen).reason.unwrap_or_default()))
    };
    let own = (403, "own-path".to_owned());
    let long = "s".repeat(256);
    let too_long = hap1.send(&end(cluster, &long)?).await?;
    Ok(Row::of(&too_long)
        .refused(403, "malformed-claims")
        .is("another path of ours", own.clone(), nothing("POST", "/.countersign/other", Some("never")).await?)
        .is("another method", own.clone(), nothing("GET", SIGNED_OUT_PATH, Some("never")).await?)
        .is("without a log-in", own.clone(), nothing("POST", SIGNED_OUT_PATH, None).await?)
        .is(
            "on a route",
            (403, "ends-misplaced".to_owned()),
            nothing("GET", "/api/things", Some("never")).await?,
        )
        .is("what they put into the list", None, line_of(cluster, "never").await?))
}

/// By a HAProxy that reloads, to a publisher that starts again, and to one whose operator lifted it.
async fn told_again(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    let seen = hap1.send(&end(cluster, "told")?).await?;
    let line = line_of(cluster, "told").await?;
    // So that another end would be another time.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    hap1.haproxy().await.wait_until_in_sync("countersign").await?;
    hap1.haproxy().await.reload().await?;
    let connected = connected_anew(hap1).await?;
    let after_reload = line_of(cluster, "told").await?;
    restart_publisher(cluster).await?;
    let after_restart = line_of(cluster, "told").await?;
    cluster.command(&["bans", "remove", "session:told"]).await?;
    restart_publisher(cluster).await?;
    let after_lift = line_of(cluster, "told").await?;
    // Another end of it is news.
    let second = hap1.send(&end(cluster, "told")?).await?;
    let after_second = line_of(cluster, "told").await?;
    Ok(Row::of(&seen)
        .status(204)
        .holds("it is in the list", line.is_some())
        .holds("the node has connected again", connected)
        .is("its line after HAProxy reloaded", line.clone(), after_reload)
        .is("its line after the publisher was started again", line, after_restart)
        .is("its line after it was lifted and told again", None, after_lift)
        .is("status of a second end", 204, second.answer.status)
        .holds("a second end puts it into the list again", after_second.is_some()))
}

/// Waits until the new process of a node is connected, and longer than it takes to tell all.
async fn connected_anew(node: &Node) -> std::result::Result<bool, Trouble> {
    let since = Instant::now();
    while node.haproxy().await.connections_to_publisher().await? == 0 {
        if since.elapsed() > PATIENCE {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(SETTLED).await;
    Ok(true)
}

/// Stops it and starts it again, and waits until the first node has told all that it holds.
async fn restart_publisher(cluster: &Cluster) -> std::result::Result<(), Trouble> {
    {
        let mut publisher = cluster.publisher().await;
        publisher.daemon.stop().await?;
        publisher.daemon.start_again().await?;
    }
    let since = Instant::now();
    let mut status = String::new();
    while since.elapsed() < PATIENCE {
        status = cluster.command(&["peers", "dump", "--node", "hap1", "--table", "cs_ended"]).await?;
        if status.contains("key=session:told ") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Trouble::NotReady { what: "a node that has told all again".into(), waited: PATIENCE, said: status })
}

async fn revoked(cluster: &Cluster) -> Result {
    until(cluster, "at-work", 200).await?;
    cluster.command(&["revoke", "--session", "at-work"]).await?;
    let took = until(cluster, "at-work", 401).await?;
    let [hap1, _] = cluster.nodes();
    let seen = hap1.send(&known_by(cluster, "at-work")?).await?;
    let elsewhere = statuses(cluster, "at-home").await?;
    tokio::time::sleep(SETTLED).await;
    cluster.command(&["bans", "remove", "session:at-work"]).await?;
    until(cluster, "at-work", 200).await?;
    Ok(Row::of(&seen)
        .refused(401, SESSION_REVOKED)
        .is("statuses of another log-in of the same person", vec![200], elsewhere)
        .note(format!("every agent refuses after {took:.0?}")))
}
