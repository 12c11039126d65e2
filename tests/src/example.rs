//! The examples of `haproxy/examples`, each played on its own files: only addresses are put in their place.

mod files;
mod plan;
mod stage;

pub use files::{ExampleFiles, SHIPPED_BIND};
pub use plan::{Centre, ExamplePlan, Keeps, Location, Way};
pub use stage::{ExampleStage, HOST};
