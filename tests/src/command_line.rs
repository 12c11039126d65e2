//! The command line of the agent's binary, used as an operator would.

use std::path::Path;

use crate::pieces;
use crate::trouble::Trouble;
use crate::viceroy::Items;

/// `countersign keys generate` into `folder`.
///
/// # Errors
/// [`Trouble::Command`] with what it printed.
pub(crate) async fn generate_keys(folder: &Path, key: &str) -> Result<(), Trouble> {
    std::fs::create_dir_all(folder).map_err(Trouble::io("make a folder for the keys"))?;
    run(&["keys", "generate", "--kid", key, "--out", &folder.to_string_lossy()]).await.map(drop)
}

/// `countersign compile`: the items of the edge's config store.
///
/// # Errors
/// [`Trouble::Command`] with what it printed.
pub(crate) async fn compiled_policy(policy: &Path) -> Result<Items, Trouble> {
    let printed = run(&["compile", "--policy", &policy.to_string_lossy()]).await?;
    serde_json::from_str(&printed)
        .map_err(|error| Trouble::unexpected("a JSON object of items", format!("{error}: {printed}")))
}

/// Runs a subcommand and takes what it prints.
///
/// # Errors
/// [`Trouble::Command`] with what it printed on standard error.
pub(crate) async fn run(words: &[&str]) -> Result<String, Trouble> {
    let mut command = tokio::process::Command::new(pieces::agent()?);
    command.args(words).kill_on_drop(true);
    let output = command.output().await.map_err(Trouble::io("run `countersign`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Trouble::Command {
        command: format!("countersign {}", words.join(" ")),
        status: output.status.to_string(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// What a command printed, however it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Whether it ended well.
    pub(crate) succeeded: bool,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs a subcommand that logs all that it can.
///
/// # Errors
/// [`Trouble::Io`] when it cannot be started.
pub(crate) async fn run_loudly(words: &[&str]) -> Result<Said, Trouble> {
    let mut command = tokio::process::Command::new(pieces::agent()?);
    command.args(words).env("COUNTERSIGN_LOG", "trace").kill_on_drop(true);
    let output = command.output().await.map_err(Trouble::io("run `countersign`"))?;
    Ok(Said {
        succeeded: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
