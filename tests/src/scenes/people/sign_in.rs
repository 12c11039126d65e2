//! Signing in, and coming back to the page that was asked for.

use serde_json::json;

use crate::page::{Page, Shown};
use crate::scene::Whose::Common;
use crate::scene::{Row, Scene};
use crate::scenes::people::Result;
use crate::site::{SITE, Site, application};
use crate::world::SESSION_COOKIE;

/// What the names of the cookies of attempts begin with.
const ATTEMPTS: &str = "__Host-countersign-login-";

/// Where nobody may be sent to.
const OPEN_REDIRECTS: [&str; 6] = [
    "//evil.example.test/",
    "/%5C%5Cevil.example.test",
    "https://evil.example.test/",
    "/.countersign/logout",
    "javascript:alert(1)",
    "/a/../../evil",
];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_site("somebody signs in", Common, |site| Box::pin(signs_in(site))),
        Scene::on_site("a script before somebody signs in", Common, |site| Box::pin(script(site))),
        Scene::on_site("several tabs sign in", Common, |site| Box::pin(tabs(site))),
        Scene::on_site("back to a sign-in that is over", Common, |site| Box::pin(back(site))),
        Scene::on_site("somebody signs in who may not", Common, |site| Box::pin(may_not(site))),
        Scene::on_site("a sign-in that would lead elsewhere", Common, |site| Box::pin(redirects(site))),
        Scene::on_site("a sign-in that nobody began", Common, |site| Box::pin(unasked(site))),
    ]
}

/// Opens a page that wants somebody, and signs in where the provider asks.
pub(super) async fn sign_in(page: &Page, url: &str, account: &str) -> Result<Shown> {
    page.goto(url).await?;
    page.log_in_as(account).await
}

async fn signs_in(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    let asked = format!("{}?q=a+b&c=%C3%A9", site.page("/api/things"));
    let place = site.place();
    let form = page.goto(&asked).await?;
    let shown = page.log_in_as("ann").await?;
    let seen = application(&shown);
    let cookies = page.cookies(SITE).await?;
    let session = cookies.iter().find(|cookie| cookie.name == SESSION_COOKIE);
    let is_guarded = |cookie: &crate::page::Cookie| {
        cookie.http_only
            && cookie.secure
            && cookie.same_site.as_deref() == Some("Lax")
            && cookie.path == "/"
            && !cookie.domain.starts_with('.')
    };
    let saw = |name: &str| seen.as_ref().and_then(|seen| seen.only(name).map(str::to_owned));
    let records = site.records_of(place, &asked);
    let reasons: Vec<_> = records.iter().filter_map(|record| record.text("reason")).collect();
    let let_on = records.iter().find(|record| record.text("session_kid").is_some());
    Ok(Row { status: shown.status, pool: seen.as_ref().map(|seen| seen.pool.clone()), ..Row::default() }
        .status(200)
        .pool("api")
        .holds("the provider's form is shown first", form.url.starts_with("https://idp.example.test/"))
        .is("the address in the end", asked.as_str(), shown.url.as_str())
        .is("the user that the application sees", Some("ann".to_owned()), saw("countersign-subject"))
        .is("their groups", Some("engineering".to_owned()), saw("countersign-groups"))
        .holds("the application sees no cookie of the edge", saw("cookie").is_none())
        .holds("the session cookie is guarded", session.is_some_and(is_guarded))
        .holds(
            "nothing is left of the attempt",
            !cookies.iter().any(|cookie| cookie.name.starts_with(ATTEMPTS)),
        )
        .is(
            "what became of the page, by the edge's records",
            vec!["identity-required".to_owned(), "forwarded".to_owned()],
            reasons,
        )
        .is(
            "the key of the session, by the edge's record",
            Some("s1".to_owned()),
            let_on.and_then(|record| record.text("session_kid")),
        ))
}

/// A program can't follow a redirect to a form: it gets 401, and once somebody is signed in what it asks for.
async fn script(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    page.goto(&site.page("/static")).await?;
    let before = page.fetch(&site.page("/api/things"), json!({})).await?;
    let shown = sign_in(&page, &site.page("/api/things"), "ann").await?;
    let after = page.fetch(&site.page("/api/things"), json!({ "method": "POST" })).await?;
    Ok(Row { status: Some(before.status), ..Row::default() }
        .status(401)
        .holds("it isn't redirected", !before.redirected)
        .is("status of the page", Some(200), shown.status)
        .is("status of the script afterwards", 200, after.status))
}

/// Both tabs ask before anybody is signed in; the second finishes first.
async fn tabs(site: &Site) -> Result {
    let person = site.person().await?;
    let (first, second) = (person.page().await?, person.page().await?);
    let (one, two) = (site.page("/api/one"), site.page("/api/two"));
    first.goto(&one).await?;
    second.goto(&two).await?;
    let second_shown = second.log_in_as("ann").await?;
    // The provider knows them by now, and its form in the first tab is still there.
    let first_shown = first.log_in_as("ann").await?;
    Ok(Row { status: first_shown.status, ..Row::default() }
        .status(200)
        .is("status in the second tab", Some(200), second_shown.status)
        .is("address in the first tab", one.as_str(), first_shown.url.as_str())
        .is("address in the second tab", two.as_str(), second_shown.url.as_str()))
}

/// The attempt is gone, the session is there: nothing to complain about.
async fn back(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    let shown = sign_in(&page, &site.page("/api/things"), "ann").await?;
    let callback = shown.hops.iter().find(|hop| hop.url.contains("/.countersign/callback"));
    let callback = callback.map(|hop| hop.url.clone()).unwrap_or_default();
    let again = page.goto(&callback).await?;
    let stranger = site.person().await?.page().await?.goto(&callback).await?;
    Ok(Row { status: stranger.status, ..Row::default() }
        .status(400)
        .holds("the callback was seen", !callback.is_empty())
        .is("where somebody signed in gets to", format!("{SITE}/").as_str(), again.url.as_str())
        .holds("a stranger gets a page", stranger.text.contains("Try again"))
        .holds("which repeats nothing", !stranger.text.contains("state")))
}

async fn may_not(site: &Site) -> Result {
    let (ann, ben) = (site.person().await?.page().await?, site.person().await?.page().await?);
    let refused = sign_in(&ann, &site.page("/admin/users"), "ann").await?;
    let shown = sign_in(&ben, &site.page("/admin/users"), "ben").await?;
    Ok(Row { status: refused.status, ..Row::default() }.status(403).is(
        "status for somebody else",
        Some(200),
        shown.status,
    ))
}

async fn redirects(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    let mut row = Row::default();
    for target in OPEN_REDIRECTS {
        let encoded: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let shown = page.goto(&format!("{SITE}/.countersign/login?return_to={encoded}")).await?;
        row = row.is(&format!("where `{target}` leads to"), format!("{SITE}/").as_str(), shown.url.as_str());
    }
    let asked = site.page("/api/things");
    let path = asked.strip_prefix(SITE).unwrap_or_default();
    let shown = page.goto(&format!("{SITE}/.countersign/login?return_to={path}")).await?;
    Ok(row.is("where a page of the site leads to", asked.as_str(), shown.url.as_str()))
}

/// As another site's page would have it, with a code of its own: log-in CSRF.
async fn unasked(site: &Site) -> Result {
    let page = site.person().await?.page().await?;
    let place = site.place();
    let url = format!("{SITE}/.countersign/callback?code=stolen&state=made-up&iss=https://idp.example.test");
    let shown = page.goto(&url).await?;
    let cookies = page.cookies(SITE).await?;
    let reasons: Vec<_> = site.records(place).iter().filter_map(|record| record.text("reason")).collect();
    Ok(Row { status: shown.status, ..Row::default() }
        .status(400)
        .holds("the reason is in the record", reasons.contains(&"login-unknown".to_owned()))
        .holds("nobody is signed in", cookies.is_empty()))
}
