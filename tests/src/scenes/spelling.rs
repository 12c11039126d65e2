//! Paths and hosts that three parsers would read in three ways.

use crate::forge::{ADMIN, ENGINEER};
use crate::scene::Manners::Shares;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;
use crate::world::World;

/// A path that is not canonical, and the word for what is wrong with it.
struct Spelling {
    path: &'static str,
    fault: &'static str,
}

/// All of them would mean something allowed, or something else, to some server.
const SPELLINGS: [Spelling; 14] = [
    Spelling { path: "/public/..;/admin", fault: "dot-segment" },
    Spelling { path: "/%2e%2e/admin", fault: "dot-segment" },
    Spelling { path: "//admin", fault: "empty-segment" },
    Spelling { path: "/api/a%2fb", fault: "encoded-slash" },
    Spelling { path: "/a%00", fault: "encoded-nul" },
    Spelling { path: "/a\\b", fault: "backslash" },
    Spelling { path: "/public/../admin", fault: "dot-segment" },
    Spelling { path: "/public/./page", fault: "dot-segment" },
    Spelling { path: "/public/.%2e/admin", fault: "dot-segment" },
    Spelling { path: "/public/%252e%252e/admin", fault: "double-encoding" },
    Spelling { path: "/public/a%5cb", fault: "encoded-backslash" },
    Spelling { path: "/public/%c0%ae%c0%ae/admin", fault: "not-utf8" },
    Spelling { path: "/public/%zz", fault: "bad-percent" },
    Spelling { path: "/public/a;b=c", fault: "semicolon" },
];

/// A host that is not exactly one, and HAProxy's word for it.
struct OddHost {
    host: &'static str,
    why: &'static str,
}

const ODD_HOSTS: [OddHost; 1] = [OddHost { host: "www.example.test/admin", why: "host-malformed" }];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for spelling in &SPELLINGS {
        scenes.push(Scene::new(format!("{} at the edge", spelling.path), Whole, Shares, move |world| {
            Box::pin(at_the_edge(world, spelling))
        }));
        scenes.push(Scene::new(format!("{} straight", spelling.path), FromHaproxy, Shares, move |world| {
            Box::pin(straight(world, spelling))
        }));
    }
    for odd in &ODD_HOSTS {
        scenes.push(Scene::new(format!("host {} straight", odd.host), FromHaproxy, Shares, move |world| {
            Box::pin(odd_host(world, odd))
        }));
    }
    scenes.push(Scene::new("an absolute target straight", FromHaproxy, Shares, |world| {
        Box::pin(absolute(world))
    }));
    scenes.push(Scene::new("host in capitals with port 80", FromHaproxy, Shares, |world| {
        Box::pin(another_spelling_of_the_host(world))
    }));
    scenes
}

async fn at_the_edge(world: &World, spelling: &Spelling) -> Result<Row, Trouble> {
    let ask = world.ask("GET", spelling.path).bearer(&world.token(ADMIN)?);
    let seen = world.through_edge(&ask).await?;
    let record = seen.records.edge.clone();
    let detail = record.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    Ok(Row::of(&seen)
        .refused(400, "not-canonical")
        .holds("the record says what is wrong", !detail.is_empty())
        .holds("HAProxy sees nothing", world.tap()?.heard(&ask.marker).is_none()))
}

/// With an assertion over exactly these bytes, signed by the edge's key: only the spelling is wrong.
async fn straight(world: &World, spelling: &Spelling) -> Result<Row, Trouble> {
    let ask = world.ask("GET", spelling.path);
    let assertion = world.forge().good(&ask.request, ADMIN)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    let record = seen.records.agent.clone();
    let detail = record.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    let _ = spelling.fault;
    Ok(Row::of(&seen)
        .refused(403, "not-canonical")
        .holds("the record says what is wrong", !detail.is_empty()))
}

async fn odd_host(world: &World, odd: &OddHost) -> Result<Row, Trouble> {
    let ask = world.ask_host(odd.host, "GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).refused(400, odd.why))
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
