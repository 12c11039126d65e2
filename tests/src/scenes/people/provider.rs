//! The identity provider on a bad day: what still works, for how long, and what is refused.

use std::time::Duration;

use crate::ask::Ask;
use crate::faulty_provider::Answering;
use crate::scene::Whose::Own;
use crate::scene::{Row, Scene};
use crate::scenes::people::sign_in::sign_in;
use crate::scenes::people::{RULES, Result};
use crate::site::{RESOURCE, SITE, Site, SiteRules};
use crate::world::SESSION_COOKIE;

/// Keys that are asked for again after a second, and kept for an hour.
const QUICK: SiteRules = SiteRules { jwks_max_age: 1, ..RULES };
/// Keys that are given up after two seconds.
const BRIEF: SiteRules = SiteRules { jwks_max_age: 1, jwks_stale: 1, ..RULES };
/// Longer than a failure is remembered.
const COOL_DOWN: Duration = Duration::from_millis(2100);
/// Longer than keys are fresh.
const LATER: Duration = Duration::from_millis(2100);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_site("a bad day of the provider, its keys known", Own(QUICK), |site| Box::pin(known(site))),
        Scene::on_site("a bad day of the provider, its keys unknown", Own(RULES), |site| {
            Box::pin(unknown(site))
        }),
        Scene::on_site("a long outage of the provider", Own(BRIEF), |site| Box::pin(long(site))),
        Scene::on_site("a bad day of the provider's token endpoint", Own(RULES), |site| {
            Box::pin(token_endpoint(site))
        }),
    ]
}

fn bad_days() -> [(&'static str, Answering); 7] {
    [
        ("slow", Answering::Late(Duration::from_millis(700))),
        ("closing", Answering::Close),
        ("failing", Answering::Status(500)),
        ("talking garbage", Answering::Garbage),
        ("without keys", Answering::NoKeys),
        ("endless", Answering::TooLong),
        ("redirecting", Answering::Redirect("/elsewhere".into())),
    ]
}

/// An access token of a program, as the provider gives it.
pub(super) async fn access_token(site: &Site) -> Result<String> {
    site.provider().await.client_credentials_token("ES256", RESOURCE).await
}

/// A request for what needs somebody.
pub(super) fn things(site: &Site) -> Ask {
    site.circuit().cluster().ask_for("GET", "/api/things")
}

async fn status(site: &Site, ask: Ask) -> Result<u16> {
    Ok(site.circuit().edge().send(&ask, site.circuit().node()).await?.answer.status)
}

/// The session cookie of somebody who has just signed in.
pub(super) async fn session(site: &Site) -> Result<String> {
    let page = site.person().await?.page().await?;
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    let cookies = page.cookies(SITE).await?;
    let session = cookies.into_iter().find(|cookie| cookie.name == SESSION_COOKIE);
    Ok(session.map(|cookie| cookie.value).unwrap_or_default())
}

async fn known(site: &Site) -> Result {
    let (token, session) = (access_token(site).await?, session(site).await?);
    let mut row = Row { status: Some(status(site, things(site).bearer(&token)).await?), ..Row::default() };
    for (day, answering) in bad_days() {
        site.faulty().answer(answering);
        tokio::time::sleep(Duration::from_millis(1200)).await;
        row = row
            .is(&format!("status with a token, the provider {day}"), 200, {
                status(site, things(site).bearer(&token)).await?
            })
            .is(&format!("status with a session, the provider {day}"), 200, {
                status(site, things(site).cookie(&session)).await?
            });
    }
    site.faulty().refuse_connections().await;
    tokio::time::sleep(LATER).await;
    let unreachable = status(site, things(site).bearer(&token)).await?;
    // A key that nobody knows yet is no reason to forget the others.
    site.faulty().accept_connections().await?;
    site.faulty().answer(Answering::Forward);
    Ok(row.status(200).is("status with a token, the provider unreachable", 200, unreachable))
}

async fn unknown(site: &Site) -> Result {
    let token = access_token(site).await?;
    let mut row = Row::default();
    for (day, answering) in bad_days().into_iter().skip(1) {
        site.faulty().answer(answering);
        let ask = things(site).bearer(&token);
        let seen = site.circuit().edge().send(&ask, site.circuit().node()).await?;
        let public = status(site, site.circuit().cluster().ask_for("GET", "/static/logo.svg")).await?;
        row = row
            .is(&format!("status, the provider {day}"), 503, seen.answer.status)
            .is(&format!("reason, the provider {day}"), Some("keys-unavailable".to_owned()), {
                seen.records.verdict_and_reason().1
            })
            .holds("with Retry-After", seen.answer.header("retry-after").is_some())
            .holds("HAProxy sees nothing", site.circuit().edge().tap().heard(&ask.marker).is_none())
            .is("status of a static file meanwhile", 200, public);
    }
    // What has just failed is not asked again at once.
    tokio::time::sleep(COOL_DOWN).await;
    let (_, slow) = bad_days().into_iter().next().unwrap_or(("", Answering::Forward));
    site.faulty().answer(slow);
    Ok(row.is("status, the provider slow", 200, status(site, things(site).bearer(&token)).await?))
}

async fn long(site: &Site) -> Result {
    let (token, session) = (access_token(site).await?, session(site).await?);
    let before = status(site, things(site).bearer(&token)).await?;
    site.faulty().refuse_connections().await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let after = status(site, things(site).bearer(&token)).await?;
    let with_session = status(site, things(site).cookie(&session)).await?;
    site.faulty().accept_connections().await?;
    tokio::time::sleep(COOL_DOWN).await;
    let again = status(site, things(site).bearer(&token)).await?;
    Ok(Row { status: Some(after), ..Row::default() }
        .status(503)
        .is("status before", 200, before)
        .is("status with a session meanwhile", 200, with_session)
        .is("status when it is over", 200, again))
}

/// The browser has been at the provider, and the edge can't redeem what it brings.
async fn token_endpoint(site: &Site) -> Result {
    let mut row = Row::default();
    let page = site.person().await?.page().await?;
    page.goto(&site.page("/api/things")).await?;
    site.faulty().answer_at("/token", Answering::Status(500));
    let shown = page.log_in_as("ann").await?;
    row = row
        .is("status, the endpoint failing", Some(503), shown.status)
        .holds("a page says that it did not work out", shown.text.contains("Try again"));
    for (day, answering) in bad_days().into_iter().skip(3) {
        site.faulty().answer_at("/token", answering);
        let shown = page.goto(&site.page("/api/things")).await?;
        row = row.is(&format!("status, the endpoint {day}"), Some(503), shown.status);
    }
    site.faulty().answer(Answering::Forward);
    let asked = site.page("/api/things");
    let shown = page.goto(&asked).await?;
    Ok(row.is("status when it is over", Some(200), shown.status).is(
        "address in the end",
        asked.as_str(),
        shown.url.as_str(),
    ))
}
