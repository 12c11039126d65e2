//! What the examples of `haproxy/examples` cost at HAProxy: each beside the shipped configuration alone, on a stage of
//! its own, the same harness on all.

use std::path::Path;
use std::time::Duration;

use countersign_tests::client::{PATIENCE, Request};
use countersign_tests::example::{Centre, ExamplePlan, ExampleStage, HOST};
use countersign_tests::forge::{NOBODY, Sender};
use countersign_tests::pieces::Subject;
use countersign_tests::trouble::Trouble;
use countersign_tests::world::Front;
use serde_json::{Value, json};

use crate::Pace;
use crate::interleaved::median;
use crate::report::{Line, Report};
use crate::wrk::{self, Load, Outcome};

/// Connections at which everything is busy.
const MANY: u32 = 32;
/// Each request under this limit of the bots' example, so that what is measured is a request that passes.
const NO_LIMIT: (&str, &str) = ("COUNTERSIGN_BOT_RATE", "1000000000");
const PLAIN: &str = "(a)";

/// Of the two data centres one is measured, with its own agents' settings.
const ONE_CENTRE: ExamplePlan = ExamplePlan {
    centres: &[Centre { agents: Some("countersign.eu-1.toml"), ..Centre::SHIPPED }],
    ..ExamplePlan::of("two-data-centres")
};

/// A stage, and the request that is sent to it.
struct Measured {
    name: &'static str,
    request: Request,
    sender: Sender,
    claim: Option<(&'static str, Value)>,
    stage: ExampleStage,
    outcomes: Vec<Outcome>,
}

/// Measures; a minute, quickly a few seconds.
pub(crate) fn run(pace: Pace) -> Result<Report, Trouble> {
    let (rounds, seconds) = match pace {
        Pace::Full => (10, 1),
        Pace::Quick => (1, 1),
    };
    let runtime = tokio::runtime::Runtime::new().map_err(Trouble::io("start a runtime"))?;
    let folder = tempfile::tempdir().map_err(Trouble::io("make a folder"))?;
    let subject = Subject::from_environment()?;
    let mut all = runtime.block_on(stages(subject))?;
    for measured in &all {
        runtime.block_on(measured.check())?;
    }
    let load = Load { connections: MANY, time: Duration::from_secs(seconds) };
    let count = all.len();
    for round in 0..rounds {
        // Each round begins with another one, so that none always runs behind the same neighbour.
        for turn in 0..count {
            if let Some(measured) = all.get_mut((round + turn) % count) {
                measured.load(load, folder.path())?;
            }
        }
    }
    let version = runtime.block_on(version(&all));
    Ok(report(rounds, seconds, &version, &all))
}

async fn stages(subject: Subject) -> Result<Vec<Measured>, Trouble> {
    let mut all = Vec::new();
    let bot = Sender { subject: "bot:crawler", groups: &["crawlers"] };
    for (name, plan, target, sender, claim) in [
        ("(a) no second file, one route", ExamplePlan::of("shielding"), "/page", NOBODY, None),
        ("(b) two-data-centres: receipts", ONE_CENTRE, "/page", NOBODY, None),
        (
            "(c) canary: a pool by arm",
            ExamplePlan::of("canary"),
            "/checkout/cart",
            NOBODY,
            Some(("arm", json!("canary"))),
        ),
        (
            "(d) bots: counted by bot",
            ExamplePlan::of("bots"),
            "/catalogue/page",
            bot,
            Some(("bot", json!("crawler"))),
        ),
        ("(e) cors: a route with a rule", ExamplePlan::of("cors"), "/prices/today", NOBODY, None),
    ] {
        let stage = ExampleStage::start_with(subject, Front::Nothing, plan, &[NO_LIMIT]).await?;
        let request = Request::new("GET", HOST, target);
        all.push(Measured { name, request, sender, claim, stage, outcomes: Vec::new() });
    }
    Ok(all)
}

async fn version(all: &[Measured]) -> String {
    let Some(node) = all.first().and_then(|measured| measured.stage.node(0).ok()) else {
        return String::new();
    };
    node.haproxy().await.version()
}

impl Measured {
    fn assertion(&self) -> Result<String, Trouble> {
        let forge = self.stage.forge(0)?;
        let mut draft = forge.draft(&self.request, self.sender)?;
        if let Some((claim, value)) = &self.claim {
            draft = draft.claim(claim, value.clone());
        }
        Ok(draft.signed(forge))
    }

    /// It must let a good request pass, and none without an assertion.
    async fn check(&self) -> Result<(), Trouble> {
        let address = self.stage.node(0)?.address();
        let good = self.request.clone().header("Countersign-Assertion", &self.assertion()?);
        let statuses =
            [good.send(address, PATIENCE).await?.status, self.request.send(address, PATIENCE).await?.status];
        if statuses == [200, 401] {
            return Ok(());
        }
        Err(Trouble::unexpected(
            format!("{}: 200 with an assertion, 401 without", self.name),
            format!("{statuses:?}"),
        ))
    }

    fn load(&mut self, load: Load, folder: &Path) -> Result<(), Trouble> {
        let address = self.stage.node(0)?.address();
        let outcome = wrk::run_for([HOST, &self.request.target], address, &self.assertion()?, load, folder)?;
        self.outcomes.push(outcome);
        Ok(())
    }

    fn median_of(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        median(self.outcomes.iter().map(of).collect())
    }
}

fn report(rounds: usize, seconds: u64, version: &str, all: &[Measured]) -> Report {
    let lines = all.iter().map(|measured| {
        let figure = format!(
            "{:.0} a second, p50 {:.0} us",
            measured.median_of(|outcome| outcome.rate),
            measured.median_of(|outcome| outcome.p50)
        );
        let line = Line::new(measured.name, figure);
        match all.first().filter(|plain| plain.name != measured.name) {
            None => line,
            Some(plain) => {
                let pairs = measured.outcomes.iter().zip(&plain.outcomes);
                let ratio = median(pairs.map(|(one, plain)| one.rate / plain.rate).collect());
                line.beside(PLAIN, ratio, None)
            }
        }
    });
    Report {
        title: "examples: each on its own files, behind a real HAProxy".to_owned(),
        notes: vec![
            format!("HAProxy {version} on the shipped haproxy.cfg with its log, two agents, one application; wrk with one thread and {MANY} connections, all on the same processors"),
            format!("{rounds} rounds in turn of {seconds} s; medians, the ratio is the median of the rounds' ratios"),
            "assertions made by hand: what the edge does is not in it; (a) is the example `shielding`, which adds nothing here; the limit of (d) is lifted by `COUNTERSIGN_BOT_RATE`; of `websocket` and `grpc` nothing is measured: they are judged once a stream".to_owned(),
        ],
        lines: lines.collect(),
    }
}
