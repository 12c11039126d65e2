//! The files of `haproxy/` agree with each other and with the contract.

#![allow(clippy::unwrap_used, reason = "a file of the repository that is missing fails the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_contract::header::FORBIDDEN_FROM_CLIENTS;
use countersign_tests::pieces::{HaproxyCommand, Subject};
use regex::Regex;

/// What an operator may set or leave unset, and the files read it either way.
const OPTIONAL: [(&str, &str); 5] = [
    ("COUNTERSIGN_PEERS", "127.0.0.1:8002"),
    ("COUNTERSIGN_PUBLISH", "127.0.0.1:10000 ssl verify none"),
    ("COUNTERSIGN_MESH", "127.0.0.1:8001"),
    ("COUNTERSIGN_STATS", "/run/haproxy.sock"),
    ("COUNTERSIGN_BIND", "127.0.0.1:8000 proto h2"),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../haproxy").join(name)
}

fn file(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

#[test]
fn haproxy_takes_every_combination_of_variables_without_a_warning() {
    let haproxy = HaproxyCommand::find(Subject::from_environment().unwrap()).unwrap();
    for combination in 0..1 << OPTIONAL.len() {
        let set: Vec<_> = (0..).zip(OPTIONAL).filter(|(bit, _)| combination >> bit & 1 == 1).collect();
        let mut command = haproxy.command();
        command.args(["-c", "-dW", "-f"]).arg(path("haproxy.cfg"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN_"))
        {
            command.env_remove(name);
        }
        command.envs(set.iter().map(|(_, variable)| *variable));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{set:?}: {said}");
    }
}

#[test]
fn the_fragments_are_the_blocks_of_the_whole_configuration() {
    let whole = file("haproxy.cfg");
    for name in ["countersign-frontend.cfg", "countersign-backend.cfg"] {
        assert_eq!(whole.matches(&file(name)).count(), 1, "{name} is not a block of haproxy.cfg");
    }
}

#[test]
fn every_variable_that_a_rule_reads_is_named_in_the_agents_file() {
    let spoe = file("countersign.spoe.conf");
    let named = ["register-var-names ", "option set-on-error ", "option set-process-time "];
    let named: BTreeSet<_> = spoe
        .lines()
        .filter_map(|line| named.iter().find_map(|start| line.trim().strip_prefix(start)))
        .flat_map(str::split_whitespace)
        .collect();
    let whole = file("haproxy.cfg");
    let name = Regex::new("txn[.]cs[.]([a-z_]+)").unwrap();
    let read: BTreeSet<_> =
        name.captures_iter(&whole).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    assert!(read.contains("bot"), "the rules are found");
    assert_eq!(read.difference(&named).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn haproxy_removes_every_header_that_the_edge_removes() {
    let whole = file("haproxy.cfg");
    let rules: Vec<Regex> = whole
        .lines()
        .filter_map(|line| line.trim().strip_prefix("http-request del-header ")?.strip_suffix(" -m reg"))
        .filter_map(|rule| Regex::new(rule).ok())
        .collect();
    assert!(rules.len() > 3, "the rules are found");
    for name in FORBIDDEN_FROM_CLIENTS {
        let sent = if name.ends_with('-') { format!("{name}x") } else { name.to_owned() };
        for separator in ["-", "_", "."] {
            let spelling = sent.replace('-', separator);
            assert!(
                rules.iter().any(|rule| rule.is_match(&spelling)),
                "`{spelling}` reaches the application"
            );
        }
    }
    for ours in
        ["countersign-subject", "_countersign_subject", "x-countersign-subject", "http_countersign_subject"]
    {
        assert!(rules.iter().any(|rule| rule.is_match(ours)), "`{ours}` reaches the application");
    }
    for ordinary in
        ["accept", "cookie", "authorization", "x-request-id", "x-csrf-token", "host", "user-agent"]
    {
        assert!(!rules.iter().any(|rule| rule.is_match(ordinary)), "`{ordinary}` is removed");
    }
}
