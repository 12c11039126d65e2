//! Every scene as a test of its own, on real HAProxy and the real Compute runtime.
//!
//! The subject is chosen by `COUNTERSIGN_HAPROXY`; `COUNTERSIGN_SCENES=haproxy` plays only what
//! needs no edge. `cargo xtask test` brings the pieces and sets both.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use countersign_tests::pieces::Subject;
use countersign_tests::runner::Runner;
use countersign_tests::scenes;
use countersign_tests::world::Front;
use libtest_mimic::{Arguments, Failed, Trial};

/// `haproxy`: only what needs no edge.
const SCENES_VARIABLE: &str = "COUNTERSIGN_SCENES";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::from_args();
    let subject = Subject::from_environment()?;
    let front = match std::env::var(SCENES_VARIABLE).as_deref() {
        Ok("haproxy") => Front::Nothing,
        _ => Front::Edge,
    };
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
    let runner = Arc::new(Runner::new(subject, front));
    let trials = scenes::all()
        .into_iter()
        .map(|scene| {
            let (runtime, runner) = (Arc::clone(&runtime), Arc::clone(&runner));
            let ignored = !runner.has_stage_for(&scene);
            let trial = Trial::test(scene.name.clone(), move || {
                let row = runtime.block_on(runner.play(&scene));
                if row.went_as_stated() {
                    return Ok(());
                }
                Err(Failed::from(format!("{}\n{}", row.differed.join("\n"), row.seen())))
            });
            trial.with_ignored_flag(ignored).with_kind(subject.version())
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The common world ends here, and with it every process; exiting first would leave that to the reaper.
    drop(runner);
    Ok(conclusion.exit_code())
}
