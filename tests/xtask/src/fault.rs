//! Why a command could not do its work.

use std::io;

/// What went wrong, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// A command ended with an error; what it printed stands above.
    #[error("`{command}` failed with {status}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
    },
    /// A command could not be started.
    #[error("cannot start `{command}`: {source}")]
    NotStarted {
        /// The command line.
        command: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Something has to be installed by hand.
    #[error(
        "{what} is missing, and installing it needs rights that this user does not have; run\n    {remedy}\nand then this command again"
    )]
    Missing {
        /// What is missing.
        what: String,
        /// The exact command line that brings it.
        remedy: String,
    },
    /// A file or folder could not be made.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, as the end of "cannot …".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A version that nobody prepared for.
    #[error("expected HAProxy `2.6`, `3.0` or `3.2`, got `{0}`")]
    UnknownVersion(String),
}
