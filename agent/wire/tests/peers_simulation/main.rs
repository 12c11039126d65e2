//! Two nodes over a network that fails, with clocks that jump: their tables converge.
//!
//! A failure prints its seed; `PEERS_SIMULATION_SEED=N` runs that one alone, `PEERS_SIMULATION_RUNS=N` runs
//! as many as one has patience for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod node;
mod random;

use bytes::{Buf, BytesMut};
use node::{End, Node};
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// Steps with faults, then at most so many without.
const FAULTY_STEPS: u64 = 1_500;
const QUIET_STEPS: u64 = 60_000;
const RUNS: u64 = 150;

/// What one end sends, on its way.
#[derive(Default)]
struct Wire {
    bytes: BytesMut,
    closed: bool,
}

/// One connection; a wire leads to the node of its number.
struct Link {
    ends: [Option<End>; 2],
    wires: [Wire; 2],
}

/// Which faults happen.
#[derive(Clone, Copy)]
enum Faults {
    /// Any, at random.
    Random,
    /// The loss of every connection after so many steps, and nothing else.
    LossAfter(u64),
}

struct World {
    nodes: [Node; 2],
    links: Vec<Link>,
    random: Random,
    lost: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = [Node::new("a", "b", &mut random), Node::new("b", "a", &mut random)];
        Self { nodes, links: Vec::new(), random, lost: 0 }
    }

    /// Runs with faults, then without until the tables are the same.
    fn run(&mut self, faults: Faults) {
        for step in 0..FAULTY_STEPS {
            match faults {
                Faults::Random => self.fault(),
                Faults::LossAfter(at) if at == step => self.lose_all(),
                Faults::LossAfter(at) if at + 300 == step => break,
                Faults::LossAfter(_) => {}
            }
            let writer = self.random.below(2);
            if self.random.chance(5) {
                self.nodes[writer].write(&mut self.random);
            }
            self.step();
        }
        for _ in 0..QUIET_STEPS {
            self.step();
            if self.converged() {
                return;
            }
        }
        panic!("tables did not converge: {:#?}", self.nodes);
    }

    fn converged(&self) -> bool {
        let [a, b] = &self.nodes;
        a.is_known_to(b) && b.is_known_to(a) && !a.needs_resync && !b.needs_resync
    }

    fn fault(&mut self) {
        let at = self.random.below(2);
        match self.random.below(400) {
            0 | 1 => self.lose_all(),
            2 | 3 if !self.links.is_empty() => {
                let link = self.random.below(self.links.len());
                self.lose(link);
            }
            // A restart: what was learned is gone, and so is every connection.
            4 => {
                self.lose_all();
                self.nodes[at].restart();
            }
            // A process that was stopped for a while, or a clock that was set back.
            5 => self.nodes[at].clock += Duration::from_millis(self.random.below(20_000) as u64),
            6 => self.nodes[at].clock -= Duration::from_millis(self.random.below(3_000) as u64),
            // Both connect at once, though there may be a session already.
            7 => {
                self.connect(0);
                self.connect(1);
            }
            8 => self.connect(at),
            9 => self.nodes[at].needs_resync = true,
            _ => {}
        }
    }

    fn lose_all(&mut self) {
        while !self.links.is_empty() {
            self.lose(0);
        }
    }

    /// Both ends break, and what was on its way is gone.
    fn lose(&mut self, link: usize) {
        let link = self.links.swap_remove(link);
        self.lost += 1;
        for (node, end) in self.nodes.iter_mut().zip(link.ends) {
            if let Some(end) = end {
                node.ended(end, &mut self.random);
            }
        }
    }

    fn connect(&mut self, from: usize) {
        let mut wires = [Wire::default(), Wire::default()];
        let (caller, replaced) = self.nodes[from].connect(&mut wires[1 - from].bytes);
        let called = self.nodes[1 - from].accept();
        let ends = if from == 0 { [Some(caller), Some(called)] } else { [Some(called), Some(caller)] };
        self.links.push(Link { ends, wires });
        self.close(from, replaced);
    }

    /// Closes a node's end of the session that gave way: what it sent still arrives.
    fn close(&mut self, at: usize, replaced: Option<haproxy_wire::peers::SessionId>) {
        for link in &mut self.links {
            if link.ends[at].as_ref().is_some_and(|end| Some(end.session.id()) == replaced) {
                let end = link.ends[at].take().unwrap();
                link.wires[1 - at].closed = true;
                self.nodes[at].ended(end, &mut self.random);
            }
        }
    }

    fn step(&mut self) {
        let pace = Duration::from_millis(self.random.below(60) as u64);
        for at in 0..2 {
            self.nodes[at].clock += pace;
            if self.nodes[at].wants_to_connect() && self.random.chance(30) {
                self.connect(at);
            }
        }
        if self.links.is_empty() {
            return;
        }
        // Any link and end may be first: connections are not in the order in which they were opened.
        for _ in 0..2 * self.links.len() {
            let (link, at) = (self.random.below(self.links.len()), self.random.below(2));
            let replaced = self.serve(link, at);
            self.close(at, replaced);
        }
        self.links.retain(|link| link.ends.iter().any(Option::is_some));
    }

    /// Lets one end read some of what came, and act; gives the session that it took the seat from.
    fn serve(&mut self, link: usize, at: usize) -> Option<haproxy_wire::peers::SessionId> {
        let Self { nodes, links, random, .. } = self;
        let Link { ends, wires } = links.get_mut(link)?;
        let end = ends[at].as_mut()?;
        let [to_a, to_b] = wires;
        let (incoming, outgoing) = if at == 0 { (to_a, to_b) } else { (to_b, to_a) };
        let arrived = random.below(incoming.bytes.len() + 1);
        end.input.extend_from_slice(&incoming.bytes[..arrived]);
        incoming.bytes.advance(arrived);
        let [a, b] = nodes;
        let (node, other) = if at == 0 { (a, b) } else { (b, a) };
        // A wire that its reader closed takes bytes that nobody will read.
        let replaced = node.read(end, other, &mut outgoing.bytes, random);
        node.act(end, &mut outgoing.bytes, random);
        let over = incoming.closed && incoming.bytes.is_empty();
        if over || node.is_over(end) {
            let end = ends[at].take()?;
            outgoing.closed = true;
            node.ended(end, random);
        }
        replaced
    }
}

/// Runs one seed; says how to run it again when it fails.
fn run(seed: u64, faults: Faults) -> World {
    let mut world = World::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| world.run(faults)));
    if let Err(failure) = result {
        let about = match faults {
            Faults::Random => String::new(),
            Faults::LossAfter(step) => format!(", connections lost after step {step}"),
        };
        eprintln!("seed {seed} failed{about}; run it again with PEERS_SIMULATION_SEED={seed}");
        resume_unwind(failure);
    }
    world
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn tables_converge_whatever_fails() {
    let first = number("PEERS_SIMULATION_SEED");
    let runs = if first.is_some() { 1 } else { number("PEERS_SIMULATION_RUNS").unwrap_or(RUNS) };
    let mut total = node::Seen::default();
    let mut lost = 0;
    for seed in (first.unwrap_or(1)..).take(usize::try_from(runs).unwrap()) {
        let world = run(seed, Faults::Random);
        lost += world.lost;
        for node in &world.nodes {
            total.add(&node.seen);
        }
    }
    // What is to be tried was tried.
    if first.is_none() {
        assert!(lost > runs, "{lost} connections were lost");
        assert!(total.updates > 100 * runs && total.acknowledged > runs, "{total:?}");
        assert!(total.lessons > runs && total.confirmed > runs && total.partial > runs / 10, "{total:?}");
        assert!(total.replaced > runs / 2 && total.silent > runs / 10, "{total:?}");
    }
}

#[test]
fn tables_converge_wherever_the_connection_is_lost() {
    let seed = number("PEERS_SIMULATION_SEED").unwrap_or(1);
    for step in 0..300 {
        run(seed, Faults::LossAfter(step));
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    let words = |seed| {
        let world = run(seed, Faults::Random);
        format!("{:?} {:?}", world.nodes[0].seen, world.nodes[1].seen)
    };
    assert_eq!(words(7), words(7));
    assert_ne!(words(7), words(8));
}
