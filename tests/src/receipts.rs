//! Receipts, read as the documentation has them and not by the code that makes them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::ask::Observed;
use crate::client::Answer;
use crate::command_line;
use crate::trouble::Trouble;

/// The header of a receipt.
pub const HEADER: &str = "Countersign-Receipt";
/// The id of the key that every stage begins with.
pub const KEY_ID: &str = "receipt-1";

/// What a receipt says that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id of its key.
    pub key: String,
    /// `allow` or `deny`.
    pub verdict: String,
    /// The reason.
    pub reason: String,
}

impl Receipt {
    /// Reads the receipt of an answer, for this decision, under one of these keys.
    #[must_use]
    pub fn read(answer: &Answer, decision: &str, keys: &str) -> Option<Self> {
        let parts: Vec<_> = answer.header("countersign-receipt")?.split('~').collect();
        let [key, verdict, reason, mac] = parts.as_slice() else { return None };
        let prefix = format!("{key}:");
        let secret = keys.split_whitespace().find_map(|line| line.strip_prefix(&prefix))?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?;
        let message = format!("countersign-receipt-1~{decision}~{verdict}~{reason}");
        let keyed = Hmac::<Sha256>::new_from_slice(&secret).ok()?.chain_update(message);
        keyed.verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        let [key, verdict, reason] = [key, verdict, reason].map(|text| (*text).to_owned());
        Some(Self { key, verdict, reason })
    }

    /// The same of what was seen of a request.
    #[must_use]
    pub fn seen(seen: &Observed, keys: &str) -> Option<Self> {
        Self::read(&seen.answer, seen.decision_id.as_deref()?, keys)
    }
}

/// The file of keys that a stage's agents read, in its folder of keys.
#[must_use]
pub fn file(keys: &Path) -> PathBuf {
    keys.join("receipt.keys")
}

/// `countersign keys receipt` for each id, into that file; gives its text.
///
/// # Errors
/// [`Trouble::Command`] with what was printed, [`Trouble::Io`] where it can't be written.
pub async fn make_keys(keys: &Path, ids: &[&str]) -> Result<String, Trouble> {
    let mut text = String::new();
    for id in ids {
        text.push_str(&command_line::run(&["keys", "receipt", "--kid", id]).await?);
    }
    write_keys(keys, &text)?;
    Ok(text)
}

/// Puts these keys in the place of those.
///
/// # Errors
/// [`Trouble::Io`] where it can't be written.
pub fn write_keys(keys: &Path, text: &str) -> Result<(), Trouble> {
    std::fs::write(file(keys), text).map_err(Trouble::io("write keys of receipts"))
}

/// The keys that the agents read.
///
/// # Errors
/// [`Trouble::Io`] where they can't be read.
pub fn read_keys(keys: &Path) -> Result<String, Trouble> {
    std::fs::read_to_string(file(keys)).map_err(Trouble::io("read keys of receipts"))
}
