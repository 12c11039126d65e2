//! `countersign`: the daemon and its command line.

use std::process::ExitCode;

use clap::Parser as _;
use countersign::command::Command;

fn main() -> ExitCode {
    Command::parse().run()
}
