//! What a client sends along that only Countersign may say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::application;
use crate::ask::Observed;
use crate::forge::{ADMIN, ENGINEER, HEADER};
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;
use crate::viceroy::{CONFIG_STORE, ELSEWHERE};
use crate::world::{AUDIENCE, World};

/// Stands in every header that a client makes up, so that its traces are easy to find.
const MADE_UP: &str = "made-up-by-the-client";

/// Names that a client must not be able to speak in, each in the spelling that is sent.
const NAMES: [&str; 22] = [
    "Countersign-Subject",
    "Countersign-Groups",
    "Countersign-Decision",
    "Countersign-Anything",
    "countersign_subject",
    "Countersign_Groups",
    "COUNTERSIGN_DECISION",
    "Countersign_Assertion",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "X-Forwarded_Proto",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "Fastly-Client-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Remote-User",
    "Remote_User",
    "X-Fastly-Bot-Name",
];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("a client brings headers of ours", Whole, Shares, |world| Box::pin(own_headers(world))),
        Scene::new("a client brings an assertion of ours", Whole, Shares, |world| {
            Box::pin(own_assertion(world))
        }),
        Scene::new("an edge before the edge", Whole, Shares, |world| Box::pin(shielding(world))),
        Scene::new("the first data centre can't be reached", Whole, Alone, |world| {
            Box::pin(fail_over(world))
        }),
        Scene::new("headers of ours, straight to HAProxy", FromHaproxy, Shares, |world| {
            Box::pin(straight_headers(world))
        }),
        Scene::new("an application speaks in our name", FromHaproxy, Shares, |world| {
            Box::pin(application_speaks(world))
        }),
    ]
}

async fn own_headers(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("GET", "/api/things").bearer(&world.token(ENGINEER)?);
    for name in NAMES {
        ask = ask.header(name, MADE_UP);
    }
    ask = ask.header("Connection", "countersign-assertion");
    let seen = world.through_edge(&ask).await?;
    let heard = world.tap()?.heard(&ask.marker).unwrap_or_default();
    let at_application = seen.application.as_ref().is_none_or(|seen| seen.mentions(MADE_UP));
    let assertions =
        heard.lines().filter(|line| line.to_lowercase().starts_with("countersign-assertion:")).count();
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("none reaches HAProxy", !heard.is_empty() && !heard.contains(MADE_UP))
        .holds("none reaches the application", !at_application)
        .is("assertions at HAProxy", 1, assertions)
        .holds("the application sees the user", seen.application_saw("Countersign-Subject", "ann"))
        .holds(
            "the application sees the client's address",
            seen.application_saw("X-Forwarded-For", "127.0.0.1"),
        ))
}

/// An assertion for an admin that fits this very request, but was made by a stranger.
async fn own_assertion(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things").bearer(&world.token(ENGINEER)?);
    let forged = world.forge().draft(&ask.request, ADMIN)?.signed_by_a_stranger()?;
    let ask = ask.assertion(&forged).header("Countersign_Assertion", &forged);
    let seen = world.through_edge(&ask).await?;
    let heard = world.tap()?.heard(&ask.marker).unwrap_or_default();
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("it does not reach HAProxy", !heard.is_empty() && !heard.contains(&forged))
        .holds("the session counts, not the assertion", seen.application_saw("Countersign-Subject", "ann")))
}

/// A location that shields another sends what it has asserted already: it is passed on as it is.
async fn shielding(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let draft = world.forge().draft(&ask.request, ENGINEER)?;
    let assertion = draft.signed(world.forge());
    let ask = ask.assertion(&assertion);
    let seen = world.through_edge(&ask).await?;
    let heard = world.tap()?.heard_header(&ask.marker, HEADER);
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .is("assertion at HAProxy", Some(assertion), heard)
        .is("decision id at the application", Some(draft.decision_id()), decision_at_application(&seen)))
}

/// Its assertion would be refused elsewhere: each data centre gets one of its own, under an id of its own.
async fn fail_over(world: &World) -> Result<Row, Trouble> {
    let config = world.stores()?.config.clone();
    let mut settings: Value = serde_json::from_str(config.get("settings").map_or("", String::as_str))
        .map_err(|error| Trouble::unexpected("the edge's settings", error.to_string()))?;
    if let Some(origins) = settings.get_mut("origins").and_then(Value::as_array_mut) {
        origins.insert(0, json!({ "backend": ELSEWHERE, "audience": "us-1" }));
    }
    let mut changed = config.clone();
    changed.insert("settings".to_owned(), settings.to_string());
    world.viceroy()?.replace_store(CONFIG_STORE, &changed)?;
    let read = world.ask("GET", "/api/things").bearer(&world.token(ENGINEER)?);
    let seen = world.through_edge(&read).await?;
    let heard = world.tap()?.heard_header(&read.marker, HEADER).unwrap_or_default();
    let ordered = world.through_edge(&world.ask("POST", "/orders").bearer(&world.token(ENGINEER)?)).await;
    world.viceroy()?.replace_store(CONFIG_STORE, &config)?;
    let detail = seen.records.edge.as_ref().and_then(|record| record.text("detail")).unwrap_or_default();
    let first = detail.split('`').rev().nth(1).unwrap_or_default().to_owned();
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .is("the data centre that is vouched to", Some(json!(AUDIENCE)), claim(&heard, "aud"))
        .holds("the record says which one could not be reached", detail.contains(ELSEWHERE))
        .holds(
            "and that it was another decision",
            first.len() == 32 && seen.decision_id != Some(first.clone()),
        )
        .holds("the ids of all tiers agree", seen.records.decision_ids().iter().all(|id| *id != first))
        .is("status of what can't be repeated", 503, ordered?.answer.status))
}

/// A claim of an assertion.
pub(super) fn claim(assertion: &str, name: &str) -> Option<Value> {
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?.get(name).cloned()
}

fn decision_at_application(seen: &Observed) -> Option<String> {
    seen.application.as_ref()?.only("countersign-decision").map(str::to_owned)
}

async fn straight_headers(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("GET", "/api/things");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    ask = ask.assertion(&assertion);
    for name in NAMES {
        ask = ask.header(name, MADE_UP);
    }
    let seen = world.straight(&ask).await?;
    let at_application = seen.application.as_ref().is_none_or(|seen| seen.mentions(MADE_UP));
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("none reaches the application", !at_application)
        .holds("the application sees the user", seen.application_saw("Countersign-Subject", "ann"))
        .holds(
            "the application sees the address that the edge vouched for",
            seen.application_saw("X-Forwarded-For", crate::forge::CLIENT),
        ))
}

/// Every application of the stage answers with headers in our name.
async fn application_speaks(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("GET", "/api/things");
    let draft = world.forge().draft(&ask.request, ENGINEER)?;
    ask = ask.assertion(&draft.signed(world.forge()));
    let seen = world.straight(&ask).await?;
    let decisions: Vec<&str> = seen
        .answer
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("countersign-decision"))
        .map(|(_, value)| value.as_str())
        .collect();
    let made_up = seen.answer.headers.iter().any(|(_, value)| value == application::MADE_UP);
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .is("decisions in the answer", vec![draft.decision_id().as_str()], decisions)
        .holds("nothing in our name comes from the application", !made_up))
}
