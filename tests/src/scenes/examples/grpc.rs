//! `haproxy/examples/grpc`.

use serde_json::{Value, json};

use crate::example::{ExamplePlan, ExampleStage, HOST, Keeps, Way};
use crate::forge::NOBODY;
use crate::records::Joined;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::streams::{self, Said};
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan { streams: &[("grpc", Keeps::Calls)], ..ExamplePlan::of("grpc") };
/// For anybody.
const UNARY: &str = "Unary";
/// For who is signed in.
const CLOSE: &str = "Close";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_example("grpc: calls of an application, and refused ones", Whole, PLAN, |stage| {
            Box::pin(called(stage))
        }),
        Scene::on_example("grpc: calls straight to HAProxy", FromHaproxy, PLAN, |stage| {
            Box::pin(straight(stage))
        }),
    ]
}

/// As a client that knows gRPC, or as one that sees its frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Knowing,
    Bare,
}

async fn call(
    stage: &ExampleStage,
    way: Way,
    client: Client,
    method: &str,
    metadata: Value,
) -> Result<(Said, Joined), Trouble> {
    let told = json!({
        "host": HOST, "method": method, "metadata": metadata, "messages": ["hello"], "bare": client == Client::Bare,
    });
    stage.stream(way, "grpc.mjs", told, Said::decision_of_call).await
}

async fn called(stage: &ExampleStage) -> Result<Row, Trouble> {
    let (said, records) = call(stage, Way::Edge, Client::Knowing, UNARY, json!({})).await?;
    let (close, _) = call(stage, Way::Edge, Client::Bare, CLOSE, json!({})).await?;
    for agent in stage.node(0)?.agents() {
        agent.lock().await.daemon.stop().await?;
    }
    let (gone, _) = call(stage, Way::Edge, Client::Knowing, UNARY, json!({})).await?;
    Ok(streams::row(None, &records)
        .verdict("allow", ALLOWED)
        .is("the status of the call", Some(0), said.number("code"))
        .is("the message that the application got", Some("hello".to_owned()), said.seen_by_service("/body"))
        .is(
            "the decision that it saw",
            records.decision_ids().pop(),
            said.seen_by_service("/metadata/countersign-decision"),
        )
        .is("where nobody is signed in", Some("16"), close.text("trailers/grpc-status"))
        .is("with the agents gone", Some(14), gone.number("code")))
}

async fn straight(stage: &ExampleStage) -> Result<Row, Trouble> {
    let vouched = |method: &str| {
        let mut ask = stage.ask("POST", "");
        ask.request.target = format!("/echo.Echo/{method}");
        let assertion = stage.forge(0)?.good(&ask.request, NOBODY)?;
        Ok::<_, Trouble>(json!({ "countersign-assertion": assertion }))
    };
    let (said, records) = call(stage, Way::Straight, Client::Knowing, UNARY, vouched(UNARY)?).await?;
    let (close, _) = call(stage, Way::Straight, Client::Bare, CLOSE, vouched(CLOSE)?).await?;
    let (without, _) = call(stage, Way::Straight, Client::Knowing, UNARY, json!({})).await?;
    Ok(streams::row(None, &records)
        .verdict("allow", ALLOWED)
        .is("the status of the call", Some(0), said.number("code"))
        .is("the message that the application got", Some("hello".to_owned()), said.seen_by_service("/body"))
        .is("where nobody is signed in", Some("16"), close.text("headers/grpc-status"))
        .holds("all of it in the headers", close.is("only_headers"))
        .is("without an assertion", Some(16), without.number("code")))
}
