//! What a key's use proves, by table. Times are seconds before the time that is judged at.

use countersign::trust::rotation::{Hold, Role, Usage};
use countersign_contract::record::Tier;
use countersign_contract::time::UnixMillis;

use Tier::{Agent, Edge};

const NOW: u64 = 1_767_323_045_000;
const HOLD: u64 = 100;

/// A record: who wrote it, how long ago, and the assertion key that it names, if any.
type Record = (Tier, u64, &'static str);

fn at(ago: u64) -> UnixMillis {
    UnixMillis(NOW - ago * 1000)
}

fn usage(role: Role, records: &[Record]) -> Usage {
    let mut usage = Usage::new(at(0));
    for (tier, ago, kid) in records {
        usage.note(*tier, at(*ago), Some((role, *kid)).filter(|(_, kid)| !kid.is_empty()));
    }
    usage
}

fn judged(role: Role, kid: &str, records: &[Record]) -> String {
    let standing = usage(role, records).judge(role, kid, &Hold::Seconds(HOLD));
    let safe = if standing.is_safe() { "SAFE " } else { "" };
    format!("{safe}{standing}")
}

#[test]
fn a_key_stands_as_the_records_prove() {
    let ago = |seconds| at(seconds).rfc3339();
    let cases: &[(&str, &[Record], String)] = &[
        ("alone", &[(Edge, 500, "old"), (Edge, 1, "old")], "in use: no other key was used later".into()),
        ("alone and quiet", &[(Edge, 500, "old"), (Edge, 1, "")], "in use: no other".into()),
        (
            "replaced, and all it made is over",
            &[(Edge, 500, "old"), (Edge, 101, "old"), (Edge, 100, "new"), (Edge, 1, "new")],
            format!("SAFE safe now: since {}; `new` has taken over", ago(1)),
        ),
        (
            "replaced, to the millisecond",
            &[(Edge, 500, "old"), (Edge, 100, "old"), (Edge, 99, "new"), (Edge, 0, "new")],
            format!("SAFE safe now: since {}", ago(0)),
        ),
        (
            "replaced a moment too late",
            &[(Edge, 500, "old"), (Edge, 99, "old"), (Edge, 98, "new"), (Edge, 0, "new")],
            format!("safe after {}: `new` has taken over", UnixMillis(NOW + 1000).rfc3339()),
        ),
        (
            "verified by an agent after the edge's last record of it",
            &[(Edge, 500, "old"), (Agent, 50, "old"), (Edge, 49, "new"), (Edge, 1, "new")],
            format!("safe after {}", UnixMillis(NOW + 50_000).rfc3339()),
        ),
        (
            "used again by an edge that is behind",
            &[(Edge, 500, "old"), (Edge, 300, "new"), (Edge, 20, "old"), (Edge, 10, "new")],
            format!(
                "in use: used again, until {}, after `new` had taken over; safe after {} if not once more",
                ago(20),
                UnixMillis(NOW + 80_000).rfc3339()
            ),
        ),
        (
            "used by turns for a while, long ago",
            &[(Edge, 500, "old"), (Edge, 300, "new"), (Edge, 200, "old"), (Edge, 10, "new")],
            format!("SAFE safe now: since {}", ago(100)),
        ),
        (
            "a third key came after the turns",
            &[(Edge, 500, "new"), (Edge, 30, "old"), (Edge, 20, "new"), (Edge, 10, "third")],
            format!("safe after {}: `third` has taken over", UnixMillis(NOW + 70_000).rfc3339()),
        ),
        (
            "went back to it",
            &[(Edge, 500, "old"), (Edge, 300, "new"), (Edge, 2, "old")],
            "in use: no other key was used later".into(),
        ),
        (
            "another was used for longer than the hold time",
            &[(Edge, 500, "new"), (Edge, 1, "new")],
            format!(
                "SAFE no record names it: safe now unless it is the next one, `new` has been used since {}",
                ago(500)
            ),
        ),
        (
            "another was used for too short a time",
            &[(Edge, 500, ""), (Edge, 50, "new"), (Edge, 1, "new")],
            format!(
                "no record names it: not safe until `new` has been used until {}",
                UnixMillis(NOW + 50_000).rfc3339()
            ),
        ),
        (
            "no key is named at all",
            &[(Edge, 500, ""), (Edge, 1, "")],
            "no record names it: not safe, since no record names any other assertion key either".into(),
        ),
        ("no records", &[], "unknown: no records: expected the edge's or the agents' by --records".into()),
        (
            "the newest is too old",
            &[(Edge, 500, "old"), (Edge, 400, "new"), (Edge, 101, "new")],
            format!("unknown: records cover only {} to {}, and the newest is older", ago(500), ago(101)),
        ),
        (
            "too old even to say that it is in use",
            &[(Edge, 500, "old"), (Edge, 101, "old")],
            format!("unknown: records cover only {} to {}", ago(500), ago(101)),
        ),
        (
            "they begin too late",
            &[(Edge, 99, "old"), (Edge, 50, "new"), (Edge, 1, "new")],
            format!("unknown: records cover only {} to {}, less than the 100 s", ago(99), ago(1)),
        ),
        (
            "they begin too late for one that is not named",
            &[(Edge, 99, "new"), (Edge, 1, "new")],
            format!("unknown: records cover only {} to {}", ago(99), ago(1)),
        ),
        (
            "they begin late, but it is used",
            &[(Edge, 50, "new"), (Edge, 1, "old")],
            "in use: no other key was used later".into(),
        ),
        (
            "they end before the time from which on it would be safe",
            &[(Edge, 500, "old"), (Edge, 110, "old"), (Edge, 109, "new"), (Edge, 20, "new")],
            format!(
                "unknown: records cover only {} to {}: expected newer ones, from after {}",
                ago(500),
                ago(20),
                ago(10)
            ),
        ),
        (
            "neither tier's records both reach back and are recent",
            &[(Edge, 500, "old"), (Edge, 150, "new"), (Agent, 50, "new"), (Agent, 1, "new")],
            format!("unknown: records cover only {} to {}, less than", ago(50), ago(1)),
        ),
        (
            "one tier's do",
            &[(Edge, 500, "old"), (Edge, 150, "new"), (Edge, 1, "new"), (Agent, 50, "new")],
            format!("SAFE safe now: since {}", ago(400)),
        ),
    ];
    for (case, records, expected) in cases {
        let standing = judged(Role::Assertion, "old", records);
        assert!(
            standing.starts_with(expected.as_str()),
            "{case}:\n  is       {standing}\n  expected {expected}"
        );
    }
}

#[test]
fn agents_records_prove_nothing_of_keys_that_only_the_edge_names() {
    for role in [Role::Session, Role::Receipt, Role::List] {
        let standing = judged(role, "old", &[(Agent, 500, ""), (Agent, 1, "")]);
        assert_eq!(standing, "unknown: no records: expected the edge's by --records", "{role}");
    }
}

#[test]
fn a_clock_that_is_ahead_never_makes_records_recent_but_counts_as_use() {
    let records: &[Record] = &[(Edge, 500, "old"), (Edge, 400, "new"), (Edge, 300, "new")];
    let mut ahead = usage(Role::Assertion, records);
    ahead.note(Edge, UnixMillis(NOW + 900_000), [(Role::Assertion, "new")]);
    let standing = ahead.judge(Role::Assertion, "old", &Hold::Seconds(HOLD)).to_string();
    assert!(standing.contains("the newest is older"), "{standing}");

    let mut used = usage(Role::Assertion, &[(Edge, 500, "old"), (Edge, 400, "new"), (Edge, 1, "new")]);
    assert!(used.judge(Role::Assertion, "old", &Hold::Seconds(HOLD)).is_safe());
    used.note(Edge, UnixMillis(NOW + 900_000), [(Role::Assertion, "old")]);
    let standing = used.judge(Role::Assertion, "old", &Hold::Seconds(HOLD)).to_string();
    assert_eq!(standing, "in use: no other key was used later");
}

#[test]
fn nothing_is_said_of_a_key_whose_hold_time_is_not_known_or_that_is_not_ours() {
    let usage = usage(Role::Token, &[(Edge, 500, "old"), (Edge, 100, "new"), (Edge, 1, "new")]);
    let unknown = usage.judge(Role::Token, "old", &Hold::Unknown("expected this".to_owned()));
    assert_eq!((unknown.to_string().as_str(), unknown.is_safe()), ("unknown: expected this", false));
    for (kid, begin) in [("new", "in use: the identity"), ("old", "another key was used later: the identity")]
    {
        let standing = usage.judge(Role::Token, kid, &Hold::Elsewhere);
        assert!(standing.to_string().starts_with(begin) && !standing.is_safe(), "{standing}");
    }
}

#[test]
fn ever_new_names_fill_no_memory_and_hide_no_key_that_is_followed() {
    let mut usage = Usage::new(at(0));
    usage.follow(Role::Assertion, "old");
    usage.note(Edge, at(500), [(Role::Assertion, "new")]);
    for number in 0..5000 {
        usage.note(Edge, at(400), [(Role::Assertion, format!("x{number}").as_str())]);
    }
    usage.note(Edge, at(1), [(Role::Assertion, "old")]);
    assert_eq!((usage.keys(Role::Assertion).count(), usage.beyond()), (1000, 4002));
    let standing = usage.judge(Role::Assertion, "old", &Hold::Seconds(HOLD)).to_string();
    assert_eq!(standing, "in use: no other key was used later");
}

#[test]
fn what_a_record_names_cannot_move_a_terminals_cursor() {
    let records: &[Record] = &[(Edge, 500, "old"), (Edge, 300, "\u{1b}[2J`\n"), (Edge, 1, "\u{1b}[2J`\n")];
    let standing = judged(Role::Assertion, "old", records);
    assert!(standing.contains(r"\u{1b}[2J") && !standing.chars().any(char::is_control), "{standing}");
}
