//! The file that Viceroy reads in place of a store: what has been propagated so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use super::store::Store;
use crate::trouble::Trouble;

/// Writes a store's items to a file, now or a propagation delay later.
#[derive(Debug)]
pub(super) struct Mirror {
    file: PathBuf,
    /// Counts the states of the store.
    state: u64,
    /// The newest state that was written: an older one must not come after it.
    written: Arc<Mutex<u64>>,
    on_their_way: JoinSet<()>,
}

impl Mirror {
    /// A mirror whose file has the store's items.
    pub(super) fn start(file: PathBuf, store: &Store) -> Result<Self, Trouble> {
        write(&file, &content(store)).map_err(Trouble::io(format!("write `{}`", file.display())))?;
        Ok(Self { file, state: 0, written: Arc::default(), on_their_way: JoinSet::new() })
    }

    /// The store has changed.
    pub(super) fn show(&mut self, store: &Store, delay: Duration) {
        self.state = self.state.saturating_add(1);
        let (state, file, content) = (self.state, self.file.clone(), content(store));
        let written = Arc::clone(&self.written);
        let arrive = move || {
            let mut newest = written.lock().unwrap_or_else(PoisonError::into_inner);
            if *newest < state {
                *newest = state;
                // Whose folder is gone, whose stage has ended.
                let _ = write(&file, &content);
            }
        };
        if delay.is_zero() {
            return arrive();
        }
        while self.on_their_way.try_join_next().is_some() {}
        self.on_their_way.spawn(async move {
            tokio::time::sleep(delay).await;
            arrive();
        });
    }
}

fn content(store: &Store) -> Vec<u8> {
    let items: Value =
        store.items.iter().map(|(key, item)| (key.clone(), Value::from(item.value.as_str()))).collect();
    items.to_string().into_bytes()
}

/// Beside it and renamed: a reader sees the old file or the new one.
fn write(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let fresh = file.with_extension("new");
    fs::write(&fresh, content).and_then(|()| fs::rename(&fresh, file))
}
