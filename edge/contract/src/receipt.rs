//! The receipt: what the agent decided about one request, said to the edge under a MAC.
//!
//! In the header [`crate::header::RECEIPT`] of an answer, as `KID~VERDICT~REASON~MAC`: `VERDICT` is `allow` or
//! `deny`, `MAC` is HMAC-SHA-256 in base64url over a version tag, the decision id, the verdict and the
//! reason. So the edge's record can say what the origin decided, and that an answer came by way of an agent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::decision_id::DecisionId;
use crate::mac_keys::{MacKeys, MacKeysFault};
use crate::name::{KeyId, shown};
use crate::record::Verdict;

/// What stands before the rest of the message, so that no MAC of another kind can stand in for it.
const TAG: &str = "countersign-receipt-1";
/// The longest receipt that is read, in bytes: a key id, a reason and a MAC have room.
pub const LONGEST_RECEIPT: usize = 256;

/// The keys of receipts: held by the agents, which make them, and by the edge, which reads them.
#[derive(Clone, Debug)]
pub struct ReceiptKeys(MacKeys);

/// What a receipt that was verified says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the agent decided.
    pub verdict: Verdict,
    /// Why, as a word of its list of reasons.
    pub reason: String,
    /// The key that it is under.
    pub key: KeyId,
}

/// Why a receipt says nothing.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum ReceiptFault {
    /// Not of the form.
    #[error("not `KID~VERDICT~REASON~MAC`")]
    Malformed,
    /// Under a key that isn't held.
    #[error("under key `{0}`, which is not held")]
    UnknownKey(String),
    /// The MAC is not the key's over this decision: of another request, or forged.
    #[error("not one of key `{0}` for this decision")]
    Mismatch(KeyId),
}

impl ReceiptKeys {
    /// Reads `ID:KEY`, one or more with white space between them. The first makes receipts.
    ///
    /// # Errors
    /// [`MacKeysFault`].
    pub fn parse(text: &str) -> Result<Self, MacKeysFault> {
        MacKeys::parse(text).map(Self)
    }

    /// The ids of the keys held.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.0.iter().map(|(id, _)| id)
    }

    /// The receipt for a decision. `reason` is a word of `a-z0-9-`.
    #[must_use]
    pub fn make(&self, decision: DecisionId, verdict: Verdict, reason: &str) -> Option<String> {
        let (id, key) = self.0.current(None)?;
        let mac = key.mac(message(decision, verdict, reason).as_bytes());
        Some(format!("{id}~{}~{reason}~{}", verdict.as_str(), URL_SAFE_NO_PAD.encode(mac)))
    }

    /// Reads the receipt for a decision.
    ///
    /// # Errors
    /// [`ReceiptFault`] where it is none, or not for this decision.
    pub fn verify(&self, decision: DecisionId, receipt: &[u8]) -> Result<Receipt, ReceiptFault> {
        let text = std::str::from_utf8(receipt).ok().filter(|text| text.len() <= LONGEST_RECEIPT);
        let mut parts = text.ok_or(ReceiptFault::Malformed)?.split('~');
        let (Some(id), Some(verdict), Some(reason), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ReceiptFault::Malformed);
        };
        let verdict = Verdict::from_word(verdict).ok_or(ReceiptFault::Malformed)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| ReceiptFault::Malformed)?;
        let (id, key) = self.0.get(id).ok_or_else(|| ReceiptFault::UnknownKey(shown(id)))?;
        if key.verifies(message(decision, verdict, reason).as_bytes(), &mac) {
            Ok(Receipt { verdict, reason: reason.to_owned(), key: id.clone() })
        } else {
            Err(ReceiptFault::Mismatch(id.clone()))
        }
    }
}

/// No part but the last can hold the separator, so no two decisions have one message.
fn message(decision: DecisionId, verdict: Verdict, reason: &str) -> String {
    format!("{TAG}~{decision}~{}~{reason}", verdict.as_str())
}

#[cfg(test)]
mod tests {
    use super::{ReceiptFault, ReceiptKeys};
    use crate::decision_id::DecisionId;
    use crate::record::Verdict;

    const OLD: &str = "r1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const BOTH: &str =
        "r2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8 r1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const ID: DecisionId = DecisionId::from_random([7; 16]);

    #[test]
    fn a_receipt_is_read_under_either_key_while_one_replaces_the_other() {
        let (old, both) = (ReceiptKeys::parse(OLD).unwrap(), ReceiptKeys::parse(BOTH).unwrap());
        for maker in [&old, &both] {
            let receipt = maker.make(ID, Verdict::Deny, "permission-missing").unwrap();
            let read = both.verify(ID, receipt.as_bytes()).unwrap();
            assert_eq!((read.verdict, read.reason.as_str()), (Verdict::Deny, "permission-missing"));
        }
        let new = both.make(ID, Verdict::Allow, "granted").unwrap();
        assert_eq!(old.verify(ID, new.as_bytes()), Err(ReceiptFault::UnknownKey("r2".into())));
    }

    #[test]
    fn a_receipt_is_for_one_decision_one_verdict_and_one_reason() {
        let keys = ReceiptKeys::parse(OLD).unwrap();
        let receipt = keys.make(ID, Verdict::Deny, "replayed").unwrap();
        let other = DecisionId::from_random([8; 16]);
        assert!(matches!(keys.verify(other, receipt.as_bytes()), Err(ReceiptFault::Mismatch(_))));
        for (from, to) in [("deny", "allow"), ("replayed", "granted")] {
            let forged = receipt.replace(from, to);
            assert!(matches!(keys.verify(ID, forged.as_bytes()), Err(ReceiptFault::Mismatch(_))));
        }
    }

    #[test]
    fn what_is_no_receipt_is_told_from_one() {
        let keys = ReceiptKeys::parse(OLD).unwrap();
        let long = "a".repeat(300);
        for text in ["", "r1", "r1~allow~granted", "r1~maybe~granted~AA", "r1~allow~a~b~c", "\u{e9}", &long] {
            assert_eq!(keys.verify(ID, text.as_bytes()), Err(ReceiptFault::Malformed), "{text}");
        }
    }
}
