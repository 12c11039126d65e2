//! One go at the edge's store, without any peer.

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_contract::time::UnixMillis;
use thiserror::Error;

use super::edge::{Edge, EdgeError};
use super::journal::{Journal, JournalError};
use crate::publish::batch::Operation;
use crate::publish::publication::Task;
use crate::serve::clock::now;
use crate::settings::{PublishSettings, SettingsError};

/// The longest time that one go takes: a new set waits until it is seen everywhere.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// It is.
    Done,
    /// It is only said what would be.
    Shown,
}

/// Why one go failed.
#[derive(Debug, Error)]
pub enum OnceError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is no store.
    #[error("settings {0}: there is no section `[edge]`: expected the store to publish to")]
    NoEdge(String),
    /// The store can't be written.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// What was remembered can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store could not be brought there.
    #[error("the store doesn't hold the list after {} s: {}", PATIENCE.as_secs(), .0.as_deref().unwrap_or("changes went on"))]
    Late(Option<String>),
    /// The API refuses.
    #[error("{0}")]
    Refused(String),
}

/// Writes what the state file holds to the edge's store, or says what would be written. Gives one line for
/// each item, and a last one.
///
/// # Errors
/// [`OnceError`].
pub fn publish_once(file: &Path, writing: Writing, say: &mut dyn FnMut(String)) -> Result<(), OnceError> {
    let settings = PublishSettings::load(file)?;
    let edge = settings.edge.as_ref().ok_or_else(|| OnceError::NoEdge(file.display().to_string()))?;
    let edge = Edge::new(edge)?;
    let state = &settings.reputation.state;
    let (_journal, bans) = match writing {
        // Beside a publisher that runs: it alone writes to the file.
        Writing::Shown => (None, Journal::read_only(state, now().seconds())?),
        Writing::Done => {
            let (journal, bans, _) = Journal::open(state, now().seconds())?;
            (Some(journal), bans)
        }
    };
    edge.follow(&bans, now());
    let began = Instant::now();
    let mut calls = 0;
    loop {
        let task = edge.next(now());
        match &task {
            _ if began.elapsed() > PATIENCE => return Err(OnceError::Late(edge.status().fault)),
            Task::Write(operations) if writing == Writing::Shown => {
                operations.iter().for_each(|operation| say(line(operation)));
                say(format!(
                    "{} items would be written, {} clients listed",
                    operations.len(),
                    edge.status().listed
                ));
                return Ok(());
            }
            Task::Write(operations) => {
                calls += 1;
                operations.iter().for_each(|operation| say(line(operation)));
                edge.perform(&task);
            }
            Task::List => edge.perform(&task),
            Task::Wait(_) if edge.is_settled(now()) => break,
            Task::Wait(until) if writing == Writing::Done => wait(*until),
            // Changes are gathered for a moment even where they are only shown.
            Task::Wait(until) => match edge.status().fault {
                Some(fault) => return Err(OnceError::Refused(fault)),
                None => wait(*until),
            },
        }
    }
    let status = edge.status();
    say(format!(
        "the store holds the list: generation {}, {} clients, {calls} calls that wrote",
        status.generation.unwrap_or_default(),
        status.listed
    ));
    Ok(())
}

fn wait(until: UnixMillis) {
    let millis = until.0.saturating_sub(now().0).clamp(1, 1000);
    std::thread::sleep(Duration::from_millis(millis));
}

fn line(operation: &Operation) -> String {
    match operation {
        Operation::Upsert { item_key, item_value } => format!("{item_key}: {} characters", item_value.len()),
        Operation::Delete { item_key } => format!("{item_key}: deleted"),
    }
}
