//! The list on its way into the edge's store: plans, budgets, and a seeded simulation with faults at every
//! step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod budget;
mod edge;
mod plan;
mod random;
mod rules;
mod simulation;
