//! `cargo xtask bench`: ratios from one run, with their numbers.

use clap::Args;

use crate::build;
use crate::fault::Fault;
use crate::setup;
use crate::shell;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Passed on to the benches
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    setup::for_the_stage()?;
    shell::run(build::cargo().args(["build", "--release", "-p", "countersign"]))?;
    let mut bench = build::cargo();
    bench.args(["run", "--release", "-p", "countersign-bench", "--"]).args(&arguments.arguments);
    bench.env("COUNTERSIGN_BIN_DIR", crate::folders::target().join("release"));
    shell::run(&mut bench)
}
