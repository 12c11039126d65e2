//! Keys that are replaced while requests come in.

use std::time::Duration;

use serde_json::json;

use crate::ask::Ask;
use crate::client::PATIENCE;
use crate::identity_provider::TokenAlgorithm;
use crate::load::{Limit, Load, Outcome};
use crate::oidc_provider::OlderKeys;
use crate::scene::Whose::Own;
use crate::scene::{Row, Scene};
use crate::scenes::people::provider::{access_token, session, things};
use crate::scenes::people::{RULES, Result};
use crate::site::Site;
use crate::trouble::Trouble;

/// How long requests come in.
const LOAD: Duration = Duration::from_secs(4);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_site("the provider's keys rotate under load", Own(RULES), |site| {
            Box::pin(providers_keys(site))
        }),
        Scene::on_site("the session key rotates under load", Own(RULES), |site| Box::pin(session_key(site))),
    ]
}

/// Plays a load at the edge, and something beside it.
pub(super) async fn under_load<T>(
    site: &Site,
    time: Duration,
    ask: Ask,
    beside: impl Future<Output = Result<T>>,
) -> Result<(Outcome, T)> {
    let load = Load {
        to: site.circuit().edge().viceroy().address(),
        connections: 3,
        limit: Limit::Time(time),
        patience: PATIENCE,
        request: ask.request,
    };
    let running = tokio::spawn(load.run());
    tokio::time::sleep(time / 8).await;
    let done = beside.await?;
    let outcome = running.await.map_err(|error| Trouble::unexpected("a load", error.to_string()))?;
    Ok((outcome, done))
}

pub(super) fn row(outcome: &Outcome) -> Row {
    Row::default()
        .is("requests that were not answered by 200", 0, outcome.other_than(200))
        .holds("requests came in all the time", outcome.answered() > 20)
        .note(format!("{} requests", outcome.answered()))
}

/// The provider itself is away for a moment while it takes its new key.
async fn providers_keys(site: &Site) -> Result {
    let old = access_token(site).await?;
    site.circuit().edge().send(&things(site).bearer(&old), site.circuit().node()).await?;
    let (outcome, (new_key, statuses)) = under_load(site, LOAD, things(site).bearer(&old), async {
        let new_key = site.provider().await.rotate(TokenAlgorithm::Es256, OlderKeys::Stay).await?;
        let new = access_token(site).await?;
        let mut statuses = Vec::new();
        for token in [&new, &old, &new] {
            let seen = site.circuit().edge().send(&things(site).bearer(token), site.circuit().node()).await?;
            let kid = seen.records.edge.as_ref().and_then(|record| record.text("token_kid"));
            statuses.push((seen.answer.status, kid));
        }
        Ok((new_key, statuses))
    })
    .await?;
    let [first, second, third] = statuses.try_into().unwrap_or_default();
    Ok(row(&outcome)
        .is("status of a token under the new key", (200, Some(new_key.clone())), first)
        .is("status of one under the old key", 200, second.0)
        .holds("its record names another key", second.1.is_some() && second.1 != Some(new_key.clone()))
        .is("status of the new one again", (200, Some(new_key)), third))
}

async fn session_key(site: &Site) -> Result {
    let old = session(site).await?;
    let (outcome, new) = under_load(site, LOAD, things(site).cookie(&old), async {
        site.change_settings(|settings| {
            if let Some(settings) = settings.as_object_mut() {
                settings.insert("session_key".into(), json!("s2"));
            }
        })
        .await?;
        session(site).await
    })
    .await?;
    let mut row = row(&outcome);
    for (name, session, key) in [("before", old, "s1"), ("after", new, "s2")] {
        let seen = site.circuit().edge().send(&things(site).cookie(&session), site.circuit().node()).await?;
        let kid = seen.records.edge.as_ref().and_then(|record| record.text("session_kid"));
        row = row.is(
            &format!("status and key of a session from {name}"),
            (200, Some(key.to_owned())),
            (seen.answer.status, kid),
        );
    }
    Ok(row)
}
