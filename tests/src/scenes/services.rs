//! What an edge service may say: every assertion here is well signed and for its request.

use serde_json::json;

use crate::forge::{ADMIN, Draft, ENGINEER, Forge, Sender};
use crate::scene::Manners::Alone;
use crate::scene::Stage::FromHaproxy;
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::services::{EDGE, SHOP, Service};
use crate::trouble::Trouble;
use crate::world::{HOST, World};

const SHOP_HOST: &str = "shop.example.test";

/// One word of an edge service, and what becomes of it.
struct Word {
    name: &'static str,
    by: Service,
    of: Sender,
    host: &'static str,
    change: fn(Draft) -> Draft,
    /// `None` passes.
    refused: Option<&'static str>,
}

const WORDS: [Word; 8] = [
    Word {
        name: "for its own host and group",
        by: SHOP,
        of: ENGINEER,
        host: SHOP_HOST,
        change: as_it_is,
        refused: None,
    },
    Word {
        name: "that says a group which isn't its",
        by: SHOP,
        of: ADMIN,
        host: SHOP_HOST,
        change: as_it_is,
        refused: Some("group-not-vouched"),
    },
    Word {
        name: "for a host that isn't its",
        by: SHOP,
        of: ENGINEER,
        host: HOST,
        change: as_it_is,
        refused: Some("host-not-vouched"),
    },
    Word {
        name: "that calls itself another",
        by: SHOP,
        of: ADMIN,
        host: HOST,
        change: |draft| draft.claim("iss", json!(EDGE.name)),
        refused: Some("key-of-another-service"),
    },
    Word {
        name: "that nobody knows",
        by: EDGE,
        of: ENGINEER,
        host: HOST,
        change: |draft| draft.claim("iss", json!("edge-unheard-of")),
        refused: Some("service-unknown"),
    },
    Word {
        name: "of a second environment that is its",
        by: SHOP,
        of: ENGINEER,
        host: SHOP_HOST,
        change: |draft| draft.claim("env", json!("preview")),
        refused: None,
    },
    Word {
        name: "of another's environment",
        by: EDGE,
        of: ENGINEER,
        host: HOST,
        change: |draft| draft.claim("env", json!("preview")),
        refused: Some("environment-not-vouched"),
    },
    Word {
        name: "of an environment that is nobody's",
        by: SHOP,
        of: ENGINEER,
        host: SHOP_HOST,
        change: |draft| draft.claim("env", json!("staging")),
        refused: Some("wrong-environment"),
    },
];

const fn as_it_is(draft: Draft) -> Draft {
    draft
}

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes: Vec<_> = WORDS
        .iter()
        .map(|word| {
            let name = format!("an edge service {}", word.name);
            // Alone, since the requests that applications serve are counted.
            Scene::new(name, FromHaproxy, Alone, move |world| Box::pin(said(world, word)))
        })
        .collect();
    scenes.push(Scene::new("an edge service overstates on an observed route", FromHaproxy, Alone, |world| {
        Box::pin(observed(world))
    }));
    scenes
}

async fn said(world: &World, word: &Word) -> Result<Row, Trouble> {
    let forge: Forge = word.by.forge(world.keys())?;
    let ask = world.ask_host(word.host, "GET", "/api/things");
    let draft = (word.change)(forge.draft(&ask.request, word.of)?);
    let (id, served) = (draft.decision_id(), world.served());
    let seen = world.straight(&ask.assertion(&draft.signed(&forge))).await?;
    let row = Row::of(&seen);
    let row = match word.refused {
        None => row.status(200).pool("api").verdict("allow", ALLOWED),
        Some(reason) => row.refused(403, reason).is("requests that the pools served", served, world.served()),
    };
    if word.refused == Some("wrong-environment") {
        return Ok(row);
    }
    Ok(row.is("decision id", Some(id), seen.decision_id.clone()))
}

/// It passes, and the application is told of nobody.
async fn observed(world: &World) -> Result<Row, Trouble> {
    let forge = SHOP.forge(world.keys())?;
    let ask = world.ask("GET", "/beta/page");
    let seen = world.straight(&ask.clone().assertion(&forge.good(&ask.request, ADMIN)?)).await?;
    let record = seen.records.agent.clone();
    let text = |field: &str| record.as_ref().and_then(|record| record.text(field)).unwrap_or_default();
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .is("the record's would-be reason", "host-not-vouched".to_owned(), text("would.reason"))
        .holds("the application sees no user", seen.application_saw_no("Countersign-Subject"))
        .holds("the application sees no groups", seen.application_saw_no("Countersign-Groups")))
}
