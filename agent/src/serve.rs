//! The daemon: the only place with sockets.

mod clock;
mod daemon;
mod follower;
mod load;
mod publisher;
mod service_manager;
mod verdicts;

pub use clock::now;
pub use daemon::{ServeError, serve};
pub use load::{LoadError, load, load_policy};
pub use publisher::{EdgeError, JournalError, OnceError, PublishError, Writing, publish, publish_once};
pub use verdicts::Verdicts;
