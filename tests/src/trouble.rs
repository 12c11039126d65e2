//! What can go wrong on the stage itself, as opposed to a scene that did not go as stated.

use std::io;
use std::time::Duration;

/// Why the stage could not be set or used. A scene that went otherwise than stated is not a
/// trouble: it is a [`Row`](crate::scene::Row) that says what differed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A binary or file that has to be built or installed beforehand is not there.
    #[error("{what} is missing (looked at `{looked_at}`): run `cargo xtask test`, which brings all pieces")]
    Missing {
        /// The piece, in words.
        what: &'static str,
        /// The path or command that was tried.
        looked_at: String,
    },
    /// The operating system said no.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, as the end of "cannot …".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program did not come up in time.
    #[error("{what} was not ready after {waited:?}; it said:\n{said}")]
    NotReady {
        /// The program, in words.
        what: String,
        /// How long the stage waited.
        waited: Duration,
        /// The end of what the program printed.
        said: String,
    },
    /// A command that should have succeeded did not.
    #[error("`{command}` failed with {status}:\n{said}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it printed.
        said: String,
    },
    /// A peer answered something the harness cannot read.
    #[error("expected {expected}, got `{got}`")]
    Unexpected {
        /// What should have come.
        expected: String,
        /// What came.
        got: String,
    },
    /// No answer, or no whole answer, came.
    #[error("no answer from {peer}: {why}")]
    NoAnswer {
        /// The address that was asked.
        peer: String,
        /// Refused, closed, timed out.
        why: String,
    },
}

impl Trouble {
    /// Names what was being done when the system said no; for `map_err`.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Something that was read is not what was expected.
    pub fn unexpected(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Unexpected { expected: expected.into(), got: got.into() }
    }
}
