//! What the two tiers of Countersign agree on.
//!
//! The edge and the agent must reach the same answer from the same bytes, so everything both of
//! them decide from lives here, once: which requests are canonical, how an assertion is minted,
//! bound and verified, how a client is keyed, how the list is packed, which route decides, what
//! a receipt says, and what a decision record and the header names are called.
//!
//! Nothing here opens a socket, reads a clock or a file, or holds policy: bytes, values and `now`
//! go in, values come out. It builds for the host and for `wasm32-wasip1`.

pub mod assertion;
pub mod binding;
pub mod canonical;
pub mod client_key;
pub mod decision_id;
pub mod experiment;
pub mod header;
pub mod jose;
pub mod list;
pub mod mac_keys;
pub mod name;
pub mod policy;
pub mod receipt;
pub mod record;
pub mod route;
pub mod time;
