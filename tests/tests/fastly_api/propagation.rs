//! What Viceroy would see of a store.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_tests::fastly_api::{FastlyApi, Kind, Rules};
use countersign_tests::viceroy::Items;

use crate::{ask, in_config_store, items, upserts};

fn seen(file: &Path) -> Items {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn the_file_has_what_was_written_before_the_answer_comes() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    api.put_by_hand(&store, "foreign", "0");
    api.mirror(&store, file.clone()).unwrap();
    assert_eq!(seen(&file), items(&[("foreign", "0")]));
    let path = in_config_store(&store, "/items");
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&[("a", "1")])).await.0, 200);
    assert_eq!(seen(&file), items(&[("a", "1"), ("foreign", "0")]));
    api.empty_by_hand(&store);
    assert_eq!(seen(&file), items(&[]));
    // Nothing but the file is left beside it.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_file_follows_after_the_delay_and_never_goes_back() {
    let api = FastlyApi::start(Rules::default()).await.unwrap();
    let store = api.make(Kind::ConfigStore, "list");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    api.mirror(&store, file.clone()).unwrap();
    let path = in_config_store(&store, "/items");

    let delay = Duration::from_millis(300);
    api.propagate_after(delay);
    let started = Instant::now();
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&[("a", "1")])).await.0, 200);
    assert_eq!(api.items(&store), items(&[("a", "1")]));
    while seen(&file).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(started.elapsed() >= delay);

    assert_eq!(ask(&api, "PATCH", &path, &upserts(&[("a", "2")])).await.0, 200);
    api.propagate_after(Duration::ZERO);
    assert_eq!(ask(&api, "PATCH", &path, &upserts(&[("a", "3")])).await.0, 200);
    assert_eq!(seen(&file), items(&[("a", "3")]));
    tokio::time::sleep(delay * 2).await;
    assert_eq!(seen(&file), items(&[("a", "3")]));
}
