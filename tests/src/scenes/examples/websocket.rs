//! `haproxy/examples/websocket`.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::example::{ExamplePlan, ExampleStage, Keeps, Way};
use crate::forge::NOBODY;
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

async fn straight(stage: &ExampleStage) -> Result<Row, Trouble> {
    let vouched = |path: &str| {
        let ask = stage.ask("GET", path);
        let assertion = stage.forge(0)?.good(&ask.request, NOBODY)?;
        Ok::<_, Trouble>(ask.assertion(&assertion))
    };
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
