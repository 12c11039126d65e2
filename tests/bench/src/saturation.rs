//! Agents behind a real HAProxy, as many requests as the machine answers.

use std::path::Path;
use std::time::Duration;

use countersign_tests::pieces;
use countersign_tests::trouble::Trouble;

use crate::Pace;
use crate::edge::{Edge, EdgeError};
use crate::interleaved::median;
use crate::report::{Line, Report, Target};
use crate::rivals::{RivalError, rivals};
use crate::stage::{AgentSettings, RunningAgent, RunningHaproxy, Stage, status_of, threads};
use crate::verdict::{VerdictError, policy};
use crate::wrk::{self, Load, Outcome};

/// Connections at saturation.
const MANY: u32 = 32;
/// Connections where latency is looked at: requests wait for processors, not for each other.
const FEW: u32 = 4;

/// The lines that others are compared with.
const NO_SPOE: &str = "(a)";
const CHEAPEST: &str = "(b)";
const CONSTANT: &str = "(c)";
const SIGNATURE: &str = "(d)";
const VARIABLES: &str = "(d2)";
const WHOLE: &str = "(e)";

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaturationError {
    /// A program or file is missing, or didn't do as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The policy is refused.
    #[error(transparent)]
    Policy(#[from] VerdictError),
    /// No assertion.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// HAProxy's own checks can't be set up.
    #[error(transparent)]
    Rival(#[from] RivalError),
}

/// One HAProxy, what it asks, and what was measured.
struct Subject {
    letter: &'static str,
    name: String,
    // Before its agent, so that it ends before it.
    haproxy: RunningHaproxy,
    agent: Option<RunningAgent>,
    /// What it accepts; nothing where each round mints an assertion.
    token: Option<String>,
    saturated: Vec<Sample>,
    calm: Vec<Sample>,
}

/// One run of one subject.
#[derive(Clone, Copy)]
struct Sample {
    outcome: Outcome,
    /// The agent's processor time a request, in microseconds.
    agent: Option<f64>,
}

/// Rounds, and the seconds of each run.
struct Plan {
    rounds: usize,
    saturated: Duration,
    calm: Duration,
}

/// Measures; takes seven minutes, quickly half a minute.
pub(crate) fn run(pace: Pace) -> Result<Report, SaturationError> {
    let plan = match pace {
        Pace::Full => Plan { rounds: 10, saturated: Duration::from_secs(2), calm: Duration::from_secs(2) },
        Pace::Quick => Plan { rounds: 1, saturated: Duration::from_secs(1), calm: Duration::from_secs(1) },
    };
    let stage = Stage::new()?;
    let edge = Edge::new(&policy()?)?;
    let mut subjects = subjects(&stage, &edge)?;
    for subject in &subjects {
        subject.check(&edge)?;
    }
    for round in 0..plan.rounds {
        // Each round begins with another one, so that none always runs behind the same neighbour.
        let count = subjects.len();
        for turn in 0..count {
            if let Some(subject) = subjects.get_mut((round + turn) % count) {
                let many = Load { connections: MANY, time: plan.saturated };
                let sample = subject.load(&edge, many, stage.folder())?;
                subject.saturated.push(sample);
                let few = Load { connections: FEW, time: plan.calm };
                let sample = subject.load(&edge, few, stage.folder())?;
                subject.calm.push(sample);
                eprintln!("round {} of {}: {}", round + 1, plan.rounds, subject.name);
            }
        }
    }
    Ok(report(&plan, &stage, &subjects))
}

fn subjects(stage: &Stage, edge: &Edge) -> Result<Vec<Subject>, SaturationError> {
    let seen = "    http-request set-var(txn.cs_host) req.fhdr(host)\n    \
                http-request set-var(txn.cs_target) pathq";
    let asked = format!(
        "    unique-id-format %[uuid()]\n    filter spoe engine countersign config {}\n{seen}\n    \
         http-request send-spoe-group countersign verify\n    \
         http-request return status 503 unless {{ var(txn.cs.verdict) -m str allow }}",
        pieces::haproxy_file("countersign.spoe.conf")?.display()
    );
    let signed = edge.mint()?;
    let records = stage.folder().join("records.jsonl");
    let whole = AgentSettings { records: &records, replay_capacity: 1_000_000, shared_secrets: None };
    let mut subjects = Vec::new();
    let mut add = |letter: &'static str, name: &str, global: &str, rules: &str, agent, token| {
        let file = format!("haproxy-{}", letter.trim_matches(['(', ')']));
        let haproxy = stage.haproxy(&file, global, rules, Option::as_ref(&agent))?;
        let name = format!("{letter} {name}");
        let (saturated, calm) = (Vec::new(), Vec::new());
        subjects.push(Subject { letter, name, haproxy, agent, token, saturated, calm });
        Ok::<_, Trouble>(())
    };
    add(NO_SPOE, "HAProxy alone, nothing is asked", "", seen, None, None)?;
    let cheapest = stage.agent("cheapest", "cheapest", &[])?;
    add(CHEAPEST, "cheapest agent, by hand", "", &asked, Some(cheapest), None)?;
    let constant = stage.agent("constant", "constant", &[])?;
    add(CONSTANT, "constant agent on haproxy-wire", "", &asked, Some(constant), None)?;
    let told = [&*edge.public_text(), &signed];
    let signature = stage.agent("signature", "signature", &told)?;
    add(SIGNATURE, "cheapest agent and a bare Ed25519 signature", "", &asked, Some(signature), None)?;
    let variables = stage.agent("variables", "signature-and-variables", &told)?;
    add(VARIABLES, "the same, and the variables that (e) sets", "", &asked, Some(variables), None)?;
    let whole = stage.countersign(edge, whole)?;
    add(WHOLE, "countersign serve", "", &asked, Some(whole), None)?;
    for (rival, letter) in rivals(stage, edge)?.into_iter().zip(["(f)", "(g)", "(h)"]) {
        add(letter, rival.name, &rival.global, &rival.rules, None, Some(rival.token))?;
    }
    Ok(subjects)
}

impl Subject {
    /// It must let a good request pass, and where it checks anything it must not let others.
    fn check(&self, edge: &Edge) -> Result<(), SaturationError> {
        let good = status_of(self.haproxy.address, Some(&self.assertion(edge)?))?;
        let without = status_of(self.haproxy.address, None)?;
        let checks = self.letter == WHOLE || self.token.is_some();
        if good == 200 && (without == 200) != checks {
            return Ok(());
        }
        let got = format!("{good} with one, {without} without");
        Err(Trouble::unexpected(format!("{} to answer 200 to a good assertion only", self.name), got).into())
    }

    fn assertion(&self, edge: &Edge) -> Result<String, EdgeError> {
        self.token.clone().map_or_else(|| edge.mint(), Ok)
    }

    fn load(&self, edge: &Edge, load: Load, folder: &Path) -> Result<Sample, SaturationError> {
        let before = self.agent.as_ref().map(RunningAgent::processor_time).transpose()?;
        let outcome = wrk::run(self.haproxy.address, &self.assertion(edge)?, load, folder)?;
        let after = self.agent.as_ref().map(RunningAgent::processor_time).transpose()?;
        let agent = before.zip(after).map(|(before, after)| (after - before) / outcome.requests);
        Ok(Sample { outcome, agent })
    }
}

fn report(plan: &Plan, stage: &Stage, subjects: &[Subject]) -> Report {
    let of = |letter: &str| subjects.iter().find(|subject| subject.letter == letter);
    let rate = |sample: &Sample| sample.outcome.rate;
    let mut lines = Vec::new();
    for subject in subjects {
        let agent = median_of(&subject.saturated, |sample| sample.agent.unwrap_or(f64::NAN));
        let agent = if agent.is_nan() {
            String::new()
        } else {
            format!(", the agent's processor {agent:.1} us each")
        };
        let figure = format!("{:.0} a second{agent}", median_of(&subject.saturated, rate));
        lines.push(Line::new(subject.name.as_str(), figure));
    }
    for (letter, against, target) in [
        (CONSTANT, CHEAPEST, Some(Target::AtLeast(0.95))),
        (WHOLE, SIGNATURE, Some(Target::AtLeast(0.9))),
        (WHOLE, VARIABLES, None),
        (CHEAPEST, NO_SPOE, None),
        (WHOLE, NO_SPOE, None),
        (WHOLE, "(f)", None),
        (WHOLE, "(g)", None),
        (WHOLE, "(h)", None),
    ] {
        let Some((one, other)) = of(letter).zip(of(against)) else { continue };
        let ratios = one.saturated.iter().zip(&other.saturated);
        let ratio = median(ratios.map(|(one, other)| rate(one) / rate(other)).collect());
        lines.push(
            Line::new(format!("requests a second, {letter} to {against}"), "").beside(against, ratio, target),
        );
    }
    for subject in subjects {
        let what = format!("{} latency at {FEW} connections", subject.letter);
        let p50 = median_of(&subject.calm, |sample| sample.outcome.p50);
        let p99 = median_of(&subject.calm, |sample| sample.outcome.p99);
        lines.push(Line::new(what, format!("p50 {p50:.0} us, p99 {p99:.0} us")));
    }
    for (against, target) in [(SIGNATURE, Some(Target::AtMost(1.2))), (VARIABLES, None)] {
        let (Some(none), Some(other), Some(whole)) = (of(NO_SPOE), of(against), of(WHOLE)) else { continue };
        let p99 = |subject: &Subject| median_of(&subject.calm, |sample| sample.outcome.p99);
        let (ours, theirs) = (p99(whole) - p99(none), p99(other) - p99(none));
        let figure = format!("{ours:.0} us, {against} {theirs:.0} us");
        let line = Line::new("p99 added to (a), (e)", figure);
        // Where (a) is the slower one, other work on the machine was measured.
        lines.push(if theirs > 0.0 && ours > 0.0 {
            line.beside(against, ours / theirs, target)
        } else {
            Line { figure: format!("{}: no ratio, the machine is busy", line.figure), ..line }
        });
    }
    Report {
        title: "saturation: behind a real HAProxy".to_owned(),
        notes: vec![
            format!(
                "HAProxy {}, nbthread {}; HAProxy, agent and wrk share {} processors, nothing is pinned",
                stage.haproxy_version(),
                threads(),
                threads()
            ),
            "one minimal frontend for all: two set-var, the shipped SPOE file where an agent is asked, `return \
             status 200`; no log, no application"
                .to_owned(),
            format!(
                "wrk with one thread and {MANY} connections at saturation; {} rounds in turn of {} s and {} s; \
                 medians, the ratio of requests is the median of the rounds' ratios",
                plan.rounds,
                plan.saturated.as_secs(),
                plan.calm.as_secs()
            ),
            "(e) verifies, decides and writes a record of every request; (b), (c), (d) and (d2) answer `allow` to \
             everything; (f), (g) and (h) look at nothing but the signature"
                .to_owned(),
        ],
        lines,
    }
}

fn median_of(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    median(samples.iter().map(of).collect())
}
