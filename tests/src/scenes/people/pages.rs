//! Pages of other origins in a real browser, which holds them to what the edge says.

use serde_json::json;

use crate::scene::Whose::Common;
use crate::scene::{Row, Scene};
use crate::scenes::people::Result;
use crate::scenes::people::sign_in::sign_in;
use crate::site::Site;

const SHOP: &str = "https://shop.example.test/";

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::on_site("a browser's page reads across origins, by rule", Common, |site| {
        Box::pin(across_origins(site))
    })]
}

/// Somebody is signed in to one host, and a page of another one acts for them.
async fn across_origins(site: &Site) -> Result {
    let person = site.person().await?;
    let page = person.page().await?;
    sign_in(&page, &site.page("/api/things"), "ann").await?;
    // Its own answer is a refusal; what counts is its origin.
    page.goto(SHOP).await?;
    let by_rule = json!({ "method": "PUT", "credentials": "include", "headers": { "x-trace": "1" } });
    let read = page.fetch(&site.page("/widgets/7"), by_rule.clone()).await?;
    let without = json!({ "method": "PUT", "headers": { "x-trace": "1" } });
    let refused = page.fetch(&site.page("/widgets/7"), without).await?;
    let odd = json!({ "method": "PUT", "credentials": "include", "headers": { "x-admin": "1" } });
    let odd = page.fetch(&site.page("/widgets/7"), odd).await;
    let elsewhere = page.fetch(&site.page("/api/things"), by_rule).await;
    Ok(Row { status: Some(read.status), ..Row::default() }
        .status(200)
        .is("what the browser calls it", "cors", read.kind.as_str())
        .holds("the application answered as to who is signed in", read.text.contains("ann"))
        .holds(
            "the page reads the header that the rule shows",
            read.headers.contains_key("countersign-decision"),
        )
        .is("status without cookies, which the page may read", 401, refused.status)
        .holds("a header that the rule doesn't name is never sent", odd.is_err())
        .holds("a route without a rule is not read", elsewhere.is_err()))
}
