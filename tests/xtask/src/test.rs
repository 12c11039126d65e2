//! `cargo xtask test`: the workspace's tests, and every scene on HAProxy.

use std::env;

use clap::Args;

use crate::build::{self, Built};
use crate::fault::Fault;
use crate::setup;
use crate::shell;
use crate::version::Version;

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only the end-to-end tests, on this HAProxy: 2.6, 3.0 or 3.2
    #[arg(long)]
    haproxy: Option<Version>,
}

/// Which scenes are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenes {
    /// All.
    All,
    /// Those that need no edge.
    FromHaproxy,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    setup::for_the_stage()?;
    setup::for_log_in()?;
    setup::for_the_readings()?;
    let built = build::run()?;
    if let Some(version) = arguments.haproxy {
        setup::haproxy_of(version)?;
        return scenes(&built, version, Scenes::All);
    }
    // The system's may be another one than Debian 12's: then that one comes into the cache.
    setup::haproxy_of(Version::V2_6)?;
    setup::fastly_cli()?;
    let mut workspace = build::cargo();
    workspace
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("COUNTERSIGN_HAPROXY", Version::V2_6.name());
    built.tell(&mut workspace);
    shell::run(&mut workspace)?;
    match setup::haproxy_of(Version::V3_2) {
        Ok(()) => scenes(&built, Version::V3_2, Scenes::FromHaproxy),
        Err(fault) if is_continuous_integration() => Err(fault),
        Err(fault) => {
            shell::say(&format!("\nNOT TESTED on HAProxy 3.2, whose SPOP engine is another one:\n{fault}"));
            Ok(())
        }
    }
}

fn scenes(built: &Built, version: Version, scenes: Scenes) -> Result<(), Fault> {
    let mut command = build::cargo();
    command
        .args(["test", "-p", "countersign-tests"])
        .args(["--test", "scenes", "--test", "examples", "--test", "who_reads_what"])
        .env("COUNTERSIGN_HAPROXY", version.name());
    if scenes == Scenes::FromHaproxy {
        command.env("COUNTERSIGN_SCENES", "haproxy");
    }
    built.tell(&mut command);
    shell::run(&mut command)
}

/// `CI=true`, as every service sets it.
fn is_continuous_integration() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}
