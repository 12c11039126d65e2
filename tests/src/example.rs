//! The examples of `haproxy/examples`, each played on its own files: only addresses are put in their place.

mod files;
mod stage;

pub use files::{ExampleFiles, SHIPPED_BIND};
pub use stage::{Centre, ExamplePlan, ExampleStage, HOST, Location};
