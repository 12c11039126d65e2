//! `haproxy/examples/two-data-centres`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::example::{Centre, ExamplePlan, ExampleStage, Location, SHIPPED_BIND};
use crate::forge::{HEADER, NOBODY};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan {
    streams: &[],
    name: "two-data-centres",
    centres: &[
        Centre { audience: "eu-1", address: SHIPPED_BIND, agents: Some("countersign.eu-1.toml") },
        Centre { audience: "us-1", address: "127.0.0.1:8010", agents: Some("countersign.us-1.toml") },
    ],
    locations: &[Location::ONLY],
};
const EU: usize = 0;
const US: usize = 1;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_example("two data centres: the first is lost", Whole, PLAN, |stage| {
            Box::pin(fail_over(stage))
        }),
        Scene::on_example("two data centres: an assertion of the other one", FromHaproxy, PLAN, |stage| {
            Box::pin(of_the_other(stage))
        }),
    ]
}

async fn fail_over(stage: &ExampleStage) -> Result<Row, Trouble> {
    let before = stage.ask("GET", "/page");
    let (seen_before, first) =
        (stage.through_edge(&before).await?, stage.heard_by_centre(EU, &before, HEADER).await?);
    let posted = stage.through_edge(&stage.ask("POST", "/orders")).await?.answer.status;
    // Captured on its way to eu-1, and played at us-1.
    let captured = before.clone().assertion(first.as_deref().unwrap_or_default());
    let replayed = stage.straight(US, &captured).await?;
    stage.lose(EU).await?;
    let ask = stage.ask("GET", "/page");
    let seen = stage.through_edge(&ask).await?;
    let second = stage.heard_by_centre(US, &ask, HEADER).await?;
    let served = stage.served().await;
    let refused = stage.through_edge(&stage.ask("POST", "/orders")).await?;
    let detail = seen.records.edge.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .is("the statuses before", [200, 200], [seen_before.answer.status, posted])
        .is("whom the edge spoke to before", Some("eu-1".to_owned()), audience(first.as_deref()))
        .is("and after", Some("us-1".to_owned()), audience(second.as_deref()))
        .is(
            "the captured assertion at us-1",
            (421, Some("wrong-audience".to_owned())),
            (replayed.answer.status, replayed.records.verdict_and_reason().1),
        )
        .holds("the record says which one could not be reached", detail.contains("haproxy-eu-1"))
        .is("the status of what can't be repeated", 503, refused.answer.status)
        .holds("which says when to try again", refused.answer.header("retry-after").is_some())
        .is("requests that the pools served of it", served, stage.served().await))
}

async fn of_the_other(stage: &ExampleStage) -> Result<Row, Trouble> {
    let mut statuses = Vec::new();
    for (centre, of) in [(EU, EU), (US, US), (EU, US)] {
        let ask = stage.ask("GET", "/page");
        let assertion = stage.forge(of)?.good(&ask.request, NOBODY)?;
        statuses.push(stage.straight(centre, &ask.assertion(&assertion)).await?.answer.status);
    }
    let served = stage.served().await;
    let ask = stage.ask("GET", "/page");
    let assertion = stage.forge(EU)?.good(&ask.request, NOBODY)?;
    let seen = stage.straight(US, &ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen)
        .refused(421, "wrong-audience")
        .is("the statuses of each at home, and the other way round", vec![200, 200, 421], statuses)
        .is("requests that the pools served of it", served, stage.served().await))
}

/// `aud` of an assertion.
fn audience(assertion: Option<&str>) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(assertion?.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("aud")?.as_str().map(str::to_owned)
}
