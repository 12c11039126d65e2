//! `cargo xtask demo`: everything that is missing, everything built, every scene played.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use crate::build;
use crate::fault::Fault;
use crate::setup;
use crate::version::Version;

/// How to play.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Leave the stage running afterwards, and print what to try with curl
    #[arg(long)]
    keep: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// The HAProxy to play on: 2.6, 3.0 or 3.2 (default: the system's)
    #[arg(long)]
    haproxy: Option<Version>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    setup::for_the_stage()?;
    setup::for_log_in()?;
    if let Some(version) = arguments.haproxy {
        setup::haproxy_of(version)?;
    }
    let built = build::run()?;
    let program = built.binaries.join("countersign-demo");
    let mut demo = Command::new(&program);
    built.tell(&mut demo);
    if arguments.keep {
        demo.arg("--keep");
    }
    if arguments.json {
        demo.arg("--json");
    }
    if let Some(version) = arguments.haproxy {
        demo.args(["--haproxy", version.name()]);
    }
    // In place of this process: a Ctrl-C then reaches the one that cleans up, and the shell waits for it.
    Err(Fault::NotStarted { command: program.display().to_string(), source: demo.exec() })
}
