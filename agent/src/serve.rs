//! The daemon: the only place with sockets.

mod clock;
mod daemon;
mod load;
mod verdicts;

pub use clock::now;
pub use daemon::{ServeError, serve};
pub use load::{LoadError, load, load_policy};
pub use verdicts::Verdicts;
