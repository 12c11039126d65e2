//! The two dictionaries of a session: what the peer sent, and what was sent to it.

use super::value::{DICTIONARY_ENTRIES, DictionaryId, DictionaryValue};

/// What a dictionary's value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKey<'a> {
    /// The entry has none.
    Absent,
    /// This.
    Known(&'a [u8]),
    /// The peer sent it before, but in an update that was skipped, or never.
    Unknown(DictionaryId),
}

/// Values that the peer sent, by number.
#[derive(Debug, Default)]
pub(super) struct Received {
    values: Vec<Option<Box<[u8]>>>,
}

impl Received {
    /// Keeps a new value.
    pub(super) fn learn(&mut self, value: DictionaryValue<'_>) {
        let DictionaryValue::New(id, text) = value else { return };
        let at = usize::from(id.get());
        if self.values.len() <= at {
            self.values.resize(at + 1, None);
        }
        if let Some(slot) = self.values.get_mut(at).filter(|slot| slot.as_deref() != Some(text)) {
            *slot = Some(text.into());
        }
    }

    /// Forgets all: an update was skipped, and may have replaced anything.
    pub(super) fn forget(&mut self) {
        self.values.clear();
    }

    pub(super) fn resolve<'a>(&'a self, value: DictionaryValue<'a>) -> ServerKey<'a> {
        match value {
            DictionaryValue::Absent => ServerKey::Absent,
            DictionaryValue::New(_, text) => ServerKey::Known(text),
            DictionaryValue::Cached(id) => match self.values.get(usize::from(id.get())) {
                Some(Some(text)) => ServerKey::Known(text),
                _ => ServerKey::Unknown(id),
            },
        }
    }
}

/// Values that were sent to the peer; the one that was unused for longest gives way.
#[derive(Debug, Default)]
pub(super) struct Sent {
    values: Vec<(Box<[u8]>, u64)>,
    uses: u64,
}

impl Sent {
    /// How a value would be sent now.
    pub(super) fn reference<'a>(&self, text: &'a [u8]) -> DictionaryValue<'a> {
        if let Some(id) = self.values.iter().position(|(value, _)| **value == *text).and_then(id_at) {
            return DictionaryValue::Cached(id);
        }
        let oldest = || self.values.iter().enumerate().min_by_key(|(_, (_, used))| *used).map(|(at, _)| at);
        let at = if self.values.len() < usize::from(DICTIONARY_ENTRIES) {
            self.values.len()
        } else {
            oldest().unwrap_or_default()
        };
        match id_at(at) {
            Some(id) => DictionaryValue::New(id, text),
            None => DictionaryValue::Absent,
        }
    }

    /// Remembers that a value was sent like this.
    pub(super) fn sent(&mut self, value: DictionaryValue<'_>) {
        self.uses += 1;
        let at = |id: DictionaryId| usize::from(id.get()) - 1;
        match value {
            DictionaryValue::Absent => {}
            DictionaryValue::Cached(id) => {
                if let Some((_, used)) = self.values.get_mut(at(id)) {
                    *used = self.uses;
                }
            }
            DictionaryValue::New(id, text) => match self.values.get_mut(at(id)) {
                Some(slot) => *slot = (text.into(), self.uses),
                None => self.values.push((text.into(), self.uses)),
            },
        }
    }
}

fn id_at(at: usize) -> Option<DictionaryId> {
    u8::try_from(at + 1).ok().and_then(DictionaryId::new)
}
