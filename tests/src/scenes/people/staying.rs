//! Staying signed in: renewal, expiry, and what is left of a session.

use std::time::Duration;

use serde_json::json;

use crate::page::NewCookie;
use crate::scene::Whose::{Common, Own};
use crate::scene::{Row, Scene};
use crate::scenes::people::sign_in::sign_in;
use crate::scenes::people::{RULES, Result};
use crate::site::{SITE, Site, SiteRules};
use crate::world::SESSION_COOKIE;

/// Sessions that are due for renewal after two seconds and over after ten, which a busy machine needs.
const SHORT: SiteRules = SiteRules { session_lifetime: 10, renew_after: 2, ..RULES };

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_site("a sign-in that is renewed, then ends", Own(SHORT), |site| Box::pin(renewal(site))),
        Scene::on_site("a sign-in whose cookie is no session any more", Common, |site| Box::pin(stale(site))),
    ]
}

async fn session_of(page: &crate::page::Page) -> Result<String> {
    let cookies = page.cookies(SITE).await?;
    Ok(cookies.into_iter().find(|cookie| cookie.name == SESSION_COOKIE).map(|c| c.value).unwrap_or_default())
}

async fn renewal(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    let first = session_of(&page).await?;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // A script is never held up, a page is led to the provider and back.
    let script = page.fetch(&site.page("/api/things"), json!({})).await?;
    let asked = site.page("/api/things");
    let place = site.place();
    let shown = page.goto(&asked).await?;
    let details: Vec<_> =
        site.records_of(place, &asked).iter().filter_map(|record| record.text("detail")).collect();
    let silently = shown.hops.iter().any(|hop| hop.url.contains("prompt=none"));
    let second = session_of(&page).await?;
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    let expired = page.fetch(&site.page("/api/things"), json!({})).await?;
    let again = page.goto(&asked).await?;
    Ok(Row { status: shown.status, ..Row::default() }
        .status(200)
        .is("status of a script meanwhile", (200, false), (script.status, script.redirected))
        .holds("the page is renewed silently", silently)
        .is("what the edge's records say besides", Vec::<String>::new(), details)
        .is("where it ends", asked.as_str(), shown.url.as_str())
        .holds("the session is another one", first != second && !second.is_empty())
        .is("status of a script after the session's end", 401, expired.status)
        .is("status of a page after it", Some(200), again.status)
        .is("which ends where it was asked for", asked.as_str(), again.url.as_str()))
}

/// One that was never ours, and one of which a byte was changed: nobody, and no error.
async fn stale(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    let session = session_of(&page).await?;
    let mut row = Row::default();
    let forged = session.replacen("ey", "eY", 2);
    for (name, value) in [("another program's", "1b2c3d"), ("a changed one", &forged)] {
        page.set_cookie(&NewCookie { name: SESSION_COOKIE, value, url: SITE }).await?;
        let script = page.fetch(&site.page("/api/things"), json!({})).await?;
        let asked = site.page("/api/things");
        let shown = page.goto(&asked).await?;
        row = row
            .is(&format!("status of a script with {name}"), 401, script.status)
            .is(&format!("status of a page with {name}"), Some(200), shown.status)
            .is(&format!("address of a page with {name}"), asked.as_str(), shown.url.as_str());
    }
    Ok(row)
}
