//! `haproxy/examples/websocket`.

use std::io::ErrorKind;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ask::Ask;
use crate::client::{PATIENCE, connect};
use crate::example::{ExamplePlan, ExampleStage, Keeps, Way};
use crate::forge::{ENGINEER, NOBODY, Sender};
use crate::records::Joined;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::streams::{self, Said};
use crate::trouble::Trouble;

const PLAN: ExamplePlan =
    ExamplePlan { streams: &[("live", Keeps::WebSockets)], ..ExamplePlan::of("websocket") };

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_example("websocket: a program and pages open one", Whole, PLAN, |stage| {
            Box::pin(opened(stage))
        }),
        Scene::on_example("websocket: one straight to HAProxy", FromHaproxy, PLAN, |stage| {
            Box::pin(straight(stage))
        }),
        Scene::on_example("websocket: more than a client may have open", FromHaproxy, PLAN, |stage| {
            Box::pin(too_many(stage))
        }),
    ]
}

async fn open(stage: &ExampleStage, way: Way, ask: &Ask) -> Result<(Said, Joined), Trouble> {
    let told = json!({
        "path": ask.request.target, "headers": streams::headers(ask), "messages": 10, "bytes": 1 << 16,
    });
    stage.stream(way, "websocket.mjs", told, |_| Some(ask.marker.clone())).await
}

/// What a client got.
fn status(said: &Said) -> Option<u16> {
    said.get("status").and_then(Value::as_u64).and_then(|status| status.try_into().ok())
}

fn why(joined: &Joined) -> Option<String> {
    joined.edge.as_ref().and_then(|record| record.text("reason"))
}

async fn opened(stage: &ExampleStage) -> Result<Row, Trouble> {
    let ask = stage.ask("GET", "/live");
    let (said, records) = open(stage, Way::Edge, &ask).await?;
    let of = |origin: &str| stage.ask("GET", "/live").header("Origin", origin);
    let (own, _) = open(stage, Way::Edge, &of("https://www.example.com")).await?;
    let (evil, evil_records) = open(stage, Way::Edge, &of("https://evil.example")).await?;
    let (page, page_records) = open(stage, Way::Edge, &stage.ask("GET", "/page")).await?;
    let at_haproxy = records.haproxy.as_ref().and_then(|record| record.text("status"));
    Ok(streams::row(status(&said), &records)
        .status(101)
        .verdict("allow", ALLOWED)
        .holds("all comes back", said.is("text") && said.is("binary") && said.is("ordered"))
        .is("the edge's reason", Some("handed-over".to_owned()), why(&records))
        .is("the status at HAProxy, when it has ended", Some("101".to_owned()), at_haproxy)
        .is("a page of the host's own", Some(101), status(&own))
        .is(
            "a page of another",
            (Some(403), Some("cross-site-websocket".to_owned())),
            (status(&evil), why(&evil_records)),
        )
        .is(
            "on a route that is for none",
            (Some(403), Some("upgrade-refused".to_owned())),
            (status(&page), why(&page_records)),
        ))
}

fn vouched(stage: &ExampleStage, path: &str, sender: Sender) -> Result<Ask, Trouble> {
    let ask = stage.ask("GET", path);
    let assertion = stage.forge(0)?.good(&ask.request, sender)?;
    Ok(ask.assertion(&assertion))
}

async fn straight(stage: &ExampleStage) -> Result<Row, Trouble> {
    let vouched = |path: &str| vouched(stage, path, NOBODY);
    let ask = vouched("/live")?;
    let (said, records) = open(stage, Way::Straight, &ask).await?;
    let (again, _) = open(stage, Way::Straight, &ask).await?;
    let (without, _) = open(stage, Way::Straight, &stage.ask("GET", "/live")).await?;
    let (page, _) = open(stage, Way::Straight, &vouched("/page")?).await?;
    Ok(streams::row(status(&said), &records)
        .status(101)
        .verdict("allow", ALLOWED)
        .holds("all comes back", said.is("text") && said.is("binary") && said.is("ordered"))
        .is("with the same assertion again", Some(403), status(&again))
        .is("without one", Some(401), status(&without))
        .is("on a route that is for none", Some(403), status(&page)))
}

/// As the example has it.
const MOST_OPEN: usize = 20;

async fn too_many(stage: &ExampleStage) -> Result<Row, Trouble> {
    let mut held = Vec::new();
    for _ in 0..MOST_OPEN {
        held.push(hold(stage).await?);
    }
    let (over, records) = open(stage, Way::Straight, &vouched(stage, "/live", NOBODY)?).await?;
    let (other, _) = open(stage, Way::Straight, &vouched(stage, "/live", ENGINEER)?).await?;
    let page = stage.straight(0, &vouched(stage, "/page", NOBODY)?).await?;
    drop(held);
    Ok(streams::row(status(&over), &records)
        .status(429)
        .verdict("deny", "too-many-open")
        .is("another client's", Some(101), status(&other))
        .is("a page of the same client", 200, page.answer.status))
}

/// Opens one, and says nothing.
async fn hold(stage: &ExampleStage) -> Result<TcpStream, Trouble> {
    let request = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        .into_iter()
        .fold(vouched(stage, "/live", NOBODY)?.request, |request, (name, value)| request.header(name, value))
        .header("Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg==");
    let address = stage.node(0)?.address();
    let opened = async {
        let mut stream = connect(request.from, address).await?;
        stream.write_all(&request.bytes()).await?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await?;
        Ok::<_, std::io::Error>((stream, String::from_utf8_lossy(&line).into_owned()))
    };
    let opened = timeout(PATIENCE, opened).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    match opened.map_err(Trouble::io("open a WebSocket"))? {
        (stream, line) if line == "HTTP/1.1 101" => Ok(stream),
        (_, line) => Err(Trouble::unexpected("HTTP/1.1 101", line)),
    }
}
