//! Signing out, at the site and at the provider.

use crate::scene::Whose::Common;
use crate::scene::{Row, Scene};
use crate::scenes::people::Result;
use crate::scenes::people::sign_in::sign_in;
use crate::site::{SITE, Site};
use crate::world::SESSION_COOKIE;

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_site("somebody signs out", Common, |site| Box::pin(signs_out(site)))]
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
