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

/// How large a body is whose memory is looked at. The bench sends a GiB.
const BYTES: u64 = 256 << 20;
/// How large it is in other shapes.
const LESS: u64 = 64 << 20;
/// Longest time for one of them.
const LIMIT: Duration = Duration::from_secs(60);

/// A body, as it is sent.
#[derive(Debug, Clone, Copy)]
struct Shape {
    name: &'static str,
    version: Version,
    framing: Framing,
    bytes: u64,
}

/// Over HTTP/2 a stream's end is told by itself, `Content-Length` or not.
const SHAPES: [Shape; 3] = [
    Shape { name: "in chunks", version: Version::Http1, framing: Framing::Chunked, bytes: BYTES },
    Shape {
        name: "64 MiB with their length",
        version: Version::Http1,
        framing: Framing::Length,
        bytes: LESS,
    },
    Shape { name: "64 MiB over HTTP/2", version: Version::Http2, framing: Framing::Chunked, bytes: LESS },
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
    for shape in SHAPES {
        let row = match direction {
            Direction::Up => up(world, way, shape).await?,
            Direction::Down => down(world, way, shape).await?,
        };
        rows = if rows.status.is_none() { row } else { rows.and(shape.name, row) };
    }
    Ok(rows)
}

async fn up(world: &World, way: Way, shape: Shape) -> Result {
    let Shape { version, framing, bytes, .. } = shape;
    let ask = world.vouched(world.ask("PUT", "/api/things"), ENGINEER, way)?;
    let curl = Curl::new(&ask.request, version).upload(Upload { bytes, framing });
    let (row, got) = watched(world, way, &ask, curl, Direction::Up).await?;
    let arrived = stream_server::tally(&got.answer.json()).unwrap_or_default();
    // Over HTTP/1.1 curl asks before it sends so much, and the application says that it may.
    let asked_for = if version == Version::Http1 { vec![100] } else { Vec::new() };
    let row = row.status(200).pool("stream").is("interim answers", asked_for, got.interim);
    Ok(whole(row, bytes, &got.fed, &arrived))
}

async fn down(world: &World, way: Way, shape: Shape) -> Result {
    let Shape { version, framing, bytes, .. } = shape;
    let mut ask = world.ask("GET", "/api/things");
    let chunked = if framing == Framing::Chunked { "&chunked" } else { "" };
    ask.request.target.push_str(&format!("?bytes={bytes}{chunked}"));
    let ask = world.vouched(ask, ENGINEER, way)?;
    let curl = Curl::new(&ask.request, version);
    let (row, got) = watched(world, way, &ask, curl, Direction::Down).await?;
    let sent = world.stream()?.sent(&ask.marker).await?;
    Ok(whole(row.status(200), bytes, &sent, &got.body))
}

/// Before it sends so much curl asks whether it may, and HAProxy refuses without wanting the body.
async fn refused(world: &World, way: Way) -> Result {
    let ask = world.vouched(world.ask("PUT", "/admin/users"), ENGINEER, way)?;
    let upload = Upload { bytes: BYTES, framing: Framing::Length };
    let curl = Curl::new(&ask.request, Version::Http1).upload(upload);
    let (row, got) = watched(world, way, &ask, curl, Direction::Up).await?;
    let status = got.answer.status;
    let row = row.no_pool().verdict("deny", PERMISSION_MISSING);
    Ok(match way {
        Way::Straight => row.status(403).is("bytes that curl sent", 0, got.uploaded),
        // HAProxy closes while the edge still sends: the edge may find a broken connection in place of the answer.
        Way::ThroughEdge => row
            .holds(
                "the status is HAProxy's 403, or 503 where its answer was lost",
                matches!(status, 403 | 503),
            )
            .note(format!("Viceroy asks for the body: curl sent {} KiB", got.uploaded >> 10)),
    })
}

fn whole(row: Row, bytes: u64, sent: &Tally, arrived: &Tally) -> Row {
    row.is("bytes that were sent", bytes, sent.bytes).is("bytes that arrived", bytes, arrived.bytes).is(
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
