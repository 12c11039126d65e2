//! Loading what a snapshot is made of.

use std::io;
use std::path::{Path, PathBuf};

use countersign_contract::assertion::{AssertionKeys, KeyFault, SharedSecrets};
use countersign_contract::mac_keys::MacKeysFault;
use countersign_contract::name::{KeyId, ServiceName};
use countersign_contract::receipt::ReceiptKeys;
use thiserror::Error;

use crate::policy::{Policy, PolicyFaults};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::trust::{Services, ServicesFault};

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
    /// The keys of receipts are wrong.
    #[error("{file}: {fault}: expected lines of `countersign keys receipt`")]
    Receipts {
        /// The file of keys.
        file: PathBuf,
        /// What is wrong.
        fault: MacKeysFault,
    },
    /// The edge services are wrong.
    #[error("settings {file}: `assertion.services`: {fault}")]
    Services {
        /// The settings file.
        file: PathBuf,
        /// What is wrong.
        fault: ServicesFault,
    },
    /// A service names a key that isn't held.
    #[error(
        "settings {file}: `assertion.services`: service `{service}` names key `{key}`, which isn't in {rings}: \
         expected the `kid` of a key there"
    )]
    NotHeld {
        /// The settings file.
        file: PathBuf,
        /// The service.
        service: ServiceName,
        /// The key.
        key: KeyId,
        /// The files of keys.
        rings: String,
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
    let mut errors = Vec::new();
    let policy = keep(load_policy(&settings.policy.file), &mut errors);
    let keys = keep(load_keys(settings), &mut errors);
    let services = keep(load_services(settings), &mut errors);
    let receipts = keep(load_receipts(settings), &mut errors);
    if let Some((keys, services)) = keys.as_ref().zip(services.as_ref()) {
        errors.extend(services.keys_not_held(keys).map(|(service, key)| LoadError::NotHeld {
            file: settings.file.clone(),
            service: service.clone(),
            key: key.clone(),
            rings: rings(settings),
        }));
    }
    match (policy, keys, services, receipts) {
        (Some(policy), Some(keys), Some(services), Some(receipts)) if errors.is_empty() => Ok(Snapshot {
            policy,
            keys,
            services,
            receipts,
            audience: settings.assertion.audience.clone(),
            clock_skew: settings.assertion.clock_skew_seconds,
            longest_lifetime: settings.assertion.max_lifetime_seconds,
        }),
        _ => Err(errors),
    }
}

fn keep<T>(loaded: Result<T, LoadError>, errors: &mut Vec<LoadError>) -> Option<T> {
    loaded.map_err(|error| errors.push(error)).ok()
}

fn load_services(settings: &Settings) -> Result<Services, LoadError> {
    let assertion = &settings.assertion;
    Services::new(assertion.services.clone(), &assertion.environment)
        .map_err(|fault| LoadError::Services { file: settings.file.clone(), fault })
}

fn load_receipts(settings: &Settings) -> Result<Option<ReceiptKeys>, LoadError> {
    let Some(file) = settings.receipt.as_ref().map(|receipt| &receipt.keys) else { return Ok(None) };
    let text =
        std::fs::read_to_string(file).map_err(|source| LoadError::Read { file: file.clone(), source })?;
    let keys =
        ReceiptKeys::parse(&text).map_err(|fault| LoadError::Receipts { file: file.clone(), fault })?;
    Ok(Some(keys))
}

/// The files of keys, for a message.
fn rings(settings: &Settings) -> String {
    let keys = settings.assertion.keys.display();
    match &settings.assertion.shared_secrets {
        None => keys.to_string(),
        Some(secrets) => format!("{keys} or {}", secrets.display()),
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
