//! Answers that take time: a deadline and a panic end them with no actions.

use crate::spop::{Actions, FrameId};
use futures_util::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use tokio::time::{Instant, timeout_at};

/// How a later answer ended.
pub(super) enum Outcome {
    Actions(Actions),
    DeadlineMissed,
    Panicked,
}

/// An answer that is awaited, with the identifiers that its ACK repeats.
pub(super) type Later = Pin<Box<dyn Future<Output = (FrameId, Outcome)> + Send>>;

pub(super) fn later(
    id: FrameId,
    deadline: Instant,
    answer: Pin<Box<dyn Future<Output = Actions> + Send>>,
) -> Later {
    Box::pin(async move {
        let outcome = match timeout_at(deadline, AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(actions)) => Outcome::Actions(actions),
            Ok(Err(_)) => Outcome::Panicked,
            Err(_) => Outcome::DeadlineMissed,
        };
        (id, outcome)
    })
}
