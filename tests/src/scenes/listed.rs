//! The list in the edge's dictionary: who is turned away before they cost anything.

use std::net::{IpAddr, Ipv4Addr};

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{Action, Bucket, ListMode, META_ITEM};
use serde_json::{Value, json};

use crate::ask::Observed;
use crate::forge::{ENGINEER, NOBODY};
use crate::identity_provider::{TokenAlgorithm, claims, now};
use crate::listing::Choice;
use crate::scene::Manners::Alone;
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::scenes::reason::{LISTED, LISTED_REQUIRE_IDENTITY, LISTED_THROTTLE, SESSION_REVOKED};
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
        Scene::new("a listed address, in either bucket", Whole, Alone, |world| Box::pin(either(world))),
        Scene::new("somebody who is listed", Whole, Alone, |world| Box::pin(subject(world))),
        Scene::new("a log-in that is listed", Whole, Alone, |world| Box::pin(session(world))),
        Scene::new("a list that only observes", Whole, Alone, |world| Box::pin(shadow(world))),
        Scene::new("a list with items of somebody else", Whole, Alone, |world| Box::pin(foreign(world))),
        Scene::new("a list of an older layout", Whole, Alone, |world| Box::pin(older(world))),
        Scene::new("a list under an unknown key", Whole, Alone, |world| Box::pin(unknown_key(world))),
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
    listed_by(world, &ClientKey::of_address(IpAddr::V4(OFFENDER)), action, play).await
}

/// The same, by any key.
async fn listed_by<T>(
    world: &World,
    client: &ClientKey,
    action: Action,
    play: impl AsyncFnOnce(&World) -> std::result::Result<T, Trouble>,
) -> std::result::Result<T, Trouble> {
    world.change_list(|list| list.add_client(client.clone(), action))?;
    let played = play(world).await;
    world.change_list(|list| list.lift_client(client))?;
    played
}

fn at_edge(seen: &Observed, field: &str) -> Option<String> {
    seen.records.edge.as_ref().and_then(|record| record.text(field))
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
    Ok(Row::of(&seen).status(200).pool("api").is(
        "action in the edge's record",
        Some("observe".to_owned()),
        at_edge(&seen, "listed"),
    ))
}

/// A publisher puts a record into the emptier one of a client's two buckets, so it may be in either.
async fn either(world: &World) -> Result {
    let (first, second) = listed(world, Action::Block, async |world| {
        world.change_list(|list| list.put_into(Choice::First))?;
        let first = from_offender(world).await;
        world.change_list(|list| list.put_into(Choice::Second))?;
        let second = from_offender(world).await;
        world.change_list(|list| list.put_into(Choice::Emptier))?;
        Ok((first?, second?))
    })
    .await?;
    Ok(Row::of(&second).refused(403, LISTED).is("status in the first bucket", 403, first.answer.status))
}

/// Charged to who is signed in, wherever they come from; whoever else is there goes on.
async fn subject(world: &World) -> Result {
    let offender = client("subject:mallory")?;
    let ask = world.ask("GET", "/api/things").bearer(&session_of(world, "mallory", "m-1")?);
    let (seen, beside, anonymous) = listed_by(world, &offender, Action::Block, async |world| {
        let seen = world.through_edge(&ask).await?;
        let beside = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
        Ok((seen, beside, world.as_sender(&world.ask("GET", "/static/logo.svg"), NOBODY).await?))
    })
    .await?;
    let after = world.through_edge(&ask).await?;
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .is("subject in the edge's record", Some("mallory".to_owned()), at_edge(&seen, "subject"))
        .is("status of somebody else at that address", 200, beside.answer.status)
        .is("status of a static file", 200, anonymous.answer.status)
        .is("status once lifted", 200, after.answer.status))
}

/// One log-in is taken away, and whose it was may log in again.
async fn session(world: &World) -> Result {
    let ask = |session| Ok(world.ask("GET", "/api/things").bearer(&session_of(world, "ann", session)?));
    let (seen, next) = listed_by(world, &client("session:a-1")?, Action::Block, async |world| {
        Ok((world.through_edge(&ask("a-1")?).await?, world.through_edge(&ask("a-2")?).await?))
    })
    .await?;
    Ok(Row::of(&seen).refused(401, SESSION_REVOKED).is("status of the next log-in", 200, next.answer.status))
}

async fn shadow(world: &World) -> Result {
    world.change_list(|list| list.set_mode(ListMode::Observe))?;
    let seen = listed(world, Action::Block, async |world| from_offender(world).await).await;
    world.change_list(|list| list.set_mode(ListMode::Enforce))?;
    let seen = seen?;
    let noted = ["reason", "listed", "would.status", "would.reason"].map(|field| at_edge(&seen, field));
    Ok(Row::of(&seen).status(200).pool("api").is(
        "the edge's record",
        ["observed", "block", "403", LISTED].map(|text| Some(text.to_owned())),
        noted,
    ))
}

/// The list is read as if they weren't there.
async fn foreign(world: &World) -> Result {
    let (seen, other) = listed(world, Action::Block, async |world| {
        let mut items = world.list_items()?;
        for key in ["b0000", "blocked_ips", "a9999"] {
            items.insert(key.to_owned(), "127.0.0.1".to_owned());
        }
        world.viceroy()?.replace_store(LIST_STORE, &items)?;
        let other = world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
        Ok((from_offender(world).await?, other))
    })
    .await?;
    Ok(Row::of(&seen).refused(403, LISTED).is("status of another address", 200, other.answer.status).is(
        "fault of the list",
        None,
        at_edge(&other, "list_fault"),
    ))
}

fn client(text: &str) -> std::result::Result<ClientKey, Trouble> {
    text.parse().map_err(|fault| Trouble::unexpected("a client", format!("{fault}")))
}

/// A token as one log-in of an engineer gives it.
fn session_of(world: &World, subject: &str, session: &str) -> std::result::Result<String, Trouble> {
    let mut claims = claims(subject, &["engineering"], now(), now() + 600);
    if let Some(claims) = claims.as_object_mut() {
        claims.insert("sid".to_owned(), session.into());
    }
    world.idp()?.token_of(TokenAlgorithm::Es256, &claims)
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
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .holds("the record says what is wrong with the list", at_edge(&seen, "list_fault").is_some()))
}

/// Plays on a list whose head is another one.
async fn with_head(world: &World, change: impl FnOnce(&mut Value)) -> Result {
    on_broken_list(world, |world| {
        let mut items = world.list_items()?;
        let head = items.get(META_ITEM).and_then(|head| serde_json::from_str(head).ok());
        let mut head = head.ok_or_else(|| Trouble::unexpected("a head of the list", "none"))?;
        change(&mut head);
        items.insert(META_ITEM.to_owned(), head.to_string());
        world.viceroy()?.replace_store(LIST_STORE, &items)
    })
    .await
}

async fn older(world: &World) -> Result {
    with_head(world, |head| {
        *head = json!({ "layout": 1, "buckets": 7, "generation": 1, "epoch": now() - 60, "writer": "older" });
    })
    .await
}

async fn unknown_key(world: &World) -> Result {
    with_head(world, |head| {
        if let Some(key) = head.get_mut("key") {
            *key = "list-2".into();
        }
    })
    .await
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
            if Bucket::of_item_key(key).is_some() {
                value.push('!');
            }
        }
        world.viceroy()?.replace_store(LIST_STORE, &items)
    })
    .await
}
