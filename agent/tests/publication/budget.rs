use countersign::publish::budget::{Budget, Told, Urgency};
use countersign_contract::time::UnixMillis;

use crate::rules::START;

const HOUR: u64 = 3_600_000;

fn at(millis: u64) -> UnixMillis {
    UnixMillis(START.0 + millis)
}

#[test]
fn no_hour_has_more_writes_than_the_budget_and_lifts_have_theirs() {
    let mut budget = Budget::new(60, 10);
    let mut now = START;
    let mut writes = Vec::new();
    while writes.len() < 300 {
        now = budget.next(Urgency::Ordinary, now);
        budget.write(now);
        writes.push(now);
    }
    for (number, write) in writes.iter().enumerate() {
        let hour = writes[number..].iter().take_while(|other| other.0 < write.0 + HOUR).count();
        assert!(hour <= 50, "{hour} in the hour from write {number} on");
    }
    // However much was used, ten lifts go out at once.
    for _ in 0..10 {
        assert_eq!(budget.next(Urgency::Lift, now), now);
        budget.write(now);
    }
    assert!(budget.next(Urgency::Lift, now) > now);
}

#[test]
fn a_burst_is_let_through_and_then_spread() {
    let mut budget = Budget::new(60, 10);
    for _ in 0..13 {
        assert_eq!(budget.next(Urgency::Ordinary, START), START);
        budget.write(START);
    }
    assert_eq!(budget.next(Urgency::Ordinary, START), at(HOUR / 50));
}

#[test]
fn what_the_api_says_is_left_is_kept_to() {
    let mut budget = Budget::new(60, 10);
    budget.tell(Told { remaining: 10, reset: at(900_000) });
    assert_eq!(budget.next(Urgency::Ordinary, START), at(900_000));
    assert_eq!(budget.next(Urgency::Lift, START), START);
    budget.tell(Told { remaining: 0, reset: at(900_000) });
    assert_eq!(budget.next(Urgency::Lift, START), at(900_000));
    assert_eq!(budget.next(Urgency::Lift, at(900_001)), at(900_001));
}
