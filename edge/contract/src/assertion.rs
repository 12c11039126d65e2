//! The assertion: what the edge says about one request, signed.
//!
//! A compact JWS (RFC 7515) in the header [`crate::header::ASSERTION`]. Its header holds `alg`,
//! `kid` and `typ` and nothing else; its claims are a profile of OAuth Transaction Tokens. It is
//! accepted only under a key that we hold for its `kid`, with the algorithm of that key: nothing
//! that a token says picks an algorithm.

mod claims;
mod fault;
mod keys;
mod mint;
mod presented;
mod verify;

pub use claims::{Claims, MOST_GROUPS, VERSION};
pub use fault::AssertionFault;
pub use keys::{AssertionKeys, KeyFault, SharedSecrets};
pub use mint::{AssertionSigner, MintError, SignerFault};
pub use presented::{Algorithm, LONGEST_ASSERTION, Presented};
pub use verify::{Check, CheckOutcome, Expected, VerifiedAssertion, explain, verify};

/// The `typ` of an assertion's header: no other kind of token of ours can stand in for it
/// (RFC 8725 section 3.11).
pub const TYPE: &str = "countersign+jwt";
