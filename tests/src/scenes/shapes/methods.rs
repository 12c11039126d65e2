//! Methods: those that everybody knows and those that nobody does, by curl over HTTP/1.1 and HTTP/2.

use crate::ask::Ask;
use crate::curl::{Curl, Got, Version};
use crate::forge::{ENGINEER, NOBODY, Sender};
use crate::scene::Manners::Shares;
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;
use crate::world::{Way, World};

use super::{Outcome, Result, on_both_ways, stage};

/// A method, where it goes, and what comes of it.
#[derive(Debug, Clone, Copy)]
struct Asked {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    sender: Sender,
    at_the_edge: Outcome,
    straight: Outcome,
}

/// One that the route takes.
const fn passes(name: &'static str, method: &'static str) -> Asked {
    let outcome = Outcome::Passes("api");
    Asked { name, method, path: "/api/things", sender: ENGINEER, at_the_edge: outcome, straight: outcome }
}

/// One that the route doesn't list: the policy is the agent's, and the edge's too.
const fn not_listed(name: &'static str, method: &'static str, path: &'static str) -> Asked {
    let outcome = Outcome::Refused(403, "method-not-listed");
    Asked { name, method, path, sender: ENGINEER, at_the_edge: outcome, straight: outcome }
}

const ASKED: [Asked; 10] = [
    passes("OPTIONS of a route", "OPTIONS"),
    passes("PROPFIND of a route that lists no methods", "PROPFIND"),
    passes("QUERY of a route that lists no methods", "QUERY"),
    passes("get, in small letters, of a route that lists no methods", "get"),
    passes("a method of 32 bytes", "ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOP"),
    not_listed("OPTIONS of a route that lists POST", "OPTIONS", "/orders"),
    not_listed("PROPFIND of a route that lists POST", "PROPFIND", "/orders"),
    not_listed("QUERY of a route that lists GET", "QUERY", "/static"),
    not_listed("get, in small letters, of a route that lists GET", "get", "/static"),
    Asked {
        name: "a method of 33 bytes",
        method: "ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOPQ",
        path: "/api/things",
        sender: ENGINEER,
        at_the_edge: Outcome::Refused(400, "not-canonical"),
        straight: Outcome::Refused(403, "method-refused"),
    },
];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes: Vec<_> =
        on_both_ways("HEAD, beside GET", Shares, |world, way| Box::pin(head(world, way))).into();
    scenes
        .extend(on_both_ways("OPTIONS *", Shares, |world, way| Box::pin(options_of_everything(world, way))));
    for asked in ASKED {
        for way in [Way::ThroughEdge, Way::Straight] {
            let (stage, end) = stage(way);
            scenes.push(Scene::new(format!("{} {end}", asked.name), stage, Shares, move |world| {
                Box::pin(asks(world, asked, way))
            }));
        }
    }
    scenes
}

async fn asks(world: &World, asked: Asked, way: Way) -> Result {
    let outcome = match way {
        Way::ThroughEdge => asked.at_the_edge,
        Way::Straight => asked.straight,
    };
    let [first, second] = Version::BOTH;
    let row = asks_in(world, asked, way, outcome, first).await?;
    Ok(row.and(second.name(), asks_in(world, asked, way, outcome, second).await?))
}

async fn asks_in(world: &World, asked: Asked, way: Way, outcome: Outcome, version: Version) -> Result {
    let ask = world.vouched(world.ask(asked.method, asked.path), asked.sender, way)?;
    let (row, _) = played(world, &ask, way, Curl::new(&ask.request, version)).await?;
    Ok(outcome.of(row))
}

/// Runs curl: the row, which states that the application saw the method that was sent, and what came.
pub(super) async fn played(
    world: &World,
    ask: &Ask,
    way: Way,
    curl: Curl,
) -> std::result::Result<(Row, Got), Trouble> {
    let entrance = world.entrance(way)?;
    let got = curl.send(entrance.address).await?;
    let seen = world.observed(ask, got.answer.clone(), &entrance).await?;
    let row = Row::of(&seen);
    let Some(application) = &seen.application else { return Ok((row, got)) };
    let method = application.line.split(' ').next().unwrap_or_default().to_owned();
    Ok((row.is("the method that the application sees", ask.request.method.clone(), method), got))
}

/// No body, and the header lines that GET has.
async fn head(world: &World, way: Way) -> Result {
    let [first, second] = Version::BOTH;
    Ok(head_in(world, way, first).await?.and(second.name(), head_in(world, way, second).await?))
}

async fn head_in(world: &World, way: Way, version: Version) -> Result {
    let names = |got: &Got| {
        let mut names: Vec<_> = got.answer.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        // Viceroy leaves the length out over HTTP/1.1, as a server may (RFC 9110 section 9.3.2).
        names.retain(|name| way == Way::Straight || name != "content-length");
        names.sort_unstable();
        names
    };
    // Closed behind the answer, so that what came with it is all there is; over HTTP/2 curl leaves the line out.
    let page = |method| world.ask(method, "/static/logo.svg").header("Connection", "close");
    let get = world.vouched(page("GET"), NOBODY, way)?;
    let (_, whole) = played(world, &get, way, Curl::new(&get.request, version)).await?;
    let ask = world.vouched(page("HEAD"), NOBODY, way)?;
    let (row, got) = played(world, &ask, way, Curl::new(&ask.request, version)).await?;
    Ok(row
        .status(200)
        .verdict("allow", ALLOWED)
        .is("bytes of the body", 0, got.body.bytes)
        .is("the names of header lines", names(&whole), names(&got))
        .holds("GET has a body", whole.body.bytes > 0))
}

/// It asks about no route, and none is judged.
async fn options_of_everything(world: &World, way: Way) -> Result {
    let [first, second] = Version::BOTH;
    let row = options_in(world, way, first).await?;
    Ok(row.and(second.name(), options_in(world, way, second).await?))
}

async fn options_in(world: &World, way: Way, version: Version) -> Result {
    let reads_as_root = version == Version::Http2 && world.haproxy().await.version().starts_with("3.0");
    let (status, reason) = match way {
        Way::ThroughEdge => (400, "not-canonical"),
        // HAProxy 3.0 shows `*` of HTTP/2 as `/`, which is judged as any path.
        Way::Straight if reads_as_root => (403, "unknown-path"),
        Way::Straight => (400, "path-missing"),
    };
    let mut ask = world.ask("OPTIONS", "/api/things");
    ask.request.target = "*".into();
    let mut ask = world.vouched(ask, ENGINEER, way)?;
    ask.request.target = "/".into();
    let (row, _) = played(world, &ask, way, Curl::new(&ask.request, version).odd_target("*")).await?;
    Ok(row.refused(status, reason))
}
