//! `countersign verify`

use std::io::{self, Read as _, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_contract::assertion::{
    CheckOutcome, Expected, LONGEST_ASSERTION, Presented, explain, verify,
};

use super::Failure;
use super::url::{Url, method};
use crate::reason::Refusal;
use crate::serve::{load, now};
use crate::settings::Settings;

/// The check that follows those of the contract: whether its edge service may say all of it.
const SERVICE: &str = "service";

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The agent's settings file: which keys, audience and environment are expected
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/countersign.toml")]
    settings: PathBuf,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's URL, with the host that the request named
    #[arg(long)]
    url: Url,
    /// The header, with or without its name; `-` reads it from standard input
    header: String,
}

impl Verify {
    /// Prints each check with its outcome; fails if one does.
    pub(super) fn run(self) -> Result<(), Failure> {
        let settings = Settings::load(&self.settings)?;
        let snapshot = load(&settings).map_err(crate::serve::ServeError::Load)?;
        let header = read_header(self.header)?;
        let (authority, target) = (self.url.authority()?, self.url.target()?);
        let expected = Expected {
            audience: &snapshot.audience,
            environments: snapshot.services.environments(),
            now: now().seconds(),
            clock_skew: snapshot.clock_skew,
            longest_lifetime: snapshot.longest_lifetime,
            method: method(&self.method)?,
            authority: &authority,
            target: &target,
            known_hosts: snapshot.policy.routes().hosts(),
        };
        let mut out = io::stdout().lock();
        let mut refused = false;
        match Presented::parse(header.as_bytes()) {
            Err(fault) => {
                say(&mut out, "shape", &CheckOutcome::Failed(fault))?;
                refused = true;
            }
            Ok(presented) => {
                say(&mut out, "shape", &CheckOutcome::Passed)?;
                for (check, outcome) in explain(&presented, &snapshot.keys, &expected) {
                    say(&mut out, &check.to_string(), &outcome)?;
                    refused |= outcome != CheckOutcome::Passed;
                }
                match verify(&presented, &snapshot.keys, &expected) {
                    Err(_) => writeln!(out, "{SERVICE:<12} not reached")?,
                    Ok(assertion) => match snapshot.services.admit(assertion, &authority) {
                        Ok(_) => writeln!(out, "{SERVICE:<12} ok")?,
                        Err(overstated) => {
                            say_refusal(&mut out, SERVICE, &Refusal::Service(overstated.fault().clone()))?;
                            refused = true;
                        }
                    },
                }
            }
        }
        if refused { Err(Failure::Said) } else { Ok(()) }
    }
}

fn say(out: &mut impl Write, check: &str, outcome: &CheckOutcome) -> io::Result<()> {
    match outcome {
        CheckOutcome::Passed => writeln!(out, "{check:<12} ok"),
        CheckOutcome::NotReached => writeln!(out, "{check:<12} not reached"),
        CheckOutcome::Failed(fault) => say_refusal(out, check, &Refusal::Assertion(fault.clone())),
    }
}

fn say_refusal(out: &mut impl Write, check: &str, refusal: &Refusal) -> io::Result<()> {
    let (code, status) = (refusal.code(), refusal.status().code());
    writeln!(out, "{check:<12} refused: {refusal} [{code}, {status}]")?;
    writeln!(out, "{:<12} to do: {}", "", refusal.remedy())
}

/// The value of the header, whichever way it was copied.
fn read_header(header: String) -> io::Result<String> {
    let mut text = header;
    if text == "-" {
        text.clear();
        // One byte more than is accepted, so that a longer one is refused for its length.
        io::stdin().take(LONGEST_ASSERTION as u64 + 64).read_to_string(&mut text)?;
    }
    let value = match text.split_once(':') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case(countersign_contract::header::ASSERTION) => {
            value
        }
        _ => text.as_str(),
    };
    Ok(value.trim().to_owned())
}
