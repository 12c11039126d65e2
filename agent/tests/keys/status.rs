//! `countersign keys status`

use std::borrow::Cow;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use countersign_contract::record::DecisionRecord;
use serde_json::Value;

use crate::stage::{NOW_TEXT, Stage, a_day, record, records, text};

/// The lines of a key, its own and those below it.
fn lines_of(said: &str, key: &str) -> Vec<String> {
    let mut lines = said.lines().skip_while(|line| !line.starts_with(key));
    let first = lines.next().unwrap_or_else(|| panic!("{key} in {said}"));
    let below = lines.take_while(|line| line.starts_with(' '));
    std::iter::once(first).chain(below).map(str::to_owned).collect()
}

#[test]
fn every_key_is_shown_with_where_it_is_configured_its_use_and_how_it_stands() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    let status = stage.run(&stage.with_sources(&["keys", "status"]));
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    let said = text(&status.stdout);
    assert!(said.starts_with("7 records, as of 2026-01-02T03:04:05.000Z\n"), "{said}");
    assert_eq!(
        lines_of(&said, "assertion `k1`"),
        [
            "assertion `k1`: safe now: since 2026-01-02T02:05:17.000Z; `k2` has taken over",
            "  configured in assertion.jwks.json (`assertion.keys`)",
            "  edge  2026-01-01T03:04:05.000Z to 2026-01-02T02:04:05.000Z",
            "  agent 2026-01-02T02:04:06.000Z to 2026-01-02T02:04:06.000Z",
        ]
    );
    for (key, standing) in [
        ("assertion `k2`", "in use: settings.json (`assertion_key`) names it"),
        (
            "assertion `k3`",
            "no record names it: safe now unless it is the next one, `k2` has been used since 2026-01-02T02:04:07.000Z",
        ),
        ("assertion `h1`", "no record names it: safe now"),
        ("session `s1`", "safe now: since 2026-01-02T02:14:15.000Z; `s2` has taken over"),
        ("session `s2`", "in use: settings.json (`session_key`) names it"),
        ("receipt `r1`", "safe now: since 2026-01-02T02:05:05.000Z; `r2` has taken over"),
        ("receipt `r2`", "in use: no other key was used later"),
        ("list `l1`", "safe now: since 2026-01-02T02:06:05.000Z; `l2` has taken over"),
        ("list `l2`", "in use: publish.toml (`edge.list_key`) names it"),
        ("token `t1`", "another key was used later: the identity provider's, nothing to remove here"),
        ("token `t2`", "in use: the identity provider's, nothing to remove here"),
    ] {
        let line = &lines_of(&said, key)[0];
        assert!(line.starts_with(&format!("{key}: {standing}")), "{line}\n{standing}");
    }
    assert!(said.contains("configured in receipt-keys (`receipt.keys`)"), "{said}");
    assert!(said.contains("configured in list-keys (`edge.list_keys`)"), "{said}");
    assert!(said.contains("configured in secrets.json (`assertion.shared_secrets`)"), "{said}");
}

#[test]
fn json_says_the_same_for_programs() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    let status = stage.run(&stage.with_sources(&["keys", "status", "--json"]));
    let said: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(said["now"], "2026-01-02T03:04:05.000Z");
    assert_eq!((&said["records"]["read"], &said["records"]["no_records"]), (&7.into(), &0.into()));
    let key = |role: &str, kid: &str| {
        let keys = said["keys"].as_array().unwrap();
        keys.iter().find(|key| key["role"] == role && key["kid"] == kid).unwrap().clone()
    };
    let old = key("assertion", "k1");
    assert_eq!((&old["standing"], &old["safe"]), (&"safe-now".into(), &true.into()));
    assert_eq!(old["safe_from"], "2026-01-02T02:05:17.000Z");
    assert_eq!((&old["hold_seconds"], &key("session", "s1")["hold_seconds"]), (&71.into(), &610.into()));
    assert_eq!(old["edge"]["first"], "2026-01-01T03:04:05.000Z");
    let new = key("list", "l2");
    assert_eq!(
        (&new["standing"], &new["safe"], &new["agent"]),
        (&"in-use".into(), &false.into(), &Value::Null)
    );
}

#[test]
fn what_is_missing_is_said_and_nothing_is_guessed() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    let status = stage.run(&["keys", "status", "--settings", "countersign.toml", "--now", NOW_TEXT]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    let said = text(&status.stdout);
    assert!(
        said.contains("assertion `k1`: unknown: no records: expected the edge's or the agents' by --records")
    );

    let arguments = ["--settings", "countersign.toml", "--now", NOW_TEXT, "--records", "records.jsonl"];
    let said = text(&stage.run(&[&["keys", "status"], &arguments[..]].concat()).stdout);
    assert!(
        said.contains("session `s1`: unknown: how long a session lives: expected --edge-settings"),
        "{said}"
    );
    // A key that nobody configured here is shown for its use.
    assert_eq!(lines_of(&said, "list `l2`")[0], "list `l2`: in use: no other key was used later");

    stage.write("settings.json", "{}");
    let said = text(&stage.run(&stage.with_sources(&["keys", "status"])).stdout);
    assert!(said.contains("expected `logins` in settings.json"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let stage = Stage::new();
    stage.write("records.jsonl", &a_day());
    let broken = [
        ("settings.json", "{", "edge settings settings.json: "),
        ("receipt-keys", "r1", "receipt-keys: keys are `ID:KEY`"),
        ("list-keys", "", "list-keys: keys are one or more"),
        ("assertion.jwks.json", "{\"keys\":[]}", "assertion.jwks.json: the set holds no key"),
        ("publish.toml", "[peers]", "publish.toml"),
    ];
    for (name, content, expected) in broken {
        let before = stage.read(name);
        stage.write(name, content);
        let status = stage.run(&stage.with_sources(&["keys", "status"]));
        assert_eq!(status.status.code(), Some(1), "{name}");
        assert!(text(&status.stderr).contains(expected), "{name}: {}", text(&status.stderr));
        stage.write(name, &before);
    }
    std::fs::remove_file(stage.path("records.jsonl")).unwrap();
    let status = stage.run(&stage.with_sources(&["keys", "status"]));
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stderr).contains("records records.jsonl: No such file"), "{}", text(&status.stderr));
}

#[test]
fn the_keys_of_a_record_are_found_under_the_names_that_tiers_write_them_with() {
    let stage = Stage::new();
    let line = record("edge", 1, "").replace("\"reason\"", "\"groups\":[],\"reason\"");
    let mut record: DecisionRecord<'_> = serde_json::from_str(&line).unwrap();
    record.kid = Some(Cow::Borrowed("a"));
    record.session_kid = Some(Cow::Borrowed("b"));
    record.receipt_kid = Some(Cow::Borrowed("c"));
    record.list_kid = Some(Cow::Borrowed("d"));
    record.token_kid = Some(Cow::Borrowed("e"));
    stage.write("records.jsonl", &serde_json::to_string(&record).unwrap());
    let said = text(&stage.run(&stage.with_sources(&["keys", "status"])).stdout);
    for key in ["assertion `a`", "session `b`", "receipt `c`", "list `d`", "token `e`"] {
        assert!(lines_of(&said, key)[0].starts_with(&format!("{key}: in use")), "{said}");
    }
}

#[test]
fn lines_that_are_no_records_are_counted_and_a_cut_last_one_is_not() {
    let stage = Stage::new();
    let mut lines =
        String::from("no json\n\n{}\n{\"time\":\"yesterday\",\"tier\":\"edge\",\"decision_id\":\"d\"}\n");
    lines.push_str("{\"tier\":\"agent\",\"event\":\"records-lost\",\"count\":12}\n");
    lines.push_str(&a_day());
    // A member and a value of a version to come cost no evidence.
    lines.push_str(
        &record("edge", 1, r#""kid":"k9","verdict2":"tarpit""#).replace("forwarded", "of-tomorrow"),
    );
    lines.push('\n');
    let cut = record("edge", 0, r#""kid":"k1""#);
    lines.push_str(&cut[..cut.len() / 2]);
    stage.write("records.jsonl", &lines);
    let status = stage.run(&stage.with_sources(&["keys", "status"]));
    assert_eq!(status.status.code(), Some(0));
    let said = text(&status.stdout);
    assert!(said.starts_with("8 records"), "{said}");
    assert!(said.contains("\n  3 lines are no decision records"), "{said}");
    assert!(said.contains("\n  12 records were lost by agents"), "{said}");
    assert!(said.contains("assertion `k9`: in use: no other key was used later"), "{said}");
    assert!(said.contains("assertion `k1`: safe now"), "{said}");
}

#[test]
fn a_last_line_without_its_end_counts_if_it_is_whole() {
    let stage = Stage::new();
    stage.write("records.jsonl", &(a_day() + &record("edge", 0, r#""kid":"k1""#)));
    let said = text(&stage.run(&stage.with_sources(&["keys", "status"])).stdout);
    assert!(said.contains("assertion `k1`: in use: no other key was used later"), "{said}");
}

#[test]
fn records_of_several_files_are_one_evidence_in_any_order() {
    let stage = Stage::new();
    let all = a_day();
    let (first, last) = all.split_at(all.match_indices('\n').nth(2).unwrap().0 + 1);
    stage.write("records.1", first);
    stage.write("records.jsonl", last);
    let mut arguments = stage.with_sources(&["keys", "status"]);
    let alone = text(&stage.run(&arguments).stdout);
    assert!(alone.contains("assertion `k1`: no record names it: safe now"), "{alone}");
    arguments.push("records.1");
    let both = text(&stage.run(&arguments).stdout);
    assert!(both.contains("assertion `k1`: safe now: since 2026-01-02T02:05:17.000Z"), "{both}");
}

#[test]
fn two_hundred_thousand_lines_and_one_without_end_take_no_memory() {
    let stage = Stage::new();
    let mut status = stage
        .command(&["keys", "status", "--settings", "countersign.toml", "--now", NOW_TEXT, "--records", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = status.stdin.take().unwrap();
    let begin = records(&[("edge", 500, r#""kid":"k1""#), ("edge", 400, r#""kid":"k2""#)]);
    input.write_all(begin.as_bytes()).unwrap();
    let thousand: String = (0..1000)
        .map(|number| record("edge", 1, &format!(r#""kid":"k2","token_kid":"t{}""#, number % 7)) + "\n")
        .collect();
    for _ in 0..200 {
        input.write_all(thousand.as_bytes()).unwrap();
    }
    for _ in 0..64 {
        input.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    // All but what the pipe holds has been read by now; its highest size so far, in KiB.
    let sizes = std::fs::read_to_string(format!("/proc/{}/status", status.id())).unwrap();
    let line = sizes.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    drop(input);
    let until = Instant::now() + Duration::from_secs(60);
    while status.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
        if kibibytes > 64 * 1024 {
            status.kill().unwrap();
        }
    }
    assert!(kibibytes < 64 * 1024, "{line}");
    let said = text(&status.wait_with_output().unwrap().stdout);
    assert!(said.starts_with("200002 records"), "{}", &said[..200]);
    assert!(said.contains("\n  1 lines are no decision records"), "{}", &said[..400]);
    assert!(said.contains("assertion `k1`: safe now"), "{}", &said[..400]);
}
