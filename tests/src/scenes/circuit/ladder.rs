//! What a ban means at the edge: signing in, only watching, and log-ins that are taken away.

use std::time::Instant;

use crate::ask::{Ask, Observed};
use crate::circuit::{Circuit, CircuitRules};
use crate::cluster::{Client, Fate};
use crate::forge::{ADMIN, ENGINEER, Sender};
use crate::identity_provider::{TokenAlgorithm, claims, now};
use crate::publisher::EdgeRules;
use crate::scene::{Row, Scene};
use crate::scenes::circuit::{BYSTANDER, RULES, Result, SETTLED};
use crate::scenes::reason::{LISTED, LISTED_REQUIRE_IDENTITY, SESSION_REVOKED};
use crate::scenes::reputation::log_ins::end;
use crate::trouble::Trouble;

const CLIENT: Client = Client::at("127.0.0.83");

const SHADOW: CircuitRules = CircuitRules { edge: EdgeRules { mode: "observe", ..RULES.edge }, ..RULES };

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_circuit("a ban at the edge that signing in lifts", RULES, |circuit| {
            Box::pin(signing_in(circuit))
        }),
        Scene::on_circuit("a published list that only observes", SHADOW, |circuit| Box::pin(shadow(circuit))),
        Scene::on_circuit("a user whose access is revoked", RULES, |circuit| Box::pin(subject(circuit))),
        Scene::on_circuit("a log-in that is revoked", RULES, |circuit| Box::pin(session(circuit))),
        Scene::on_circuit("a log-in that ended, at the edge", RULES, |circuit| Box::pin(signed_out(circuit))),
    ]
}

fn at_edge(seen: &Observed, field: &str) -> Option<String> {
    seen.records.edge.as_ref().and_then(|record| record.text(field))
}

async fn signing_in(circuit: &Circuit) -> Result {
    circuit.ban(CLIENT.address, "require-identity").await?;
    circuit.until_edge(CLIENT, Fate::Refused, Instant::now()).await?;
    circuit.cluster().until_agents(CLIENT, Fate::Refused, Instant::now()).await?;
    let anonymous = circuit.send(CLIENT).await?;
    let signed_in = circuit.send(CLIENT.signed_in(ENGINEER)).await?;
    let public =
        circuit.dress(circuit.cluster().ask_for("GET", "/public/page"), CLIENT.signed_in(ENGINEER))?;
    let public = circuit.edge().send(&public, circuit.node()).await?;
    let other = circuit.send(BYSTANDER).await?;
    Ok(Row::of(&anonymous)
        .refused(401, LISTED_REQUIRE_IDENTITY)
        .holds("it says how to sign in", anonymous.answer.header("www-authenticate").is_some())
        .is("status when signed in", 200, signed_in.answer.status)
        .is("status of a public page when signed in", 200, public.answer.status)
        .is("status of somebody else", 200, other.answer.status))
}

/// The origin acts all the same: of what it can't know, log-ins, nothing comes but a note.
async fn shadow(circuit: &Circuit) -> Result {
    circuit.command(&["revoke", "--session", "s-1"]).await?;
    circuit.ban(CLIENT.address, "block").await?;
    circuit.cluster().until(CLIENT, Fate::Refused, Instant::now()).await?;
    circuit.until_right(Instant::now()).await?;
    let by_origin = circuit.send(CLIENT).await?;
    let seen = circuit.edge().send(&with_session(circuit, ENGINEER, "s-1")?, circuit.node()).await?;
    let noted = |seen| ["reason", "listed", "would.status", "would.reason"].map(|field| at_edge(seen, field));
    let would =
        |status: &str, reason: &str| ["observed", "block", status, reason].map(|t| Some(t.to_owned()));
    let why = by_origin.records.haproxy.as_ref().and_then(|record| record.text("why"));
    Ok(Row::of(&seen)
        // It is the agent that refuses: the edge lets both on.
        .refused(401, SESSION_REVOKED)
        .is("the edge's record", would("401", SESSION_REVOKED), noted(&seen))
        .is("the edge's record of a banned address", would("403", LISTED), noted(&by_origin))
        .is("who refuses that address", Some(LISTED.to_owned()), why))
}

async fn subject(circuit: &Circuit) -> Result {
    let user = CLIENT.signed_in(ENGINEER);
    let before = circuit.send(user).await?;
    let revoked = Instant::now();
    let said = circuit.command(&["revoke", "--sub", ENGINEER.subject]).await?;
    let times = circuit.until(user, Fate::Refused, revoked).await?;
    let seen = circuit.send(user).await?;
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .is("status before", 200, before.answer.status)
        .holds("`revoke` says until when", said.starts_with("subject:ann: revoked until "))
        .is("statuses at the nodes", [403; 2], circuit.cluster().statuses(user).await?)
        .is("status of another user there", 200, circuit.send(CLIENT.signed_in(ADMIN)).await?.answer.status)
        .is("status of nobody there", 200, circuit.send(CLIENT).await?.answer.status)
        .note(format!("from the command on: {times}")))
}

/// What the identity provider told the edge comes back to it as a list.
async fn signed_out(circuit: &Circuit) -> Result {
    let send =
        async |session| circuit.edge().send(&with_session(circuit, ENGINEER, session)?, circuit.node()).await;
    let before = send("s-1").await?;
    let told = Instant::now();
    let ended = circuit.node().send(&end(circuit.cluster(), "s-1")?).await?;
    tokio::time::sleep(SETTLED).await;
    circuit.until_right(told).await?;
    let seen = send("s-1").await?;
    Ok(Row::of(&seen)
        .refused(401, SESSION_REVOKED)
        .is("status before", 200, before.answer.status)
        .is("what the edge is told", 204, ended.answer.status)
        .holds("HAProxy saw nothing of it", seen.records.haproxy.is_none())
        .is("status of the next log-in", 200, send("s-2").await?.answer.status))
}

async fn session(circuit: &Circuit) -> Result {
    let status = async |session| {
        let seen = circuit.edge().send(&with_session(circuit, ENGINEER, session)?, circuit.node()).await?;
        Ok::<_, Trouble>(seen.answer.status)
    };
    let before = status("s-1").await?;
    circuit.command(&["revoke", "--session", "s-1"]).await?;
    circuit.until_right(Instant::now()).await?;
    tokio::time::sleep(SETTLED).await;
    let seen = circuit.edge().send(&with_session(circuit, ENGINEER, "s-1")?, circuit.node()).await?;
    Ok(Row::of(&seen)
        .refused(401, SESSION_REVOKED)
        .holds("HAProxy saw nothing of it", seen.records.haproxy.is_none())
        .is("status before", 200, before)
        .is("status of the next log-in", 200, status("s-2").await?)
        .is(
            "status of a token without a session",
            200,
            circuit.send(CLIENT.signed_in(ENGINEER)).await?.answer.status,
        ))
}

/// A request under one log-in of somebody.
fn with_session(circuit: &Circuit, sender: Sender, session: &str) -> std::result::Result<Ask, Trouble> {
    let mut claims = claims(sender.subject, sender.groups, now(), now() + 600);
    if let Some(claims) = claims.as_object_mut() {
        claims.insert("sid".to_owned(), session.into());
    }
    let token = circuit.edge().idp().token_of(TokenAlgorithm::Es256, &claims)?;
    Ok(circuit.cluster().ask_for("GET", "/api/things").bearer(&token))
}
