//! WebSockets through edge and HAProxy: real client, real server, and whoever gets none.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use serde_json::json;

use crate::ask::Ask;
use crate::forge::{ENGINEER, NOBODY};
use crate::records::Joined;
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::{ALLOWED, IDENTITY_REQUIRED, LISTED};
use crate::streams::{self, Said, Streams};
use crate::trouble::Trouble;

/// What the edge says of a WebSocket that it has let on.
const HANDED_OVER: &str = "handed-over";
/// At either tier: the route is for no WebSocket.
const UPGRADE_REFUSED: &str = "upgrade-refused";
/// At the edge: a page of another site opens it.
const CROSS_SITE: &str = "cross-site-websocket";
/// An address that no other scene opens one from.
const OFFENDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);

pub(super) fn scenes() -> Vec<Scene> {
    let whole =
        |name, play: fn(&Streams) -> crate::scene::Playing<'_>| Scene::on_streams(name, Whole, Shares, play);
    let straight = |name, play: fn(&Streams) -> crate::scene::Playing<'_>| {
        Scene::on_streams(name, FromHaproxy, Shares, play)
    };
    vec![
        whole("a WebSocket is opened and echoes", |streams| Box::pin(echo(streams))),
        whole("a WebSocket where nobody is signed in", |streams| Box::pin(nobody(streams))),
        whole("a WebSocket on a route that is for none", |streams| Box::pin(not_for_one(streams))),
        whole("a WebSocket opened by another site's page", |streams| Box::pin(cross_site(streams))),
        whole("a WebSocket to a host that no backend is for", |streams| Box::pin(no_backend(streams))),
        Scene::on_streams("a WebSocket of a listed address", Whole, Alone, |streams| {
            Box::pin(listed(streams))
        }),
        straight("a WebSocket straight to HAProxy", |streams| Box::pin(no_assertion(streams))),
        straight("a WebSocket straight to HAProxy with an assertion", |streams| Box::pin(vouched(streams))),
        straight("a WebSocket straight to HAProxy on a route that is for none", |streams| {
            Box::pin(refused_by_agent(streams))
        }),
    ]
}

type Result<T = Row> = std::result::Result<T, Trouble>;

async fn open(streams: &Streams, to: SocketAddr, ask: &Ask) -> Result<(Said, Joined)> {
    open_by(streams, to, ask, Http::One).await
}

/// How a WebSocket is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http {
    One,
    Two,
}

async fn open_by(streams: &Streams, to: SocketAddr, ask: &Ask, http: Http) -> Result<(Said, Joined)> {
    let since = streams.since();
    let told = json!({
        "address": to.to_string(), "path": ask.request.target, "headers": streams::headers(ask),
        "from": ask.request.from.to_string(), "messages": 1000, "bytes": 1 << 20, "http2": http == Http::Two,
    });
    let said = streams.client("websocket.mjs", &told).await?;
    Ok((said, streams.records(since, &[&ask.marker]).await))
}

fn row(said: &Said, records: &Joined) -> Row {
    streams::row(said.number("status").and_then(|status| status.try_into().ok()), records)
}

fn at(record: Option<&crate::records::Record>, field: &str) -> Option<String> {
    record.and_then(|record| record.text(field))
}

async fn echo(streams: &Streams) -> Result {
    let world = streams.world();
    let ask =
        world.ask("GET", "/chat").bearer(&world.token(ENGINEER)?).header("X-Forwarded-For", "192.0.2.99");
    let (said, records) = open(streams, streams.edge()?, &ask).await?;
    Ok(row(&said, &records)
        .status(101)
        .verdict("allow", ALLOWED)
        .is("reason in the edge's record", Some(HANDED_OVER.to_owned()), at(records.edge.as_ref(), "reason"))
        .is("status at HAProxy", Some("101".to_owned()), at(records.haproxy.as_ref(), "status"))
        .is("decision ids", 1, records.decision_ids().len())
        .is("subject that the server saw", Some("ann"), said.text("seen/countersign-subject"))
        .is("address that the server saw", Some("127.0.0.1"), said.text("seen/x-forwarded-for"))
        .holds("the server saw no assertion", said.get("seen/countersign-assertion").is_none())
        .holds("a text comes back", said.is("text"))
        .holds("a binary message of 1 MiB comes back", said.is("binary"))
        .holds("1000 messages come back in their order", said.is("ordered"))
        .is("code of its close", Some(1000), said.number("closed"))
        .holds("no receipt gets out", said.get("answer/countersign-receipt").is_none())
        .is(
            "decision on the 101",
            at(records.edge.as_ref(), "decision_id").as_deref(),
            said.text("answer/countersign-decision"),
        ))
}

async fn nobody(streams: &Streams) -> Result {
    let ask = streams.world().ask("GET", "/chat");
    let (said, records) = open(streams, streams.edge()?, &ask).await?;
    Ok(row(&said, &records).refused(401, IDENTITY_REQUIRED))
}

async fn not_for_one(streams: &Streams) -> Result {
    let world = streams.world();
    let ask = world.ask("GET", "/admin").bearer(&world.token(ENGINEER)?);
    let (said, records) = open(streams, streams.edge()?, &ask).await?;
    Ok(row(&said, &records).refused(403, UPGRADE_REFUSED))
}

async fn cross_site(streams: &Streams) -> Result {
    let world = streams.world();
    let ask = || Ok::<_, Trouble>(world.ask("GET", "/chat").bearer(&world.token(ENGINEER)?));
    let (said, records) =
        open(streams, streams.edge()?, &ask()?.header("Origin", "https://evil.test")).await?;
    let (own, _) =
        open(streams, streams.edge()?, &ask()?.header("Origin", "https://www.example.test")).await?;
    Ok(row(&said, &records).refused(403, CROSS_SITE).is(
        "status of its own page",
        Some(101),
        own.number("status"),
    ))
}

/// The edge's settings have a backend for one host.
async fn no_backend(streams: &Streams) -> Result {
    let world = streams.world();
    let ask = world.ask_host("shop.example.test", "GET", "/chat").bearer(&world.token(ENGINEER)?);
    let (said, records) = open(streams, streams.edge()?, &ask).await?;
    let detail = at(records.edge.as_ref(), "detail").unwrap_or_default();
    Ok(row(&said, &records).refused(503, "upgrade-unconfigured").holds(
        "the record names the host and the settings' key",
        detail.contains("`shop.example.test` in its `websockets`"),
    ))
}

async fn listed(streams: &Streams) -> Result {
    let world = streams.world();
    let client = ClientKey::of_address(OFFENDER.into());
    let ask = world.ask("GET", "/chat").bearer(&world.token(ENGINEER)?).from(OFFENDER);
    world.change_list(|list| list.add_client(client.clone(), Action::Block))?;
    let opened = open(streams, streams.edge()?, &ask).await;
    world.change_list(|list| list.lift_client(&client))?;
    let (said, records) = opened?;
    Ok(row(&said, &records).refused(403, LISTED))
}

async fn no_assertion(streams: &Streams) -> Result {
    let ask = streams.world().ask("GET", "/chat");
    let (said, records) = open(streams, streams.world().node().address(), &ask).await?;
    Ok(row(&said, &records).refused(401, "assertion-missing"))
}

async fn vouched(streams: &Streams) -> Result {
    let world = streams.world();
    let ask = world.ask("GET", "/chat");
    let ask = ask.clone().assertion(&world.forge().good(&ask.request, ENGINEER)?);
    let (said, records) = open(streams, world.node().address(), &ask).await?;
    let (again, _) = open(streams, world.node().address(), &ask).await?;
    let plain = world.ask("GET", "/chat");
    let plain = plain.clone().assertion(&world.forge().good(&plain.request, NOBODY)?);
    let (anonymous, _) = open(streams, world.node().address(), &plain).await?;
    Ok(row(&said, &records)
        .status(101)
        .verdict("allow", ALLOWED)
        .holds("all comes back", said.is("text") && said.is("binary") && said.is("ordered"))
        .holds("no receipt gets out", said.get("answer/countersign-receipt").is_none())
        .is("status with the same assertion again", Some(403), again.number("status"))
        .is("status of nobody", Some(401), anonymous.number("status")))
}

/// Also where it is asked for by HTTP/2, in another way.
async fn refused_by_agent(streams: &Streams) -> Result {
    let world = streams.world();
    let vouched = |path: &str| {
        let ask = world.ask("GET", path);
        Ok::<_, Trouble>(ask.clone().assertion(&world.forge().good(&ask.request, ENGINEER)?))
    };
    let (said, records) = open(streams, world.node().address(), &vouched("/feed")?).await?;
    let by_http_2 = async |path| open_by(streams, world.node().address(), &vouched(path)?, Http::Two).await;
    let (again, its_records) = by_http_2("/feed").await?;
    let (opened, _) = by_http_2("/chat").await?;
    let its_reason = its_records.verdict_and_reason().1;
    Ok(row(&said, &records)
        .refused(403, UPGRADE_REFUSED)
        .holds("the refusal has its decision", said.text("answer/countersign-decision").is_some())
        .is("by HTTP/2", (Some(403), Some(UPGRADE_REFUSED.to_owned())), (again.number("status"), its_reason))
        .is("status by HTTP/2 on a route that is for one", Some(200), opened.number("status")))
}
