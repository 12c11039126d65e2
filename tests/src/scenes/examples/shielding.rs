//! `haproxy/examples/shielding`.

use std::net::Ipv4Addr;

use crate::example::{Centre, ExamplePlan, ExampleStage, Location};
use crate::forge::HEADER;
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;

const PLAN: ExamplePlan = ExamplePlan {
    streams: &[],
    name: "shielding",
    centres: &[Centre::SHIPPED],
    locations: &[Location::ONLY, Location { backends: "backends.shield.toml", address: "127.0.0.1:7677" }],
};
const SHIELD: usize = 1;

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_example("shielding: a request by way of a second location", Whole, PLAN, |stage| {
        Box::pin(two_hops(stage))
    })]
}

/// Judged once: what the second location gets, HAProxy gets, under one decision id.
async fn two_hops(stage: &ExampleStage) -> Result<Row, Trouble> {
    let ask = stage.ask("GET", "/page").from(Ipv4Addr::new(127, 0, 0, 9));
    let seen = stage.through_edge(&ask).await?;
    let first = seen.records.edge.as_ref().and_then(|record| record.text("reason"));
    let shield = stage.record_of(SHIELD, &ask).await?;
    let (at_shield, at_haproxy) =
        (stage.heard_by_location(SHIELD, &ask, HEADER)?, stage.heard_by_centre(0, &ask, HEADER).await?);
    let made_up = stage.ask("GET", "/page").assertion("made.up.assertion");
    let forged = stage.through_edge(&made_up).await?;
    let made_up_arrives = stage.heard_by_location(SHIELD, &made_up, HEADER)?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .is(
            "the reasons of both locations",
            [Some("forwarded".to_owned()), Some("shielding-hop".to_owned())],
            [first, shield.text("reason")],
        )
        .holds("the assertion goes on untouched", at_shield.is_some() && at_shield == at_haproxy)
        .is(
            "decision ids of all tiers",
            seen.decision_id.iter().cloned().collect(),
            seen.records.decision_ids(),
        )
        .is("and of the second location", seen.decision_id.clone(), shield.text("decision_id"))
        .holds(
            "the application sees the client's address",
            seen.application_saw("X-Forwarded-For", "127.0.0.9"),
        )
        .is("the status with an assertion made up", 200, forged.answer.status)
        .holds(
            "which doesn't get past the first",
            made_up_arrives.is_some_and(|sent| sent != "made.up.assertion"),
        ))
}
