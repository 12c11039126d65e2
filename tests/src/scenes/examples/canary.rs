//! `haproxy/examples/canary`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::ask::Observed;
use crate::example::{ExamplePlan, ExampleStage};
use crate::forge::NOBODY;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan::of("canary");
const PAGE: &str = "/checkout/cart";
const COOKIE: &str = "__Host-countersign-visitor";
const SHARES: &str = "canary = 10, control = 90";
/// Longest wait for HAProxy to see that the new version is down.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_example("canary: from a tenth to half, and back to nobody", Whole, PLAN, |stage| {
            Box::pin(shares(stage))
        }),
        Scene::on_example("canary: the new version is down", FromHaproxy, PLAN, |stage| {
            Box::pin(down(stage))
        }),
    ]
}

/// The visitors of the page: their ids, of which the first is in the first tenth and the second in the first half.
fn visitors() -> [String; 3] {
    ["01".repeat(16), "5".repeat(32), "9".repeat(32)]
}

async fn shares(stage: &ExampleStage) -> Result<Row, Trouble> {
    let first = stage.through_edge(&stage.ask("GET", PAGE)).await?;
    let tenth = arms(stage).await?;
    stage.change_policy(|text| text.replace(SHARES, "canary = 50, control = 50")).await?;
    let half = arms(stage).await?;
    stage.change_policy(|text| text.replace(SHARES, "canary = 0, control = 100")).await?;
    let nobody = arms(stage).await?;
    let seen = visit(stage, &visitors()[0]).await?;
    let (canary, control) = (("canary", "web-canary"), ("control", "web"));
    let of = |all: [(&str, &str); 3]| all.map(|(arm, pool)| (arm.to_owned(), pool.to_owned()));
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .holds("a new visitor gets an id", first.answer.header("set-cookie").is_some_and(is_visitors))
        .is("arms and pools of a tenth", of([canary, control, control]), tenth)
        .is("of half", of([canary, canary, control]), half)
        .is("of nobody", of([control, control, control]), nobody))
}

/// The arm goes on standing in the header: it is what was chosen.
async fn down(stage: &ExampleStage) -> Result<Row, Trouble> {
    let before = vouched(stage).await?;
    stage.lose_pool("web-canary").await?;
    let since = Instant::now();
    let mut seen = vouched(stage).await?;
    while seen.answer.status != 200 && since.elapsed() < PATIENCE {
        seen = vouched(stage).await?;
    }
    let pool = before.application.as_ref().map(|application| application.pool.clone());
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .is("the pool before", Some("web-canary".to_owned()), pool)
        .holds("the application sees the arm", seen.application_saw("Countersign-Arm", "canary")))
}

async fn vouched(stage: &ExampleStage) -> Result<Observed, Trouble> {
    let ask = stage.ask("GET", PAGE);
    let draft = stage.forge(0)?.draft(&ask.request, NOBODY)?.claim("arm", json!("canary"));
    stage.straight(0, &ask.assertion(&draft.signed(stage.forge(0)?))).await
}

async fn visit(stage: &ExampleStage, visitor: &str) -> Result<Observed, Trouble> {
    stage.through_edge(&stage.ask("GET", PAGE).header("Cookie", &format!("{COOKIE}={visitor}"))).await
}

/// The arm that the application saw of each visitor, and the pool that it is of.
async fn arms(stage: &ExampleStage) -> Result<[(String, String); 3], Trouble> {
    let mut arms = [const { (String::new(), String::new()) }; 3];
    for (visitor, arm) in visitors().iter().zip(&mut arms) {
        if let Some(application) = visit(stage, visitor).await?.application {
            let header = application.only("countersign-arm").unwrap_or_default();
            *arm = (header.to_owned(), application.pool.clone());
        }
    }
    Ok(arms)
}

fn is_visitors(cookie: &str) -> bool {
    cookie.strip_prefix(COOKIE).is_some_and(|rest| rest.starts_with('='))
}
