//! What the agent remembers of whom it trusted.

mod replay;

pub use replay::{ReplayFault, ReplayLog};
