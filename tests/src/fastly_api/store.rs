//! Stores and their items, with Fastly's limits.

use std::collections::BTreeMap;

use super::answer::Refusal;

/// Longest key, in characters. Fastly's client says 256, its limits 255: the stricter one.
pub const MAX_KEY: usize = 255;
/// Longest value, in characters.
pub const MAX_VALUE: usize = 8000;
/// Most items of a config store.
pub const MAX_CONFIG_STORE_ITEMS: usize = 500;
/// Most items of a dictionary.
pub const MAX_DICTIONARY_ITEMS: usize = 1000;

/// Names a store at the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreId(pub(super) String);

impl StoreId {
    /// As it stands in a path.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What kind of store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A config store, read by Compute.
    ConfigStore,
    /// A dictionary, read by VCL.
    Dictionary,
    /// A dictionary whose items cannot be read back by the API.
    WriteOnlyDictionary,
}

impl Kind {
    /// Most items that it holds.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            Self::ConfigStore => MAX_CONFIG_STORE_ITEMS,
            Self::Dictionary | Self::WriteOnlyDictionary => MAX_DICTIONARY_ITEMS,
        }
    }
}

/// What one write does to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Only where there is none.
    Create {
        /// The item's key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Only where there is one.
    Update {
        /// The item's key.
        key: String,
        /// Its new value.
        value: String,
    },
    /// Either.
    Upsert {
        /// The item's key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Only where there is one.
    Delete {
        /// The item's key.
        key: String,
    },
}

impl Operation {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Create { key, .. }
            | Self::Update { key, .. }
            | Self::Upsert { key, .. }
            | Self::Delete { key } => key,
        }
    }
}

/// What becomes of a batch of which one operation fails. Fastly does not document it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailingBatch {
    /// Nothing is done; a user of dictionaries found it so (adobe/fastly-native-promises, issue 38).
    DoesNothing,
    /// What came before the failing one stays.
    StopsThere,
}

/// An item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) value: String,
    /// As the API writes it.
    pub(super) created: String,
    /// As the API writes it.
    pub(super) updated: String,
}

/// A store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// As the API writes it.
    pub(super) created: String,
    pub(super) items: BTreeMap<String, Item>,
}

impl Store {
    pub(super) fn new(kind: Kind, name: &str, now: &str) -> Self {
        Self { kind, name: name.to_owned(), created: now.to_owned(), items: BTreeMap::new() }
    }

    /// Does one operation.
    pub(super) fn apply(&mut self, operation: &Operation, now: &str) -> Result<(), Refusal> {
        let is_there = self.items.contains_key(operation.key());
        let (key, value) = match operation {
            Operation::Create { key, .. } if is_there => return Err(Refusal::Duplicate { key: key.clone() }),
            Operation::Update { key, .. } | Operation::Delete { key } if !is_there => {
                return Err(Refusal::NoSuchItem { key: key.clone() });
            }
            Operation::Delete { key } => {
                self.items.remove(key);
                return Ok(());
            }
            Operation::Create { key, value }
            | Operation::Update { key, value }
            | Operation::Upsert { key, value } => (key, value),
        };
        self.check(key, value, is_there)?;
        let item = self.items.entry(key.clone()).or_insert_with(|| Item {
            value: String::new(),
            created: now.to_owned(),
            updated: String::new(),
        });
        value.clone_into(&mut item.value);
        now.clone_into(&mut item.updated);
        Ok(())
    }

    /// Does a batch, in its order.
    pub(super) fn apply_all(
        &mut self,
        operations: &[Operation],
        failing: FailingBatch,
        now: &str,
    ) -> Result<(), Refusal> {
        let before = (failing == FailingBatch::DoesNothing).then(|| self.items.clone());
        for operation in operations {
            let Err(refusal) = self.apply(operation, now) else { continue };
            if let Some(before) = before {
                self.items = before;
            }
            return Err(match (refusal, operation) {
                (Refusal::NoSuchItem { .. }, Operation::Delete { .. }) => {
                    Refusal::NotThereInBatch { operation: "delete" }
                }
                (Refusal::NoSuchItem { .. }, _) => Refusal::NotThereInBatch { operation: "update" },
                (refusal, _) => refusal,
            });
        }
        Ok(())
    }

    fn check(&self, key: &str, value: &str, is_there: bool) -> Result<(), Refusal> {
        if key.is_empty() || key.chars().count() > MAX_KEY {
            return Err(Refusal::KeyLength);
        }
        if value.chars().count() > MAX_VALUE {
            return Err(Refusal::ValueLength { key: key.to_owned() });
        }
        let limit = self.kind.limit();
        if !is_there && self.items.len() >= limit {
            return Err(Refusal::Full { limit });
        }
        Ok(())
    }
}
