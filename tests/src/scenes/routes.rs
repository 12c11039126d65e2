//! Who gets where: the policy, seen from outside.

use crate::ask::Observed;
use crate::forge::{ADMIN, ENGINEER, HEADER, NOBODY};
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Playing, Row, Scene};
use crate::scenes::reason::{ALLOWED, IDENTITY_REQUIRED, PERMISSION_MISSING, POOL_UNKNOWN};
use crate::world::World;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("an engineer asks the api", FromHaproxy, Shares, |world| {
            Box::pin(engineer_asks_api(world))
        }),
        Scene::new("an engineer asks for admin", FromHaproxy, Shares, |world| {
            Box::pin(engineer_asks_admin(world))
        }),
        Scene::new("an admin asks for admin", FromHaproxy, Shares, |world| Box::pin(admin_asks_admin(world))),
        Scene::new("nobody asks the api", Whole, Alone, |world| Box::pin(nobody_asks_api(world))),
        Scene::new("nobody asks for a static file", FromHaproxy, Shares, |world| {
            Box::pin(nobody_asks_static(world))
        }),
        Scene::new("a signed-in user asks for a static file", Whole, Shares, signed_in_asks_static),
        Scene::new("a path that no route names", FromHaproxy, Shares, |world| Box::pin(no_route(world))),
        Scene::new("a method that no route names", FromHaproxy, Shares, |world| Box::pin(no_method(world))),
        Scene::new("a host that no route names", FromHaproxy, Shares, |world| Box::pin(no_host(world))),
        Scene::new("a route in observe", FromHaproxy, Shares, |world| Box::pin(observed_route(world))),
        Scene::new("a pool that HAProxy does not have", FromHaproxy, Shares, |world| {
            Box::pin(ghost_pool(world))
        }),
    ]
}

type Result = std::result::Result<Row, crate::trouble::Trouble>;

/// Every tier that wrote anything wrote the same decision id, and it is the one that was answered.
pub(super) fn one_decision_id(seen: &Observed) -> bool {
    let ids = seen.records.decision_ids();
    ids.len() == 1 && ids.first() == seen.decision_id.as_ref()
}

async fn engineer_asks_api(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    let leaks = [HEADER, "Authorization", "Cookie"].iter().any(|name| !seen.application_saw_no(name));
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("the application sees the user", seen.application_saw("Countersign-Subject", "ann"))
        .holds("the application sees the groups", seen.application_saw("Countersign-Groups", "engineering"))
        .holds("the application sees neither assertion nor session token", !leaks)
        .holds("every tier wrote the same decision id", one_decision_id(&seen)))
}

async fn engineer_asks_admin(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/admin/users"), ENGINEER).await?;
    let record = seen.records.agent.clone();
    let text = |field: &str| record.as_ref().and_then(|record| record.text(field)).unwrap_or_default();
    Ok(Row::of(&seen)
        .refused(403, PERMISSION_MISSING)
        .is("route", "admin".to_owned(), text("route"))
        .holds("the record names the permission", text("detail").contains("admin.use"))
        .holds("the answer says no more than title, status and id", says_little(&seen))
        .holds("every tier wrote the same decision id", one_decision_id(&seen)))
}

/// A refusal tells a client its status and its id, and nothing of why.
fn says_little(seen: &Observed) -> bool {
    let body = seen.answer.json();
    let members = body.as_object().map(|body| body.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    members.iter().all(|member| ["title", "status", "decision_id"].contains(&member.as_str()))
        && members.len() == 3
        && seen.answer.header("cache-control") == Some("no-store")
        && seen.answer.header("content-type") == Some("application/problem+json")
}

async fn admin_asks_admin(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/admin/users"), ADMIN).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("admin")
        .verdict("allow", ALLOWED)
        .holds("the application sees the groups", seen.application_saw("Countersign-Groups", "admins")))
}

async fn nobody_asks_api(world: &World) -> Result {
    let before = world.haproxy().await.connections().await?;
    let ask = world.ask("GET", "/api/things");
    let seen = world.through_edge(&ask).await?;
    let after = world.haproxy().await.connections().await?;
    Ok(Row::of(&seen)
        .refused(401, IDENTITY_REQUIRED)
        .holds("HAProxy sees nothing", before == after && world.tap()?.heard(&ask.marker).is_none())
        .holds("the answer says no more than title, status and id", says_little(&seen)))
}

async fn nobody_asks_static(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/static/logo.svg"), NOBODY).await?;
    let class = seen.records.agent.as_ref().and_then(|record| record.text("class")).unwrap_or_default();
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .verdict("allow", ALLOWED)
        .is("class", "public".to_owned(), class)
        .holds("the application sees no user", seen.application_saw_no("Countersign-Subject")))
}

fn signed_in_asks_static(world: &World) -> Playing<'_> {
    Box::pin(async move {
        let token = world.token(ENGINEER)?;
        let ask = world.ask("GET", "/static/logo.svg").bearer(&token).cookie(&token);
        let seen = world.through_edge(&ask).await?;
        let heard = world.tap()?.heard(&ask.marker).unwrap_or_default().to_lowercase();
        let class = seen.records.edge.as_ref().and_then(|record| record.text("class")).unwrap_or_default();
        Ok(Row::of(&seen)
            .status(200)
            .pool("web")
            .is("class", "public".to_owned(), class)
            .holds("HAProxy gets an assertion", heard.contains("countersign-assertion:"))
            .holds(
                "HAProxy gets neither cookie nor token",
                !heard.contains("cookie:")
                    && !heard.contains("authorization:")
                    && !heard.contains("theme=dark"),
            )
            .holds("the application sees no user", seen.application_saw_no("Countersign-Subject")))
    })
}

async fn no_route(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/nowhere"), ADMIN).await?;
    Ok(Row::of(&seen).refused(403, "unknown-path"))
}

async fn no_method(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("DELETE", "/orders"), ENGINEER).await?;
    Ok(Row::of(&seen).refused(403, "method-not-listed"))
}

async fn no_host(world: &World) -> Result {
    let seen =
        world.as_sender(&world.ask_host("intranet.example.test", "GET", "/api/things"), ENGINEER).await?;
    Ok(Row::of(&seen).refused(421, "unknown-host"))
}

async fn observed_route(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/beta/page"), ENGINEER).await?;
    let record = seen.records.agent.clone();
    let text = |field: &str| record.as_ref().and_then(|record| record.text(field)).unwrap_or_default();
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .is("mode", "observe".to_owned(), text("mode"))
        .is("the record's would-be verdict", "deny".to_owned(), text("would.verdict"))
        .is("the record's would-be status", "403".to_owned(), text("would.status"))
        .is("the record's would-be reason", PERMISSION_MISSING.to_owned(), text("would.reason")))
}

async fn ghost_pool(world: &World) -> Result {
    let seen = world.as_sender(&world.ask("GET", "/ghost/page"), ENGINEER).await?;
    Ok(Row::of(&seen)
        .refused(503, POOL_UNKNOWN)
        .holds("with Retry-After", seen.answer.header("retry-after").is_some()))
}
