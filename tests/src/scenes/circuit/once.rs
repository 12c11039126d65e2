//! One go at the store by hand; and the token, which nothing but the API may ever see.

use std::time::Instant;

use crate::circuit::Circuit;
use crate::cluster::{Client, Fate};
use crate::command_line::{self, Said};
use crate::fastly_api::{ErrorShape, Fault, Matching, Plan, TOKEN};
use crate::journal::Place;
use crate::process::Journals;
use crate::scene::{Row, Scene};
use crate::scenes::circuit::{RULES, Result, SETTLED};
use crate::scenes::reason::LISTED;
use crate::trouble::Trouble;

const OFFENDER: Client = Client::at("127.0.0.84");

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_circuit("a list published in one go", RULES, |circuit| Box::pin(in_one_go(circuit))),
        Scene::on_circuit("a token that nobody sees", RULES, |circuit| Box::pin(token(circuit))),
    ]
}

async fn once(circuit: &Circuit, words: &[&str]) -> std::result::Result<Said, Trouble> {
    let settings = circuit.cluster().publisher().await.daemon.settings().to_owned();
    let settings = settings.to_string_lossy();
    command_line::run_loudly(&[&["publish", "--settings", &*settings, "--once"], words].concat()).await
}

async fn in_one_go(circuit: &Circuit) -> Result {
    let beside = once(circuit, &[]).await?;
    circuit.ban(OFFENDER.address, "block").await?;
    circuit.until_right(Instant::now()).await?;
    circuit.cluster().publisher().await.daemon.stop().await?;
    circuit.api().empty_by_hand(circuit.store());
    let before = circuit.writes().len();
    let shown = once(circuit, &["--dry-run"]).await?;
    let written_by_it = circuit.writes().len() - before;
    let items_after = circuit.api().items(circuit.store()).len();
    let done = once(circuit, &[]).await?;
    let at_edge = circuit.look(OFFENDER).await?;
    let writes = circuit.writes().len();
    let again = once(circuit, &[]).await?;
    let shown_again = once(circuit, &["--dry-run"]).await?;
    let writes_again = circuit.writes().len() - writes;
    circuit.cluster().publisher().await.daemon.start_again().await?;
    circuit.until_right(Instant::now()).await?;
    let seen = circuit.send(OFFENDER).await?;
    let said = [&beside, &shown, &done, &again, &shown_again];
    let silent = said.iter().all(|said| !said.out.contains(TOKEN) && !said.err.contains(TOKEN));
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .holds(
            format!("beside a publisher that runs it does nothing: {}", last(&beside.err)),
            !beside.succeeded && beside.err.contains("is in use"),
        )
        .holds(
            format!("a dry run says what would be written: {}", last(&shown.out)),
            shown.succeeded && last(&shown.out) == "17 items would be written, 1 clients listed",
        )
        .is("writes of a dry run, and items after it", [0, 0], [written_by_it, items_after])
        .holds(
            format!("the go says what the store holds: {}", last(&done.out)),
            done.succeeded && last(&done.out).contains("1 clients, 1 calls that wrote"),
        )
        .is("who refuses then", (crate::circuit::Answered::Edge, 403), at_edge)
        .holds(
            format!("another go has nothing to do: {}", last(&again.out)),
            again.succeeded && last(&again.out).contains("0 calls that wrote"),
        )
        .holds("a dry run then neither", shown_again.succeeded)
        .is("writes of those two", 0, writes_again)
        .holds("none of them prints the token, however loud", silent))
}

fn last(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// Everything is tried that may print something, errors of the API among it.
async fn token(circuit: &Circuit) -> Result {
    circuit.api().plan(Plan::once(Matching::Every, Fault::Status { status: 403, shape: ErrorShape::Title }));
    circuit.ban(OFFENDER.address, "block").await?;
    tokio::time::sleep(SETTLED).await;
    let failing = circuit.command(&["peers", "status"]).await?;
    circuit.cluster().publisher().await.daemon.stop().await?;
    let mut told = Vec::new();
    for words in [&["--dry-run"][..], &[]] {
        circuit.api().plan(Plan::once(Matching::Every, Fault::CutBefore));
        let said = once(circuit, words).await?;
        told.extend([said.out, said.err]);
    }
    circuit.cluster().publisher().await.change_store(|store| store.token = WRONG)?;
    let said = once(circuit, &["--dry-run"]).await?;
    let refused = !said.succeeded && said.err.contains("the API answers 401");
    let wrong_in = [&said.out, &said.err].iter().any(|text| text.contains(WRONG));
    circuit.cluster().publisher().await.change_store(|store| store.token = TOKEN)?;
    circuit.cluster().publisher().await.daemon.start_again().await?;
    circuit.until_edge(OFFENDER, Fate::Refused, Instant::now()).await?;
    for words in [
        &["peers", "status"][..],
        &["bans", "list"],
        &["bans", "explain", OFFENDER.address],
        &["peers", "dump"],
    ] {
        told.push(circuit.command(words).await?);
    }
    let seen = circuit.send(OFFENDER).await?;
    let has_token = |line: &str| line.contains(TOKEN);
    let of = |journals: &Journals| {
        [&journals.out, &journals.err].iter().map(|journal| journal.all(Place::START, has_token).len()).sum()
    };
    let mut lines: Vec<usize> = vec![of(circuit.edge().viceroy().journals())];
    for node in circuit.cluster().nodes() {
        lines.extend([of(node.haproxy_journals()), of(node.agent_journals())]);
    }
    let publisher = circuit.cluster().publisher().await;
    lines.extend([of(publisher.daemon.journals()), publisher.daemon.complaints(has_token).len()]);
    let wrote = publisher.daemon.complaints(|line| line.contains("written to the edge's store")).len();
    Ok(Row::of(&seen)
        .refused(403, LISTED)
        .holds("a refusal of the API stands in the status", failing.contains("the API answers 403"))
        .holds("a wrong token is refused by the API", refused)
        .holds("and not printed", !wrong_in)
        .holds("no command prints the token", !told.iter().any(|text| text.contains(TOKEN)))
        .holds("the publisher logs what it writes", wrote > 0)
        .is("lines of logs with the token, by tier", vec![0; 7], lines))
}

/// Another token than the API takes.
const WRONG: &str = "another-token-9Zr1mWqA6sTe";
