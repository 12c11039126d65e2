//! The keys between edge and origin, replaced step by step as the documentation has it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command_line::{self, Said};
use crate::scene::Scene;
use crate::scene::Whose::Own;
use crate::scenes::people::provider::{access_token, things};
use crate::scenes::people::rotation::{row, under_load};
use crate::scenes::people::{RULES, Result};
use crate::site::{NEXT_KEY, NEXT_RECEIPT_KEY, Site};
use crate::trouble::Trouble;
use crate::world::KEY_ID;

/// How long requests come in.
const LOAD: Duration = Duration::from_secs(12);
/// How long an assertion lives, in seconds, so that nobody waits a minute for the last of the old key's.
const LIFETIME: u64 = 2;
/// Longer than an assertion of the old key can still come.
const OVER: Duration = Duration::from_secs(4);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_site("the edge's key rotates under load, and the old one goes", Own(RULES), |site| {
            Box::pin(assertion_key(site))
        }),
        Scene::on_site("the receipt key rotates under load", Own(RULES), |site| Box::pin(receipt_key(site))),
    ]
}

/// Changes the text of every agent's settings and has them read it.
async fn tell_agents(site: &Site, change: impl Fn(String) -> String) -> Result<()> {
    for agent in site.circuit().cluster().nodes().iter().flat_map(|node| node.agents()) {
        let agent = agent.lock().await;
        agent.change_settings(&change)?;
        agent.reload().await?;
    }
    Ok(())
}

/// A command about keys, with all that there is to judge by.
async fn keys(site: &Site, words: &[&str]) -> Result<Said> {
    let [node, _] = site.circuit().cluster().nodes();
    let agent = node.agents().first().ok_or_else(|| Trouble::unexpected("an agent", "none"))?;
    let settings = agent.lock().await.daemon.settings().to_owned();
    let (records, edge) = (site.records_file()?, site.settings_file().await?);
    let mut all: Vec<&str> = vec!["keys"];
    all.extend(words);
    let files = [settings, edge, records].map(|file| file.to_string_lossy().into_owned());
    let [settings, edge, records] = &files;
    all.extend(["--settings", settings, "--edge-settings", edge, "--records", records]);
    command_line::run_loudly(&all).await
}

fn write(file: &Path, text: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, file))
        .map_err(Trouble::io("write keys"))
}

/// The line of `keys status` about a key for assertions.
fn line(said: &Said, key: &str) -> String {
    said.out.lines().find(|line| line.contains(&format!("assertion `{key}`"))).unwrap_or_default().to_owned()
}

async fn assertion_key(site: &Site) -> Result {
    let token = access_token(site).await?;
    site.change_settings(|settings| set(settings, "assertion_lifetime_seconds", json!(LIFETIME))).await?;
    let shorter = format!("[assertion]\nmax_lifetime_seconds = {LIFETIME}\nclock_skew_seconds = 0");
    tell_agents(site, |text| text.replace("[assertion]", &shorter)).await?;
    let public = site.circuit().cluster().keys().join("assertion.jwks.json");
    let before = std::fs::read_to_string(&public).map_err(Trouble::io("read public keys"))?;
    let (both, own) = (joined(&before, &site.next_public_key()?)?, format!("keys = [{KEY_ID:?}]"));
    let (outcome, (early, status, removed, kid)) =
        under_load(site, LOAD, things(site).bearer(&token), async {
            // Who reads gets the new key first.
            write(&public, &both)?;
            tell_agents(site, |text| text.replace(&own, &format!("keys = [{KEY_ID:?}, {NEXT_KEY:?}]")))
                .await?;
            site.change_settings(|settings| set(settings, "assertion_key", json!(NEXT_KEY))).await?;
            let seen =
                site.circuit().edge().send(&things(site).bearer(&token), site.circuit().node()).await?;
            let kid = seen.records.agent.as_ref().and_then(|record| record.text("kid"));
            let remove = ["remove", "--role", "assertion", "--kid", KEY_ID];
            let early = keys(site, &remove).await?;
            tokio::time::sleep(OVER).await;
            let status = keys(site, &["status"]).await?;
            tell_agents(site, |text| {
                text.replace(&format!("keys = [{KEY_ID:?}, {NEXT_KEY:?}]"), &format!("keys = [{NEXT_KEY:?}]"))
            })
            .await?;
            let removed = keys(site, &remove).await?;
            tell_agents(site, |text| text).await?;
            Ok((early, status, removed, kid))
        })
        .await?;
    let after = std::fs::read_to_string(&public).map_err(Trouble::io("read public keys"))?;
    Ok(row(&outcome)
        .is("the key that the agent verifies with", Some(NEXT_KEY.to_owned()), kid)
        .holds("removing the old key too early is refused", !early.succeeded)
        .holds("and it is said why", early.err.contains(KEY_ID) && early.err.contains("stays"))
        .holds("later `keys status` says that it is safe", line(&status, KEY_ID).contains("safe now"))
        .holds("and that the new one is in use", line(&status, NEXT_KEY).contains("in use"))
        .is("removing it then succeeds", (true, String::new()), (removed.succeeded, errors(&removed)))
        .holds("it is out of the agents' file", !after.contains(KEY_ID) && after.contains(NEXT_KEY))
        .note(line(&status, KEY_ID).trim().to_owned()))
}

/// What a command complains of, without its log.
fn errors(said: &Said) -> String {
    if said.succeeded { String::new() } else { said.err.clone() }
}

/// The edge has both keys; the agents switch one after the other.
async fn receipt_key(site: &Site) -> Result {
    let token = access_token(site).await?;
    let file = crate::receipts::file(&site.circuit().cluster().keys());
    let old = std::fs::read_to_string(&file).map_err(Trouble::io("read the receipt keys"))?;
    let place = site.place();
    let (outcome, ()) = under_load(site, LOAD / 3, things(site).bearer(&token), async {
        write(&file, &format!("{NEXT_RECEIPT_KEY} {old}"))?;
        tell_agents(site, |text| text).await
    })
    .await?;
    let records = site.records(place);
    let under = |key: &str| records.iter().filter(|r| r.text("receipt_kid").as_deref() == Some(key)).count();
    let (old_id, new_id) = (crate::receipts::KEY_ID, NEXT_RECEIPT_KEY.split(':').next().unwrap_or_default());
    let faults: Vec<_> = records.iter().filter_map(|record| record.text("receipt_fault")).collect();
    let allowed = records.iter().filter(|r| r.text("origin_verdict").as_deref() == Some("allow")).count();
    Ok(row(&outcome)
        .is("faults of receipts in the edge's records", Vec::<String>::new(), faults)
        .is("records with the agent's own verdict", records.len(), allowed)
        .holds("receipts under the old key were read", under(old_id) > 0)
        .holds("and then under the new one", under(new_id) > 0))
}

fn set(settings: &mut Value, key: &str, value: Value) {
    if let Some(settings) = settings.as_object_mut() {
        settings.insert(key.to_owned(), value);
    }
}

/// Two JWK Sets as one.
fn joined(one: &str, other: &str) -> Result<String> {
    let read = |text: &str| -> Result<Vec<Value>> {
        let set: Value = serde_json::from_str(text)
            .map_err(|error| Trouble::unexpected("a JWK Set", error.to_string()))?;
        Ok(set.get("keys").and_then(Value::as_array).cloned().unwrap_or_default())
    };
    let mut keys = read(one)?;
    keys.extend(read(other)?);
    Ok(json!({ "keys": keys }).to_string())
}
