//! Large bodies, up and down: whole at the other end, and held in nobody's memory.

use std::time::Duration;

use crate::ask::Ask;
use crate::curl::{Curl, Framing, Got, Upload, Version};
use crate::forge::ENGINEER;
use crate::memory::{Watch, Watched};
use crate::scene::Manners::LargeBodies;
use crate::scene::{Row, Scene};
use crate::scenes::reason::PERMISSION_MISSING;
use crate::stream_server;
use crate::tally::Tally;
use crate::trouble::Trouble;
use crate::world::{Way, World};

use super::{Result, on_both_ways};

/// How large a body is. The bench sends a GiB.
const BYTES: u64 = 256 << 20;
/// Longest time for one of them.
const LIMIT: Duration = Duration::from_secs(60);

/// Over HTTP/2 a stream's end is told by itself, `Content-Length` or not.
const SPOKEN: [(&str, Version, Framing); 3] = [
    ("in chunks", Version::Http1, Framing::Chunked),
    ("with its length", Version::Http1, Framing::Length),
    ("over HTTP/2", Version::Http2, Framing::Chunked),
];

/// Which end sends the large body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// By how much a process may grow meanwhile, in MiB. Not said of Viceroy where a body goes up: it keeps a second
/// copy of every request's body by itself, whatever the program does.
fn bound(process: &str, direction: Direction) -> Option<u64> {
    match (process, direction) {
        ("Viceroy", Direction::Up) => None,
        ("Viceroy", Direction::Down) => Some(64),
        ("HAProxy", _) => Some(16),
        _ => Some(8),
    }
}

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    scenes.extend(on_both_ways("256 MiB up", LargeBodies, |world, way| {
        Box::pin(in_all_ways(world, way, Direction::Up))
    }));
    scenes.extend(on_both_ways("256 MiB down", LargeBodies, |world, way| {
        Box::pin(in_all_ways(world, way, Direction::Down))
    }));
    scenes
        .extend(on_both_ways("256 MiB up, refused", LargeBodies, |world, way| Box::pin(refused(world, way))));
    scenes
}

async fn in_all_ways(world: &World, way: Way, direction: Direction) -> Result {
    let mut rows = Row::default();
    for (name, version, framing) in SPOKEN {
        let row = match direction {
            Direction::Up => up(world, way, version, framing).await?,
            Direction::Down => down(world, way, version, framing).await?,
        };
        rows = if rows.status.is_none() { row } else { rows.and(name, row) };
    }
    Ok(rows)
}

async fn up(world: &World, way: Way, version: Version, framing: Framing) -> Result {
    let ask = world.vouched(world.ask("PUT", "/api/things"), ENGINEER, way)?;
    let curl = Curl::new(&ask.request, version).upload(Upload { bytes: BYTES, framing });
    let (row, got) = watched(world, way, &ask, curl, Direction::Up).await?;
    let arrived = stream_server::tally(&got.answer.json()).unwrap_or_default();
    // Over HTTP/1.1 curl asks before it sends so much, and the application says that it may.
    let asked_for = if version == Version::Http1 { vec![100] } else { Vec::new() };
    let row = row.status(200).pool("stream").is("interim answers", asked_for, got.interim);
    Ok(whole(row, &got.fed, &arrived))
}

async fn down(world: &World, way: Way, version: Version, framing: Framing) -> Result {
    let mut ask = world.ask("GET", "/api/things");
    let chunked = if framing == Framing::Chunked { "&chunked" } else { "" };
    ask.request.target.push_str(&format!("?bytes={BYTES}{chunked}"));
    let ask = world.vouched(ask, ENGINEER, way)?;
    let curl = Curl::new(&ask.request, version);
    let (row, got) = watched(world, way, &ask, curl, Direction::Down).await?;
    let sent = world.stream()?.sent(&ask.marker).await?;
    Ok(whole(row.status(200), &sent, &got.body))
}

/// The answer comes while the client still sends, and nothing of the body gets further.
async fn refused(world: &World, way: Way) -> Result {
    let ask = world.vouched(world.ask("PUT", "/admin/users"), ENGINEER, way)?;
    let upload = Upload { bytes: BYTES, framing: Framing::Length };
    // Without it curl would ask first.
    let ask = ask.header("Expect", "");
    let curl = Curl::new(&ask.request, Version::Http1).upload(upload);
    let (row, got) = watched(world, way, &ask, curl, Direction::Up).await?;
    Ok(row.refused(403, PERMISSION_MISSING).note(format!("curl sent {} KiB of it", got.uploaded >> 10)))
}

fn whole(row: Row, sent: &Tally, arrived: &Tally) -> Row {
    row.is("bytes that were sent", BYTES, sent.bytes).is("bytes that arrived", BYTES, arrived.bytes).is(
        "the digest",
        sent.sha256.clone(),
        arrived.sha256.clone(),
    )
}

/// Runs curl, and states that nobody's memory grew with the body.
async fn watched(
    world: &World,
    way: Way,
    ask: &Ask,
    curl: Curl,
    direction: Direction,
) -> std::result::Result<(Row, Got), Trouble> {
    let entrance = world.entrance(way)?;
    let watch = Watch::begin(&world.processes().await)?;
    let got = curl.within(LIMIT).send(entrance.address).await?;
    let watched = watch.end().await?;
    let seen = world.observed(ask, got.answer.clone(), &entrance).await?;
    let mut row = Row::of(&seen).note(format!("grew by {}", grown(&watched)));
    for process in &watched {
        if let Some(mebibytes) = bound(&process.name, direction) {
            let statement = format!("{} grows by at most {mebibytes} MiB", process.name);
            row = row.holds(statement, process.growth() <= mebibytes << 20);
        }
    }
    Ok((row, got))
}

fn grown(watched: &[Watched]) -> String {
    let of = |process: &Watched| format!("{} {} KiB", process.name, process.growth() >> 10);
    watched.iter().map(of).collect::<Vec<_>>().join(", ")
}
