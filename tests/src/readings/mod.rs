//! Who reads what: a corpus of hostile requests, and how nginx, Node.js and PHP read what gets through.
//!
//! [`Stage`] is an edge, a HAProxy and three [`Applications`](applications::Applications) behind it. A line of the
//! [`corpus`] is sent to it in two ways; [`judge`] says what must not have been seen, and [`page`] writes it down.

pub mod applications;
pub mod corpus;
pub mod judge;
pub mod meaning;
pub mod page;
pub mod reading;
pub mod stage;
pub mod tee;

pub use stage::Stage;
