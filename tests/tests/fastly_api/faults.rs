//! Every fault that can be planned: what its client sees, and what was done.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_tests::fastly_api::{ErrorShape, FastlyApi, Fault, Kind, Matching, Plan, Rules, StoreId};
use countersign_tests::trouble::Trouble;
use serde_json::json;

use crate::{ask, in_config_store, items, try_to, upserts};

const BATCH: [(&str, &str); 3] = [("a", "1"), ("b", "2"), ("c", "3")];

async fn with(plan: Plan) -> (FastlyApi, StoreId) {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    api.plan(plan);
    (api, store)
}

#[tokio::test]
async fn too_many_requests() {
    let fault = Fault::TooManyRequests { reset_in_seconds: 30 };
    let (api, store) = with(Plan::once(Matching::Batches, fault).times(2)).await;
    let path = in_config_store(&store, "/items");
    for _ in 0..2 {
        let answer = try_to(&api, "PATCH", &path, &upserts(&BATCH)).await.unwrap();
        assert_eq!((answer.status, answer.header("Fastly-RateLimit-Remaining")), (429, Some("0")));
        let reset: u64 = answer.header("Fastly-RateLimit-Reset").unwrap().parse().unwrap();
        let left = reset - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((25..=30).contains(&left), "{left}");
    }
    assert_eq!(api.items(&store), items(&[]));
    assert!(api.all_plans_struck());
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&BATCH)).await.0, 200);
}

#[tokio::test]
async fn errors_in_every_shape() {
    let (api, store) = with(Plan::once(Matching::Every, Fault::CutBefore).times(0)).await;
    let path = in_config_store(&store, "/items");
    for (status, shape, pointer) in [
        (500, ErrorShape::Message, "/msg"),
        (503, ErrorShape::Title, "/title"),
        (500, ErrorShape::Errors, "/errors/0/detail"),
        (502, ErrorShape::Problem, "/type"),
        (503, ErrorShape::Html, ""),
    ] {
        api.plan(Plan::once(Matching::Writes, Fault::Status { status, shape }));
        let (answered, body) = ask(&api, "PATCH", &path, &upserts(&BATCH)).await;
        assert_eq!(answered, status);
        // The answer of a proxy is no JSON at all.
        assert!(body.pointer(pointer).is_some_and(|said| said.is_string() || shape == ErrorShape::Html));
        assert_eq!(body.is_null(), shape == ErrorShape::Html);
    }
    assert_eq!(api.items(&store), items(&[]));
}

#[tokio::test]
async fn the_connection_is_cut_at_three_points() {
    for (fault, done) in [
        (Fault::CutBefore, items(&[])),
        (Fault::CutAfter { operations: 0 }, items(&[])),
        (Fault::CutAfter { operations: 2 }, items(&BATCH[..2])),
        (Fault::CutBeforeAnswer, items(&BATCH)),
    ] {
        let (api, store) = with(Plan::once(Matching::Batches, fault)).await;
        let path = in_config_store(&store, "/items");
        let answer = try_to(&api, "PATCH", &path, &upserts(&BATCH)).await;
        assert!(matches!(answer, Err(Trouble::NoAnswer { .. })), "{answer:?}");
        assert_eq!(api.items(&store), done, "{fault:?}");
        let recorded = api.requests().pop().unwrap();
        assert_eq!((recorded.status, recorded.fault, recorded.operations.len()), (None, Some(fault), 3));
        // The next one is served again.
        assert_eq!(ask(&api, "PATCH", &path, &upserts(&BATCH)).await.0, 200);
    }
}

#[tokio::test]
async fn an_update_is_lost() {
    let (api, store) = with(Plan::once(Matching::Writes, Fault::Lost)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    api.mirror(&store, file.clone()).unwrap();
    let path = in_config_store(&store, "/items");
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&BATCH)).await, (200, json!({ "status": "ok" })));
    assert_eq!(api.items(&store), items(&[]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&BATCH)).await.0, 200);
    assert_eq!(api.items(&store), items(&BATCH));
    assert_ne!(std::fs::read_to_string(&file).unwrap(), "{}");
}

#[tokio::test]
async fn an_answer_is_late() {
    let delay = Duration::from_millis(300);
    let (api, store) = with(Plan::once(Matching::Writes, Fault::Slow { delay })).await;
    let path = in_config_store(&store, "/items");
    let started = Instant::now();
    let body = upserts(&BATCH);
    let write = async { (ask(&api, "PATCH", &path, &body).await, started.elapsed()) };
    let read = async {
        // Others are served meanwhile, and see what was done.
        while api.items(&store).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let read = ask(&api, "GET", &path, "").await;
        (read, started.elapsed())
    };
    let (((status, _), written_after), ((_, listed), read_after)) = tokio::join!(write, read);
    assert_eq!((status, listed.as_array().unwrap().len()), (200, 3));
    assert!(written_after >= delay && read_after < written_after, "{read_after:?} {written_after:?}");
}

#[tokio::test]
async fn an_answer_trickles() {
    let fault = Fault::Trickle { piece: 20, pause: Duration::from_millis(10) };
    let (api, store) = with(Plan::once(Matching::Reads, fault)).await;
    api.put_by_hand(&store, "a", &"x".repeat(400));
    let answer = try_to(&api, "GET", &in_config_store(&store, "/items"), "").await.unwrap();
    assert_eq!(answer.json()[0]["item_key"], "a");
    assert!(answer.took >= Duration::from_millis(200), "{:?}", answer.took);
}

#[tokio::test]
async fn an_answer_is_garbage() {
    let (api, store) = with(Plan::once(Matching::Every, Fault::Garbage).times(2)).await;
    let path = in_config_store(&store, "/items");
    for (method, body) in [("PATCH", upserts(&BATCH)), ("GET", String::new())] {
        let answer = try_to(&api, method, &path, &body).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, json!(null)));
    }
    assert_eq!(api.items(&store), items(&BATCH));
}

#[tokio::test]
async fn a_plan_strikes_only_what_it_means_and_as_often_as_it_says() {
    let (api, store) = with(
        Plan::once(
            Matching::Request { method: "PUT", path: "/resources/stores/config/".into() },
            Fault::Status { status: 503, shape: ErrorShape::Message },
        )
        .after(1)
        .times(2),
    )
    .await;
    let put = in_config_store(&store, "/item/a");
    let statuses = async |method: &str, count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(ask(&api, method, &put, "item_value=1").await.0);
        }
        statuses
    };
    assert_eq!(statuses("PUT", 2).await, [200, 503]);
    assert_eq!(statuses("PATCH", 2).await, [200, 200]);
    assert!(!api.all_plans_struck());
    assert_eq!(statuses("PUT", 2).await, [503, 200]);
    assert!(api.all_plans_struck());

    api.plan(Plan::once(Matching::Every, Fault::CutBefore));
    api.forget_plans();
    assert_eq!(statuses("PUT", 1).await, [200]);
}
