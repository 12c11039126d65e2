//! Benches of Countersign: `countersign-bench [NAME]…` prints figures, ratios and targets.

mod agents;
mod cheapest_agent;
mod cheapest_peer;
mod codec;
mod compute;
mod constant_agent;
mod edge;
mod examples;
mod interleaved;
mod kinds;
mod list;
mod live;
mod machine;
mod memory;
mod node;
mod peers;
mod process_costs;
mod publish;
mod publisher;
mod question;
mod report;
mod rivals;
mod saturation;
mod stage;
mod teacher;
mod upload;
mod verdict;
mod wrk;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::report::{Line, Report, Target};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", about = "Measure, and print ratios with their numbers")]
struct Arguments {
    /// Which benches; all where none is named
    names: Vec<Name>,
    /// Short runs: to see that everything works, not what it costs
    #[arg(long)]
    quick: bool,
    /// Print the tables of docs/performance.md
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Codec,
    Verdict,
    Saturation,
    Memory,
    Peers,
    Live,
    List,
    Publish,
    Edge,
    Examples,
    Upload,
}

/// How long is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Long enough for figures that hold.
    Full,
    /// Long enough to see that it works.
    Quick,
}

fn main() -> ExitCode {
    // The benches start this program again as an agent: each agent is a process of its own.
    if let Some(ended) = agents::serve(std::env::args().skip(1)) {
        eprintln!("{ended}");
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    let pace = if arguments.quick { Pace::Quick } else { Pace::Full };
    let names = if arguments.names.is_empty() { Name::value_variants() } else { arguments.names.as_slice() };
    println!("{}\n", machine::description());
    let mut code = ExitCode::SUCCESS;
    for name in names {
        match run(*name, pace) {
            Ok(report) if arguments.markdown => println!("{}", report.markdown()),
            Ok(report) => println!("{}", report.text()),
            Err(error) => {
                eprintln!("{error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn run(name: Name, pace: Pace) -> Result<Report, String> {
    match name {
        Name::Codec => codec::run().map(of_codec).map_err(|error| error.to_string()),
        Name::Verdict => verdict::run(pace).map_err(|error| error.to_string()),
        Name::Memory => memory::run(pace).map_err(|error| error.to_string()),
        Name::Peers => peers::run(pace).map_err(|error| error.to_string()),
        Name::Live => live::run(pace).map_err(|error| error.to_string()),
        Name::Publish => publish::run(pace).map_err(|error| error.to_string()),
        Name::List => list::run(pace).map_err(|error| error.to_string()),
        Name::Upload => upload::run(pace).map_err(|error| error.to_string()),
        Name::Edge => kinds::run(pace).map_err(|error| error.to_string()),
        Name::Examples => examples::run(pace).map_err(|error| error.to_string()),
        Name::Saturation => saturation::run(pace).map_err(|error| error.to_string()),
    }
}

fn of_codec(found: codec::Codec) -> Report {
    let pair = |what: &str, pair: codec::Pair, target| {
        let line = Line::new(what, format!("{:.1} ns, crate spop {:.1} ns", pair.ours, pair.spop));
        line.beside("our speed to crate spop's", pair.ratio(), target)
    };
    Report {
        title: "codec: SPOP in memory, beside the released crate `spop`".to_owned(),
        notes: vec![format!("one NOTIFY of {} bytes, the fastest samples", found.notify_bytes)],
        lines: vec![
            pair("decode, all arguments", found.decode, Some(Target::AtLeast(20.0))),
            pair("NOTIFY to ACK, verdict", found.verdict, Some(Target::AtLeast(20.0))),
            pair("NOTIFY to ACK, ten variables", found.allow, None),
            Line::new("through the connection state machine", format!("{:.1} ns", found.connection)),
        ],
    }
}
