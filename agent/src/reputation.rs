//! From what stick tables count to who is refused: pure, entries and times go in.
//!
//! [`aggregate`] holds what every node's tables say ([`heard`]) and sums it; a [`signal`] says which sum is an
//! offence, and its rungs what is done; [`guarded`] spares or holds what would be an outage of our own
//! ([`guard`]); [`bans`] remembers who is banned and who was pardoned;
//! [`ended`] reads which log-ins are over; [`table`] is how bans lie in HAProxy's own tables; [`list`] is what an agent was taught of it.

pub mod aggregate;
pub mod bans;
pub mod ended;
pub mod guard;
pub mod guarded;
pub mod heard;
pub mod list;
pub mod signal;
pub mod table;
