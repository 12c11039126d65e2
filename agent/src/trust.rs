//! What the agent remembers of whom it trusted, and which keys are still needed for it.

mod replay;
pub mod rotation;

pub use replay::{ReplayFault, ReplayLog};
