//! What no line of the corpus may bring about.

use countersign_contract::header::is_forbidden_from_clients;

use super::meaning::{Meaning, meaning};
use super::reading::{Reading, fold};
use super::stage::{Outcome, Way};
use super::tee::Seen;
use crate::records::Record;

/// Stands in everything that a line makes up.
const FORGED: &str = "forged";
/// The route that leads below `/admin`.
const ADMIN_ROUTE: &str = "admin";
/// Of a path, what HAProxy's record shows at most.
const RECORDED: usize = 512;
/// Whom PHP takes a request to be of, if its server says so. `PHP_AUTH_USER` is none of them: it is what the client
/// says in `Authorization`, with a password beside it, for the application to check.
const OF_PHP: [&str; 2] = ["remote-user", "auth-user"];

/// What went wrong with a line on one way, in words; nothing where nothing did.
#[must_use]
pub fn violations(outcome: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    for (seen, record) in &outcome.seen {
        let Some(record) = record else {
            found.push(format!("pool `{}` saw a request that HAProxy has no record of", seen.pool));
            continue;
        };
        of_request(seen, record, &mut found);
        for reading in &seen.readings {
            let mut said = Vec::new();
            of_path(reading, record, &mut said);
            of_host(reading, record, &mut said);
            of_identity(reading, outcome.way, record, &mut said);
            found.extend(said.into_iter().map(|what| format!("{}: {what}", reading.reader.name())));
        }
    }
    if outcome.seen.len() > 1 {
        found.push(format!("one request became {}", outcome.seen.len()));
    }
    found
}

/// What was judged is what was sent on, and is one request.
fn of_request(seen: &Seen, record: &Record, found: &mut Vec<String>) {
    let target = seen.target();
    let path = target.split('?').next().unwrap_or_default();
    let judged = record.text("path").unwrap_or_default();
    if path != judged && !(judged.len() >= RECORDED && path.starts_with(&judged)) {
        found.push(format!("judged was `{judged}`, sent on is `{path}`"));
    }
    for reader in &seen.answered_again {
        found.push(format!("{} answered twice to one request", reader.name()));
    }
}

/// No path below `/admin` under a verdict for something else.
fn of_path(reading: &Reading, record: &Record, found: &mut Vec<String>) {
    let route = record.text("route").unwrap_or_default();
    for (name, path) in &reading.paths {
        if meaning(path) == Meaning::Admin && route != ADMIN_ROUTE {
            found.push(format!("{name} reads `{path}` under a verdict for route `{route}`"));
        }
    }
}

/// No host but the one that was judged.
fn of_host(reading: &Reading, record: &Record, found: &mut Vec<String>) {
    let judged = without_port(&record.text("host").unwrap_or_default());
    for (name, host) in &reading.hosts {
        if without_port(host) != judged {
            found.push(format!("{name} reads host `{host}`, judged was `{judged}`"));
        }
    }
}

/// No identity but the verified one, and nothing made up under a name that somebody may believe.
fn of_identity(reading: &Reading, way: Way, record: &Record, found: &mut Vec<String>) {
    if !reading.told() {
        return;
    }
    let sender = way.sender();
    let anonymous = record.text("pool").as_deref() == Some("web") && way == Way::ThroughEdge;
    let decision = record.text("decision_id").unwrap_or_default();
    let groups = sender.groups.join(",");
    let (subject, groups) = if anonymous { ("", "") } else { (sender.subject, groups.as_str()) };
    for (name, only) in [
        ("countersign-decision", decision.as_str()),
        ("countersign-subject", subject),
        ("countersign-groups", groups),
        ("x-forwarded-for", way.client()),
    ] {
        let values: Vec<_> = reading.all(name).collect();
        let expected: Vec<_> = Some(only).filter(|only| !only.is_empty()).into_iter().collect();
        if values != expected {
            found.push(format!("`{name}` is {values:?}, verified was {expected:?}"));
        }
    }
    for (name, value) in &reading.headers {
        let folded = fold(name);
        let ours = ["countersign-decision", "countersign-subject", "countersign-groups", "x-forwarded-for"];
        let believed = is_forbidden_from_clients(&folded) || OF_PHP.contains(&folded.as_str());
        if believed && !ours.contains(&folded.as_str()) {
            found.push(format!("`{name}` arrived: `{value}`"));
        }
    }
}

/// Names of header fields that the line made up and that arrived.
#[must_use]
pub fn forged_names(reading: &Reading) -> Vec<String> {
    let is_forged = |text: &str| text.to_ascii_lowercase().contains(FORGED);
    let forged = reading.headers.iter().filter(|(name, value)| is_forged(name) || is_forged(value));
    forged.map(|(name, _)| name.clone()).collect()
}

fn without_port(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
        _ => host,
    }
}

/// Whether an application reads a path below `/admin` here.
#[must_use]
pub fn reads_admin(reading: &Reading) -> bool {
    reading.paths.iter().any(|(_, path)| meaning(path) == Meaning::Admin)
}
