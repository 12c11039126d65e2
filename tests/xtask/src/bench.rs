//! `cargo xtask bench`: ratios from one run, with their numbers.

use std::env;
use std::process::Command;

use clap::Args;

use crate::build;
use crate::fault::Fault;
use crate::folders;
use crate::setup;
use crate::shell;

/// Benches that start HAProxy and put load on it.
const ON_HAPROXY: [&str; 4] = ["saturation", "memory", "peers", "live"];

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Passed on to the benches: `codec`, `verdict`, `saturation`, `memory`, `peers`, `live`, all of them
    /// where none is named; `--quick` for short runs, `--markdown` for the tables of docs/performance.md
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let mut names = arguments.arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    if names.peek().is_none() || names.any(|name| ON_HAPROXY.contains(&name.as_str())) {
        setup::for_the_bench()?;
        if let Ok(version) = env::var("COUNTERSIGN_HAPROXY") {
            setup::haproxy_of(version.parse()?)?;
        }
    }
    // The agent is started from the folder that the benches are in.
    shell::run(build::cargo().args(["build", "--release", "-p", "countersign", "-p", "countersign-bench"]))?;
    let bench = folders::target().join("release/countersign-bench");
    shell::run(Command::new(bench).args(&arguments.arguments))
}
