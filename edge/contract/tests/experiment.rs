//! Arms of experiments: the same one each time, in the shares that are asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use countersign_contract::experiment::{Experiment, Participant, VisitorId};
use countersign_contract::name::{ExperimentName, Subject};

const PEOPLE: u32 = 20_000;

fn experiment(arms: &[(&str, u32)]) -> Experiment {
    Experiment { arms: arms.iter().map(|(arm, share)| (arm.parse().unwrap(), *share)).collect() }
}

fn name(text: &str) -> ExperimentName {
    text.parse().unwrap()
}

fn arm_of(experiment: &Experiment, name: &ExperimentName, person: u32) -> String {
    let subject: Subject = format!("person-{person}").parse().unwrap();
    experiment.arm_of(name, Participant::Subject(&subject)).unwrap().to_string()
}

#[test]
fn the_same_person_has_the_same_arm_each_time() {
    let (checkout, name) = (experiment(&[("control", 1), ("canary", 1)]), name("checkout"));
    for person in 0..100 {
        assert_eq!(arm_of(&checkout, &name, person), arm_of(&checkout.clone(), &name, person));
    }
    // Pinned, since an edge that is deployed anew must not shuffle everybody; computed once more by Python's hashlib.
    let subject: Subject = "alice".parse().unwrap();
    assert_eq!(checkout.arm_of(&name, Participant::Subject(&subject)).unwrap().as_str(), "control");
    let visitor = VisitorId::from_random([7; 16]);
    assert_eq!(checkout.arm_of(&name, Participant::Visitor(visitor)).unwrap().as_str(), "canary");
}

#[test]
fn arms_get_the_shares_that_are_asked_for() {
    let experiment = experiment(&[("control", 90), ("canary", 9), ("late", 1), ("nobody", 0)]);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for person in 0..PEOPLE {
        *counts.entry(arm_of(&experiment, &name("checkout"), person)).or_default() += 1;
    }
    let share = |arm: &str| f64::from(*counts.get(arm).unwrap_or(&0)) / f64::from(PEOPLE);
    // Five standard deviations of a binomial distribution are below these bounds.
    assert!((share("control") - 0.90).abs() < 0.011, "{counts:?}");
    assert!((share("canary") - 0.09).abs() < 0.011, "{counts:?}");
    assert!((share("late") - 0.01).abs() < 0.004, "{counts:?}");
    assert!(!counts.contains_key("nobody"));
}

#[test]
fn whoever_is_in_a_first_arm_stays_when_it_grows() {
    let (before, after) =
        (experiment(&[("canary", 5), ("control", 95)]), experiment(&[("canary", 20), ("control", 80)]));
    for person in 0..PEOPLE {
        if arm_of(&before, &name("checkout"), person) == "canary" {
            assert_eq!(arm_of(&after, &name("checkout"), person), "canary");
        }
    }
}

#[test]
fn two_experiments_have_nothing_to_do_with_each_other() {
    let experiment = experiment(&[("a", 1), ("b", 1)]);
    let same = (0..PEOPLE)
        .filter(|person| {
            arm_of(&experiment, &name("checkout"), *person) == arm_of(&experiment, &name("search"), *person)
        })
        .count();
    let share = same as f64 / f64::from(PEOPLE);
    assert!((share - 0.5).abs() < 0.018, "{share}");
}

#[test]
fn without_a_share_nobody_has_an_arm() {
    let subject: Subject = "alice".parse().unwrap();
    for arms in [&[][..], &[("control", 0)][..]] {
        assert_eq!(experiment(arms).arm_of(&name("x"), Participant::Subject(&subject)), None);
    }
}

#[test]
fn a_visitor_is_32_digits_and_nothing_else() {
    let id = VisitorId::from_random([0xab; 16]);
    assert_eq!(VisitorId::parse(id.to_string().as_bytes()), Some(id));
    for odd in [&b""[..], b"ab", &[b'a'; 33], &[b'A'; 32], b"\xff\xff"] {
        assert_eq!(VisitorId::parse(odd), None, "{odd:?}");
    }
}
