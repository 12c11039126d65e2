//! A publication, an API that fails at every step, a store, and edges that read it late.
//!
//! `PUBLICATION_SIMULATION_SEED` replays one run, `PUBLICATION_SIMULATION_RUNS` says how many are made.

use std::collections::BTreeMap;

use countersign::publish::budget::Told;
use countersign::publish::publication::{Failure, Items, Publication, Task};
use countersign_contract::list::{Bucket, META_ITEM};
use countersign_contract::time::UnixMillis;

use crate::edge::look_up;
use crate::random::Random;
use crate::rules::{SETTLE, START, blocked, client, publication, rules};

/// Clients that are banned from the first moment to the last.
const STEADY: std::ops::Range<u32> = 0..40;
/// Clients that come and go.
const PASSING: std::ops::Range<u32> = 100..160;
/// Clients that are never banned.
const NEVER: std::ops::Range<u32> = 1000..1200;

struct World {
    random: Random,
    now: UnixMillis,
    store: Items,
    /// What the store held, and from when on.
    past: Vec<(UnixMillis, Items)>,
    publication: Publication,
    banned: BTreeMap<u32, bool>,
    /// Since when nobody but the publication wrote, and its work was whole.
    undisturbed: Option<UnixMillis>,
    destructive: bool,
    writes: Vec<UnixMillis>,
}

#[test]
fn the_store_ends_up_as_planned_whatever_fails() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("PUBLICATION_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PUBLICATION_SIMULATION_RUNS").unwrap_or(20),
    };
    for seed in seeds {
        eprintln!("PUBLICATION_SIMULATION_SEED={seed}");
        World::new(seed).run();
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let publication = publication(rules(3 + random.below(5) as u32, "k1"));
        let mut world = Self {
            random,
            now: START,
            store: Items::from([("someone's".to_owned(), "own".to_owned())]),
            past: Vec::new(),
            publication,
            banned: BTreeMap::new(),
            undisturbed: None,
            destructive: seed.is_multiple_of(3),
            writes: Vec::new(),
        };
        world.changed();
        for number in STEADY {
            world.publication.set(&client(number), Some(blocked(START)), START);
            world.banned.insert(number, true);
        }
        world
    }

    fn run(mut self) {
        let mut calls = 0;
        while calls < 400 {
            if self.random.one_in(4) {
                self.somebody_changes();
            }
            if self.random.one_in(60) {
                self.another_process();
            }
            if self.destructive && self.random.one_in(80) {
                self.somebody_meddles();
            }
            match self.publication.next(self.now) {
                Task::Wait(until) => {
                    assert!(until > self.now);
                    let until = until.min(UnixMillis(self.now.0 + 20_000));
                    self.pass(until);
                }
                task => {
                    calls += 1;
                    self.call(task, 3);
                    let later = 1 + self.random.below(3000);
                    self.pass(UnixMillis(self.now.0 + later));
                }
            }
        }
        self.end();
    }

    /// Nothing fails any more: all that is wanted is there soon, and nothing else of ours.
    fn end(mut self) {
        let mut calls = 0;
        while !self.publication.is_settled(self.now) || calls == 0 {
            match self.publication.next(self.now) {
                Task::Wait(until) => self.pass(until),
                task => {
                    calls += 1;
                    assert!(calls < 500, "no end");
                    self.call(task, u64::MAX);
                }
            }
        }
        self.pass(UnixMillis(self.now.0 + 1_000_000));
        for _ in 0..50 {
            match self.publication.next(self.now) {
                Task::Wait(_) => break,
                task => self.call(task, u64::MAX),
            }
        }
        for (number, banned) in &self.banned {
            let found = look_up(&self.store, &self.store, &client(*number), self.now).is_some();
            assert_eq!(found, *banned, "client {number}");
        }
        for number in NEVER {
            assert_eq!(look_up(&self.store, &self.store, &client(number), self.now), None);
        }
        assert_eq!(self.store.get("someone's").map(String::as_str), Some("own"));
        let meta = countersign_contract::list::Meta::parse(&self.store[META_ITEM]).unwrap();
        let ours: Vec<_> = self.store.keys().filter_map(|key| Bucket::of_item_key(key)).collect();
        assert_eq!(ours.len(), meta.buckets.get() as usize, "nothing is left over: {ours:?}");
    }

    fn call(&mut self, task: Task, one_fault_in: u64) {
        match task {
            Task::List if self.random.one_in(one_fault_in.saturating_mul(2)) => self.fail(),
            Task::List => self.publication.listed(self.store.clone(), self.now),
            Task::Write(batch) => {
                self.publication.writes(self.now);
                self.writes.push(self.now);
                let took = match self.random.below(6) {
                    _ if !self.random.one_in(one_fault_in) => None,
                    0 => Some(0),
                    1 => Some(batch.len()),
                    2 => {
                        // Taken, and lost: another write overlapped.
                        self.publication.wrote(&batch, None, self.now);
                        return;
                    }
                    3 => {
                        let reset = UnixMillis(self.now.0 + 1000 + self.random.below(60_000));
                        self.publication.failed(Failure::Limited(reset), 0.5, self.now);
                        return;
                    }
                    _ => Some(self.random.below(batch.len() as u64 + 1) as usize),
                };
                batch
                    .iter()
                    .take(took.unwrap_or(batch.len()))
                    .for_each(|operation| operation.apply(&mut self.store));
                self.changed();
                match took {
                    None => {
                        let told = Told { remaining: 900, reset: UnixMillis(self.now.0 + 3_600_000) };
                        self.publication.wrote(&batch, Some(told), self.now);
                    }
                    Some(_) => self.fail(),
                }
            }
            Task::Wait(_) => {}
        }
        if self.publication.is_settled(self.now) && self.undisturbed.is_none() {
            self.undisturbed = Some(self.now);
        }
    }

    fn fail(&mut self) {
        let jitter = self.random.fraction();
        let failure = if self.random.one_in(10) { Failure::Refused } else { Failure::Trouble };
        self.publication.failed(failure, jitter, self.now);
    }

    fn somebody_changes(&mut self) {
        let number = PASSING.start + self.random.below(u64::from(PASSING.end - PASSING.start)) as u32;
        let banned = self.random.one_in(2);
        self.publication.set(&client(number), banned.then(|| blocked(self.now)), self.now);
        self.banned.insert(number, banned);
    }

    /// The publisher is restarted, now and then with another number of buckets or another key.
    fn another_process(&mut self) {
        let buckets = if self.random.one_in(2) { 3 + self.random.below(9) as u32 } else { 5 };
        let key = if self.random.one_in(2) { "k1" } else { "k2" };
        let budget = countersign::publish::budget::Budget::new(1_000_000, 0);
        self.publication = Publication::new(rules(buckets, key), budget, self.now);
        for (number, banned) in &self.banned {
            if *banned {
                self.publication.set(&client(*number), Some(blocked(self.now)), self.now);
            }
        }
    }

    /// A stale second publisher writes what once was, or somebody empties the store by hand.
    fn somebody_meddles(&mut self) {
        let then = self.random.below(self.past.len() as u64) as usize;
        let mut items = self.past[then].1.clone();
        if self.random.one_in(2) {
            items.retain(|key, _| key == "someone's");
        }
        items.insert("someone's".into(), "own".into());
        self.store = items;
        self.undisturbed = None;
        self.changed();
    }

    fn changed(&mut self) {
        self.past.push((self.now, self.store.clone()));
        // What no place can read any more.
        let horizon = self.now.0.saturating_sub(SETTLE);
        while self.past.len() > 40 && self.past[1].0.0 < horizon {
            self.past.remove(0);
        }
    }

    /// Time goes by, and edges look: each item as old as it may be, the head of another age than the buckets.
    fn pass(&mut self, until: UnixMillis) {
        self.now = until;
        let since = self.now.0.saturating_sub(SETTLE - 1000);
        let seen: Vec<_> = (0..self.past.len())
            .filter(|at| self.past.get(at + 1).is_none_or(|(ended, _)| ended.0 > since))
            .collect();
        let pick = |random: &mut Random| seen[random.below(seen.len() as u64) as usize];
        let (head, buckets) = (pick(&mut self.random), pick(&mut self.random));
        let (head, buckets) = (&self.past[head].1, &self.past[buckets].1);
        for number in NEVER.step_by(29) {
            assert_eq!(look_up(head, buckets, &client(number), self.now), None, "client {number} is refused");
        }
        let steady = self.undisturbed.is_some_and(|since| since.0 + 2 * SETTLE < self.now.0);
        if steady && !self.destructive {
            for number in STEADY.step_by(3) {
                let found = look_up(head, buckets, &client(number), self.now);
                assert!(found.is_some(), "client {number} passes at {}", self.now.0 - START.0);
            }
        }
    }
}
