//! `countersign keys remove`

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Output;

use serde_json::Value;

use crate::stage::{Stage, a_day, mac_key, records, text};

fn remove(stage: &Stage, role: &str, kid: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["keys", "remove", "--role", role, "--kid", kid];
    if role == "session" {
        arguments.extend(["--file", "session-keys"]);
    }
    arguments.extend(more);
    stage.run(&stage.with_sources(&arguments))
}

/// Refused with exit status 1 and this message, and nothing changed.
fn stays(stage: &Stage, role: &str, kid: &str, more: &[&str], expected: &str) {
    let files = ["assertion.jwks.json", "secrets.json", "receipt-keys", "list-keys", "session-keys"];
    let before = files.map(|name| stage.read(name));
    let refused = remove(stage, role, kid, more);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{role} {kid}: {said}");
    assert!(said.contains(expected), "{role} {kid}: {said}\nexpected {expected}");
    assert_eq!(files.map(|name| stage.read(name)), before, "{role} {kid}");
}

fn kids(stage: &Stage, name: &str) -> Vec<String> {
    let set: Value = serde_json::from_str(&stage.read(name)).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_key_that_is_over_is_taken_out_of_the_file_that_the_settings_name() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    for (role, kid, name, next) in [
        ("assertion", "k1", "assertion.jwks.json", &["SIGHUP", "--name assertion-key"][..]),
        ("assertion", "h1", "secrets.json", &["SIGHUP"]),
        ("receipt", "r1", "receipt-keys", &["SIGHUP", "--name receipt-key"]),
        ("list", "l1", "list-keys", &["restart countersign-publish", "--name list-key"]),
        ("session", "s1", "session-keys", &["--name session-key --file session-keys"]),
    ] {
        let removed = remove(&stage, role, kid, &[]);
        let said = text(&removed.stdout);
        assert_eq!(removed.status.code(), Some(0), "{role}: {}", text(&removed.stderr));
        assert!(said.starts_with(&format!("{role} key `{kid}` is out of {name}\n")), "{said}");
        for next in next {
            assert!(said.contains(next), "{next} in {said}");
        }
    }
    assert_eq!(kids(&stage, "assertion.jwks.json"), ["k2", "k3"]);
    assert_eq!(kids(&stage, "secrets.json"), ["h2"]);
    assert!(stage.read("assertion.jwks.json").contains("\"of\": \"www\""), "what else is there stays");
    assert_eq!(stage.read("receipt-keys"), mac_key("r2") + "\n");
    assert_eq!(stage.read("list-keys"), mac_key("l2") + "\n");
    assert_eq!(stage.read("session-keys"), format!("{} {}", mac_key("s2"), mac_key("s3")));
    // What is left is what an agent starts with.
    let checked = stage.run(&["check", "--settings", "countersign.toml"]);
    assert!(!text(&checked.stderr).contains("jwks"), "{}", text(&checked.stderr));
}

#[test]
fn the_file_keeps_its_mode_and_owner_its_link_and_leaves_nothing_beside() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    std::fs::create_dir(stage.path("shared")).unwrap();
    std::fs::rename(stage.path("receipt-keys"), stage.path("shared/keys")).unwrap();
    std::os::unix::fs::symlink("shared/keys", stage.path("receipt-keys")).unwrap();
    let file = stage.path("shared/keys");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = file.metadata().unwrap();
    assert!(remove(&stage, "receipt", "r1", &[]).status.success());
    let after = file.metadata().unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "whoever reads meanwhile has the old file, whole");
    assert!(stage.path("receipt-keys").is_symlink());
    assert_eq!(std::fs::read_dir(stage.path("shared")).unwrap().count(), 1);
}

#[test]
fn a_key_that_may_be_needed_stays_and_it_is_said_why_and_until_when() {
    let stage = Stage::new();
    // Whatever signs for a service stays for that alone.
    stage.write("countersign.toml", &stage.read("countersign.toml").replace("k3", "k9"));
    stage.write(
        "records.jsonl",
        &records(&[
            ("edge", 3600, r#""kid":"k1","session_kid":"s1","receipt_kid":"r1","list_kid":"l1""#),
            ("edge", 30, r#""kid":"k1","session_kid":"s1","receipt_kid":"r1","list_kid":"l1""#),
            ("edge", 29, r#""kid":"k2","session_kid":"s2","receipt_kid":"r2","list_kid":"l2""#),
            ("edge", 1, r#""kid":"k2","session_kid":"s2","receipt_kid":"r2","list_kid":"l2""#),
        ]),
    );
    for (role, kid, expected) in [
        (
            "assertion",
            "k1",
            "`k1` stays in assertion.jwks.json: safe after 2026-01-02T03:04:46.000Z: `k2` has taken over; --force",
        ),
        (
            "assertion",
            "k2",
            "`k2` stays in assertion.jwks.json: in use: settings.json (`assertion_key`) names it",
        ),
        (
            "assertion",
            "k3",
            "no record names it: not safe until `k2` has been used until 2026-01-02T03:04:47.000Z",
        ),
        ("receipt", "r1", "safe after 2026-01-02T03:04:35.000Z"),
        ("receipt", "r2", "in use: no other key was used later"),
        ("list", "l1", "safe after 2026-01-02T03:05:35.000Z"),
        ("session", "s1", "safe after 2026-01-02T03:13:45.000Z"),
    ] {
        stays(&stage, role, kid, &[], expected);
    }
    stage.write("records.jsonl", "");
    stays(&stage, "assertion", "k1", &[], "unknown: no records");
    stage.write("records.jsonl", &records(&[("edge", 30, r#""kid":"k1""#), ("edge", 1, r#""kid":"k2""#)]));
    stays(&stage, "assertion", "k1", &[], "unknown: records cover only 2026-01-02T03:03:35.000Z to");
}

/// An agent whose settings name a key that isn't there doesn't start.
#[test]
fn a_key_that_signs_for_a_service_stays_until_the_settings_say_otherwise() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    stage.write("countersign.toml", &stage.read("countersign.toml").replace("k3", "k1"));
    for more in [&[][..], &["--force"]] {
        let expected = "service `edge-www` in countersign.toml names it";
        stays(&stage, "assertion", "k1", more, expected);
    }
    stage.write("countersign.toml", &stage.read("countersign.toml").replace("k1", "k2"));
    assert!(remove(&stage, "assertion", "k1", &[]).status.success());
}

#[test]
fn force_takes_a_key_out_whatever_records_say() {
    let stage = Stage::new();
    stage.write("records.jsonl", &records(&[("edge", 1, r#""kid":"k2","receipt_kid":"r1""#)]));
    stays(&stage, "receipt", "r1", &[], "in use: no other key was used later; --force takes it out");
    assert!(remove(&stage, "receipt", "r1", &["--force"]).status.success());
    assert_eq!(stage.read("receipt-keys"), mac_key("r2") + "\n");
    // A stolen key has to go from the agents even while the edge signs with it.
    let removed = remove(&stage, "assertion", "k2", &["--force"]);
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    assert_eq!(kids(&stage, "assertion.jwks.json"), ["k1", "k3"]);
}

#[test]
fn the_last_key_and_the_one_that_things_are_made_with_stay_even_with_force() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    for more in [&[][..], &["--force"]] {
        stays(&stage, "list", "l2", more, "`l2` stays: publish.toml (`edge.list_key`) names it");
        stays(&stage, "session", "s2", more, "`s2` stays: settings.json (`session_key`) names it");
    }
    stage.write("receipt-keys", &mac_key("r1"));
    for more in [&[][..], &["--force"]] {
        stays(&stage, "receipt", "r1", more, "receipt-keys: `r1` is its only key");
    }
    assert!(remove(&stage, "assertion", "h1", &["--force"]).status.success());
    stays(&stage, "assertion", "h2", &["--force"], "secrets.json: `h2` is its only key");
}

#[test]
fn a_key_that_is_not_there_and_a_file_that_is_not_named_are_said() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    stays(
        &stage,
        "assertion",
        "k7",
        &[],
        "assertion.jwks.json: no assertion key `k7` is in it: expected one of `k1`, `k2`, `k3`",
    );
    let without = stage.run(&["keys", "remove", "--role", "list", "--kid", "l1"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(text(&without.stderr).contains("expected --publish-settings"), "{}", text(&without.stderr));
    for usage in [
        &["keys", "remove", "--role", "session", "--kid", "s1"][..],
        &["keys", "remove", "--role", "token", "--kid", "t1"],
        &["keys", "remove", "--role", "assertion", "--kid", "no kid"],
        &["keys", "status", "--now", "yesterday"],
    ] {
        assert_eq!(stage.run(usage).status.code(), Some(2), "{usage:?}");
    }
}

#[test]
fn no_key_is_printed() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    let mut said = String::new();
    for (role, kid) in
        [("session", "s1"), ("session", "s2"), ("receipt", "r1"), ("list", "l1"), ("assertion", "h1")]
    {
        let removed = remove(&stage, role, kid, &[]);
        said.push_str(&(text(&removed.stdout) + &text(&removed.stderr)));
    }
    stage.write("receipt-keys", &"A".repeat(43));
    let refused = remove(&stage, "receipt", "r2", &[]);
    assert_eq!(refused.status.code(), Some(1));
    said.push_str(&text(&refused.stderr));
    assert!(!said.contains(&"A".repeat(8)), "{said}");
}
