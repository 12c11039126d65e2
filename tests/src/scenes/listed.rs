//! The list in the edge's dictionary: who is turned away before they cost anything.

use std::net::{IpAddr, Ipv4Addr};

use countersign_contract::list::Action;

use crate::ask::Observed;
use crate::forge::ENGINEER;
use crate::scene::Manners::Alone;
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::scenes::reason::{LISTED, LISTED_REQUIRE_IDENTITY, LISTED_THROTTLE};
use crate::trouble::Trouble;
use crate::viceroy::{Items, LIST_STORE};
use crate::world::World;

/// An address that no other scene sends from.
const OFFENDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("a listed address", Whole, Alone, |world| Box::pin(blocked(world))),
        Scene::new("a listed address, lifted again", Whole, Alone, |world| Box::pin(lifted(world))),
        Scene::new("an address listed to be slowed down", Whole, Alone, |world| Box::pin(throttled(world))),
        Scene::new("an address listed to sign in", Whole, Alone, |world| Box::pin(must_sign_in(world))),
        Scene::new("an address only observed", Whole, Alone, |world| Box::pin(observed(world))),
        Scene::new("a list that is half written", Whole, Alone, |world| Box::pin(half_written(world))),
        Scene::new("a list that is empty", Whole, Alone, |world| Box::pin(empty(world))),
        Scene::new("a list with a garbled bucket", Whole, Alone, |world| Box::pin(garbled(world))),
    ]
}

type Result = std::result::Result<Row, Trouble>;

async fn from_offender(world: &World) -> std::result::Result<Observed, Trouble> {
    let ask = world.ask("GET", "/api/things").bearer(&world.token(ENGINEER)?).from(OFFENDER);
    world.through_edge(&ask).await
}

/// Lists the offender, plays, and lifts it again whatever came of it.
async fn listed<T>(
    world: &World,
    action: Action,
    play: impl AsyncFnOnce(&World) -> std::result::Result<T, Trouble>,
) -> std::result::Result<T, Trouble> {
    world.change_list(|list| list.add(IpAddr::V4(OFFENDER), action))?;
    let played = play(world).await;
    world.change_list(|list| list.lift(IpAddr::V4(OFFENDER)))?;
    played
}

async fn blocked(world: &World) -> Result {
    let before = world.haproxy().await.connections().await?;
    let (seen, other) = listed(world, Action::Block, async |world| {
        let seen = from_offender(world).await?;
        let seen_by_haproxy = world.haproxy().await.connections().await? - before;
        let ask = world.ask("GET", "/api/things").bearer(&world.token(ENGINEER)?);
        Ok(((seen, seen_by_haproxy), world.through_edge(&ask).await?))
    })
    .await?;
    let (seen, seen_by_haproxy) = seen;
    Ok(Row::of(&seen).refused(403, LISTED).is("connections that HAProxy saw", 0, seen_by_haproxy).is(
        "status of another address",
        200,
        other.answer.status,
    ))
}

async fn lifted(world: &World) -> Result {
    let listed = listed(world, Action::Block, async |world| from_offender(world).await).await?;
    let seen = from_offender(world).await?;
    Ok(Row::of(&seen).is("status while listed", 403, listed.answer.status).status(200).pool("api"))
}

async fn throttled(world: &World) -> Result {
    let seen = listed(world, Action::Throttle, async |world| from_offender(world).await).await?;
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .holds("with Retry-After", seen.answer.header("retry-after").is_some()))
}

async fn must_sign_in(world: &World) -> Result {
    let (anonymous, signed_in) = listed(world, Action::RequireIdentity, async |world| {
        let ask = world.ask("GET", "/static/logo.svg").from(OFFENDER);
        Ok((world.through_edge(&ask).await?, from_offender(world).await?))
    })
    .await?;
    Ok(Row::of(&anonymous).refused(401, LISTED_REQUIRE_IDENTITY).is(
        "status when signed in",
        200,
        signed_in.answer.status,
    ))
}

async fn observed(world: &World) -> Result {
    let seen = listed(world, Action::Observe, async |world| from_offender(world).await).await?;
    Ok(Row::of(&seen).status(200).pool("api"))
}

/// Plays on a broken list and mends it again: reputation can only take access away, so that a list
/// which cannot be read takes none.
async fn on_broken_list(
    world: &World,
    break_it: impl FnOnce(&World) -> std::result::Result<(), Trouble>,
) -> Result {
    world.change_list(|list| list.add(IpAddr::V4(OFFENDER), Action::Block))?;
    break_it(world)?;
    let seen = from_offender(world).await;
    world.change_list(|list| list.lift(IpAddr::V4(OFFENDER)))?;
    let seen = seen?;
    let fault = seen.records.edge.as_ref().and_then(|record| record.text("list_fault"));
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .holds("the record says what is wrong with the list", fault.is_some()))
}

async fn half_written(world: &World) -> Result {
    on_broken_list(world, |world| world.viceroy()?.break_store(LIST_STORE)).await
}

async fn empty(world: &World) -> Result {
    on_broken_list(world, |world| world.viceroy()?.replace_store(LIST_STORE, &Items::new())).await
}

async fn garbled(world: &World) -> Result {
    on_broken_list(world, |world| {
        let mut items = world.list_items()?;
        for (key, value) in &mut items {
            if key.starts_with('b') {
                value.push('!');
            }
        }
        world.viceroy()?.replace_store(LIST_STORE, &items)
    })
    .await
}
