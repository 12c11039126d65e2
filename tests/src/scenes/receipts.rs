//! Receipts: on what the agent decided, and on nothing else.

use std::time::{Duration, Instant};

use crate::ask::Observed;
use crate::command_line;
use crate::forge::{ENGINEER, HEADER};
use crate::haproxy::Health;
use crate::node::{AGENTS, Agents};
use crate::receipts::{self, KEY_ID, Receipt};
use crate::scene::Manners::{OwnWorld, Shares};
use crate::scene::Stage::FromHaproxy;
use crate::scene::{Row, Scene};
use crate::scenes::reason::{ALLOWED, PERMISSION_MISSING, POOL_UNKNOWN};
use crate::trouble::Trouble;
use crate::world::World;

/// How long keys are replaced under load.
const TIME: Duration = Duration::from_secs(3);
/// Between one step and the next.
const PAUSE: Duration = Duration::from_millis(400);

pub(super) fn scenes() -> Vec<Scene> {
    let own = OwnWorld(Agents::Real);
    vec![
        Scene::new("a receipt on what is allowed and refused", FromHaproxy, Shares, |world| {
            Box::pin(decided(world))
        }),
        Scene::new("no receipt without an assertion that holds", FromHaproxy, Shares, |world| {
            Box::pin(unverified(world))
        }),
        Scene::new("no receipt on HAProxy's own refusal, pool unknown", FromHaproxy, Shares, |world| {
            Box::pin(pool_unknown(world))
        }),
        Scene::new("no receipt on HAProxy's own refusal, replayed", FromHaproxy, own, |world| {
            Box::pin(replayed_at_haproxy(world))
        }),
        Scene::new("a receipt that an application makes up", FromHaproxy, Shares, |world| {
            Box::pin(made_up(world))
        }),
        Scene::new("no receipt where agents have no keys", FromHaproxy, own, |world| {
            Box::pin(not_configured(world))
        }),
        Scene::new("keys of receipts replaced under load", FromHaproxy, own, |world| {
            Box::pin(replaced(world))
        }),
    ]
}

type Result<T = Row> = std::result::Result<T, Trouble>;

async fn send(world: &World, method: &str, path: &str) -> Result<Observed> {
    let ask = world.ask(method, path);
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    world.straight(&ask.assertion(&assertion)).await
}

fn has_none(seen: &Observed) -> bool {
    seen.answer.header("countersign-receipt").is_none()
}

fn says(verdict: &str, reason: &str) -> Option<Receipt> {
    Some(Receipt { key: KEY_ID.to_owned(), verdict: verdict.to_owned(), reason: reason.to_owned() })
}

async fn decided(world: &World) -> Result {
    let keys = receipts::read_keys(world.keys())?;
    let passed = send(world, "GET", "/api/things").await?;
    let observed = send(world, "GET", "/beta/page").await?;
    let refused = send(world, "GET", "/admin/users").await?;
    let another = passed.decision_id.clone().unwrap_or_default();
    Ok(Row::of(&refused)
        .refused(403, PERMISSION_MISSING)
        .is("the receipt of a refusal", says("deny", PERMISSION_MISSING), Receipt::seen(&refused, &keys))
        .is("that of a passage", says("allow", ALLOWED), Receipt::seen(&passed, &keys))
        .is("that of an observed route", says("allow", "observed"), Receipt::seen(&observed, &keys))
        .is("the refusal's as another decision's", None, Receipt::read(&refused.answer, &another, &keys)))
}

async fn unverified(world: &World) -> Result {
    let seen = world.straight(&world.ask("GET", "/api/things")).await?;
    Ok(Row::of(&seen).refused(401, "assertion-missing").holds("it has no receipt", has_none(&seen)))
}

async fn pool_unknown(world: &World) -> Result {
    let seen = send(world, "GET", "/ghost/page").await?;
    let agent = seen.records.agent.as_ref().and_then(|record| record.text("verdict"));
    Ok(Row::of(&seen)
        .refused(503, POOL_UNKNOWN)
        .is("the agent's verdict", Some("allow".to_owned()), agent)
        .holds("it has no receipt", has_none(&seen)))
}

/// The agents are started afresh, so that they allow it and HAProxy's table alone knows better.
async fn replayed_at_haproxy(world: &World) -> Result {
    let ask = world.ask("POST", "/orders");
    let ask = ask.clone().assertion(&world.forge().good(&ask.request, ENGINEER)?);
    let first = world.straight(&ask).await?;
    for (agent, server) in world.agents().iter().zip(AGENTS) {
        let mut agent = agent.lock().await;
        agent.daemon.stop().await?;
        agent.daemon.start_again().await?;
        world.haproxy().await.wait_for_agent(server, Health::Up).await?;
    }
    let seen = world.straight(&ask).await?;
    let why = seen.records.haproxy.as_ref().and_then(|record| record.text("why"));
    Ok(Row::of(&seen)
        .refused(403, "replayed")
        .is("HAProxy's own reason", Some("replayed".to_owned()), why)
        .holds("the first one has a receipt", !has_none(&first))
        .holds("it has none", has_none(&seen)))
}

/// Every answer of an application brings one along.
async fn made_up(world: &World) -> Result {
    let keys = receipts::read_keys(world.keys())?;
    let seen = send(world, "GET", "/api/things").await?;
    let lines = seen.answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(receipts::HEADER));
    Ok(Row::of(&seen).status(200).is("receipts", 1, lines.count()).is(
        "what it says",
        says("allow", ALLOWED),
        Receipt::seen(&seen, &keys),
    ))
}

/// Has every agent read its files again, and waits until it has.
async fn reload(world: &World) -> Result<()> {
    for agent in world.agents() {
        agent.lock().await.reload().await?;
    }
    Ok(())
}

async fn not_configured(world: &World) -> Result {
    let before = send(world, "GET", "/api/things").await?;
    for agent in world.agents() {
        agent.lock().await.change_settings(|text| {
            text.split("[receipt]\n").enumerate().fold(String::new(), |text, (at, part)| {
                let rest = if at == 0 { part } else { part.split_once('\n').unwrap_or_default().1 };
                text + rest
            })
        })?;
    }
    reload(world).await?;
    let seen = send(world, "GET", "/api/things").await?;
    Ok(Row::of(&seen)
        .status(200)
        .verdict("allow", ALLOWED)
        .holds("before that there was one", !has_none(&before))
        .holds("it has no receipt", has_none(&seen)))
}

/// One request after the other until the time is over: status, whether its receipt is right, and its key.
async fn asked(world: &World, keys: &str) -> Result<Vec<(u16, Option<String>)>> {
    let (mut answers, began) = (Vec::new(), Instant::now());
    while began.elapsed() < TIME {
        let ask = world.ask("GET", "/api/things");
        let draft = world.forge().draft(&ask.request, ENGINEER)?;
        let id = draft.decision_id();
        let answer = world.node().answer(&ask.header(HEADER, &draft.signed(world.forge()))).await?;
        let receipt = Receipt::read(&answer, &id, keys);
        answers.push((answer.status, receipt.map(|receipt| receipt.key)));
    }
    Ok(answers)
}

/// The steps of a rotation: held after the old one, made with, alone.
async fn replaced(world: &World) -> Result {
    let old = receipts::read_keys(world.keys())?;
    let new = command_line::run(&["keys", "receipt", "--kid", "receipt-2"]).await?;
    let both = format!("{old}{new}");
    let steps = async {
        for keys in [both.clone(), format!("{new}{old}"), new.clone()] {
            tokio::time::sleep(PAUSE).await;
            receipts::write_keys(world.keys(), &keys)?;
            reload(world).await?;
        }
        // A mistake changes nothing.
        receipts::write_keys(world.keys(), "receipt-2:no-key")?;
        for agent in world.agents() {
            agent.lock().await.daemon.reload()?;
        }
        Ok(())
    };
    let (one, two, three, stepped) =
        tokio::join!(asked(world, &both), asked(world, &both), asked(world, &both), steps);
    stepped?;
    let answers = [one?, two?, three?].concat();
    let under = |key: &str| answers.iter().filter(|(_, own)| own.as_deref() == Some(key)).count();
    let seen = send(world, "GET", "/api/things").await?;
    Ok(Row::of(&seen)
        .status(200)
        .is("requests refused", 0, answers.iter().filter(|(status, _)| *status != 200).count())
        .is("receipts that are not right", 0, answers.iter().filter(|(_, key)| key.is_none()).count())
        .holds("some are under the old key", under(KEY_ID) > 0)
        .holds("some are under the new one", under("receipt-2") > 0)
        .is("the last one's key", Some("receipt-2".to_owned()), Receipt::seen(&seen, &new).map(|it| it.key))
        .note(format!("{} requests", answers.len())))
}
