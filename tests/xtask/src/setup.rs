//! `cargo xtask setup`: finds what the other commands need, and brings what is missing.

mod applications;
mod browser;
mod cargo_deny;
mod clients;
mod fastly_cli;
mod haproxy;
mod linker;
mod load;
mod node;
mod npm;
mod oidc;
mod viceroy;
mod wasm;

use clap::Args;

use crate::fault::Fault;
use crate::version::Version;

pub(crate) use cargo_deny::cargo_deny;

/// What to bring.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The HAProxy to bring beside the system's: 2.6, 3.0 or 3.2
    #[arg(long)]
    haproxy: Option<Version>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    for_the_stage()?;
    fastly_cli()?;
    for_log_in()?;
    for_the_readings()?;
    arguments.haproxy.map_or(Ok(()), haproxy_of)
}

/// Everything that demo and tests need: the compiler's targets, the system's HAProxy, Viceroy, clients.
pub(crate) fn for_the_stage() -> Result<(), Fault> {
    linker::check()?;
    wasm::bring()?;
    haproxy::bring_the_systems()?;
    clients::bring()?;
    viceroy::bring()
}

/// What the stand-in of Fastly's API is tested with.
pub(crate) fn fastly_cli() -> Result<(), Fault> {
    fastly_cli::bring()
}

/// What log-in is tested with: an identity provider and a browser, and what runs them.
pub(crate) fn for_log_in() -> Result<(), Fault> {
    node::bring()?;
    oidc::bring()?;
    browser::bring()
}

/// The applications that are asked how they read a request.
pub(crate) fn for_the_readings() -> Result<(), Fault> {
    node::bring()?;
    applications::bring()
}

/// What signs as a bot.
pub(crate) fn for_bots() -> Result<(), Fault> {
    node::bring()?;
    oidc::bring()
}

/// The application that takes large bodies.
pub(crate) fn for_large_bodies() -> Result<(), Fault> {
    node::bring()
}

/// What the benches need that start HAProxy.
pub(crate) fn for_the_bench() -> Result<(), Fault> {
    linker::check()?;
    haproxy::bring_the_systems()?;
    load::bring()
}

/// What compiling for the edge needs.
pub(crate) fn for_the_edge() -> Result<(), Fault> {
    linker::check()?;
    wasm::bring()
}

/// One version of HAProxy.
pub(crate) fn haproxy_of(version: Version) -> Result<(), Fault> {
    haproxy::bring(version)
}
