//! Paths and hosts that three parsers would read in three ways.

use crate::forge::{ADMIN, ENGINEER};
use crate::scene::Manners::Shares;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;
use crate::world::World;

/// All of them would mean something allowed, or something else, to some server.
const SPELLINGS: [&str; 14] = [
    "/public/..;/admin",
    "/%2e%2e/admin",
    "//admin",
    "/api/a%2fb",
    "/a%00",
    "/a\\b",
    "/public/../admin",
    "/public/./page",
    "/public/.%2e/admin",
    "/public/%252e%252e/admin",
    "/public/a%5cb",
    "/public/%c0%ae%c0%ae/admin",
    "/public/%zz",
    "/public/a;b=c",
];

/// A host that no rule of ours lets through. HAProxy 3.0 and later refuse it while parsing, before
/// any rule, and then the log has no word for it.
const HOST_WITH_A_PATH: &str = "www.example.test/admin";

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for spelling in SPELLINGS {
        scenes.push(Scene::new(format!("{} at the edge", spelling), Whole, Shares, move |world| {
            Box::pin(at_the_edge(world, spelling))
        }));
        scenes.push(Scene::new(format!("{} straight", spelling), FromHaproxy, Shares, move |world| {
            Box::pin(straight(world, spelling))
        }));
    }
    scenes.push(Scene::new("a host with a path in it", FromHaproxy, Shares, |world| {
        Box::pin(host_with_path(world))
    }));
    scenes.push(Scene::new("a host with an empty label", FromHaproxy, Shares, |world| {
        Box::pin(host_with_an_empty_label(world))
    }));
    scenes.push(Scene::new("two hosts", FromHaproxy, Shares, |world| Box::pin(two_hosts(world))));
    scenes.push(Scene::new("an absolute target straight", FromHaproxy, Shares, |world| {
        Box::pin(absolute(world))
    }));
    scenes.push(Scene::new("host in capitals with port 80", FromHaproxy, Shares, |world| {
        Box::pin(another_spelling_of_the_host(world))
    }));
    scenes
}

async fn at_the_edge(world: &World, spelling: &str) -> Result<Row, Trouble> {
    let ask = world.ask("GET", spelling).bearer(&world.token(ADMIN)?);
    let seen = world.through_edge(&ask).await?;
    let record = seen.records.edge.clone();
    let detail = record.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    Ok(Row::of(&seen)
        .refused(400, "not-canonical")
        .holds("the record says what is wrong", !detail.is_empty())
        .holds("HAProxy sees nothing", world.tap()?.heard(&ask.marker).is_none()))
}

/// With an assertion over exactly these bytes, signed by the edge's key: only the spelling is wrong.
async fn straight(world: &World, spelling: &str) -> Result<Row, Trouble> {
    let ask = world.ask("GET", spelling);
    let assertion = world.forge().good(&ask.request, ADMIN)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    let record = seen.records.agent.clone();
    let detail = record.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    Ok(Row::of(&seen)
        .refused(403, "not-canonical")
        .holds("the record says what is wrong", !detail.is_empty()))
}

async fn host_with_path(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask_host(HOST_WITH_A_PATH, "GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).status(400).no_pool())
}

async fn host_with_an_empty_label(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask_host("www..example.test", "GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).refused(403, "host-refused"))
}

/// HAProxy refuses two different ones while parsing; it must not be the last one that counts.
async fn two_hosts(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let seen = world.straight(&ask.assertion(&assertion).header("Host", "shop.example.test")).await?;
    Ok(Row::of(&seen).status(400).no_pool())
}

async fn absolute(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    ask.request.target = format!("http://{}{}", ask.request.host(), ask.request.target);
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).refused(400, "target-absolute"))
}

/// Not hostile: the same host in another spelling is the same host, for both tiers.
async fn another_spelling_of_the_host(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let mut ask = ask.assertion(&assertion);
    for (name, value) in &mut ask.request.headers {
        if name == "Host" {
            *value = format!("{}:80", value.to_uppercase());
        }
    }
    let seen = world.straight(&ask).await?;
    Ok(Row::of(&seen).status(200).pool("api"))
}
