//! `cargo xtask`: every command of a developer, by the same names in README, CI and docs.

mod bench;
mod build;
mod check;
mod demo;
mod fault;
mod folders;
mod setup;
mod shell;
mod test;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Every command of a developer")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring what the other commands need: wasm target, HAProxy, Viceroy, Fastly's command line, Node.js, Chromium, nginx, PHP
    Setup(setup::Arguments),
    /// Build the agent and the edge program
    Build,
    /// Play every scene on the real parts and print one table
    Demo(demo::Arguments),
    /// Test the workspace, and every scene on HAProxy
    Test(test::Arguments),
    /// Measure, and print ratios with their numbers
    Bench(bench::Arguments),
    /// Format, lints and dependencies: what CI checks before it tests
    Check,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Build => build::run().map(drop),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Check => check::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            shell::say(&format!("error: {fault}"));
            ExitCode::FAILURE
        }
    }
}
