//! HTTP/2 by nghttp: several streams on one connection, each judged by itself.

use crate::ask::{Ask, decision_id};
use crate::client::Answer;
use crate::forge::{ENGINEER, HEADER};
use crate::nghttp::Nghttp;
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::{ALLOWED, PERMISSION_MISSING};
use crate::trouble::Trouble;
use crate::world::{Entrance, HOST, Way, World};

use super::Result;

/// Streams with the same request.
const STREAMS: usize = 5;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("four streams of one connection at the edge", Whole, Shares, |world| {
            Box::pin(streams_at_the_edge(world))
        }),
        Scene::new("streams of one connection under one assertion straight", FromHaproxy, Alone, |world| {
            Box::pin(streams_straight(world))
        }),
        Scene::new("an order on five streams at the edge", Whole, Alone, |world| {
            Box::pin(orders_at_the_edge(world))
        }),
        Scene::new("an order on five streams under one assertion straight", FromHaproxy, Alone, |world| {
            Box::pin(orders_straight(world))
        }),
        Scene::new("an :authority with a port at the edge", Whole, Shares, |world| {
            Box::pin(authorities_at_the_edge(world))
        }),
        Scene::new("an :authority with a port straight", FromHaproxy, Shares, |world| {
            Box::pin(authorities_straight(world))
        }),
    ]
}

/// The row of one answer among several.
async fn row(
    world: &World,
    ask: &Ask,
    answers: &[Answer],
    index: usize,
    entrance: &Entrance,
) -> std::result::Result<Row, Trouble> {
    let answer = answers.get(index).cloned();
    let answer =
        answer.ok_or_else(|| Trouble::unexpected("an answer on every stream", format!("{answers:?}")))?;
    Ok(Row::of(&world.observed(ask, answer, entrance).await?))
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

async fn streams_at_the_edge(world: &World) -> Result {
    let asks =
        ["/api/things", "/admin/users", "/static/logo.svg", "/nowhere"].map(|path| world.ask("GET", path));
    let targets = asks.each_ref().map(|ask| ask.request.target.as_str());
    let entrance = world.entrance(Way::ThroughEdge)?;
    let token = format!("Bearer {}", world.token(ENGINEER)?);
    let answers = Nghttp::new(HOST, &targets).header("authorization", &token).send(entrance.address).await?;
    let [api, admin, public, nowhere] = &asks;
    let row_of = async |ask: &Ask, index| row(world, ask, &answers, index, &entrance).await;
    let of_admin = row_of(admin, 1).await?.refused(403, PERMISSION_MISSING);
    let of_public = row_of(public, 2).await?.status(200).pool("web");
    let of_nowhere = row_of(nowhere, 3).await?.refused(403, "unknown-path");
    let of_api = row_of(api, 0).await?.status(200).pool("api").verdict("allow", ALLOWED);
    let mut ids: Vec<_> = answers.iter().filter_map(decision_id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(of_api.and("the second", of_admin).and("the third", of_public).and("the fourth", of_nowhere).is(
        "decision ids",
        asks.len(),
        ids.len(),
    ))
}

/// A word for one target is none for another, on the same connection too.
async fn streams_straight(world: &World) -> Result {
    let ask = world.ask("GET", "/api/things");
    let other = world.ask("GET", "/api/others");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let targets = [ask.request.target.as_str(), other.request.target.as_str()];
    let before = world.haproxy().await.connections().await?;
    let entrance = world.entrance(Way::Straight)?;
    let answers =
        Nghttp::new(HOST, &targets).header(HEADER, &assertion).times(2).send(entrance.address).await?;
    let connections = world.haproxy().await.connections().await? - before;
    let passed = answers.iter().position(|answer| answer.status == 200).unwrap_or_default();
    let row = row(world, &ask, &answers, passed, &entrance).await?;
    Ok(row.status(200).pool("api").verdict("allow", ALLOWED).is("connections", 1, connections).is(
        "statuses",
        vec![200, 200, 403, 403],
        statuses(&answers),
    ))
}

/// The edge gives its word anew for each stream: five orders are five.
async fn orders_at_the_edge(world: &World) -> Result {
    let before = world.served();
    let ask = world.ask("POST", "/orders");
    let token = format!("Bearer {}", world.token(ENGINEER)?);
    let entrance = world.entrance(Way::ThroughEdge)?;
    let nghttp = Nghttp::new(HOST, &[&ask.request.target]).header("authorization", &token);
    let answers = nghttp.body("an order").times(STREAMS).send(entrance.address).await?;
    Ok(row(world, &ask, &answers, 0, &entrance)
        .await?
        .status(200)
        .pool("api")
        .is("statuses", vec![200; STREAMS], statuses(&answers))
        .is("orders that the application gets", 5, world.served() - before))
}

/// Whoever repeats one assertion on several streams at once has one of them answered.
async fn orders_straight(world: &World) -> Result {
    let before = world.served();
    let ask = world.ask("POST", "/orders");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let entrance = world.entrance(Way::Straight)?;
    let nghttp = Nghttp::new(HOST, &[&ask.request.target]).header(HEADER, &assertion);
    let answers = nghttp.body("an order").times(STREAMS).send(entrance.address).await?;
    let refused = answers.iter().position(|answer| answer.status != 200).unwrap_or_default();
    let row = row(world, &ask, &answers, refused, &entrance).await?;
    Ok(row.status(403).is("statuses", vec![200, 403, 403, 403, 403], statuses(&answers)).is(
        "orders that the application gets",
        1,
        world.served() - before,
    ))
}

/// A default port is none, and another one is the same host to the policy.
async fn authorities_at_the_edge(world: &World) -> Result {
    let mut rows = Row::default();
    for authority in
        ["www.example.test", "www.example.test:80", "www.example.test:443", "WWW.example.test:8443"]
    {
        let ask = world.ask_host(authority, "GET", "/api/things");
        let token = format!("Bearer {}", world.token(ENGINEER)?);
        let entrance = world.entrance(Way::ThroughEdge)?;
        let nghttp = Nghttp::new(authority, &[&ask.request.target]).header("authorization", &token);
        let answers = nghttp.send(entrance.address).await?;
        let of_this = row(world, &ask, &answers, 0, &entrance).await?;
        let of_this = of_this.status(200).pool("api").verdict("allow", ALLOWED);
        rows = if rows.status.is_none() { of_this } else { rows.and(authority, of_this) };
    }
    Ok(rows)
}

/// Without the default port it is the host that the assertion is for; with another port it isn't.
async fn authorities_straight(world: &World) -> Result {
    let mut rows = Row::default();
    for (authority, vouched_for, status) in [
        ("www.example.test", HOST, 200),
        ("www.example.test:80", HOST, 200),
        ("WWW.example.test:443", HOST, 200),
        ("www.example.test:8443", "www.example.test:8443", 200),
        ("www.example.test:8443", HOST, 403),
    ] {
        let ask = world.ask_host(vouched_for, "GET", "/api/things");
        let assertion = world.forge().good(&ask.request, ENGINEER)?;
        let entrance = world.entrance(Way::Straight)?;
        let nghttp = Nghttp::new(authority, &[&ask.request.target]).header(HEADER, &assertion);
        let answers = nghttp.send(entrance.address).await?;
        let of_this = row(world, &ask, &answers, 0, &entrance).await?.status(status);
        let of_this = if status == 200 { of_this.pool("api") } else { of_this.no_pool() };
        let name = format!("{authority} under a word for {vouched_for}");
        rows = if rows.status.is_none() { of_this } else { rows.and(&name, of_this) };
    }
    Ok(rows)
}
