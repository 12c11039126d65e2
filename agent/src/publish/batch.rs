//! What is sent to Fastly's API: operations on items, in batches that it takes.

use std::collections::BTreeMap;

use serde::Serialize;

/// The most operations of one batch (Fastly's API reference, "Update multiple items").
pub const MOST_OPERATIONS: usize = 1000;
/// The most bytes of one batch: 1 MiB, less some for what stands around the operations.
pub const MOST_BYTES: usize = (1 << 20) - 4096;

/// One operation on an item of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Writes an item, whether it is there or not.
    Upsert {
        /// Its name.
        item_key: String,
        /// Its value.
        item_value: String,
    },
    /// Takes an item away.
    Delete {
        /// Its name.
        item_key: String,
    },
}

impl Operation {
    /// The item's name.
    #[must_use]
    pub fn item_key(&self) -> &str {
        match self {
            Self::Upsert { item_key, .. } | Self::Delete { item_key } => item_key,
        }
    }

    /// Bytes in a batch, at most: names and values of ours need no escaping but `_meta`'s quotes.
    fn bytes(&self) -> usize {
        const AROUND: usize = 64;
        match self {
            Self::Upsert { item_key, item_value } => {
                AROUND + item_key.len() + item_value.len() + item_value.matches('"').count()
            }
            Self::Delete { item_key } => AROUND + item_key.len(),
        }
    }

    /// Does to `items` what the store does.
    pub fn apply(&self, items: &mut BTreeMap<String, String>) {
        match self {
            Self::Upsert { item_key, item_value } => {
                items.insert(item_key.clone(), item_value.clone());
            }
            Self::Delete { item_key } => {
                items.remove(item_key);
            }
        }
    }
}

/// The first operations, as many as one batch takes.
#[must_use]
pub fn first_batch(operations: Vec<Operation>) -> Vec<Operation> {
    let mut bytes = 0;
    operations
        .into_iter()
        .take(MOST_OPERATIONS)
        .take_while(|operation| {
            bytes += operation.bytes();
            bytes <= MOST_BYTES
        })
        .collect()
}
