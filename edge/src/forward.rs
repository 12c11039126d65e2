//! What is changed in a request before it is sent on.

use crate::settings::BackendName;

/// The changes to a request on its way to HAProxy. Target, method and body are never among them:
/// the assertion is bound to what the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where it goes.
    pub backend: BackendName,
    /// Headers that are removed, by name, whatever their number.
    pub remove: Vec<String>,
    /// Headers that are set after that, replacing any of the same name.
    pub set: Vec<(&'static str, Vec<u8>)>,
    /// Whether the answer may come from or go into the platform's cache.
    pub caching: Caching,
}

/// Whether the platform's cache takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// No: each request is sent and no answer is kept.
    Pass,
    /// As the answer's own headers allow.
    Allowed,
}
