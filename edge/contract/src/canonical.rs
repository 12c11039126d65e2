//! Canonical or refused: the one reading of a request's target, host and method.
//!
//! An edge, a proxy and an application server each parse a path in their own way, and attackers
//! live in the differences. So nothing here rewrites: a request is either spelled in the one way
//! that all of them read alike, or it is refused. The edge asks before it routes, the agent asks
//! again about the bytes that HAProxy received.

mod authority;
mod method;
mod readings;
mod target;

pub use authority::{Authority, NotAnAuthority};
pub use method::{Method, NotAMethod};
pub use target::{Allowance, NotCanonical, Reading, Segment, Target};
