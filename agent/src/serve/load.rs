//! Loading what a snapshot is made of.

use std::io;
use std::path::{Path, PathBuf};

use countersign_contract::assertion::{AssertionKeys, KeyFault, SharedSecrets};
use thiserror::Error;

use crate::policy::{Policy, PolicyFaults};
use crate::settings::Settings;
use crate::snapshot::Snapshot;

/// Why a snapshot can't be made.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file can't be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The policy is wrong.
    #[error("{}", at_file(file, faults))]
    Policy {
        /// The policy's file.
        file: PathBuf,
        /// What is wrong.
        faults: PolicyFaults,
    },
    /// The keys are wrong.
    #[error("{file}: {fault}")]
    Keys {
        /// The file of keys.
        file: PathBuf,
        /// What is wrong.
        fault: KeyFault,
    },
}

/// Faults in the form that editors jump to: `file:line:column: message`.
fn at_file(file: &Path, faults: &PolicyFaults) -> String {
    let lines: Vec<_> = faults
        .iter()
        .map(|fault| format!("{}:{}:{}: {}", file.display(), fault.line, fault.column, fault.message))
        .collect();
    lines.join("\n")
}

/// Makes a snapshot of the files that the settings name.
///
/// # Errors
/// Every [`LoadError`] there is, so that all can be mended at once.
pub fn load(settings: &Settings) -> Result<Snapshot, Vec<LoadError>> {
    let policy = load_policy(&settings.policy.file);
    let keys = load_keys(settings);
    match (policy, keys) {
        (Ok(policy), Ok(keys)) => Ok(Snapshot {
            policy,
            keys,
            audience: settings.assertion.audience.clone(),
            environment: settings.assertion.environment.clone(),
            clock_skew: settings.assertion.clock_skew_seconds,
            longest_lifetime: settings.assertion.max_lifetime_seconds,
        }),
        (policy, keys) => Err(policy.err().into_iter().chain(keys.err()).collect()),
    }
}

/// Reads a policy file.
///
/// # Errors
/// [`LoadError`] with every place that is wrong.
pub fn load_policy(file: &Path) -> Result<Policy, LoadError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| LoadError::Read { file: file.to_owned(), source })?;
    Policy::parse(&text).map_err(|faults| LoadError::Policy { file: file.to_owned(), faults })
}

fn load_keys(settings: &Settings) -> Result<AssertionKeys, LoadError> {
    let read = |file: &Path, secrets| {
        let json = std::fs::read(file).map_err(|source| LoadError::Read { file: file.to_owned(), source })?;
        AssertionKeys::from_jwks(&json, secrets)
            .map_err(|fault| LoadError::Keys { file: file.to_owned(), fault })
    };
    let keys = read(&settings.assertion.keys, SharedSecrets::Refused)?;
    match &settings.assertion.shared_secrets {
        None => Ok(keys),
        Some(file) => {
            let secrets = read(file, SharedSecrets::Accepted)?;
            keys.joined(secrets).map_err(|fault| LoadError::Keys { file: file.clone(), fault })
        }
    }
}
