//! Bots that sign their requests, from their own signature to what the application learns.

use serde_json::json;

use crate::bot::{AGENT, GROUP, NAME};
use crate::forge::{ENGINEER, Sender};
use crate::node::Agents;
use crate::scene::Manners::{OwnWorld, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::{ALLOWED, IDENTITY_REQUIRED};
use crate::trouble::Trouble;
use crate::world::World;

const HEADER: &str = "Countersign-Bot";
const SUBJECT: &str = "bot:crawler";
const BOT: Sender = Sender { subject: SUBJECT, groups: &[GROUP] };

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("a bot signs its request", Whole, Shares, |world| Box::pin(signed(world))),
        Scene::new("a bot's signature is sent to another host", Whole, Shares, |world| {
            Box::pin(elsewhere(world))
        }),
        Scene::new("somebody calls himself a bot and signs nothing", Whole, Shares, |world| {
            Box::pin(unsigned(world))
        }),
        Scene::new("a bot's directory is down", Whole, OwnWorld(Agents::Real), |world| {
            Box::pin(without_directory(world))
        }),
        Scene::new("the edge vouches for a bot", FromHaproxy, Shares, |world| Box::pin(vouched(world))),
        Scene::new("a person sends a bot's name", FromHaproxy, Shares, |world| Box::pin(person(world))),
        Scene::new("an edge service says a bot and another's subject", FromHaproxy, Shares, |world| {
            Box::pin(mismatched(world))
        }),
    ]
}

async fn signed(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let seen = world.through_edge(&world.bot()?.sign(ask.request.host()).await?.on(ask)).await?;
    let edge = seen.records.edge.as_ref();
    let key = edge.and_then(|record| record.text("bot_kid"));
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("the application sees which bot", seen.application_saw(HEADER, NAME))
        .holds("the application sees its subject", seen.application_saw("Countersign-Subject", SUBJECT))
        .holds("the application sees its group", seen.application_saw("Countersign-Groups", GROUP))
        .holds("the edge's record has its key", key.is_some()))
}

async fn elsewhere(world: &World) -> Result<Row, Trouble> {
    let signed = world.bot()?.sign(crate::world::HOST).await?;
    let seen =
        world.through_edge(&signed.on(world.ask_host("shop.example.test", "GET", "/api/things"))).await?;
    let detail = seen.records.edge.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    Ok(Row::of(&seen)
        .refused(401, IDENTITY_REQUIRED)
        .holds("the edge's record says why", detail.contains("bot-signature-invalid")))
}

async fn unsigned(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/feed/news").header("Signature-Agent", &format!("\"{AGENT}\""));
    Ok(Row::of(&world.through_edge(&ask).await?).refused(403, "bot-unsigned"))
}

/// Where the route wants it verified that is nobody's fault; where it doesn't, the bot is nobody.
async fn without_directory(world: &World) -> Result<Row, Trouble> {
    let bot = world.bot()?;
    bot.lose_directory();
    let signed = bot.sign(crate::world::HOST).await?;
    let nobody = world.through_edge(&signed.on(world.ask("GET", "/api/things"))).await?;
    let seen = world.through_edge(&signed.on(world.ask("GET", "/feed/news"))).await?;
    Ok(Row::of(&seen)
        .refused(503, "bot-keys-unavailable")
        .is("the status where `bots` is `any`", 401, nobody.answer.status)
        .is("requests that the pools served", 0, world.served()))
}

async fn vouched(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things").header(HEADER, "made-up").header("Countersign_Bot", "made-up");
    let draft = world.forge().draft(&ask.request, BOT)?.claim("bot", json!(NAME));
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("the application sees which bot", seen.application_saw(HEADER, NAME))
        .holds(
            "the application sees nothing made up",
            !seen.application.is_some_and(|seen| seen.mentions("made-up")),
        ))
}

async fn person(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things").header(HEADER, NAME);
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("the application sees no bot", seen.application_saw_no(HEADER)))
}

async fn mismatched(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let draft = world.forge().draft(&ask.request, ENGINEER)?.claim("bot", json!(NAME));
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    Ok(Row::of(&seen).refused(403, "bot-mismatch"))
}
