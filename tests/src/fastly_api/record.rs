//! What came over the wire, kept for tests to read.

use std::time::SystemTime;

use super::fault::{Fault, is_read};
use super::store::Operation;

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) token: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What is kept of a request. Its token is not.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When it had arrived as a whole.
    pub at: SystemTime,
    /// In capitals.
    pub method: String,
    /// As received, without the query.
    pub path: String,
    /// As received, without the question mark.
    pub query: String,
    /// Length of its body.
    pub bytes: usize,
    /// What it wanted done; empty for a read and for what cannot be read.
    pub operations: Vec<Operation>,
    /// What was planned for it.
    pub fault: Option<Fault>,
    /// The status of the answer; none when the connection was cut.
    pub status: Option<u16>,
}

impl Recorded {
    /// Whether it counts against the budget.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !is_read(&self.method)
    }

    pub(super) fn of(
        request: &Request,
        at: SystemTime,
        operations: Vec<Operation>,
        fault: Option<Fault>,
        status: Option<u16>,
    ) -> Self {
        Self {
            at,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            bytes: request.body.len(),
            operations,
            fault,
            status,
        }
    }
}
