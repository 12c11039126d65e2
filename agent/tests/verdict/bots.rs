//! Bots that the edge vouches for.

use countersign_contract::assertion::Claims;

use crate::stage::{API, Asked, Stage};

const ACCOUNT: Asked = Asked { target: "/account/x", ..API };
const FORUM: Asked = Asked { target: "/forum/x", ..API };
const FEED: Asked = Asked { target: "/feed/x", ..API };
const LEGACY: Asked = Asked { target: "/legacy/x", ..API };

/// Claims that say this bot and this subject.
fn says(bot: Option<&'static str>, subject: Option<&'static str>) -> impl FnOnce(&mut Claims) {
    move |claims| {
        claims.bot = bot.map(|bot| bot.parse().unwrap());
        claims.sub = subject.map(|subject| subject.parse().unwrap());
    }
}

fn by_crawler(asked: Asked, groups: &[&str]) -> Asked {
    asked.vouched(groups, says(Some("crawler"), Some("bot:crawler")))
}

#[test]
fn a_bot_may_what_its_groups_may_and_is_named() {
    let stage = Stage::new(10);
    for asked in [by_crawler(API, &["engineering"]), by_crawler(FEED, &[])] {
        let (order, variables) = stage.ask(&asked);
        assert_eq!(variables["verdict"], "allow", "{variables:?}");
        assert_eq!((variables["bot"].as_str(), variables["subject"].as_str()), ("crawler", "bot:crawler"));
        assert_eq!(order.last().map(String::as_str), Some("verdict"));
    }
    assert_eq!(stage.refused(&by_crawler(API, &[])), ("permission-missing".to_owned(), "403".to_owned()));
}

#[test]
fn a_person_is_no_bot() {
    let stage = Stage::new(10);
    for asked in [API, FEED, ACCOUNT] {
        let (_, variables) = stage.ask(&asked.signed(&["engineering"]));
        assert_eq!((variables["verdict"].as_str(), variables.get("bot")), ("allow", None));
    }
}

/// The edge refuses it too: neither tier relies on the other.
#[test]
fn a_route_for_no_bots_refuses_one_that_the_edge_lets_on() {
    let stage = Stage::new(10);
    let refused = stage.refused(&by_crawler(ACCOUNT, &["engineering"]));
    assert_eq!(refused, ("bot-refused".to_owned(), "403".to_owned()));
    let (_, observed) = stage.ask(&by_crawler(FORUM, &["engineering"]));
    assert_eq!((observed["verdict"].as_str(), observed["reason"].as_str()), ("allow", "observed"));
    let records = stage.records();
    let detail = "route `account` is for no bots, bot `crawler` neither";
    assert_eq!(
        (records[0]["detail"].as_str(), records[0]["subject"].as_str()),
        (Some(detail), Some("bot:crawler"))
    );
    assert_eq!(records[1]["would"]["reason"], "bot-refused");
}

#[test]
fn a_bot_and_a_subject_that_do_not_belong_together_count_for_nothing() {
    let pairs = [
        (Some("crawler"), Some("bot:other")),
        (Some("crawler"), Some("alice")),
        (Some("crawler"), Some("crawler")),
        (Some("crawler"), None),
        (None, Some("bot:crawler")),
        (None, Some("bot:")),
    ];
    let stage = Stage::new(10);
    for (bot, subject) in pairs {
        let refused = stage.refused(&API.vouched(&["engineering"], says(bot, subject)));
        assert_eq!(refused, ("bot-mismatch".to_owned(), "403".to_owned()), "{bot:?} {subject:?}");
        for asked in [FORUM, LEGACY] {
            let (_, variables) = stage.ask(&asked.vouched(&["engineering"], says(bot, subject)));
            assert_eq!(variables["verdict"], "allow");
            for name in ["bot", "subject", "groups"] {
                assert!(!variables.contains_key(name), "{name} of {bot:?} {subject:?}");
            }
        }
    }
    for person in ["bots", "robot:1", "Bot:crawler", "bot"] {
        let (_, variables) = stage.ask(&API.vouched(&["engineering"], says(None, Some(person))));
        assert_eq!((variables["verdict"].as_str(), variables["subject"].as_str()), ("allow", person));
    }
    let detail = "edge service `edge-www` says bot `crawler` and subject none, which don't belong together";
    assert!(stage.records().iter().any(|record| record["detail"] == detail));
}

/// Where a service has a list of whom it may speak of, `bot` has to stand there for its bots.
#[test]
fn a_service_of_named_people_speaks_of_bots_only_where_it_may() {
    let with = |prefixes: &[&str]| {
        let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        Stage::with_service(|service| service.subject_prefixes = Some(prefixes))
    };
    let refused = with(&["partner"]).refused(&by_crawler(API, &["engineering"]));
    assert_eq!(refused, ("subject-not-vouched".to_owned(), "403".to_owned()));
    let (_, variables) = with(&["partner", "bot"]).ask(&by_crawler(API, &["engineering"]));
    assert_eq!((variables["verdict"].as_str(), variables["bot"].as_str()), ("allow", "crawler"));
}
