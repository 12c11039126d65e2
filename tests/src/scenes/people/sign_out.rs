//! Signing out, at the site and at the provider.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Request;
use crate::page::Page;
use crate::scene::Whose::Common;
use crate::scene::{Row, Scene};
use crate::scenes::people::Result;
use crate::scenes::people::sign_in::sign_in;
use crate::site::{SITE, Site};
use crate::world::{HOST, SESSION_COOKIE};

/// Longest wait for a list to be written and seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than a list that is written takes to be looked at.
const SETTLED: Duration = Duration::from_millis(300);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_site("somebody signs out", Common, |site| Box::pin(signs_out(site))),
        Scene::on_site("somebody signs out at the provider alone", Common, |site| Box::pin(elsewhere(site))),
        Scene::on_site("the log-in of somebody signed in is revoked", Common, |site| Box::pin(revoked(site))),
        Scene::on_site("somebody signed in is revoked", Common, |site| Box::pin(banned(site))),
        Scene::on_site("a log-out that nobody signed", Common, |site| Box::pin(forged(site))),
    ]
}

async fn signs_out(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    let asked = page.goto(&format!("{SITE}/.countersign/logout")).await?;
    let out = page.click("button[name=logout]").await?;
    let has_session = page.cookies(SITE).await?.iter().any(|cookie| cookie.name == SESSION_COOKIE);
    let form = page.goto(&site.page("/api/things")).await?;
    Ok(Row { status: form.status, ..Row::default() }
        .status(200)
        .is("what the provider asks", "Log out", asked.title.as_str())
        .is("where signing out ends", format!("{SITE}/").as_str(), out.url.as_str())
        .holds("no session is left", !has_session)
        .holds(
            "the provider asks again who it is",
            form.url.starts_with("https://idp.example.test/interaction/"),
        ))
}

/// The provider tells the edge, the edge HAProxy, HAProxy the publisher, and the publisher the edge.
async fn elsewhere(site: &Site) -> Result {
    let person = site.person().await?;
    let (page, other) = (person.page().await?, person.page().await?);
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    let bystander = site.person().await?.page().await?;
    sign_in(&bystander, &site.page("/api/things"), "ann").await?;
    other.goto("https://idp.example.test/session/end").await?;
    let ended = Instant::now();
    other.click("button[name=logout]").await?;
    let (script, took) = until_refused(site, &page, ended).await?;
    let asked = site.page("/api/things");
    let form = page.goto(&asked).await?;
    let again = page.log_in_as("ann").await?;
    let other_login = bystander.fetch(&site.page("/api/things"), json!({})).await?;
    Ok(Row { status: Some(script), ..Row::default() }
        .status(401)
        .holds("a page asks to sign in again", form.url.starts_with("https://idp.example.test/interaction/"))
        .is("and then it is there", (Some(200), asked.as_str()), (again.status, again.url.as_str()))
        .is("status for the same person, signed in elsewhere", 200, other_login.status)
        .note(format!("refused at the edge {took:.0?} after the click")))
}

/// A script's status once it is no 200 any more, and how long that took.
async fn until_refused(site: &Site, page: &Page, since: Instant) -> Result<(u16, Duration)> {
    loop {
        let fetched = page.fetch(&site.page("/api/things"), json!({})).await?;
        if fetched.status != 200 || since.elapsed() > PATIENCE {
            return Ok((fetched.status, since.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The provider goes on vouching for the same log-in: nobody is sent to and fro.
async fn revoked(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    let place = site.place();
    sign_in(&page, &site.page("/api/things"), "dora").await?;
    let session = site.session_of(place, "dora")?;
    revoke(site, &["--session", &session]).await?;
    let script = page.fetch(&site.page("/api/things"), json!({})).await?;
    let shown = page.goto(&site.page("/api/things")).await?;
    Ok(Row { status: Some(script.status), ..Row::default() }
        .status(401)
        .is("status of a page", Some(401), shown.status)
        .holds("which says that it did not work out", shown.text.contains("Try again")))
}

async fn banned(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    sign_in(&page, &site.page("/api/things"), "emil").await?;
    revoke(site, &["--sub", "emil"]).await?;
    let (place, asked) = (site.place(), site.page("/api/things"));
    let shown = page.goto(&asked).await?;
    let records = site.records_of(place, &asked);
    let reasons: Vec<_> = records.iter().filter_map(|record| record.text("reason")).collect();
    Ok(Row { status: shown.status, ..Row::default() }.status(403).is(
        "the edge's reasons",
        vec!["listed-block".to_owned()],
        reasons,
    ))
}

/// `countersign revoke`, and waits until the edge has seen it.
async fn revoke(site: &Site, whom: &[&str]) -> Result<()> {
    let told = Instant::now();
    site.circuit().command(&[&["revoke"], whom].concat()).await?;
    site.circuit().until_right(told).await?;
    tokio::time::sleep(SETTLED).await;
    Ok(())
}

async fn forged(site: &Site) -> Result {
    let edge = site.circuit().edge().viceroy().address();
    let mut row = Row::default();
    for (name, body) in
        [("no form", "x"), ("no token", "logout_token="), ("a made-up token", "logout_token=a.b.c")]
    {
        let request = Request::new("POST", HOST, "/.countersign/backchannel-logout")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.as_bytes());
        let answer = request.send(edge, PATIENCE).await?;
        row = row.is(&format!("status of {name}"), 400, answer.status);
    }
    Ok(row)
}
