//! `cargo xtask build`: the agent, the demo and the edge program.
//!
//! Agent and demo are built in the profile that `cargo test` uses, so that demo and tests share
//! one build; numbers that mean anything come from `cargo xtask bench`, which builds for release.

use std::path::PathBuf;
use std::process::Command;

use crate::fault::Fault;
use crate::folders;
use crate::setup;
use crate::shell;

/// What was built, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// Folder of the binaries `countersign` and `countersign-demo`.
    pub(crate) binaries: PathBuf,
    /// The edge program.
    pub(crate) edge: PathBuf,
}

impl Built {
    /// Tells the harness where things are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("COUNTERSIGN_BIN_DIR", &self.binaries)
            .env("COUNTERSIGN_EDGE_WASM", &self.edge)
            .env("COUNTERSIGN_CACHE", folders::cache());
    }
}

pub(crate) fn run() -> Result<Built, Fault> {
    setup::for_the_edge()?;
    agent()?;
    edge()?;
    Ok(built())
}

fn built() -> Built {
    Built { binaries: folders::target().join("debug"), edge: program() }
}

/// Where the edge program is.
fn program() -> PathBuf {
    folders::target().join("wasm32-wasip1/edge/countersign-edge.wasm")
}

fn agent() -> Result<(), Fault> {
    shell::run(cargo().args(["build", "-p", "countersign", "-p", "countersign-tests", "--bins"]))
}

/// The edge program alone, and where it is.
pub(crate) fn edge() -> Result<PathBuf, Fault> {
    wasm("countersign-edge")?;
    Ok(program())
}

/// The programs of a package for the edge's platform, beside the edge program.
pub(crate) fn wasm(package: &str) -> Result<(), Fault> {
    let build = ["build", "-p", package, "--profile", "edge", "--target", "wasm32-wasip1"];
    shell::run(cargo().args(build))
}

/// Cargo in the checkout, whatever folder this was called from.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(folders::cargo());
    command.current_dir(folders::repository());
    command
}
