//! The stand-in of Fastly's API: held against Fastly's own command line, and to its own word.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod command_line;
mod faults;
mod limits;
mod propagation;

use std::time::Duration;

use countersign_tests::client::{Answer, PATIENCE, Request};
use countersign_tests::fastly_api::{Budget, FastlyApi, Rules, StoreId, TOKEN, Told};
use countersign_tests::trouble::Trouble;
use countersign_tests::viceroy::Items;
use serde_json::{Value, json};

/// A path below a config store.
fn in_config_store(id: &StoreId, rest: &str) -> String {
    format!("/resources/stores/config/{}{rest}", id.text())
}

fn request(method: &str, path: &str, body: &str) -> Request {
    let request = Request::new(method, "api.fastly.example", path).header("Fastly-Key", TOKEN);
    let json = body.starts_with('{');
    let content = if json { "application/json" } else { "application/x-www-form-urlencoded" };
    request.header("Content-Type", content).body(body.as_bytes())
}

async fn try_to(api: &FastlyApi, method: &str, path: &str, body: &str) -> Result<Answer, Trouble> {
    request(method, path, body).send(api.address(), PATIENCE).await
}

/// Status and JSON of the answer.
async fn ask(api: &FastlyApi, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = try_to(api, method, path, body).await.unwrap();
    (answer.status, answer.json())
}

/// A batch of upserts.
fn upserts(items: &[(&str, &str)]) -> String {
    batch(items.iter().map(|(key, value)| json!({ "op": "upsert", "item_key": key, "item_value": value })))
}

fn batch(operations: impl IntoIterator<Item = Value>) -> String {
    json!({ "items": operations.into_iter().collect::<Vec<_>>() }).to_string()
}

fn items(items: &[(&str, &str)]) -> Items {
    items.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn budget(writes: u32, window: Duration) -> Rules {
    Rules { budget: Budget { writes, window, told: Told::OnWrites }, ..Rules::default() }
}
