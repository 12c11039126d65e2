//! Files that hold several keys, and taking one out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use countersign_contract::assertion::{AssertionKeys, KeyFault, SharedSecrets};
use countersign_contract::mac_keys::{MacKeys, MacKeysFault};
use countersign_contract::name::KeyId;
use serde_json::Value;
use thiserror::Error;

/// A thousand keys are far less.
const LARGEST: u64 = 1 << 20;

/// How keys stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A JWKS of public keys.
    PublicKeys,
    /// A JWKS of shared secrets.
    SharedSecrets,
    /// `ID:KEY` with white space between them.
    MacKeys,
}

/// A file of keys that was read.
#[derive(Debug)]
pub(super) struct KeyFile {
    file: PathBuf,
    format: Format,
    text: String,
    ids: Vec<KeyId>,
}

/// Why a file of keys can't be read or written. No key is in it.
#[derive(Debug, Error)]
pub(super) enum KeyFileError {
    #[error("{file}: {source}", file = file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{file} is longer than {LARGEST} bytes: expected a file of keys or settings", file = file.display())]
    TooLarge { file: PathBuf },
    #[error("{file}: {fault}", file = file.display())]
    Jwks { file: PathBuf, fault: KeyFault },
    #[error("{file}: {fault}", file = file.display())]
    Mac { file: PathBuf, fault: MacKeysFault },
    #[error("{file}: `{kid}` is its only key: put the next one in first; --force does not help", file = file.display())]
    Only { file: PathBuf, kid: KeyId },
    #[error("{file}: `{kid}` can't be taken out by itself: take it out by hand", file = file.display())]
    Odd { file: PathBuf, kid: KeyId },
    #[error("{file} is as it was: {source}", file = file.display())]
    Write { file: PathBuf, source: io::Error },
}

/// Reads a file of keys or settings.
pub(super) fn read(file: &Path) -> Result<String, KeyFileError> {
    let fault = |source| KeyFileError::Read { file: file.to_owned(), source };
    let mut text = String::new();
    let read = File::open(file).map_err(fault)?.take(LARGEST + 1).read_to_string(&mut text).map_err(fault)?;
    if read as u64 > LARGEST { Err(KeyFileError::TooLarge { file: file.to_owned() }) } else { Ok(text) }
}

impl KeyFile {
    /// Reads a file and every key in it.
    pub(super) fn open(file: &Path, format: Format) -> Result<Self, KeyFileError> {
        let text = read(file)?;
        let ids = ids(file, format, &text)?;
        Ok(Self { file: file.to_owned(), format, text, ids })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// The ids of its keys.
    pub(super) fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.ids.iter()
    }

    /// Puts a file without one key in its place. Nobody ever sees half a file, and the mode stays.
    pub(super) fn remove(self, kid: &KeyId) -> Result<(), KeyFileError> {
        if self.ids().all(|other| other == kid) {
            return Err(KeyFileError::Only { file: self.file, kid: kid.clone() });
        }
        let text = match self.format {
            Format::PublicKeys | Format::SharedSecrets => without_jwk(&self.text, kid),
            Format::MacKeys => Some(without_mac_key(&self.text, kid)),
        };
        let odd = || KeyFileError::Odd { file: self.file.clone(), kid: kid.clone() };
        let text = text.ok_or_else(odd)?;
        // Exactly this key has gone, or nothing is written.
        let left = ids(&self.file, self.format, &text)?;
        if !left.iter().eq(self.ids().filter(|other| *other != kid)) {
            return Err(odd());
        }
        replace(&self.file, &text).map_err(|source| KeyFileError::Write { file: self.file, source })
    }
}

fn ids(file: &Path, format: Format, text: &str) -> Result<Vec<KeyId>, KeyFileError> {
    let jwks = |secrets| {
        let keys = AssertionKeys::from_jwks(text.as_bytes(), secrets);
        let keys = keys.map_err(|fault| KeyFileError::Jwks { file: file.to_owned(), fault })?;
        Ok(keys.ids().cloned().collect())
    };
    match format {
        Format::PublicKeys => jwks(SharedSecrets::Refused),
        Format::SharedSecrets => jwks(SharedSecrets::Accepted),
        Format::MacKeys => {
            let keys = MacKeys::parse(text);
            let keys = keys.map_err(|fault| KeyFileError::Mac { file: file.to_owned(), fault })?;
            Ok(keys.iter().map(|(id, _)| id.clone()).collect())
        }
    }
}

fn without_jwk(text: &str, kid: &KeyId) -> Option<String> {
    let mut set: Value = serde_json::from_str(text).ok()?;
    let keys = set.get_mut("keys")?.as_array_mut()?;
    keys.retain(|key| key.get("kid").and_then(Value::as_str) != Some(kid.as_str()));
    Some(format!("{set:#}\n"))
}

/// Other lines stay as they are.
fn without_mac_key(text: &str, kid: &KeyId) -> String {
    let is_it = |item: &&str| item.split_once(':').is_some_and(|(id, _)| id == kid.as_str());
    let mut left = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if !line.split_whitespace().any(|item| is_it(&item)) {
            left.push_str(line);
            continue;
        }
        let others: Vec<_> = line.split_whitespace().filter(|item| !is_it(item)).collect();
        if !others.is_empty() {
            left.push_str(&others.join(" "));
            left.push_str(if line.ends_with('\n') { "\n" } else { "" });
        }
    }
    left
}

/// Writes a file beside, of the same mode and owner, which then takes the place.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    // Where the file is a link, the file behind it.
    let file = file.canonicalize()?;
    let old = file.metadata()?;
    if !old.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(name);
    let written = write_beside(&beside, text, &old).and_then(|()| std::fs::rename(&beside, &file));
    if written.is_err() {
        let _left = std::fs::remove_file(&beside);
        return written;
    }
    // The new file is there already; this is for a power cut.
    if let Some(Ok(folder)) = file.parent().map(File::open) {
        let _synced = folder.sync_all();
    }
    Ok(())
}

fn write_beside(beside: &Path, text: &str, old: &std::fs::Metadata) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        // An agent that may not read its keys any more would refuse the next reload.
        let owner = format!("{}:{}", old.uid(), old.gid());
        fchown(&new, Some(old.uid()), Some(old.gid())).map_err(|error| {
            io::Error::other(format!(
                "the owner {owner} can't be kept: {error}: run this as that user, or as root"
            ))
        })?;
    }
    new.set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o7777))?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}
