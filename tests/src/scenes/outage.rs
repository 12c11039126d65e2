//! Agents that are stopped, frozen or lying: no verdict, no passage.

use std::time::{Duration, Instant};

use countersign_contract::header::SIGNED_OUT_PATH;
use serde_json::json;

use crate::ask::Observed;
use crate::fault::Misbehaviour;
use crate::forge::{ADMIN, ENGINEER, NOBODY};
use crate::haproxy::Health;
use crate::node::Agents;
use crate::scene::Manners::{OwnWorld, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::{
    DECISION_MALFORMED, IDENTITY_MALFORMED, POOL_UNKNOWN, VERDICT_MISSING, VERDICT_STATUS_UNKNOWN,
    VERDICT_UNKNOWN,
};
use crate::trouble::Trouble;
use crate::world::World;

/// HAProxy's limit for a verdict (`timeout processing` of the shipped SPOE file).
const PROCESSING: Duration = Duration::from_millis(250);
/// What a refusal without asking may cost, on a machine that is busy with other tests: far below
/// the limit above. Alone it costs under a millisecond.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The limit, the connection and a busy machine.
const IN_TIME: Duration = Duration::from_millis(1000);

pub(super) fn scenes() -> Vec<Scene> {
    let real = OwnWorld(Agents::Real);
    let mut scenes = vec![
        Scene::new("both agents stopped", FromHaproxy, real, |world| Box::pin(both_stopped(world))),
        Scene::new("both agents stopped, seen through the edge", Whole, real, |world| {
            Box::pin(both_stopped_through_edge(world))
        }),
        Scene::new("both agents killed, before it is noticed", FromHaproxy, real, |world| {
            Box::pin(both_just_killed(world))
        }),
        Scene::new("one agent frozen", FromHaproxy, real, |world| Box::pin(one_frozen(world))),
        Scene::new("both agents frozen", FromHaproxy, real, |world| Box::pin(both_frozen(world))),
        Scene::new("a log-in that ends where nobody hears of it", FromHaproxy, Shares, |world| {
            Box::pin(ends_unheard(world))
        }),
    ];
    scenes.extend(Misbehaviour::ALL.iter().map(|misbehaviour| {
        let name = format!("an agent that {}", misbehaviour.text());
        Scene::new(name, FromHaproxy, OwnWorld(Agents::Faulty(*misbehaviour)), move |world| {
            Box::pin(misbehaving(world, *misbehaviour))
        })
    }));
    scenes
}

fn unavailable(seen: &Observed, reason: &str) -> Row {
    Row::of(seen)
        .status(503)
        .no_pool()
        .is("reason", Some(reason.to_owned()), seen.records.verdict_and_reason().1)
        .holds("with Retry-After", seen.answer.header("retry-after").is_some())
}

/// This HAProxy has no publisher: the identity provider is told to try again.
async fn ends_unheard(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("POST", "");
    ask.request.target = SIGNED_OUT_PATH.to_owned();
    let draft = world.forge().draft(&ask.request, NOBODY)?.claim("ends", json!("unheard"));
    ask.marker = draft.decision_id();
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    let agent = seen.records.agent.as_ref().and_then(|record| record.text("reason"));
    Ok(unavailable(&seen, "ended-unheard")
        .is("the agent's reason", Some("signed-out".to_owned()), agent)
        .holds("it has no receipt", seen.answer.header("countersign-receipt").is_none()))
}

async fn stop_both(world: &World) -> Result<(), Trouble> {
    for agent in world.agents() {
        agent.lock().await.daemon.stop().await?;
    }
    for server in ["a", "b"] {
        world.haproxy().await.wait_for_agent(server, Health::Down).await?;
    }
    Ok(())
}

async fn both_stopped(world: &World) -> Result<Row, Trouble> {
    stop_both(world).await?;
    let before = world.served();
    let seen = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    Ok(unavailable(&seen, VERDICT_MISSING).within(AT_ONCE).is(
        "requests that the pools served",
        before,
        world.served(),
    ))
}

async fn both_stopped_through_edge(world: &World) -> Result<Row, Trouble> {
    let warm = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    stop_both(world).await?;
    let seen = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    Ok(unavailable(&seen, VERDICT_MISSING)
        .is("status before", 200, warm.answer.status)
        .within(IN_TIME)
        .holds("the answer carries the decision id", seen.decision_id.is_some()))
}

/// The first request after a crash: it may wait for the limit, and does not pass.
async fn both_just_killed(world: &World) -> Result<Row, Trouble> {
    world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    for agent in world.agents() {
        agent.lock().await.daemon.kill();
    }
    let seen = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    Ok(unavailable(&seen, VERDICT_MISSING).within(IN_TIME))
}

/// While it is frozen: what has no good assertion never passes, what has one passes or gets a 503
/// in time; once the check has noticed, everything goes to the other agent.
async fn one_frozen(world: &World) -> Result<Row, Trouble> {
    world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    let Some(agent) = world.agents().first() else {
        return Err(Trouble::unexpected("a real agent", "none"));
    };
    agent.lock().await.daemon.freeze().await?;
    let mut slowest = Duration::ZERO;
    let mut odd = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(600) {
        let good = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
        let bad = world.straight(&world.ask("GET", "/api/things")).await?;
        slowest = slowest.max(good.answer.took).max(bad.answer.took);
        if !matches!(good.answer.status, 200 | 503) || !matches!(bad.answer.status, 401 | 503) {
            odd.push((good.answer.status, bad.answer.status));
        }
    }
    world.haproxy().await.wait_for_agent("a", Health::Down).await?;
    let seen = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    agent.lock().await.daemon.thaw()?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .within(AT_ONCE)
        .is("answers that should not be, before it was noticed", Vec::new(), odd)
        .holds(format!("no answer took longer than {IN_TIME:?}"), slowest <= IN_TIME))
}

async fn both_frozen(world: &World) -> Result<Row, Trouble> {
    world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    let before = world.served();
    for agent in world.agents() {
        agent.lock().await.daemon.freeze().await?;
    }
    let first = world.straight(&good_ask(world)?).await?;
    for server in ["a", "b"] {
        world.haproxy().await.wait_for_agent(server, Health::Down).await?;
    }
    let noticed = world.straight(&good_ask(world)?).await?;
    for agent in world.agents() {
        agent.lock().await.daemon.thaw()?;
    }
    Ok(unavailable(&noticed, VERDICT_MISSING)
        .within(AT_ONCE)
        .is("status of the first request", 503, first.answer.status)
        .holds(format!("the first request waited no longer than {IN_TIME:?}"), first.answer.took <= IN_TIME)
        .is("requests that the pools served", before, world.served()))
}

fn good_ask(world: &World) -> Result<crate::ask::Ask, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    Ok(ask.assertion(&assertion))
}

async fn misbehaving(world: &World, misbehaviour: Misbehaviour) -> Result<Row, Trouble> {
    let reason = match misbehaviour {
        Misbehaviour::HttpText
        | Misbehaviour::LengthZero
        | Misbehaviour::LengthHuge
        | Misbehaviour::Closes
        | Misbehaviour::Disconnects
        | Misbehaviour::OtherStream
        | Misbehaviour::EmptyAck
        | Misbehaviour::UnknownAction
        | Misbehaviour::CutInsideVerdict
        | Misbehaviour::NoVerdict => VERDICT_MISSING,
        Misbehaviour::CapitalAllow | Misbehaviour::AllowWithATail | Misbehaviour::VerdictTrue => {
            VERDICT_UNKNOWN
        }
        Misbehaviour::DenyWithStatus200 => VERDICT_STATUS_UNKNOWN,
        Misbehaviour::PoolOfTheAgents | Misbehaviour::NoPool => POOL_UNKNOWN,
        Misbehaviour::DecisionIdMadeUp => DECISION_MALFORMED,
        Misbehaviour::LineBreakInSubject | Misbehaviour::LineBreakInBot | Misbehaviour::BotTooLong => {
            IDENTITY_MALFORMED
        }
    };
    // An admin's good assertion: if anything could pass, this would.
    let ask = world.ask("GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ADMIN)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    let waits = matches!(
        misbehaviour,
        Misbehaviour::LengthZero | Misbehaviour::LengthHuge | Misbehaviour::OtherStream
    );
    Ok(unavailable(&seen, reason).within(if waits { PROCESSING + IN_TIME } else { IN_TIME }).is(
        "requests that the pools served",
        0,
        world.served(),
    ))
}
