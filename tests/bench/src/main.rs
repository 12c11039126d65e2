//! Benches of Countersign: `countersign-bench NAME` prints the figures of one.

mod codec;

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1);
    let printed = match name.as_deref() {
        Some("codec") => codec::run().map(|result| println!("{result}")).map_err(|error| error.to_string()),
        other => Err(format!("bench `{}` is unknown: expected codec", other.unwrap_or_default())),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
