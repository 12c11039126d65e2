//! One page of the browser: what a person does with it, and what they see.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::browser::Driver;
use crate::trouble::Trouble;

/// A page. Every method fails with [`Trouble::NoAnswer`] and the browser's own words, after 15 seconds
/// at most.
#[derive(Debug)]
pub struct Page {
    driver: Arc<Driver>,
    number: u64,
}

/// What a page shows after it was led somewhere.
#[derive(Debug, Clone, Deserialize)]
pub struct Shown {
    /// The status of the last answer; `None` where none was needed, as on the way back to a kept page.
    pub status: Option<u16>,
    /// The headers of the last answer, names in lower case; several values of one name on lines of their own.
    pub headers: BTreeMap<String, String>,
    /// The redirects on the way there, oldest first.
    pub hops: Vec<Hop>,
    /// The address that the page has now.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its text as a person sees it, 4096 characters at most.
    pub text: String,
}

/// One redirect.
#[derive(Debug, Clone, Deserialize)]
pub struct Hop {
    /// What was asked for.
    pub url: String,
    /// The status of the answer.
    pub status: Option<u16>,
}

/// What a script of the page sees of an answer to its `fetch`.
#[derive(Debug, Clone, Deserialize)]
pub struct Fetched {
    /// The status; 0 where the script may not see it.
    pub status: u16,
    /// `basic`, `cors`, `opaqueredirect`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// The address of the last answer.
    pub url: String,
    /// Its headers that the script may see, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body, 4096 characters at most.
    pub text: String,
}

/// A cookie that the browser keeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The host it is for; with a dot before it when subdomains get it as well.
    pub domain: String,
    /// The path it is for.
    pub path: String,
    /// When it ends, in seconds since 1970; -1 with the browser.
    pub expires: f64,
    /// Whether scripts don't see it.
    pub http_only: bool,
    /// Whether it goes over TLS only.
    pub secure: bool,
    /// `Strict`, `Lax` or `None`; nothing when the server did not say.
    #[serde(default)]
    pub same_site: Option<String>,
}

/// A cookie to be put into the browser by hand: for the path `/`, over TLS, hidden from scripts.
#[derive(Debug, Clone, Serialize)]
pub struct NewCookie<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
    /// An address of the host it is for.
    pub url: &'a str,
}

impl Page {
    pub(crate) fn new(driver: Arc<Driver>, number: u64) -> Self {
        Self { driver, number }
    }

    /// Goes to an address and on to wherever that leads, until the page is loaded.
    ///
    /// # Errors
    /// As said at [`Page`]; among them `net::ERR_CONNECTION_REFUSED` and its like.
    pub async fn goto(&self, url: &str) -> Result<Shown, Trouble> {
        self.driver.ask("goto", self.with(json!({ "url": url }))).await
    }

    /// Clicks on what a CSS selector names, which has to lead to another page, until that is loaded.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn click(&self, selector: &str) -> Result<Shown, Trouble> {
        self.driver.ask("click", self.with(json!({ "selector": selector }))).await
    }

    /// Writes into the field that a CSS selector names.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn fill(&self, selector: &str, value: &str) -> Result<(), Trouble> {
        self.driver.ask("fill", self.with(json!({ "selector": selector, "value": value }))).await
    }

    /// Fills the identity provider's log-in form, which the page shows, and sends it.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn log_in_as(&self, account: &str) -> Result<Shown, Trouble> {
        self.fill("input[name=login]", account).await?;
        self.click("button[type=submit]").await
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn reload(&self) -> Result<Shown, Trouble> {
        self.driver.ask("reload", self.with(json!({}))).await
    }

    /// Goes back to the page before.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn back(&self) -> Result<Shown, Trouble> {
        self.driver.ask("back", self.with(json!({}))).await
    }

    /// Waits until the page's address contains `part`: for pages that go on by themselves.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn wait_for(&self, part: &str) -> Result<Shown, Trouble> {
        self.driver.ask("wait", self.with(json!({ "url": part }))).await
    }

    /// The page's HTML as the browser has it now, 65536 characters at most.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn content(&self) -> Result<String, Trouble> {
        self.driver.ask("content", self.with(json!({}))).await
    }

    /// `fetch(url, init)` as a script of the page does it.
    ///
    /// # Errors
    /// As said at [`Page`]; `Failed to fetch` where the browser refuses, as for another origin.
    pub async fn fetch(&self, url: &str, init: Value) -> Result<Fetched, Trouble> {
        self.driver.ask("fetch", self.with(json!({ "url": url, "init": init }))).await
    }

    /// The cookies that the browser would send to an address, hidden ones included.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn cookies(&self, url: &str) -> Result<Vec<Cookie>, Trouble> {
        self.driver.ask("cookies", self.with(json!({ "url": url }))).await
    }

    /// Puts a cookie into the person's browser.
    ///
    /// # Errors
    /// As said at [`Page`]; the browser refuses a cookie whose name promises what it does not keep.
    pub async fn set_cookie(&self, cookie: &NewCookie<'_>) -> Result<(), Trouble> {
        let mut cookie = json!(cookie);
        if let Some(fields) = cookie.as_object_mut() {
            fields.insert("path".into(), "/".into());
            fields.insert("secure".into(), true.into());
            fields.insert("httpOnly".into(), true.into());
        }
        self.driver.ask("set_cookie", self.with(json!({ "cookie": cookie }))).await
    }

    /// Takes a cookie out of the person's browser.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn delete_cookie(&self, name: &str, url: &str) -> Result<(), Trouble> {
        self.driver.ask("delete_cookie", self.with(json!({ "name": name, "url": url }))).await
    }

    /// Closes the page; the person's cookies stay.
    ///
    /// # Errors
    /// As said at [`Page`].
    pub async fn close(self) -> Result<(), Trouble> {
        self.driver.ask("close", self.with(json!({}))).await
    }

    fn with(&self, mut words: Value) -> Value {
        if let Some(fields) = words.as_object_mut() {
            fields.insert("page".into(), self.number.into());
        }
        words
    }
}
