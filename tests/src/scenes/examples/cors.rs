//! `haproxy/examples/cors`.

use crate::ask::{Ask, Observed};
use crate::client::Answer;
use crate::example::{ExamplePlan, ExampleStage};
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan::of("cors");
const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_example("cors: pages ask what they may send", Whole, PLAN, |stage| Box::pin(ask(stage))),
        Scene::on_example("cors: pages read answers", Whole, PLAN, |stage| Box::pin(read(stage))),
    ]
}

async fn preflight(stage: &ExampleStage, origin: &str, header: &str) -> Result<Observed, Trouble> {
    let ask = stage.ask("OPTIONS", "/account").header("Origin", origin);
    let ask = ask.header("Access-Control-Request-Method", "PUT");
    stage.through_edge(&ask.header("Access-Control-Request-Headers", header)).await
}

async fn ask(stage: &ExampleStage) -> Result<Row, Trouble> {
    let seen = preflight(stage, APP, "x-trace").await?;
    let evil = preflight(stage, EVIL, "x-trace").await?;
    let other = preflight(stage, APP, "x-other").await?;
    let names = ["origin", "methods", "headers", "credentials"];
    let said = names.map(|name| value(&seen.answer, name));
    Ok(Row::of(&seen)
        .status(204)
        .no_pool()
        .verdict("allow", "preflight")
        .is(
            "what the answer allows",
            [Some(APP), Some("PUT"), Some("content-type, x-trace"), Some("true")],
            said,
        )
        .is("a page of another origin", (403, None), (evil.answer.status, value(&evil.answer, "origin")))
        .is("another header", 403, other.answer.status)
        .is("requests that the pools served", 0, stage.served().await))
}

async fn read(stage: &ExampleStage) -> Result<Row, Trouble> {
    let get = |path: &str, origin: &str| -> Ask { stage.ask("GET", path).header("Origin", origin) };
    let seen = stage.through_edge(&get("/account", APP)).await?;
    let evil = stage.through_edge(&get("/account", EVIL)).await?;
    let prices = stage.through_edge(&get("/prices", EVIL)).await?;
    Ok(Row::of(&seen)
        .refused(401, "identity-required")
        .is("whose page may read that", Some(APP), value(&seen.answer, "origin"))
        .is("with cookies", Some("true"), value(&seen.answer, "credentials"))
        .is("what caches have to know", Some("Origin"), seen.answer.header("vary"))
        .is("what another page gets", (401, None), (evil.answer.status, value(&evil.answer, "origin")))
        .is("of prices", (200, Some("*")), (prices.answer.status, value(&prices.answer, "origin"))))
}

/// A header `Access-Control-Allow-…`.
fn value<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.header(&format!("access-control-allow-{name}"))
}
