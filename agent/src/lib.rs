//! The Countersign agent: HAProxy hands it each request over SPOP, it answers with a verdict.
//!
//! What decides is pure: [`verdict`] takes a request, a [`snapshot`] of policy and keys, and the
//! time, and gives a verdict with a [`reason`] from a closed list. [`policy`] reads and evaluates
//! the rules, [`trust`] remembers which assertions were used up, [`reputation`] turns what stick tables
//! count into who is refused. Only [`serve`] and [`command`]
//! touch sockets, files and clocks; [`audit`] writes what was decided.

pub mod admin;
pub mod audit;
pub mod command;
pub mod policy;
pub mod publish;
pub mod reason;
pub mod reputation;
pub mod request;
pub mod serve;
pub mod settings;
pub mod snapshot;
pub mod trust;
pub mod verdict;
