use countersign::reputation::bans::{Ban, Bans, Cause};
use countersign::reputation::guard::{Guard, NeverBanned, Range, Reserved};
use countersign::reputation::guarded::{Guarded, Outcome};
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;

use crate::told::{Stage, probing};

fn client(text: &str) -> ClientKey {
    text.parse().unwrap()
}

#[test]
fn a_range_has_what_is_in_it_and_nothing_else() {
    for (range, inside, outside) in [
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        // A single address of a /64 stands for its client.
        ("2001:db8:0:1::9", "2001:db8:0:1::1", "2001:db8:0:2::9"),
    ] {
        let parsed: Range = range.parse().unwrap();
        assert!(parsed.touches(&client(inside)), "{range} {inside}");
        assert!(!parsed.touches(&client(outside)), "{range} {outside}");
        assert!(!parsed.touches(&client("subject:ann")), "{range}");
    }
    for wrong in ["", "192.0.2.0/33", "2001:db8::/129", "office", "192.0.2.0/-1", "::ffff:192.0.2.0/120"] {
        assert!(wrong.parse::<Range>().is_err(), "{wrong}");
    }
}

#[test]
fn some_are_never_banned_by_whomever() {
    let guard = Guard { never: vec!["198.51.100.0/24".parse().unwrap()], ..Guard::default() };
    for (who, why) in [
        ("198.51.100.9", NeverBanned::Listed),
        ("151.101.1.1", NeverBanned::Fastly),
        ("2a04:4e42::1", NeverBanned::Fastly),
        ("10.1.2.3", NeverBanned::Reserved),
        ("127.0.0.1", NeverBanned::Reserved),
        ("fd00::1", NeverBanned::Reserved),
    ] {
        assert_eq!(guard.may_ban(&client(who)), Err(why), "{who}");
    }
    assert_eq!(guard.may_ban(&client("203.0.113.9")), Ok(()));
    assert_eq!(guard.may_ban(&client("subject:ann")), Ok(()));
    let private = Guard { reserved: Reserved::AsOthers, ..guard };
    assert_eq!(private.may_ban(&client("10.1.2.3")), Ok(()));
}

#[test]
fn a_range_that_is_added_frees_who_was_banned_before() {
    let mut stage = Stage::new(probing());
    let now = stage.now();
    let cause = Cause::Operator { reason: "before".into() };
    let ban = Ban { action: Action::Block, since: now, until: now.plus(600), cause };
    let mut bans = Bans::default();
    bans.add(&client("198.51.100.9"), ban.clone(), now).unwrap();
    bans.add(&client("203.0.113.9"), ban, now).unwrap();
    let guard = Guard { never: vec!["198.51.100.0/24".parse().unwrap()], ..Guard::default() };
    stage.bans = Guarded::new(bans, guard);
    assert_eq!(stage.bans.spare(now), 1);
    assert_eq!((stage.action("198.51.100.9"), stage.action("203.0.113.9")), (None, Some(Action::Block)));
}

/// So many clients, each a little further than the one before.
fn all_at_once(stage: &mut Stage, clients: u8) {
    for events in 1..=11 {
        for number in 0..clients {
            stage.tell(0, &format!("203.0.113.{number}"), events);
        }
        // The crowd is counted anew once a second.
        stage.later(2);
    }
}

#[test]
fn what_would_hit_too_many_is_held_until_a_person_approves() {
    let mut stage = Stage::new(probing());
    all_at_once(&mut stage, 30);
    assert!((0..30).all(|number| stage.action(&format!("203.0.113.{number}")).is_none()), "nobody is banned");
    let (_, held) = stage.bans.hold().unwrap();
    assert_eq!(held, 30);
    let now = stage.now();
    assert_eq!(stage.bans.approve(now), Ok(30));
    assert!((0..30).all(|number| stage.action(&format!("203.0.113.{number}")) == Some(Action::Throttle)));
    assert_eq!(stage.bans.hold(), None);
}

#[test]
fn few_among_many_are_banned_at_once() {
    let mut stage = Stage::new(probing());
    for number in 0..200 {
        stage.tell(0, &format!("198.51.100.{number}"), 1);
    }
    all_at_once(&mut stage, 15);
    assert!((0..15).all(|number| stage.action(&format!("203.0.113.{number}")) == Some(Action::Throttle)));
}

#[test]
fn what_is_held_is_forgotten_after_a_while() {
    let mut stage = Stage::new(probing());
    all_at_once(&mut stage, 30);
    stage.later(3600);
    let now = stage.now();
    stage.bans.expire(now);
    assert_eq!(stage.bans.hold(), None, "nothing waits any more");
    assert_eq!(stage.bans.approve(now), Ok(0), "other people may have those addresses now");
}

#[test]
fn too_many_bans_in_a_minute_are_held() {
    let mut stage = Stage::new(probing());
    stage.bans = Guarded::new(Bans::default(), Guard { most_a_minute: 3, ..Guard::default() });
    let outcomes: Vec<_> =
        (0..5).map(|number| stage.tell(0, &format!("203.0.113.{number}"), 11).unwrap().outcome).collect();
    let held = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Outcome::Held(_)))).count();
    assert_eq!(held, 2, "{outcomes:?}");
    stage.later(60);
    let outcome = stage.tell(0, "203.0.113.77", 11).unwrap().outcome;
    assert!(matches!(outcome, Ok(Outcome::Done(_))));
}
