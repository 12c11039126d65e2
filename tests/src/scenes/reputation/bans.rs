//! Bans that a person makes, looks at, moves and takes back.

use std::time::Instant;

use crate::ask::Observed;
use crate::cluster::{Client, Cluster, Fate};
use crate::forge::{ADMIN, ENGINEER};
use crate::scene::{Row, Scene};
use crate::scenes::reason::{LISTED, LISTED_REQUIRE_IDENTITY, LISTED_THROTTLE};
use crate::scenes::reputation::{BYSTANDER, OVER, RULES, Result, SETTLED};
use crate::trouble::Trouble;

/// Every ban on a line, for people.
const LIST: &[&str] = &["bans", "list"];

const CLIENT: Client = Client::at("192.0.2.80");

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_cluster("a ban by hand", RULES, |cluster| Box::pin(by_hand(cluster))),
        Scene::on_cluster("a ban by hand of a user", RULES, |cluster| Box::pin(of_a_user(cluster))),
        Scene::on_cluster("a ban that signing in lifts", RULES, |cluster| Box::pin(signing_in(cluster))),
        Scene::on_cluster("a ban that is only observed", RULES, |cluster| Box::pin(only_observed(cluster))),
        Scene::on_cluster("a ban explained", RULES, |cluster| Box::pin(explained(cluster))),
        Scene::on_cluster("bans moved to a fresh publisher", RULES, |cluster| Box::pin(moved(cluster))),
        Scene::on_cluster("the tables of a live node", RULES, |cluster| Box::pin(tables(cluster))),
    ]
}

async fn by_hand(cluster: &Cluster) -> Result {
    let asked = Instant::now();
    let words = [
        "bans",
        "add",
        CLIENT.address,
        "--action",
        "block",
        "--seconds",
        "600",
        "--reason",
        "seen in a forum",
    ];
    cluster.command(&words).await?;
    let times = cluster.until(CLIENT, Fate::Refused, asked).await?;
    let [seen, other] = cluster.try_everywhere(CLIENT).await?;
    let listed = cluster.command(LIST).await?;
    let asked = Instant::now();
    cluster.command(&["bans", "remove", CLIENT.address]).await?;
    let lifted = cluster.until(CLIENT, Fate::Passes, asked).await?;
    let list_after = cluster.command(LIST).await?;
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .is("status at the other node", 403, other.answer.status)
        .holds("it is in the list", listed.contains(CLIENT.address))
        .holds("its removal takes it out of the list", !list_after.contains(CLIENT.address))
        .is("statuses of somebody else", [200; 2], cluster.statuses(BYSTANDER).await?)
        .note(format!("from the command on: {times}"))
        .note(format!("lifted: {lifted}")))
}

async fn of_a_user(cluster: &Cluster) -> Result {
    let user = CLIENT.signed_in(ENGINEER);
    let subject = format!("subject:{}", ENGINEER.subject);
    let asked = Instant::now();
    cluster.command(&["bans", "add", &subject, "--action", "throttle", "--seconds", "600"]).await?;
    let times = cluster.until(user, Fate::Refused, asked).await?;
    let [seen, other] = cluster.try_everywhere(user).await?;
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("status at the other node", 429, other.answer.status)
        .is("statuses of another user", [200; 2], cluster.statuses(CLIENT.signed_in(ADMIN)).await?)
        .is("statuses of nobody", [200; 2], cluster.statuses(CLIENT).await?)
        .note(format!("from the command on: {times}")))
}

/// HAProxy lets it through to the agent, which knows whether somebody is signed in.
async fn signing_in(cluster: &Cluster) -> Result {
    let words = ["bans", "add", CLIENT.address, "--action", "require-identity", "--seconds", "600"];
    cluster.command(&words).await?;
    cluster.until_agents(CLIENT, Fate::Refused, Instant::now()).await?;
    let [seen, other] = cluster.try_everywhere(CLIENT).await?;
    Ok(Row::of(&seen)
        .refused(401, LISTED_REQUIRE_IDENTITY)
        .is("status at the other node", 401, other.answer.status)
        .is("statuses when signed in", [200; 2], cluster.statuses(CLIENT.signed_in(ENGINEER)).await?))
}

/// Passes, and the agent's record says what a harder ban would have met.
async fn only_observed(cluster: &Cluster) -> Result {
    cluster.command(&["bans", "add", CLIENT.address, "--action", "observe", "--seconds", "600"]).await?;
    tokio::time::sleep(SETTLED).await;
    let [seen, other] = cluster.try_everywhere(CLIENT).await?;
    let listed = |seen: &Observed| seen.records.agent.as_ref()?.text("listed");
    let observed = Some("observe".to_owned());
    Ok(Row::of(&seen).status(200).pool("web").is("status at the other node", 200, other.answer.status).is(
        "what the agents' records say",
        [observed.clone(), observed],
        [listed(&seen), listed(&other)],
    ))
}

async fn explained(cluster: &Cluster) -> Result {
    let [hap1, hap2] = cluster.nodes();
    let (first, second) = (OVER - 2, 3);
    cluster.draw(hap1, CLIENT, 404, first).await?;
    cluster.draw(hap2, CLIENT, 404, second).await?;
    cluster.until(CLIENT, Fate::Refused, Instant::now()).await?;
    let [seen, _] = cluster.try_everywhere(CLIENT).await?;
    let text = cluster.command(&["bans", "explain", CLIENT.address]).await?;
    let nobody = cluster.command(&["bans", "explain", BYSTANDER.address]).await?;
    let has = |words: &[&str]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .holds("it names the action", has(&["throttle"]))
        .holds("it names the signal", has(&["probing"]))
        .holds("it names the table and the value", text.contains("cs_sensor") && text.contains("gpc_rate[0]"))
        .holds("it tells what the first node counted", has(&["hap1", &first.to_string()]))
        .holds("it tells what the second node counted", has(&["hap2", &second.to_string()]))
        .holds("it tells when the ban ends", text.contains("20") && text.contains('T') && text.contains('Z'))
        .holds("somebody else is not banned", !nobody.contains("throttle")))
}

/// What one exports the other imports: its list is the same.
async fn moved(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    cluster.draw(hap1, CLIENT, 404, OVER + 1).await?;
    cluster.until(CLIENT, Fate::Refused, Instant::now()).await?;
    for client in ["2001:db8:0:80::/64", "subject:ann", "192.0.2.81"] {
        cluster
            .command(&["bans", "add", client, "--action", "block", "--seconds", "600", "--reason", "by hand"])
            .await?;
    }
    let (list, exported) = (cluster.command(LIST).await?, cluster.command(&["bans", "export"]).await?);
    let file = cluster.folder().join("exported.jsonl");
    std::fs::write(&file, &exported).map_err(Trouble::io("write what was exported"))?;
    let mut fresh = cluster.fresh_publisher(RULES).await?;
    let before = fresh.command(&["bans", "export"]).await?;
    fresh.command(&["bans", "import", &file.to_string_lossy()]).await?;
    let imported = fresh.command(LIST).await?;
    // What was said to be done is written down.
    fresh.daemon.kill();
    fresh.daemon.start_again().await?;
    let kept = fresh.command(LIST).await?;
    fresh.daemon.stop().await?;
    let [seen, _] = cluster.try_everywhere(CLIENT).await?;
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("bans exported", 4, exported.lines().count())
        .is("bans of the fresh one before", "", before.as_str())
        .is("the list there", sorted(&list), sorted(&imported))
        .is("the list there, after it was killed", sorted(&list), sorted(&kept)))
}

/// The lines in one order: who was listed first does not matter.
fn sorted(list: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = list.lines().collect();
    lines.sort_unstable();
    lines
}

async fn tables(cluster: &Cluster) -> Result {
    let [hap1, _] = cluster.nodes();
    let drawn = cluster.draw(hap1, CLIENT, 404, 3).await?;
    let [seen, _] = cluster.try_everywhere(CLIENT).await?;
    tokio::time::sleep(SETTLED).await;
    let status = cluster.command(&["peers", "status"]).await?;
    let dump = cluster.command(&["peers", "dump", "--node", "hap1", "--table", "cs_sensor"]).await?;
    let other = cluster.command(&["peers", "dump", "--node", "hap2", "--table", "cs_sensor"]).await?;
    let mark = format!("key={} ", CLIENT.key()?);
    let line_of = |dump: &'_ str| dump.lines().find(|line| line.starts_with(&mark)).map(str::to_owned);
    let (line, other) = (line_of(&dump).unwrap_or_default(), line_of(&other).unwrap_or_default());
    let everybody = ["hap1", "hap2", "hap1-a", "hap1-b", "hap2-a", "hap2-b"];
    Ok(Row::of(&seen)
        .status(200)
        .is("404s drawn", 3, drawn)
        .holds("every peer has its line in the status", everybody.iter().all(|peer| status.contains(peer)))
        .holds("the dump has the client, with its count", line.contains(" gpc_rate[0](60000)=3 "))
        .holds(
            "the other node's has seen it too, and counts nothing",
            other.contains(" gpc_rate[0](60000)=0 "),
        ))
}
