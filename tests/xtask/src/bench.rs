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
const ON_HAPROXY: [&str; 6] = ["saturation", "memory", "peers", "live", "examples", "upload"];

/// Benches that run the edge program.
const ON_VICEROY: [&str; 3] = ["list", "edge", "upload"];

/// Benches that run programs beside it.
const BESIDE_THE_EDGE: [&str; 2] = ["edge", "upload"];

/// The bench that a bot's request is in.
const EDGE: &str = "edge";

/// The bench that sends large bodies.
const UPLOAD: &str = "upload";

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Passed on to the benches: `codec`, `verdict`, `saturation`, `memory`, `peers`, `live`, `list`, `publish`,
    /// `edge`, `upload`, `examples`, all of them where none is named; `--quick` for short runs, `--markdown` for the
    /// tables of docs/performance.md
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let names: Vec<_> = arguments.arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let is_measured = |name: &str| names.is_empty() || names.iter().any(|named| *named == name);
    if ON_HAPROXY.into_iter().any(is_measured) {
        setup::for_the_bench()?;
        if let Ok(version) = env::var("COUNTERSIGN_HAPROXY") {
            setup::haproxy_of(version.parse()?)?;
        }
    }
    let programs = folders::target().join("release");
    let mut bench = Command::new(programs.join("countersign-bench"));
    bench.args(&arguments.arguments).env("COUNTERSIGN_BIN_DIR", programs);
    if ON_VICEROY.into_iter().any(is_measured) {
        setup::for_the_stage()?;
        bench.env("COUNTERSIGN_EDGE_WASM", build::edge()?).env("COUNTERSIGN_CACHE", folders::cache());
    }
    if BESIDE_THE_EDGE.into_iter().any(is_measured) {
        build::wasm("countersign-bench-wasm")?;
    }
    if is_measured(EDGE) {
        setup::for_bots()?;
    }
    if is_measured(UPLOAD) {
        setup::for_large_bodies()?;
    }
    // The agent is started from the folder that the benches are in.
    shell::run(build::cargo().args(["build", "--release", "-p", "countersign", "-p", "countersign-bench"]))?;
    shell::run(&mut bench)
}
