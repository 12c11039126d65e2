//! Memory of edge, HAProxy and agents while a large body goes up and down through all of them.

use std::path::PathBuf;
use std::time::Duration;

use countersign_tests::curl::{Curl, Framing, Got, Upload, Version};
use countersign_tests::forge::ENGINEER;
use countersign_tests::memory::{Watch, Watched};
use countersign_tests::node::Agents;
use countersign_tests::pieces::{self, Subject};
use countersign_tests::reaper::Reaper;
use countersign_tests::stream_server;
use countersign_tests::tally::Tally;
use countersign_tests::trouble::Trouble;
use countersign_tests::world::{Behind, Front, Plan, Way, World};

use crate::Pace;
use crate::compute::Service;
use crate::process_costs::mebibytes;
use crate::report::{Line, Report, Target};

/// What Viceroy logs beside records: where it listens.
const LOG: &str = "error,viceroy_lib::service=info";
/// Longest time for one body.
const LIMIT: Duration = Duration::from_secs(180);
/// What is between us and the application may hold of a body, as a share of it.
const HELD: Target = Target::AtMost(0.01);

/// One body that went through, and what it took.
struct Passed {
    watched: Vec<Watched>,
    seconds: f64,
}

/// Measures; takes a minute at most.
pub(crate) fn run(pace: Pace) -> Result<Report, Trouble> {
    let bytes: u64 = match pace {
        Pace::Full => 1 << 30,
        Pace::Quick => 64 << 20,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Trouble::io("start a runtime"))?;
    runtime.block_on(measure(bytes))
}

async fn measure(bytes: u64) -> Result<Report, Trouble> {
    let subject = Subject::from_environment()?;
    let plan = Plan { subject, front: Front::Edge, agents: Agents::Real, behind: Behind::Streaming };
    let world = World::start(plan).await?;
    let version = world.haproxy().await.version();
    let down = down(&world, bytes).await?;
    let up = up(&world, bytes).await?;
    let empty = up_through_the_empty_program(&world, bytes).await?;
    let mut lines = Vec::new();
    lines.extend(lines_of("down", &down, bytes, |_| Some(HELD)));
    lines.extend(lines_of("up", &up, bytes, |process| (process != VICEROY).then_some(HELD)));
    lines.extend(lines_of("up, (a) the empty program", &empty, bytes, |_| None));
    lines.extend(beside_the_empty_program(&up, &empty));
    Ok(Report {
        title: "upload: memory while a large body passes".to_owned(),
        notes: vec![
            format!(
                "{} MiB by curl, down and then up, in chunks over HTTP/1.1, through Viceroy, HAProxy {version} and \
                 Node.js, which hashes it; the digests of both ends are the same",
                bytes >> 20
            ),
            "VmRSS of /proc/PID/status, before, the most in 50 looks a second, after; the ratio is that of the growth \
             to the body"
                .to_owned(),
            "Viceroy keeps a copy of each request's body until the answer, under any program: so (a), a program that \
             only forwards, straight to Node.js"
                .to_owned(),
        ],
        lines,
    })
}

/// What the world calls the edge's runtime.
const VICEROY: &str = "Viceroy";

async fn down(world: &World, bytes: u64) -> Result<Passed, Trouble> {
    let mut ask = world.ask("GET", "/api/things");
    ask.request.target.push_str(&format!("?bytes={bytes}&chunked"));
    let ask = world.vouched(ask, ENGINEER, Way::ThroughEdge)?;
    let watch = Watch::begin(&world.processes().await)?;
    let curl = Curl::new(&ask.request, Version::Http1).within(LIMIT);
    let got = curl.send(world.entrance(Way::ThroughEdge)?.address).await?;
    let watched = watch.end().await?;
    whole(&world.stream()?.sent(&ask.marker).await?, &got.body)?;
    Ok(passed(watched, &got))
}

async fn up(world: &World, bytes: u64) -> Result<Passed, Trouble> {
    let ask = world.vouched(world.ask("PUT", "/api/things"), ENGINEER, Way::ThroughEdge)?;
    let curl = Curl::new(&ask.request, Version::Http1).upload(upload(bytes)).within(LIMIT);
    let watch = Watch::begin(&world.processes().await)?;
    let got = curl.send(world.entrance(Way::ThroughEdge)?.address).await?;
    let watched = watch.end().await?;
    arrived(&got)?;
    Ok(passed(watched, &got))
}

/// The same upload where the program does nothing but send it on.
async fn up_through_the_empty_program(world: &World, bytes: u64) -> Result<Passed, Trouble> {
    let folder = tempfile::tempdir().map_err(Trouble::io("make a folder"))?;
    let reaper = Reaper::start(folder.path())?;
    let service = Service { backends: vec![("haproxy", world.stream()?.address())], ..Service::default() };
    let empty = service.start(&empty_program()?, folder.path(), LOG, &reaper).await?;
    // The edge has had a body down before it.
    let mut warm = world.ask("GET", "/api/things");
    warm.request.target.push_str(&format!("?bytes={bytes}&chunked"));
    Curl::new(&warm.request, Version::Http1).within(LIMIT).send(empty.address()).await?;
    let ask = world.ask("PUT", "/api/things");
    let curl = Curl::new(&ask.request, Version::Http1).upload(upload(bytes)).within(LIMIT);
    let watch = Watch::begin(&[(VICEROY.to_owned(), empty.process_id())])?;
    let got = curl.send(empty.address()).await?;
    let watched = watch.end().await?;
    arrived(&got)?;
    Ok(passed(watched, &got))
}

fn upload(bytes: u64) -> Upload {
    Upload { bytes, framing: Framing::Chunked }
}

fn passed(watched: Vec<Watched>, got: &Got) -> Passed {
    Passed { watched, seconds: got.answer.took.as_secs_f64() }
}

fn arrived(got: &Got) -> Result<(), Trouble> {
    let told = stream_server::tally(&got.answer.json());
    whole(&got.fed, &told.ok_or_else(|| Trouble::unexpected("what arrived", got.answer.summary()))?)
}

fn whole(sent: &Tally, arrived: &Tally) -> Result<(), Trouble> {
    if sent == arrived {
        return Ok(());
    }
    Err(Trouble::unexpected(format!("all that was sent, {sent:?}"), format!("{arrived:?}")))
}

fn empty_program() -> Result<PathBuf, Trouble> {
    let path = pieces::edge()?.with_file_name("countersign-bench-empty.wasm");
    if path.exists() {
        return Ok(path);
    }
    Err(Trouble::Missing { what: "a program of the bench", looked_at: path.display().to_string() })
}

fn lines_of(
    direction: &str,
    passed: &Passed,
    bytes: u64,
    target: impl Fn(&str) -> Option<Target>,
) -> Vec<Line> {
    let mut lines = vec![Line::new(direction, format!("{:.1} s", passed.seconds))];
    for process in &passed.watched {
        let Watched { name, before, most, after } = process;
        let [before, most, after, growth] =
            [*before, *most, *after, process.growth()].map(|bytes| mebibytes(as_float(bytes)));
        let figure = format!("{before}, at most {most}, after it {after}: grew by {growth}");
        let share = as_float(process.growth()) / as_float(bytes);
        lines.push(Line::new(format!("{direction}: {name}"), figure).beside("the body", share, target(name)));
    }
    lines
}

fn beside_the_empty_program(up: &Passed, empty: &Passed) -> Option<Line> {
    let growth = |passed: &Passed| {
        passed
            .watched
            .iter()
            .find(|process| process.name == VICEROY)
            .map(|process| as_float(process.growth()))
    };
    let (edge, empty) = (growth(up)?, growth(empty)?);
    Some(Line::new("up: growth of Viceroy, edge program to (a)", "").beside("(a)", edge / empty, None))
}

#[allow(clippy::cast_precision_loss, reason = "bytes here are far below 2^52")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}
