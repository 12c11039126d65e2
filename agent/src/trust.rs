//! Whom the agent trusts with what, what it remembers of that, and which keys are still needed for it.

mod replay;
pub mod rotation;
mod services;

pub use replay::{ReplayFault, ReplayLog};
pub use services::{LogOuts, Overstated, Service, ServiceFault, Services, ServicesFault, Vouched};
