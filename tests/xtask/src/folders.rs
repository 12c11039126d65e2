//! Where things are: the checkout, its target folder, and the cache outside of it.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the checkout.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Tools that are no part of the checkout, kept for all checkouts of a user. The harness looks in
/// the same place.
pub(crate) fn cache() -> PathBuf {
    if let Some(folder) = env::var_os("COUNTERSIGN_CACHE") {
        return folder.into();
    }
    let caches = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    caches.unwrap_or_else(env::temp_dir).join("countersign")
}

/// The cargo that started this program.
pub(crate) fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}
