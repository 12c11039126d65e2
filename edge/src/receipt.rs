//! The origin's receipt: whether an answer came by way of an agent, and what that one decided.

use countersign_contract::receipt::{Receipt, ReceiptKeys};

use crate::platform::{OriginHead, Platform, RECEIPT_KEY};
use crate::record::Journal;

/// Reads the receipt of an answer and notes what it says. It changes nothing for the client: where the edge
/// holds no keys for receipts none is looked for, and a log that can't be trusted is no outage.
pub fn note(platform: &impl Platform, origin: &OriginHead, journal: &mut Journal) {
    let keys = match platform.secret(RECEIPT_KEY) {
        Ok(None) => return,
        Ok(Some(secret)) => std::str::from_utf8(&secret)
            .map_err(|_| "it is not UTF-8".to_owned())
            .and_then(|text| ReceiptKeys::parse(text).map_err(|fault| fault.to_string()))
            .map_err(|fault| format!("secret `{RECEIPT_KEY}`: {fault}")),
        Err(fault) => Err(fault.to_string()),
    };
    journal.receipt(keys.and_then(|keys| read(&keys, origin, journal)));
}

fn read(keys: &ReceiptKeys, origin: &OriginHead, journal: &Journal) -> Result<Receipt, String> {
    match origin.receipts.as_slice() {
        [] => Err("the answer has no receipt".to_owned()),
        [receipt] => keys.verify(journal.id(), receipt).map_err(|fault| format!("the receipt is {fault}")),
        several => Err(format!("the answer has {} receipts", several.len())),
    }
}
