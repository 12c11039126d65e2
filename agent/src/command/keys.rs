//! `countersign keys`

mod evidence;
mod inventory;
mod key_file;
mod remove;
mod status;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use countersign_contract::name::KeyId;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use thiserror::Error;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key pair for assertions: the private key for the edge, the public one for the agents
    Generate(Generate),
    /// Print a key for the list's fingerprints, as `ID:KEY`: for the publisher and for the edge's secret `list-key`
    List(Shared),
    /// Print a key for receipts, as `ID:KEY`: for the agents' `receipt.keys` and for the edge
    Receipt(Shared),
    /// Print a key for the edge's session cookies, as `ID:KEY`
    Session(Shared),
    /// Say of every key, configured or named by a record, whether it is in use and from when on it may go
    Status(status::Status),
    /// Take a key out of its file once no record of the time that counts names it any more
    Remove(remove::Remove),
}

/// A key that several programs hold.
#[derive(Debug, Args)]
pub(super) struct Shared {
    /// The key's id
    #[arg(long, value_name = "KID")]
    kid: KeyId,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// Folder to write `assertion.private.jwk.json` and `assertion.jwks.json` to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The key's id; chosen at random if left out
    #[arg(long, value_name = "KID")]
    kid: Option<KeyId>,
}

/// Why keys can't be made.
#[derive(Debug, Error)]
enum KeysError {
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error("{file} is there already: move it away first, or name another folder with --out")]
    Exists { file: PathBuf },
    #[error("{file}: {source}")]
    Write { file: PathBuf, source: io::Error },
    #[error(transparent)]
    Say(#[from] io::Error),
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Generate(generate) => Ok(generate.run()?),
            Self::List(shared) | Self::Receipt(shared) | Self::Session(shared) => Ok(shared.run()?),
            Self::Status(status) => status.run(),
            Self::Remove(remove) => remove.run(),
        }
    }
}

impl Shared {
    fn run(self) -> Result<(), KeysError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(KeysError::Random)?;
        writeln!(io::stdout(), "{}:{}", self.kid, URL_SAFE_NO_PAD.encode(key))?;
        Ok(())
    }
}

impl Generate {
    fn run(self) -> Result<(), KeysError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeysError::Random)?;
        let mut id = [0; 9];
        getrandom::fill(&mut id).map_err(KeysError::Random)?;
        let kid = self.kid.map_or_else(|| URL_SAFE_NO_PAD.encode(id), String::from);
        let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&seed).verifying_key().as_bytes());
        let d = URL_SAFE_NO_PAD.encode(seed);
        let public =
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x});
        let private =
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x, "d": d});
        let private_file = self.out.join("assertion.private.jwk.json");
        let public_file = self.out.join("assertion.jwks.json");
        std::fs::create_dir_all(&self.out)
            .map_err(|source| KeysError::Write { file: self.out.clone(), source })?;
        // Both or none: half a pair would be in the way of the next try.
        for file in [&private_file, &public_file] {
            if file.symlink_metadata().is_ok() {
                return Err(KeysError::Exists { file: file.clone() });
            }
        }
        write_new(&private_file, &private, 0o600)?;
        write_new(&public_file, &json!({"keys": [public]}), 0o644)?;
        let mut out = io::stdout().lock();
        writeln!(out, "key {kid}")?;
        writeln!(out, "{}: private, for the edge's secret store; nowhere else", private_file.display())?;
        writeln!(out, "{}: public, for `assertion.keys` of every agent", public_file.display())?;
        Ok(())
    }
}

/// Writes a file that must not be there yet: a key is never overwritten.
fn write_new(file: &Path, content: &Value, mode: u32) -> Result<(), KeysError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeysError::Exists { file: file.to_owned() },
        _ => KeysError::Write { file: file.to_owned(), source },
    };
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file).map_err(failed)?;
    writeln!(opened, "{content:#}").map_err(failed)
}
