use std::collections::BTreeMap;

use countersign::reputation::aggregate::NodeNumber;
use countersign::reputation::bans::{Cause, Change};
use countersign::reputation::guarded::Outcome;
use countersign::reputation::signal::Rung;
use countersign_contract::list::Action;
use haproxy_wire::peers::{DataType, KeyType, Parameters, Schema, Value};

use crate::told::{LIFE, Stage, just_now, probing};

const CLIENT: &str = "192.0.2.7";

#[test]
fn an_offence_that_is_spread_over_the_nodes_is_seen_by_its_sum() {
    let mut stage = Stage::new(probing());
    stage.tell(0, CLIENT, 6);
    assert_eq!(stage.action(CLIENT), None);
    stage.tell(1, CLIENT, 5);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
    let ban = stage.bans.bans().ban(&CLIENT.parse().unwrap(), stage.now()).unwrap();
    let Cause::Signal(offence) = &ban.cause else { panic!("a signal") };
    let counts = BTreeMap::from([("hap1".to_owned(), 6), ("hap2".to_owned(), 5)]);
    assert_eq!((offence.rung, offence.over, &offence.counts), (1, 10, &counts));
}

#[test]
fn what_a_node_says_again_is_not_counted_twice() {
    let mut stage = Stage::new(probing());
    for _ in 0..5 {
        stage.tell(0, CLIENT, 6);
    }
    stage.tell(1, CLIENT, 4);
    assert_eq!(stage.action(CLIENT), None, "10 is not more than 10");
}

#[test]
fn another_client_is_another_sum() {
    let mut stage = Stage::new(probing());
    stage.tell(0, CLIENT, 9);
    stage.tell(1, "192.0.2.8", 9);
    stage.tell(1, "2001:db8::1", 9);
    assert!(stage.bans.bans().is_empty());
}

#[test]
fn addresses_of_one_client_are_one_client() {
    let mut stage = Stage::new(probing());
    stage.tell(0, "2001:db8:0:1::1", 6);
    stage.tell(1, "2001:db8:0:1:ffff::9", 6);
    assert_eq!(stage.action("2001:db8:0:1::77"), Some(Action::Throttle));
    stage.tell(0, "::ffff:192.0.2.7", 11);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
}

#[test]
fn what_was_counted_long_ago_does_not_count() {
    let mut stage = Stage::new(probing());
    stage.tell(0, CLIENT, 9);
    stage.later(121);
    stage.tell(1, CLIENT, 9);
    assert_eq!(stage.action(CLIENT), None, "the period of the first node's 9 is over");
}

#[test]
fn an_entry_counts_no_longer_than_it_lives() {
    let counter = Schema::new(KeyType::Ipv6, LIFE).with(DataType::HttpErrCnt, Parameters::None).unwrap();
    let mut stage = Stage::new(countersign::reputation::signal::Signal {
        value: "http_err_cnt".parse().unwrap(),
        ..probing()
    });
    for node in 0..2 {
        assert!(
            stage.aggregate.announce(NodeNumber(node), b"/cs_sensor", &counter, stage.steady()).is_empty()
        );
    }
    tell_counter(&mut stage, &counter, 0, 9);
    stage.later(LIFE.as_secs());
    tell_counter(&mut stage, &counter, 1, 9);
    assert_eq!(stage.action(CLIENT), None);
}

#[test]
fn of_a_counter_only_what_was_added_since_the_last_offence_is_another_one() {
    let counter = Schema::new(KeyType::Ipv6, LIFE).with(DataType::HttpErrCnt, Parameters::None).unwrap();
    let mut stage = Stage::new(countersign::reputation::signal::Signal {
        value: "http_err_cnt".parse().unwrap(),
        ..probing()
    });
    stage.aggregate.announce(NodeNumber(0), b"/cs_sensor", &counter, stage.steady());
    tell_counter(&mut stage, &counter, 0, 11);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
    stage.later(121);
    tell_counter(&mut stage, &counter, 0, 21);
    assert_eq!(stage.action(CLIENT), None, "10 more are not more than 10");
    tell_counter(&mut stage, &counter, 0, 22);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
    // A counter that began anew is counted from its beginning.
    stage.later(601);
    tell_counter(&mut stage, &counter, 0, 11);
    assert_eq!(stage.action(CLIENT), Some(Action::Block));
}

fn tell_counter(stage: &mut Stage, schema: &Schema, node: usize, count: u32) {
    use countersign::reputation::aggregate::Moment;
    let moment = Moment { steady: stage.steady(), unix: stage.now() };
    let key = haproxy_wire::peers::Key::Ipv6("::ffff:192.0.2.7".parse().unwrap());
    let Stage { aggregate, bans, .. } = stage;
    crate::told::with_entry(schema, &key, &[Value::Unsigned(count)], |entry| {
        let lifetime = haproxy_wire::peers::Lifetime::For(LIFE);
        aggregate.hear(NodeNumber(node), b"/cs_sensor", entry, lifetime, bans, moment);
    });
}

#[test]
fn repeated_offences_climb_the_ladder_and_stay_at_its_top() {
    let mut stage = Stage::new(probing());
    for (action, seconds) in
        [(Action::Throttle, 120), (Action::Throttle, 600), (Action::Block, 1200), (Action::Block, 1200)]
    {
        stage.tell(0, CLIENT, 11);
        let ban = stage.bans.bans().ban(&CLIENT.parse().unwrap(), stage.now()).unwrap();
        assert_eq!((ban.action, ban.until.since(stage.now())), (action, seconds));
        // While it runs, nothing more is charged.
        stage.later(seconds - 1);
        assert!(stage.tell(0, CLIENT, 50).is_none());
        stage.later(1);
        assert_eq!(stage.action(CLIENT), None);
    }
    // Forgotten after an hour, and the ladder begins anew.
    stage.later(3600);
    stage.tell(0, CLIENT, 11);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
}

#[test]
fn a_ban_that_lets_requests_pass_is_drawn_out_while_the_offence_goes_on() {
    let rungs = vec![
        Rung { action: Action::RequireIdentity, seconds: 100 },
        Rung { action: Action::Block, seconds: 100 },
    ];
    let mut stage = Stage::new(countersign::reputation::signal::Signal { rungs, ..probing() });
    stage.tell(0, CLIENT, 11);
    stage.later(20);
    assert!(stage.tell(0, CLIENT, 12).is_none(), "not at every request");
    for _ in 0..10 {
        stage.later(60);
        let consequence = stage.tell(0, CLIENT, 12).unwrap();
        assert_eq!(consequence.outcome, Ok(Outcome::Done(Change::Banned)));
        assert_eq!(stage.action(CLIENT), Some(Action::RequireIdentity), "the same rung");
    }
}

#[test]
fn a_pardon_holds_against_old_and_new_counts_until_it_ends() {
    let mut stage = Stage::new(probing());
    stage.tell(0, CLIENT, 11);
    let client = CLIENT.parse().unwrap();
    let now = stage.now();
    assert!(stage.bans.remove(&client, 300, now).is_some());
    assert!(stage.tell(0, CLIENT, 60).is_none());
    stage.later(299);
    assert!(stage.tell(1, CLIENT, 60).is_none());
    assert_eq!(stage.action(CLIENT), None);
    stage.later(1);
    stage.tell(1, CLIENT, 61);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
}

#[test]
fn a_table_without_the_value_of_a_signal_is_told_of_and_the_others_go_on() {
    let mut stage = Stage::new(probing());
    let other = Schema::new(KeyType::Ipv6, LIFE).with(DataType::HttpReqCnt, Parameters::None).unwrap();
    let unseen = stage.aggregate.announce(NodeNumber(1), b"/cs_sensor", &other, stage.steady());
    assert_eq!(unseen.len(), 1);
    stage.tell(0, CLIENT, 11);
    assert_eq!(stage.action(CLIENT), Some(Action::Throttle));
}

#[test]
fn other_elements_of_the_array_are_no_offence() {
    let mut stage = Stage::new(probing());
    stage.tell_values(0, CLIENT, &[just_now(0), just_now(50), just_now(50), just_now(50)]);
    assert_eq!(stage.action(CLIENT), None);
}
