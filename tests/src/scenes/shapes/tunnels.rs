//! What would have somebody talk past us, or be told what we say behind his back: CONNECT, TRACE, `Upgrade: h2c`.

use crate::curl::{Curl, Version};
use crate::forge::ENGINEER;
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;
use crate::world::{HOST, Way, World};

use super::methods::played;
use super::{Outcome, Result, on_both_ways};

/// The target of a tunnel (RFC 9112 section 3.2.3).
const ELSEWHERE: &str = "www.example.test:443";

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes: Vec<_> = on_both_ways("TRACE", Shares, |world, way| Box::pin(trace(world, way))).into();
    scenes.push(Scene::new("CONNECT of a path at the edge", Whole, Shares, |world| {
        Box::pin(connect(world, Way::ThroughEdge, None))
    }));
    scenes.push(Scene::new("CONNECT to another host straight", FromHaproxy, Shares, |world| {
        Box::pin(connect(world, Way::Straight, Some(ELSEWHERE)))
    }));
    scenes.push(Scene::new("CONNECT to another host at the edge", Whole, Alone, |world| {
        Box::pin(connect_elsewhere(world))
    }));
    scenes.extend(on_both_ways("CONNECT of a path over HTTP/2", Alone, |world, way| {
        Box::pin(connect_over_http2(world, way))
    }));
    scenes.extend(on_both_ways("an offer of h2c", Shares, |world, way| Box::pin(offer(world, way))));
    scenes
}

const METHOD_REFUSED: Outcome = Outcome::Refused(405, "method-refused");

async fn trace(world: &World, way: Way) -> Result {
    let [first, second] = Version::BOTH;
    Ok(trace_in(world, way, first).await?.and(second.name(), trace_in(world, way, second).await?))
}

async fn trace_in(world: &World, way: Way, version: Version) -> Result {
    let ask = world.vouched(world.ask("TRACE", "/api/things"), ENGINEER, way)?;
    let (row, got) = played(world, &ask, way, Curl::new(&ask.request, version)).await?;
    Ok(METHOD_REFUSED.of(row).holds("the answer lists what is allowed", got.answer.header("allow").is_some()))
}

async fn connect(world: &World, way: Way, target: Option<&'static str>) -> Result {
    let ask = world.vouched(world.ask("CONNECT", "/api/things"), ENGINEER, way)?;
    let curl = Curl::new(&ask.request, Version::Http1);
    let curl = target.map_or(curl.clone(), |target| curl.odd_target(target));
    let (row, got) = played(world, &ask, way, curl).await?;
    Ok(METHOD_REFUSED.of(row).holds("the answer lists what is allowed", got.answer.header("allow").is_some()))
}

/// Viceroy closes the connection before the program is asked; Fastly's own answer is not seen here.
async fn connect_elsewhere(world: &World) -> Result {
    let before = world.served();
    let ask = world.vouched(world.ask("CONNECT", "/api/things"), ENGINEER, Way::ThroughEdge)?;
    let curl = Curl::new(&ask.request, Version::Http1).odd_target(ELSEWHERE);
    let why = unanswered(world, Way::ThroughEdge, curl).await?;
    let after = world.through_edge(&world.ask("GET", "/static/logo.svg")).await?;
    Ok(Row::default()
        .holds(format!("no answer: {why}"), why.contains("Empty reply"))
        .is("requests that the pools served, the next one's among them", before + 1, world.served())
        .is("the next request's status", 200, after.answer.status))
}

/// A CONNECT that names a path is malformed (RFC 9113 section 8.5), and curl can send no other: the stream is
/// reset, and nothing is judged.
async fn connect_over_http2(world: &World, way: Way) -> Result {
    let before = world.served();
    let ask = world.vouched(world.ask("CONNECT", "/api/things"), ENGINEER, way)?;
    let why = unanswered(world, way, Curl::new(&ask.request, Version::Http2)).await?;
    Ok(Row::default().holds(format!("the stream is reset: {why}"), why.contains("PROTOCOL_ERROR")).is(
        "requests that the pools served",
        before,
        world.served(),
    ))
}

/// Why there was no answer, in curl's words; the answer where there was one.
async fn unanswered(world: &World, way: Way, curl: Curl) -> std::result::Result<String, Trouble> {
    match curl.send(world.entrance(way)?.address).await {
        Err(Trouble::NoAnswer { why, .. }) => Ok(why),
        Err(trouble) => Err(trouble),
        Ok(got) => Ok(got.answer.summary()),
    }
}

async fn offer(world: &World, way: Way) -> Result {
    let ask = world.vouched(world.ask("GET", "/api/things"), ENGINEER, way)?;
    let entrance = world.entrance(way)?;
    let got = Curl::new(&ask.request, Version::OffersHttp2).send(entrance.address).await?;
    let seen = world.observed(&ask, got.answer.clone(), &entrance).await?;
    let offers = ["Upgrade", "HTTP2-Settings", "Connection"];
    let is_gone = offers.iter().all(|name| seen.application_saw_no(name));
    Ok(Outcome::Passes("api")
        .of(Row::of(&seen))
        .is("the answer's version", "1.1".to_owned(), got.version)
        .holds("the application sees the host", seen.application_saw("host", HOST))
        .holds("the application sees nothing of the offer", is_gone))
}
