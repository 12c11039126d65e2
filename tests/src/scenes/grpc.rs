//! gRPC through edge and HAProxy: real client, real server, every kind of stream, and what a client learns of a refusal.

use std::net::SocketAddr;
use std::time::Instant;

use countersign_contract::list::Action;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::cluster::{Client, Cluster, Fate};
use crate::forge::{ENGINEER, NOBODY, Sender};
use crate::haproxy::Health;
use crate::node::{AGENTS, Agents};
use crate::records::Joined;
use crate::scene::Manners::{Alone, OwnWorld, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Playing, Row, Scene};
use crate::scenes::reason::{
    ALLOWED, IDENTITY_REQUIRED, LISTED, LISTED_THROTTLE, PERMISSION_MISSING, VERDICT_MISSING,
};
use crate::scenes::reputation::RULES;
use crate::script::Scripts;
use crate::streams::{self, Said, Streams};
use crate::trouble::Trouble;
use crate::world::{HOST, World};

/// Somebody without the route's permission.
const READER: Sender = Sender { subject: "ben", groups: &["book-club"] };
/// Somebody whom no other scene lists.
const OFFENDER: Sender = Sender { subject: "trudy", groups: &["engineering"] };

/// Where a call comes from that HAProxy refuses by itself.
const BANNED: Client = Client::at("192.0.2.81");

const OK: u64 = 0;
const PERMISSION_DENIED: u64 = 7;
const RESOURCE_EXHAUSTED: u64 = 8;
const FAILED_PRECONDITION: u64 = 9;
const ABORTED: u64 = 10;
const UNIMPLEMENTED: u64 = 12;
const UNAVAILABLE: u64 = 14;
const UNAUTHENTICATED: u64 = 16;

pub(super) fn scenes() -> Vec<Scene> {
    let whole = |name, play: fn(&Streams) -> Playing<'_>| Scene::on_streams(name, Whole, Shares, play);
    let straight =
        |name, play: fn(&Streams) -> Playing<'_>| Scene::on_streams(name, FromHaproxy, Shares, play);
    vec![
        whole("gRPC: one message there, one back", |streams| Box::pin(unary(streams))),
        whole("gRPC: messages in both directions at once", |streams| Box::pin(both(streams))),
        whole("gRPC: the application ends a stream first", |streams| Box::pin(ended_first(streams))),
        whole("gRPC: a stream down, a stream up", |streams| Box::pin(one_way(streams))),
        whole("gRPC: an error of the application", |streams| Box::pin(application_error(streams))),
        whole("gRPC: nobody is signed in", |streams| Box::pin(nobody(streams))),
        whole("gRPC: somebody without the permission", |streams| Box::pin(without_permission(streams))),
        Scene::on_streams("gRPC: somebody who is slowed down", Whole, Alone, |streams| {
            Box::pin(throttled(streams))
        }),
        Scene::on_streams("gRPC: both agents stopped", Whole, OwnWorld(Agents::Real), |streams| {
            Box::pin(without_agents(streams))
        }),
        Scene::on_streams("gRPC: no backend for it", Whole, OwnWorld(Agents::Real), |streams| {
            Box::pin(without_backend(streams))
        }),
        straight("gRPC: straight to HAProxy without an assertion", |streams| Box::pin(no_assertion(streams))),
        straight("gRPC: straight to HAProxy with an assertion", |streams| Box::pin(vouched(streams))),
        Scene::on_cluster("gRPC: an address that the publisher lists", RULES, |cluster| {
            Box::pin(banned(cluster))
        }),
    ]
}

type Result<T = Row> = std::result::Result<T, Trouble>;

/// A call of a method.
fn call(world: &World, method: &str) -> Ask {
    of_call(world.ask("POST", ""), method)
}

fn of_call(mut ask: Ask, method: &str) -> Ask {
    ask.request.target = format!("/echo.Echo/{method}");
    ask
}

/// What a client is told of a call, the headers of `ask` as its metadata.
fn told(to: SocketAddr, ask: &Ask) -> Map<String, Value> {
    let metadata = ask.request.headers.iter().filter(|(name, _)| name != "Host");
    let metadata: Map<_, _> =
        metadata.map(|(name, value)| (name.to_lowercase(), value.as_str().into())).collect();
    let method = ask.request.target.rsplit('/').next().unwrap_or_default();
    let told = [
        ("address", to.to_string().into()),
        ("host", HOST.into()),
        ("method", method.into()),
        ("metadata", metadata.into()),
    ];
    told.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
}

/// As a client that knows gRPC, or as one that sees its frames.
async fn send(streams: &Streams, to: SocketAddr, ask: &Ask, more: Value) -> Result<(Said, Joined)> {
    let since = streams.since();
    let mut all = told(to, ask);
    if let Value::Object(more) = more {
        all.extend(more);
    }
    let said = streams.client("grpc.mjs", &all.into()).await?;
    let mark = said
        .decision_of_call()
        .ok_or_else(|| Trouble::unexpected("a decision id in the metadata", format!("{said:?}")))?;
    let records = streams.records(since, &[&mark]).await;
    Ok((said, records))
}

async fn as_sender(
    streams: &Streams,
    method: &str,
    sender: Sender,
    messages: &[&str],
) -> Result<(Said, Joined)> {
    let world = streams.world();
    let ask = call(world, method).bearer(&world.token(sender)?);
    send(streams, streams.edge()?, &ask, json!({ "messages": messages })).await
}

/// A row of what a client of gRPC got; nothing is stated of an HTTP status, which is always 200.
fn row(records: &Joined) -> Row {
    streams::row(None, records)
}

fn refused(said: &Said, records: &Joined, reason: &str, code: u64) -> Row {
    row(records)
        .verdict("deny", reason)
        .is("code", Some(code), said.number("code"))
        .holds("no message comes", said.get("messages/0").is_none())
        .holds("the client learns the decision", said.text("trailers/countersign-decision").is_some())
}

fn messages(said: &Said) -> Vec<&str> {
    let messages = said.get("messages").and_then(Value::as_array);
    messages.into_iter().flatten().filter_map(Value::as_str).collect()
}

async fn unary(streams: &Streams) -> Result {
    let (said, records) = as_sender(streams, "Unary", ENGINEER, &["hello"]).await?;
    let at = |path: &str| said.seen_by_service(path);
    Ok(row(&records)
        .verdict("allow", ALLOWED)
        .is("code", Some(OK), said.number("code"))
        .is("body", Some("hello".to_owned()), at("/body"))
        .is("subject that the server saw", Some("ann".to_owned()), at("/metadata/countersign-subject"))
        .holds("the server saw no assertion and no token", {
            at("/metadata/countersign-assertion").is_none() && at("/metadata/authorization").is_none()
        })
        .is("decision ids", 1, records.decision_ids().len())
        .holds("no receipt gets out", said.get("metadata/countersign-receipt").is_none()))
}

/// Each message is sent once the one before it has come back, so none waits for the end of the stream.
async fn both(streams: &Streams) -> Result {
    let sent: Vec<String> = (0..50).map(|number| format!("message {number}")).collect();
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    let (said, records) = as_sender(streams, "Both", ENGINEER, &sent).await?;
    Ok(row(&records).verdict("allow", ALLOWED).is("code", Some(OK), said.number("code")).is(
        "messages",
        sent,
        messages(&said),
    ))
}

/// While the client still has its own side open.
async fn ended_first(streams: &Streams) -> Result {
    let (said, records) = as_sender(streams, "Both", ENGINEER, &["a", "stop", "b"]).await?;
    Ok(row(&records)
        .verdict("allow", ALLOWED)
        .is("code", Some(ABORTED), said.number("code"))
        .is("message", Some("stopped"), said.text("details"))
        .is("messages", vec!["a"], messages(&said)))
}

async fn one_way(streams: &Streams) -> Result {
    let (down, records) = as_sender(streams, "Down", ENGINEER, &["abc"]).await?;
    let (up, _) = as_sender(streams, "Up", ENGINEER, &["a", "b", "c"]).await?;
    Ok(row(&records)
        .verdict("allow", ALLOWED)
        .is("codes", (Some(OK), Some(OK)), (down.number("code"), up.number("code")))
        .is("messages down", vec!["a", "b", "c"], messages(&down))
        .is("what came up", vec!["abc"], messages(&up)))
}

async fn application_error(streams: &Streams) -> Result {
    let (said, records) = as_sender(streams, "Fail", ENGINEER, &["x"]).await?;
    Ok(row(&records)
        .verdict("allow", ALLOWED)
        .is("code", Some(FAILED_PRECONDITION), said.number("code"))
        .is("message", Some("the order is closed: äöü"), said.text("details"))
        .is("its metadata", Some("closed"), said.text("metadata/order")))
}

async fn nobody(streams: &Streams) -> Result {
    let ask = call(streams.world(), "Unary");
    let (said, records) = send(streams, streams.edge()?, &ask, json!({})).await?;
    let status = records.edge.as_ref().and_then(|record| record.text("status"));
    Ok(refused(&said, &records, IDENTITY_REQUIRED, UNAUTHENTICATED)
        .is("message", Some("Unauthorized"), said.text("details"))
        .is("status in the edge's record", Some("401".to_owned()), status))
}

async fn without_permission(streams: &Streams) -> Result {
    let (said, records) = as_sender(streams, "Both", READER, &["hello"]).await?;
    let origin = records.edge.as_ref().and_then(|record| record.text("origin_reason"));
    Ok(refused(&said, &records, PERMISSION_MISSING, PERMISSION_DENIED)
        .is("reason by the receipt", Some(PERMISSION_MISSING.to_owned()), origin)
        .is("message", Some("Forbidden"), said.text("details")))
}

async fn throttled(streams: &Streams) -> Result {
    let world = streams.world();
    let client = format!("subject:{}", OFFENDER.subject);
    let client: countersign_contract::client_key::ClientKey =
        client.parse().map_err(|fault| Trouble::unexpected("a client", format!("{fault}")))?;
    world.change_list(|list| list.add_client(client.clone(), Action::Throttle))?;
    let sent = as_sender(streams, "Unary", OFFENDER, &["hello"]).await;
    world.change_list(|list| list.lift_client(&client))?;
    let (said, records) = sent?;
    Ok(refused(&said, &records, LISTED_THROTTLE, RESOURCE_EXHAUSTED)
        .holds("with retry-after", said.text("metadata/retry-after").is_some()))
}

async fn without_agents(streams: &Streams) -> Result {
    let world = streams.world();
    for (name, agent) in AGENTS.iter().zip(world.agents()) {
        agent.lock().await.daemon.stop().await?;
        world.haproxy().await.wait_for_agent(name, Health::Down).await?;
    }
    let (said, records) = as_sender(streams, "Unary", ENGINEER, &["hello"]).await?;
    Ok(refused(&said, &records, VERDICT_MISSING, UNAVAILABLE))
}

async fn without_backend(streams: &Streams) -> Result {
    let world = streams.world();
    let mut config = world.stores()?.config.clone();
    if let Some(settings) = config.get_mut("settings") {
        *settings = settings
            .replace("\"grpc_backend\":\"haproxy-grpc\",", "")
            .replace(",\"grpc_backend\":\"haproxy-grpc\"", "");
    }
    world.viceroy()?.replace_store(crate::viceroy::CONFIG_STORE, &config)?;
    let (said, records) = as_sender(streams, "Unary", ENGINEER, &["hello"]).await?;
    Ok(refused(&said, &records, "grpc-unconfigured", UNIMPLEMENTED))
}

/// In one frame, as a server of gRPC refuses.
async fn no_assertion(streams: &Streams) -> Result {
    let world = streams.world();
    let ask = call(world, "Unary");
    let (said, records) = send(streams, world.node().address(), &ask, json!({})).await?;
    let (bare, _) = send(streams, world.node().address(), &ask, json!({ "bare": true })).await?;
    let head =
        ["grpc-status", "grpc-message", "content-type"].map(|name| bare.text(&format!("headers/{name}")));
    Ok(refused(&said, &records, "assertion-missing", UNAUTHENTICATED)
        .is("head", [Some("16"), Some("Unauthorized"), Some("application/grpc")], head)
        .is("HTTP status", Some(200), bare.number("headers/:status"))
        .holds("the first frame is the last", bare.is("only_headers")))
}

async fn vouched(streams: &Streams) -> Result {
    let world = streams.world();
    let with_assertion = |sender| {
        let ask = call(world, "Unary");
        Ok::<_, Trouble>(ask.clone().assertion(&world.forge().good(&ask.request, sender)?))
    };
    let to = world.node().address();
    let ask = with_assertion(ENGINEER)?;
    let (said, records) = send(streams, to, &ask, json!({ "messages": ["hello"] })).await?;
    let (again, _) = send(streams, to, &ask, json!({ "messages": ["hello"] })).await?;
    let (anonymous, _) = send(streams, to, &with_assertion(NOBODY)?, json!({})).await?;
    let (reader, _) = send(streams, to, &with_assertion(READER)?, json!({})).await?;
    let codes = [&again, &anonymous, &reader].map(|said| said.number("code"));
    Ok(row(&records).verdict("allow", ALLOWED).is("code", Some(OK), said.number("code")).is(
        "codes of the same assertion again, of nobody, without the permission",
        [PERMISSION_DENIED, UNAUTHENTICATED, PERMISSION_DENIED].map(Some),
        codes,
    ))
}

/// HAProxy refuses it by itself, before it asks an agent.
async fn banned(cluster: &Cluster) -> Result {
    let scripts = Scripts::lay_out(cluster.folder())?;
    let [node, _] = cluster.nodes();
    let listed = async |action: &str| {
        let asked = Instant::now();
        let words = ["bans", "add", BANNED.address, "--action", action, "--seconds", "600"];
        cluster.command(&words).await?;
        cluster.until(BANNED, Fate::Refused, asked).await?;
        let ask = cluster.vouch(of_call(cluster.ask_for("POST", "/api"), "Unary"), BANNED)?;
        let places = node.places();
        let mut all = told(node.address(), &ask);
        all.insert("bare".to_owned(), true.into());
        let said = streams::run(&scripts, "grpc.mjs", &all.into()).await?;
        let decision = said.text("headers/countersign-decision").unwrap_or("none").to_owned();
        Ok::<_, Trouble>((said, node.found(places, &[&decision]).await))
    };
    let (throttled, its_records) = listed("throttle").await?;
    cluster.command(&["bans", "remove", BANNED.address]).await?;
    cluster.until(BANNED, Fate::Passes, Instant::now()).await?;
    let (blocked, records) = listed("block").await?;
    let head = |said: &Said| {
        let at = |name| said.text(&format!("headers/{name}")).map(str::to_owned);
        (at("grpc-status"), at("content-type"), at("retry-after").is_some(), said.is("only_headers"))
    };
    let refused =
        |code: &str, later| (Some(code.to_owned()), Some("application/grpc".to_owned()), later, true);
    Ok(row(&records)
        .verdict("deny", LISTED)
        .is("a call that is blocked", refused("7", false), head(&blocked))
        .is("a call that is slowed down", refused("8", true), head(&throttled))
        .is("its reason", Some(LISTED_THROTTLE.to_owned()), its_records.verdict_and_reason().1))
}
