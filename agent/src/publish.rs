//! The list in the edge's store: what is to be written, when, and whether it was.
//!
//! Pure but for [`api`]: [`shelf`] holds one set of buckets as it is to be, [`publication`] is the state
//! machine that brings the store there through every error, [`budget`] says when it may write, [`batch`]
//! what one call of the API takes.

pub mod api;
pub mod batch;
pub mod budget;
pub mod publication;
pub mod shelf;
