//! `haproxy/examples/bots`.

use serde_json::json;

use crate::bot::NAME;
use crate::example::{ExamplePlan, ExampleStage};
use crate::forge::Sender;
use crate::scene::Stage::FromHaproxy;
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan::of("bots");
const BOT: Sender = Sender { subject: "bot:crawler", groups: &["crawlers"] };
const PERSON: Sender = Sender { subject: "ann", groups: &["staff"] };
const PAGE: &str = "/catalogue/page";
/// What the node lets through in ten seconds.
const ALLOWED_AT_NODE: usize = 30;

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_example("bots: one asks too often, for one node", FromHaproxy, PLAN, |stage| {
        Box::pin(too_often(stage))
    })]
}

/// Counted is each bot for itself, and no person.
async fn too_often(stage: &ExampleStage) -> Result<Row, Trouble> {
    let mut passed = Vec::new();
    for _ in 0..ALLOWED_AT_NODE {
        let seen = straight(stage, BOT, Some(NAME)).await?;
        passed.push((seen.answer.status, seen.application.map(|application| application.pool)));
    }
    let served = stage.served();
    let seen = straight(stage, BOT, Some(NAME)).await?;
    let served_of_it = stage.served() - served;
    let person = straight(stage, PERSON, None).await?;
    let other = Sender { subject: "bot:goodbot", ..BOT };
    let other = straight(stage, other, Some("goodbot")).await?;
    let pool = |seen: &crate::ask::Observed| seen.application.as_ref().map(|seen| seen.pool.clone());
    let record = seen.records.agent.as_ref().and_then(|record| record.text("verdict"));
    let id = seen.answer.header("countersign-decision").map(str::to_owned);
    Ok(Row::of(&seen)
        .refused(429, "bot-too-fast")
        .is("the first thirty", vec![(200, Some("bots".to_owned())); ALLOWED_AT_NODE], passed)
        .is("requests that the pools served of it", 0, served_of_it)
        .is("the agent's verdict", Some("allow".to_owned()), record)
        .holds("the answer has the decision id", id.is_some() && id == seen.decision_id)
        .is("when to try again", Some("10"), seen.answer.header("retry-after"))
        .is("a person meanwhile", (200, Some("web".to_owned())), (person.answer.status, pool(&person)))
        .is("another bot", (200, Some("bots".to_owned())), (other.answer.status, pool(&other))))
}

async fn straight(
    stage: &ExampleStage,
    sender: Sender,
    bot: Option<&str>,
) -> Result<crate::ask::Observed, Trouble> {
    let ask = stage.ask("GET", PAGE);
    let draft = stage.forge(0)?.draft(&ask.request, sender)?.claim("bot", json!(bot));
    stage.straight(0, &ask.assertion(&draft.signed(stage.forge(0)?))).await
}
