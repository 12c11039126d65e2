//! The files of `haproxy/` agree with each other and with the contract.

#![allow(clippy::unwrap_used, reason = "a file of the repository that is missing fails the test")]

use std::path::Path;

use countersign_contract::header::FORBIDDEN_FROM_CLIENTS;
use regex::Regex;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../haproxy").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_fragments_are_the_blocks_of_the_whole_configuration() {
    let whole = file("haproxy.cfg");
    for name in ["countersign-frontend.cfg", "countersign-backend.cfg"] {
        assert_eq!(whole.matches(&file(name)).count(), 1, "{name} is not a block of haproxy.cfg");
    }
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
    for ordinary in
        ["accept", "cookie", "authorization", "x-request-id", "x-csrf-token", "host", "user-agent"]
    {
        assert!(!rules.iter().any(|rule| rule.is_match(ordinary)), "`{ordinary}` is removed");
    }
}
