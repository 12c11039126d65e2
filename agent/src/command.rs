//! The command line, one file a subcommand.

mod admin;
mod bans;
mod check;
mod compile;
mod keys;
mod log;
mod peers;
mod publish;
mod revoke;
mod serve;
mod sign;
mod url;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The agent beside HAProxy that verifies what the edge says about a request.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, arg_required_else_help = true)]
pub struct Command {
    #[command(subcommand)]
    subcommand: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Answer HAProxy over SPOP until SIGTERM; SIGHUP reloads policy and keys
    Serve(serve::Serve),
    /// Hear what HAProxy's stick tables count, ban offenders, and teach it to every HAProxy and agent
    Publish(publish::Publish),
    /// See, make and lift bans
    #[command(subcommand)]
    Bans(bans::Bans),
    /// End what somebody is signed in with: a block of a subject, or of one log-in
    Revoke(revoke::Revoke),
    /// See the publisher's peers and what their tables hold
    #[command(subcommand)]
    Peers(peers::Peers),
    /// Read settings, policy and keys, and say everything that is wrong with them
    Check(check::Check),
    /// Print the policy as the edge's config store holds it
    Compile(compile::Compile),
    /// Make keys, see which are in use, and take away those that aren't
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Print an assertion for one request, as the edge would send it
    Sign(sign::Sign),
    /// Say check by check why an assertion is accepted or refused
    Verify(verify::Verify),
}

impl Command {
    /// Runs it. Exit status 0: done, or accepted; 1: refused or failed; 2: wrong usage.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let result = match self.subcommand {
            Which::Serve(serve) => serve.run(),
            Which::Publish(publish) => publish.run(),
            Which::Bans(bans) => bans.run(),
            Which::Revoke(revoke) => revoke.run(),
            Which::Peers(peers) => peers.run(),
            Which::Check(check) => check.run(),
            Which::Compile(compile) => compile.run(),
            Which::Keys(keys) => keys.run(),
            Which::Sign(sign) => sign.run(),
            Which::Verify(verify) => verify.run(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Said) => ExitCode::FAILURE,
            Err(Failure::Because(error)) => {
                eprintln!("countersign: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// How a subcommand fails.
#[derive(Debug)]
enum Failure {
    /// It has said why.
    Said,
    /// For this reason.
    Because(Box<dyn std::error::Error>),
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Because(Box::new(error))
    }
}
