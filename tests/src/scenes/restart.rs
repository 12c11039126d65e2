//! Restarts and reloads under load: no request is refused or lost.

use std::time::Duration;

use crate::client::Request;
use crate::forge::ENGINEER;
use crate::haproxy::Health;
use crate::journal::Place;
use crate::load::{Limit, Load, Outcome};
use crate::node::{AGENTS, Agents};
use crate::records::Record;
use crate::scene::Manners::OwnWorld;
use crate::scene::Stage::FromHaproxy;
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;
use crate::world::World;

/// Connections of the load, each with one request in flight.
const CONNECTIONS: usize = 4;
/// How long the load goes on; well within the life of one assertion.
const TIME: Duration = Duration::from_secs(4);
/// Between one disturbance and the next.
const PAUSE: Duration = Duration::from_millis(400);

pub(super) fn scenes() -> Vec<Scene> {
    let own = OwnWorld(Agents::Real);
    vec![
        Scene::new("both agents restarted in turn under load", FromHaproxy, own, |world| {
            Box::pin(agents_restarted(world))
        }),
        Scene::new("HAProxy reloaded three times under load", FromHaproxy, own, |world| {
            Box::pin(haproxy_reloaded(world))
        }),
        Scene::new("HAProxy reloaded, with a used assertion", FromHaproxy, own, |world| {
            Box::pin(used_assertion(world))
        }),
        Scene::new("agents reload their policy under load", FromHaproxy, own, |world| {
            Box::pin(policy_reloaded(world))
        }),
    ]
}

/// Plays the load and the disturbance side by side.
async fn under_load(
    world: &World,
    disturb: impl Future<Output = Result<(), Trouble>>,
) -> Result<(Row, Outcome), Trouble> {
    let request = Request::new("GET", crate::world::HOST, "/api/load");
    let assertion = world.forge().good(&request, ENGINEER)?;
    let load = Load {
        to: world.node().address(),
        connections: CONNECTIONS,
        limit: Limit::Time(TIME),
        patience: Duration::from_secs(5),
        request: request.header(crate::forge::HEADER, &assertion),
    };
    let load = tokio::spawn(load.run());
    tokio::time::sleep(PAUSE).await;
    disturb.await?;
    let outcome = load.await.map_err(|error| Trouble::unexpected("a load that ends", error.to_string()))?;
    let mut row = Row { status: Some(200), pool: Some("api".into()), ..Row::default() };
    row.milliseconds = Some(outcome.percentile(0.99).as_secs_f64() * 1000.0);
    let row = row
        .holds("requests were answered all the time", outcome.answered() > 200)
        .is("requests lost", 0, outcome.lost)
        .is("requests refused", Vec::new(), refusals(world));
    Ok((row, outcome))
}

/// HAProxy's log lines of refused requests, in short.
fn refusals(world: &World) -> Vec<String> {
    let lines = world.node().haproxy_journals().out.all(Place::START, |line| line.contains("/api/load"));
    let records = lines.iter().filter_map(|line| Record::read(line));
    let refused = records.filter(|record| record.text("status").as_deref() != Some("200"));
    let text = |record: &Record, field| record.text(field).unwrap_or_default();
    refused
        .map(|record| {
            let fields = ["time", "status", "why", "spoe_error", "spoe_ms", "termination"];
            fields.map(|field| text(&record, field)).join(" ")
        })
        .collect()
}

async fn agents_restarted(world: &World) -> Result<Row, Trouble> {
    let disturb = async {
        for (agent, server) in world.agents().iter().zip(["a", "b"]) {
            let mut agent = agent.lock().await;
            agent.daemon.stop().await?;
            tokio::time::sleep(PAUSE).await;
            agent.daemon.start_again().await?;
            // Whoever restarts both waits for the first to be back, as any rolling restart does.
            world.haproxy().await.wait_for_agent(server, Health::Up).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    under_load(world, disturb).await.map(|(row, _)| row)
}

async fn haproxy_reloaded(world: &World) -> Result<Row, Trouble> {
    let disturb = async {
        for _ in 0..3 {
            world.haproxy().await.reload().await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    under_load(world, disturb).await.map(|(row, _)| row)
}

async fn policy_reloaded(world: &World) -> Result<Row, Trouble> {
    let disturb = async {
        for _ in 0..3 {
            for agent in world.agents() {
                agent.lock().await.daemon.reload()?;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    under_load(world, disturb).await.map(|(row, _)| row)
}

/// The agents are started afresh, so that only HAProxy's own table can know that it was used.
async fn used_assertion(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("POST", "/orders");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let ask = ask.assertion(&assertion);
    world.haproxy().await.wait_until_in_sync("countersign-mesh").await?;
    let first = world.straight(&ask).await?;
    world.haproxy().await.reload().await?;
    for (agent, server) in world.agents().iter().zip(AGENTS) {
        let mut agent = agent.lock().await;
        agent.daemon.stop().await?;
        agent.daemon.start_again().await?;
        world.haproxy().await.wait_for_agent(server, Health::Up).await?;
    }
    let seen = world.straight(&ask).await?;
    Ok(Row::of(&seen).refused(403, "replayed").is("status the first time", 200, first.answer.status))
}
