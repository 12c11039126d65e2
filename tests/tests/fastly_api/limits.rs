//! What the stand-in refuses, and in which words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_tests::client::{PATIENCE, Request};
use countersign_tests::fastly_api::{
    Budget, FailingBatch, FastlyApi, Kind, MAX_BODY, MAX_CONFIG_STORE_ITEMS, MAX_DICTIONARY_ITEMS, MAX_KEY,
    MAX_OPERATIONS, MAX_VALUE, Rules, SERVICE_ID, Told,
};
use serde_json::json;

use crate::{ask, batch, budget, in_config_store, items, request, try_to, upserts};

#[tokio::test]
async fn only_the_token_opens() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let path = in_config_store(&store, "/item/a");
    let without = Request::new("DELETE", "api.fastly.example", &path);
    for request in [without.clone(), without.header("Fastly-Key", "another")] {
        let answer = request.send(api.address(), PATIENCE).await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json(), json!({ "msg": "Provided credentials are missing or invalid" }));
        // It costs the token nothing.
        assert_eq!(answer.header("Fastly-RateLimit-Remaining"), None);
    }
}

#[tokio::test]
async fn items_of_a_config_store_have_the_documented_shapes() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let path = |rest: &str| in_config_store(&store, rest);
    let (status, created) = ask(&api, "POST", &path("/item"), "item_key=a&item_value=1+2").await;
    // 200 and not 201.
    assert_eq!((status, &created["item_value"], &created["deleted_at"]), (200, &json!("1 2"), &json!(null)));
    assert!(created["created_at"].as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')));
    assert_eq!(ask(&api, "GET", &path("/items"), "").await, (200, json!([created])));
    assert_eq!(ask(&api, "DELETE", &path("/item/a"), "").await, (200, json!({ "status": "ok" })));
    let (status, missing) = ask(&api, "GET", &path("/item/a"), "").await;
    assert_eq!((status, &missing["msg"]), (404, &json!("Record not found")));
    assert!(missing["detail"].is_string());
    let batch = upserts(&[("a", "1")]);
    assert_eq!(ask(&api, "PATCH", &path("/items"), &batch).await, (200, json!({ "status": "ok" })));
    let (status, twice) = ask(&api, "POST", &path("/item"), "item_key=a&item_value=1").await;
    assert_eq!((status, &twice["msg"]), (409, &json!("Duplicate record")));
    let elsewhere = "/resources/stores/config/nowhere/items";
    assert_eq!(ask(&api, "GET", elsewhere, "").await, (404, json!({ "msg": "Record not found" })));
    // A dictionary is not found among the config stores.
    let dictionary = api.make(Kind::Dictionary, "d");
    assert_eq!(ask(&api, "GET", &in_config_store(&dictionary, "/items"), "").await.0, 404);
}

#[tokio::test]
async fn bodies_come_in_chunks_too_and_connections_are_kept() {
    use countersign_tests::client::{AnswerReader, connect};
    use tokio::io::AsyncWriteExt as _;

    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let mut stream = connect(std::net::Ipv4Addr::LOCALHOST, api.address()).await.unwrap();
    let mut reader = AnswerReader::default();
    for value in ["1", "2"] {
        let body = upserts(&[("a", value)]);
        let chunked = request("PATCH", &in_config_store(&store, "/items"), "")
            .header("Transfer-Encoding", "chunked")
            .header("Expect", "100-continue");
        let (first, second) = body.split_at(7);
        let chunks = format!("7\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len());
        stream.write_all(&chunked.bytes()).await.unwrap();
        stream.write_all(chunks.as_bytes()).await.unwrap();
        assert_eq!(reader.read(&mut stream, "PATCH").await.unwrap().0, 200);
        assert_eq!(api.items(&store), items(&[("a", value)]));
    }
}

#[tokio::test]
async fn a_store_holds_so_many_items_and_no_more() {
    for (kind, limit) in
        [(Kind::ConfigStore, MAX_CONFIG_STORE_ITEMS), (Kind::Dictionary, MAX_DICTIONARY_ITEMS)]
    {
        let api = FastlyApi::start(Rules::default()).await.unwrap();
        let store = api.make(kind, "list");
        let path = match kind {
            Kind::ConfigStore => in_config_store(&store, ""),
            _ => format!("/service/{SERVICE_ID}/dictionary/{}", store.text()),
        };
        let operation = |key: usize| json!({ "op": "upsert", "item_key": key.to_string(), "item_value": "" });
        let full = batch((0..limit).map(operation));
        assert_eq!(ask(&api, "PATCH", &format!("{path}/items"), &full).await.0, 200);
        // Again: what is there may be written, in a full store too.
        assert_eq!(ask(&api, "PATCH", &format!("{path}/items"), &full).await.0, 200);
        let one_more = batch([operation(0), operation(limit)]);
        assert_eq!(ask(&api, "PATCH", &format!("{path}/items"), &one_more).await.0, 400);
        assert_eq!(ask(&api, "POST", &format!("{path}/item"), "item_key=x&item_value=1").await.0, 400);
        assert_eq!(api.items(&store).len(), limit);
    }
}

#[tokio::test]
async fn keys_and_values_have_their_length_in_characters() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let path = in_config_store(&store, "/items");
    let (key, value) = ("é".repeat(MAX_KEY), "é".repeat(MAX_VALUE));
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&[(&key, &value)])).await.0, 200);
    for (key, value) in [(format!("{key}x"), "1"), (String::new(), "1"), ("a".into(), &format!("{value}x"))] {
        assert_eq!(ask(&api, "PATCH", &path, &upserts(&[(&key, value)])).await.0, 400);
    }
    assert_eq!(api.items(&store), items(&[(&key, &value)]));
}

#[tokio::test]
async fn a_batch_has_so_many_operations_and_bytes() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let path = in_config_store(&store, "/items");
    let same = |_| json!({ "op": "upsert", "item_key": "a", "item_value": "1" });
    assert_eq!(ask(&api, "PATCH", &path, &batch((0..MAX_OPERATIONS).map(same))).await.0, 200);
    let (status, body) = ask(&api, "PATCH", &path, &batch((0..=MAX_OPERATIONS).map(same))).await;
    let message = "You can't have more than 1000 items in one batch operation";
    assert_eq!((status, body), (400, json!({ "msg": message })));

    let value = "x".repeat(MAX_VALUE);
    let large = |count| {
        batch((0..count).map(|_| json!({ "op": "upsert", "item_key": "large", "item_value": value })))
    };
    let (fits, fits_not) = (large(129), large(140));
    assert!(fits.len() <= MAX_BODY && MAX_BODY < fits_not.len());
    assert_eq!(ask(&api, "PATCH", &path, &fits).await.0, 200);
    assert_eq!(ask(&api, "PATCH", &path, &fits_not).await.0, 413);
    let recorded = api.requests().pop().unwrap();
    assert_eq!((recorded.bytes, recorded.operations.len()), (fits_not.len(), 0));
}

#[tokio::test]
async fn a_batch_that_fails_does_nothing_or_stops_there() {
    for (failing_batch, left) in [
        (FailingBatch::DoesNothing, items(&[("there", "1")])),
        (FailingBatch::StopsThere, items(&[("first", "2"), ("there", "1")])),
    ] {
        let api = FastlyApi::start(Rules { failing_batch, ..Rules::default() }).await.unwrap();
        let store = api.make(Kind::ConfigStore, "list");
        api.put_by_hand(&store, "there", "1");
        let operations = [
            json!({ "op": "create", "item_key": "first", "item_value": "2" }),
            json!({ "op": "delete", "item_key": "gone", "item_value": null }),
            json!({ "op": "delete", "item_key": "there" }),
        ];
        let (status, body) = ask(&api, "PATCH", &in_config_store(&store, "/items"), &batch(operations)).await;
        let detail = "-102 dictionary_item(s) for delete not found";
        assert_eq!((status, &body["detail"]), (400, &json!(detail)));
        assert_eq!(api.items(&store), left);
    }
}

#[tokio::test]
async fn what_is_no_batch_changes_nothing() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let without_value = r#"{"items":[{"op":"update","item_key":"a","item_value":null}]}"#;
    let unknown = r#"{"items":[{"op":"replace","item_key":"a","item_value":"1"}]}"#;
    for body in ["", "{", "{}", without_value, unknown] {
        assert_eq!(ask(&api, "PATCH", &in_config_store(&store, "/items"), body).await.0, 400, "{body}");
    }
    assert_eq!(ask(&api, "POST", &in_config_store(&store, "/items"), "").await.0, 404);
    assert_eq!(api.items(&store), items(&[]));
}

#[tokio::test]
async fn writes_are_counted_until_the_reset_and_reads_are_free() {
    let api = FastlyApi::start(budget(2, Duration::from_secs(3))).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let path = in_config_store(&store, "/items");
    let mut reset = 0;
    for (value, remaining) in [("1", "1"), ("2", "0")] {
        let answer = try_to(&api, "PATCH", &path, &upserts(&[("a", value)])).await.unwrap();
        assert_eq!((answer.status, answer.header("Fastly-RateLimit-Remaining")), (200, Some(remaining)));
        reset = answer.header("Fastly-RateLimit-Reset").unwrap().parse().unwrap();
    }
    let refused = try_to(&api, "PATCH", &path, &upserts(&[("a", "3")])).await.unwrap();
    assert_eq!((refused.status, refused.header("Fastly-RateLimit-Remaining")), (429, Some("0")));
    assert_eq!(refused.header("Fastly-RateLimit-Reset"), Some(reset.to_string().as_str()));
    assert_eq!(api.items(&store), items(&[("a", "2")]));
    let read = try_to(&api, "GET", &path, "").await.unwrap();
    assert_eq!((read.status, read.header("Fastly-RateLimit-Remaining")), (200, None));

    let until = UNIX_EPOCH + Duration::from_secs(reset);
    tokio::time::sleep(until.duration_since(SystemTime::now()).unwrap_or_default()).await;
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&[("a", "3")])).await.0, 200);
    let counts =
        api.requests().iter().filter(|request| request.is_write() && request.status == Some(200)).count();
    assert_eq!(counts, 3);
}

#[tokio::test]
async fn what_is_left_may_go_untold() {
    for (told, on_config_store, on_dictionary) in
        [(Told::OnDictionaryWrites, false, true), (Told::Never, false, false)]
    {
        let rules = Rules { budget: Budget { told, ..Budget::default() }, ..Rules::default() };
        let api = FastlyApi::start(rules).await.unwrap();
        let (store, dictionary) = (api.make(Kind::ConfigStore, "list"), api.make(Kind::Dictionary, "d"));
        let dictionary = format!("/service/{SERVICE_ID}/dictionary/{}/items", dictionary.text());
        for (path, expected) in
            [(in_config_store(&store, "/items"), on_config_store), (dictionary, on_dictionary)]
        {
            let answer = try_to(&api, "PATCH", &path, &upserts(&[("a", "1")])).await.unwrap();
            assert_eq!(answer.header("Fastly-RateLimit-Remaining").is_some(), expected, "{told:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_long_dictionary_is_chained_by_links() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let dictionary = api.make(Kind::Dictionary, "list");
    for key in 0..5 {
        api.put_by_hand(&dictionary, &key.to_string(), "1");
    }
    let path = format!("/service/{SERVICE_ID}/dictionary/{}/items", dictionary.text());
    assert_eq!(ask(&api, "GET", &path, "").await.1.as_array().unwrap().len(), 5);
    for (page, length, linked) in [(1, 2, true), (2, 2, true), (3, 1, false), (4, 0, false)] {
        let answer = try_to(&api, "GET", &format!("{path}?page={page}&per_page=2"), "").await.unwrap();
        assert_eq!(answer.json().as_array().unwrap().len(), length);
        assert_eq!(answer.header("Link").is_some(), linked);
    }
}
