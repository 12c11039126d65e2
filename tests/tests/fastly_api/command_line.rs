//! Fastly's real command line against the stand-in: what it does is what the store holds afterwards.

use countersign_tests::fastly_api::cli::{FastlyCli, Said};
use countersign_tests::fastly_api::{
    ErrorShape, FastlyApi, Fault, Kind, Matching, Operation, Plan, Rules, SERVICE_ID, StoreId,
};
use serde_json::Value;

use crate::items;

struct Stage {
    api: FastlyApi,
    cli: FastlyCli,
    id: StoreId,
}

impl Stage {
    async fn of(kind: Kind) -> Self {
        let api = FastlyApi::start(Rules::default()).await.unwrap();
        // Its message says what to do; a missing command line must not pass in silence.
        let cli = FastlyCli::find(&api).unwrap_or_else(|trouble| panic!("{trouble}"));
        let id = api.make(kind, "list");
        Self { api, cli, id }
    }

    async fn said(&self, words: &[&str]) -> Said {
        let (group, store) = match words {
            ["service", ..] => (2, vec!["--service-id", SERVICE_ID, "--dictionary-id", self.id.text()]),
            _ => (1, vec!["--store-id", self.id.text()]),
        };
        // The command's own word stands between its group and its flags.
        let (command, flags) = words.split_at(group + 1);
        self.cli.run(&[command, &store, flags].concat()).await.unwrap()
    }

    async fn succeeds(&self, words: &[&str]) -> String {
        let said = self.said(words).await;
        assert!(said.succeeded, "{words:?}: {said:?}");
        said.out
    }

    async fn fails(&self, words: &[&str]) -> String {
        let said = self.said(words).await;
        assert!(!said.succeeded, "{words:?}: {said:?}");
        said.err
    }

    fn writes(&self) -> Vec<(String, Vec<Operation>)> {
        let requests = self.api.requests().into_iter().filter(|request| request.is_write());
        requests.map(|request| (request.method, request.operations)).collect()
    }
}

#[tokio::test]
async fn config_store_entries_are_created_read_updated_and_deleted() {
    let stage = Stage::of(Kind::ConfigStore).await;
    stage.succeeds(&["config-store-entry", "create", "--key", "a/b c", "--value", "1&2=3"]).await;
    stage.succeeds(&["config-store-entry", "update", "--key", "new", "--value", "4", "--upsert"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[("a/b c", "1&2=3"), ("new", "4")]));

    let described = stage.succeeds(&["config-store-entry", "describe", "--key", "a/b c"]).await;
    assert!(described.contains("Value: 1&2=3"), "{described}");
    let listed = stage.succeeds(&["config-store-entry", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[1]["item_key"], "new");
    assert_eq!(listed[1]["store_id"], stage.id.text());

    stage.succeeds(&["config-store-entry", "update", "--key", "new", "--value", "5"]).await;
    stage.succeeds(&["config-store-entry", "delete", "--key", "a/b c"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[("new", "5")]));
}

#[tokio::test]
async fn config_store_entries_are_deleted_all_at_once() {
    let stage = Stage::of(Kind::ConfigStore).await;
    for key in 0..250 {
        stage.api.put_by_hand(&stage.id, &format!("key {key}"), "value");
    }
    stage.succeeds(&["config-store-entry", "delete", "--all", "--auto-yes"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[]));
    // It knows no batch: each of them costs one write.
    assert_eq!(stage.writes().len(), 250);
}

#[tokio::test]
async fn config_stores_are_created_listed_and_described() {
    let stage = Stage::of(Kind::ConfigStore).await;
    let run = async |words: &[&str]| {
        let said = stage.cli.run(words).await.unwrap();
        assert!(said.succeeded, "{said:?}");
        said.out
    };
    run(&["config-store", "create", "--name", "second"]).await;
    let listed: Value = serde_json::from_str(&run(&["config-store", "list", "--json"]).await).unwrap();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|store| store["name"].clone()).collect();
    assert_eq!(names, ["list", "second"]);
    let second = listed[1]["id"].as_str().unwrap();
    assert!(run(&["config-store", "describe", "--store-id", second]).await.contains("second"));
    run(&["config-store", "delete", "--store-id", second]).await;
    assert!(!run(&["config-store", "list"]).await.contains("second"));
}

#[tokio::test]
async fn the_command_line_reports_what_config_stores_refuse() {
    let stage = Stage::of(Kind::ConfigStore).await;
    stage.api.put_by_hand(&stage.id, "there", "1");
    let twice = stage.fails(&["config-store-entry", "create", "--key", "there", "--value", "2"]).await;
    assert!(twice.contains("Duplicate record"), "{twice}");
    let missing = stage.fails(&["config-store-entry", "update", "--key", "gone", "--value", "2"]).await;
    assert!(missing.contains("Record not found"), "{missing}");
    stage.fails(&["config-store-entry", "delete", "--key", "gone"]).await;
    stage.fails(&["config-store-entry", "describe", "--key", "gone"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[("there", "1")]));
}

#[tokio::test]
async fn the_command_line_reports_what_was_planned_to_go_wrong() {
    let stage = Stage::of(Kind::ConfigStore).await;
    let create = ["config-store-entry", "create", "--key", "a", "--value", "1"];
    for (fault, report) in [
        (
            Fault::TooManyRequests { reset_in_seconds: 9 },
            "429 Too Many Requests: You have exceeded your hourly",
        ),
        (
            Fault::Status { status: 500, shape: ErrorShape::Message },
            "500 Internal Server Error: Planned fault",
        ),
        (Fault::Status { status: 503, shape: ErrorShape::Title }, "503 Service Unavailable"),
        (
            Fault::Status { status: 500, shape: ErrorShape::Errors },
            "500 Internal Server Error: Planned fault",
        ),
        (
            Fault::Status { status: 500, shape: ErrorShape::Problem },
            "500 Internal Server Error: Planned fault",
        ),
        (Fault::Status { status: 503, shape: ErrorShape::Html }, "503 Service Unavailable"),
        (Fault::CutBefore, "EOF"),
    ] {
        stage.api.plan(Plan::once(Matching::Writes, fault));
        let said = stage.fails(&create).await;
        assert!(said.contains(report), "{fault:?}: {said}");
        assert!(stage.api.all_plans_struck());
    }
    assert_eq!(stage.api.items(&stage.id), items(&[]));
}

#[tokio::test]
async fn dictionary_entries_are_created_read_updated_and_deleted() {
    let stage = Stage::of(Kind::Dictionary).await;
    stage.succeeds(&["service", "dictionary-entry", "create", "--key", "a", "--value", "1"]).await;
    stage.succeeds(&["service", "dictionary-entry", "create", "--key", "b/ c", "--value", "2"]).await;
    // Its update is an upsert.
    stage.succeeds(&["service", "dictionary-entry", "update", "--key", "a", "--value", "3"]).await;
    stage.succeeds(&["service", "dictionary-entry", "update", "--key", "d", "--value", "4"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[("a", "3"), ("b/ c", "2"), ("d", "4")]));

    let described = stage.succeeds(&["service", "dictionary-entry", "describe", "--key", "b/ c"]).await;
    assert!(described.contains("Item Value: 2"), "{described}");
    stage.succeeds(&["service", "dictionary-entry", "delete", "--key", "b/ c"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[("a", "3"), ("d", "4")]));
    let missing = stage.fails(&["service", "dictionary-entry", "delete", "--key", "b/ c"]).await;
    assert!(missing.contains("Record not found"), "{missing}");
}

#[tokio::test]
async fn dictionary_entries_are_listed_page_by_page() {
    let stage = Stage::of(Kind::Dictionary).await;
    for key in 0..250 {
        stage.api.put_by_hand(&stage.id, &format!("{key:03}"), "value");
    }
    let listed = stage.succeeds(&["service", "dictionary-entry", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let keys: Vec<_> = listed.as_array().unwrap().iter().map(|item| item["ItemKey"].clone()).collect();
    assert_eq!(keys, (0..250).map(|key| format!("{key:03}")).collect::<Vec<_>>());
    let pages = stage.api.requests().iter().filter(|request| request.path.ends_with("/items")).count();
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_file_of_dictionary_entries_is_one_batch() {
    let stage = Stage::of(Kind::Dictionary).await;
    stage.api.put_by_hand(&stage.id, "updated", "1");
    stage.api.put_by_hand(&stage.id, "deleted", "1");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batch.json");
    let content = r#"{"items": [
        {"op": "create", "item_key": "created", "item_value": "2"},
        {"op": "update", "item_key": "updated", "item_value": "3"},
        {"op": "upsert", "item_key": "upserted", "item_value": "4"},
        {"op": "delete", "item_key": "deleted"}
    ]}"#;
    std::fs::write(&file, content).unwrap();
    let update = ["service", "dictionary-entry", "update", "--file", file.to_str().unwrap()];
    stage.succeeds(&update).await;
    let after = items(&[("created", "2"), ("updated", "3"), ("upserted", "4")]);
    assert_eq!(stage.api.items(&stage.id), after);
    let [(method, operations)] = stage.writes().try_into().unwrap();
    assert_eq!((method.as_str(), operations.len()), ("PATCH", 4));

    // The second time, `created` is there already, and nothing of the batch is done.
    let twice = stage.fails(&update).await;
    assert!(twice.contains("Duplicate record"), "{twice}");
    assert_eq!(stage.api.items(&stage.id), after);
}

#[tokio::test]
async fn a_write_only_dictionary_takes_entries_and_shows_none() {
    let stage = Stage::of(Kind::WriteOnlyDictionary).await;
    stage.succeeds(&["service", "dictionary-entry", "update", "--key", "a", "--value", "1"]).await;
    let refused = stage.fails(&["service", "dictionary-entry", "list"]).await;
    assert!(refused.contains("write_only"), "{refused}");
    stage.fails(&["service", "dictionary-entry", "describe", "--key", "a"]).await;
    assert_eq!(stage.api.items(&stage.id), items(&[("a", "1")]));
}
