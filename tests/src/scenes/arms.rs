//! Experiments: the same arm each time, its pool, and what the application learns.

use std::collections::BTreeSet;

use serde_json::json;

use crate::ask::Observed;
use crate::forge::{ENGINEER, NOBODY};
use crate::scene::Manners::Shares;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;
use crate::world::World;

const HEADER: &str = "Countersign-Arm";
const VISITOR: &str = "__Host-countersign-visitor";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("browsers that nobody knows stay in their arms", Whole, Shares, |world| {
            Box::pin(browsers(world))
        }),
        Scene::new("somebody signed in has one arm everywhere", Whole, Shares, |world| {
            Box::pin(signed_in(world))
        }),
        Scene::new("the edge vouches for an arm", FromHaproxy, Shares, |world| Box::pin(vouched(world))),
        Scene::new("an arm that the policy doesn't have", FromHaproxy, Shares, |world| {
            Box::pin(unknown(world))
        }),
        Scene::new("somebody sends an arm's name", FromHaproxy, Shares, |world| Box::pin(made_up(world))),
    ]
}

/// The arm that the application saw, and the pool that it is.
fn arm(seen: &Observed) -> (String, String) {
    let application = seen.application.as_ref();
    let arm = application.and_then(|seen| seen.only(HEADER)).unwrap_or_default();
    (arm.to_owned(), application.map(|seen| seen.pool.clone()).unwrap_or_default())
}

fn visitor(seen: &Observed) -> Option<String> {
    let cookie = seen.answer.header("set-cookie")?.strip_prefix(VISITOR)?.strip_prefix('=')?;
    Some(cookie.split(';').next()?.to_owned())
}

async fn browsers(world: &World) -> Result<Row, Trouble> {
    let mut arms = BTreeSet::new();
    let mut moved = 0;
    let mut row = Row::default();
    for _ in 0..12 {
        let first = world.through_edge(&world.ask("GET", "/checkout/cart")).await?;
        let visitor = visitor(&first).unwrap_or_default();
        let again = world.ask("GET", "/checkout/pay").header("Cookie", &format!("a=b; {VISITOR}={visitor}"));
        let later = world.through_edge(&again).await?;
        let leaks = !later.application_saw("Cookie", "a=b");
        if arm(&later) != arm(&first) || later.answer.header("set-cookie").is_some() || leaks {
            moved += 1;
        }
        arms.insert(arm(&first));
        row = Row::of(&later);
    }
    let expected = [("canary", "api"), ("control", "web")].map(|(arm, pool)| (arm.into(), pool.into()));
    Ok(row
        .status(200)
        .verdict("allow", ALLOWED)
        .is("the arms of twelve browsers, and their pools", BTreeSet::from(expected), arms)
        .is("browsers that changed their arm, or whose id went on", 0, moved))
}

async fn signed_in(world: &World) -> Result<Row, Trouble> {
    let ask = |path: &str| Ok::<_, Trouble>(world.ask("GET", path).bearer(&world.token(ENGINEER)?));
    let first = world.through_edge(&ask("/checkout/cart")?).await?;
    let elsewhere = ask("/checkout/pay")?.from([127, 0, 0, 77].into());
    let later =
        world.through_edge(&elsewhere.header("Cookie", &format!("{VISITOR}={}", "5".repeat(32)))).await?;
    let record = |field: &str| later.records.edge.as_ref().and_then(|record| record.text(field));
    let agent = later.records.agent.as_ref().and_then(|record| record.text("arm"));
    let (name, pool) = arm(&later);
    Ok(Row::of(&later)
        .status(200)
        .verdict("allow", ALLOWED)
        .is("arm and pool on another device", arm(&first), (name.clone(), pool.clone()))
        .is("the arm in both tiers' records", (Some(name.clone()), Some(name)), (record("arm"), agent))
        .is("the pool in the edge's record", Some(pool), record("pool"))
        .holds("no id is given to who is known", first.answer.header("set-cookie").is_none()))
}

async fn vouched(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/checkout/cart");
    let draft = world.forge().draft(&ask.request, NOBODY)?.claim("arm", json!("canary"));
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    let got = arm(&seen);
    Ok(Row::of(&seen).status(200).pool("api").verdict("allow", ALLOWED).is(
        "what the application sees",
        "canary".to_owned(),
        got.0,
    ))
}

/// As when the edge has another policy: the route's own pool, and the application learns what the edge said.
async fn unknown(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/checkout/cart");
    let draft = world.forge().draft(&ask.request, NOBODY)?.claim("arm", json!("late"));
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    let elsewhere = world.ask("GET", "/api/things");
    let draft = world.forge().draft(&elsewhere.request, ENGINEER)?.claim("arm", json!("canary"));
    let without = world.straight(&elsewhere.assertion(&draft.signed(world.forge()))).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .is("what the application sees", "late".to_owned(), arm(&seen).0)
        .holds("a route without an experiment tells of no arm", without.application_saw_no(HEADER)))
}

async fn made_up(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/checkout/cart").header(HEADER, "canary").header("Countersign_Arm", "canary");
    let assertion = world.forge().good(&ask.request, NOBODY)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    let mentioned = seen.application.as_ref().is_some_and(|seen| seen.mentions("canary"));
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .holds("the application sees no arm", !mentioned))
}
