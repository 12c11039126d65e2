//! `haproxy/examples/bots`.

use serde_json::json;

use crate::ask::Observed;
use crate::bot::{AGENT, NAME};
use crate::example::{ExamplePlan, ExampleStage, HOST};
use crate::forge::Sender;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan::of("bots");
const BOT: Sender = Sender { subject: "bot:crawler", groups: &["crawlers"] };
const PERSON: Sender = Sender { subject: "ann", groups: &["staff"] };
const PAGE: &str = "/catalogue/page";
/// What the edge lets through in a minute.
const ALLOWED_AT_EDGE: u32 = 60;
/// What the node lets through in ten seconds.
const ALLOWED_AT_NODE: usize = 30;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_example("bots: one signs, and asks ever more often", Whole, PLAN, |stage| {
            Box::pin(through_edge(stage))
        }),
        Scene::on_example("bots: one asks too often, for one node", FromHaproxy, PLAN, |stage| {
            Box::pin(too_often(stage))
        }),
    ]
}

/// First the node refuses it, then the edge, which counts in windows of a minute: one may end meanwhile.
async fn through_edge(stage: &ExampleStage) -> Result<Row, Trouble> {
    let claim = |path: &str| stage.ask("GET", path).header("Signature-Agent", &format!("\"{AGENT}\""));
    let unsigned = stage.through_edge(&claim(PAGE)).await?;
    let account = stage.through_edge(&claim("/account")).await?;
    let signed = stage.bot().sign(HOST).await?;
    let first = stage.through_edge(&signed.on(stage.ask("GET", PAGE))).await?;
    let (mut asked, mut by_node) = (1, 0);
    let seen = loop {
        let seen = stage.through_edge(&signed.on(stage.ask("GET", PAGE))).await?;
        asked += 1;
        by_node += u32::from(why(&seen) == Some("bot-too-fast".to_owned()));
        if why(&seen) == Some("rate-exceeded".to_owned()) || asked > 2 * ALLOWED_AT_EDGE + 1 {
            break seen;
        }
    };
    let pool = first.application.as_ref().map(|application| application.pool.clone());
    Ok(Row::of(&seen)
        .refused(429, "rate-exceeded")
        .holds("HAProxy doesn't see that any more", seen.records.haproxy.is_none())
        .is(
            "who only says that it is a bot",
            (403, Some("bot-unsigned".to_owned())),
            (unsigned.answer.status, why(&unsigned)),
        )
        .is(
            "on a route for people",
            (403, Some("bot-refused".to_owned())),
            (account.answer.status, why(&account)),
        )
        .is("the pool of the first one that is signed", Some("bots".to_owned()), pool)
        .holds("which sees which bot it is", first.application_saw("Countersign-Bot", NAME))
        .holds(format!("the edge refused past {ALLOWED_AT_EDGE} ({asked})"), asked > ALLOWED_AT_EDGE)
        .holds(format!("the node refused before that ({by_node})"), by_node > 0))
}

fn why(seen: &Observed) -> Option<String> {
    seen.records.verdict_and_reason().1
}

/// Counted is each bot for itself, and no person.
async fn too_often(stage: &ExampleStage) -> Result<Row, Trouble> {
    let mut passed = Vec::new();
    for _ in 0..ALLOWED_AT_NODE {
        let seen = straight(stage, BOT, Some(NAME)).await?;
        passed.push((seen.answer.status, seen.application.map(|application| application.pool)));
    }
    let served = stage.served().await;
    let seen = straight(stage, BOT, Some(NAME)).await?;
    let served_of_it = stage.served().await - served;
    let person = straight(stage, PERSON, None).await?;
    let other = Sender { subject: "bot:goodbot", ..BOT };
    let other = straight(stage, other, Some("goodbot")).await?;
    let pool = |seen: &Observed| seen.application.as_ref().map(|seen| seen.pool.clone());
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

async fn straight(stage: &ExampleStage, sender: Sender, bot: Option<&str>) -> Result<Observed, Trouble> {
    let ask = stage.ask("GET", PAGE);
    let draft = stage.forge(0)?.draft(&ask.request, sender)?.claim("bot", json!(bot));
    stage.straight(0, &ask.assertion(&draft.signed(stage.forge(0)?))).await
}
