//! The platform's cache, for documents that many requests need.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use countersign_edge::platform::{CacheEntry, FetchFault, Make};
use fastly::cache::core::{CacheError, CacheKey, Found, Transaction, insert};
use fastly::http::body::StreamingBody;

/// More than any document that is put in.
const LONGEST: u64 = 1024 * 1024;

/// See [`countersign_edge::platform::Platform::cached`].
pub(super) fn cached(entry: &CacheEntry, make: Make<'_>) -> Result<Vec<u8>, FetchFault> {
    // Without a cache each request fetches for itself: slower, not wrong.
    let Ok(transaction) = Transaction::lookup(key(&entry.key)).execute() else { return make() };
    let found = transaction.found().and_then(|found| content(&found));
    if !transaction.must_insert_or_update() {
        return found.map_or_else(make, Ok);
    }
    match make() {
        Ok(made) => {
            let write = transaction.insert(entry.max_age).stale_while_revalidate(entry.stale).execute();
            write_out(write, &made);
            Ok(made)
        }
        Err(fault) => {
            // Others that wait are let go; if this fails they are when the sandbox ends.
            let _ = transaction.cancel_insert_or_update();
            found.ok_or(fault)
        }
    }
}

/// See [`countersign_edge::platform::Platform::cached_anew`].
pub(super) fn cached_anew(
    entry: &CacheEntry,
    cool_down: Duration,
    make: Make<'_>,
) -> Result<Vec<u8>, FetchFault> {
    let lock = Transaction::lookup(key(&format!("{} cool-down", entry.key))).execute();
    let Ok(lock) = lock else { return cached(entry, make) };
    if !lock.must_insert_or_update() {
        // Somebody has made it anew a moment ago, or tried to.
        return cached(entry, make);
    }
    let made = make();
    if let Ok(made) = &made {
        let write = insert(key(&entry.key), entry.max_age).stale_while_revalidate(entry.stale).execute();
        write_out(write, made);
    }
    // The lock is written behind the content: whoever waits for it must find the new one. It is
    // written after a failure too, or each unknown key would cost another attempt.
    write_out(lock.insert(cool_down).execute(), b"");
    made
}

fn key(text: &str) -> CacheKey {
    CacheKey::from(text.to_owned())
}

fn content(found: &Found) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    found.to_stream().ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A write that fails leaves the entry out of the cache, which the next request notices.
fn write_out(body: Result<StreamingBody, CacheError>, bytes: &[u8]) {
    let Ok(mut body) = body else { return };
    let _ = if body.write_all(bytes).is_ok() { body.finish() } else { body.abandon() };
}
