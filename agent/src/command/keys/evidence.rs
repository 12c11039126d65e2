//! What decision records say about the use of keys, read line by line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use countersign_contract::record::Tier;
use countersign_contract::time::UnixMillis;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::trust::rotation::{Role, Usage};

/// No record of ours is longer; what is longer is passed over unread.
const LONGEST_LINE: u64 = 1 << 16;
/// No key's id is longer, an identity provider's included.
const LONGEST_KID: usize = 255;
/// Clocks that are further ahead are worth a word.
const AHEAD_MILLIS: u64 = 60_000;

/// How much was read, and what of it was no evidence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Decision records.
    pub(super) records: u64,
    /// Lines that are none; a last line that is cut off is not counted.
    pub(super) no_records: u64,
    /// Records that an agent could not write, by its own count.
    pub(super) lost: u64,
    /// Records from more than a minute after now.
    pub(super) ahead: u64,
}

/// Records that can't be read.
#[derive(Debug, Error)]
#[error("records {file}: {source}: expected a file of decision records, or `-` for standard input", file = file.display())]
pub(super) struct RecordsError {
    file: PathBuf,
    source: io::Error,
}

/// What is looked at of a record. What is not looked at may be of a version that isn't known here.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    tier: Tier,
    // That it is there makes it a decision record.
    #[serde(rename = "decision_id")]
    _decision_id: IgnoredAny,
    kid: Option<Cow<'a, str>>,
    token_kid: Option<Cow<'a, str>>,
    session_kid: Option<Cow<'a, str>>,
    list_kid: Option<Cow<'a, str>>,
    receipt_kid: Option<Cow<'a, str>>,
}

/// What an agent writes in the place of records that waited for too long.
#[derive(Deserialize)]
struct Lost {
    event: LostEvent,
    count: u64,
}

#[derive(Deserialize)]
enum LostEvent {
    #[serde(rename = "records-lost")]
    RecordsLost,
}

impl Line<'_> {
    fn keys(&self) -> impl Iterator<Item = (Role, &str)> {
        let keys = [
            (Role::Assertion, &self.kid),
            (Role::Session, &self.session_kid),
            (Role::Receipt, &self.receipt_kid),
            (Role::List, &self.list_kid),
            (Role::Token, &self.token_kid),
        ];
        keys.into_iter()
            .filter_map(|(role, kid)| Some((role, kid.as_deref()?)))
            .filter(|(_, kid)| kid.len() <= LONGEST_KID)
    }
}

/// Reads files of records one after the other; `-` is standard input.
pub(super) fn read(files: &[PathBuf], usage: &mut Usage) -> Result<Tally, RecordsError> {
    let mut tally = Tally::default();
    for file in files {
        let fault = |source| RecordsError { file: file.clone(), source };
        if file.as_path() == Path::new("-") {
            read_lines(io::stdin().lock(), usage, &mut tally).map_err(fault)?;
        } else {
            let opened = File::open(file).map_err(fault)?;
            read_lines(BufReader::with_capacity(1 << 16, opened), usage, &mut tally).map_err(fault)?;
        }
    }
    Ok(tally)
}

fn read_lines(mut from: impl BufRead, usage: &mut Usage, tally: &mut Tally) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        if note(&line, usage, tally) {
            continue;
        }
        if whole {
            tally.no_records += 1;
        } else if from.skip_until(b'\n')? > 0 {
            // Longer than a record; at the end of the file it would only be cut off.
            tally.no_records += 1;
        }
    }
}

/// Whether the line is of use, or empty.
fn note(line: &[u8], usage: &mut Usage, tally: &mut Tally) -> bool {
    if let Ok(record) = serde_json::from_slice::<Line<'_>>(line)
        && let Ok(time) = record.time.parse::<UnixMillis>()
    {
        usage.note(record.tier, time, record.keys());
        tally.records += 1;
        tally.ahead += u64::from(time.0 > usage.now().0.saturating_add(AHEAD_MILLIS));
        return true;
    }
    if let Ok(Lost { event: LostEvent::RecordsLost, count }) = serde_json::from_slice(line) {
        tally.lost = tally.lost.saturating_add(count);
        return true;
    }
    line.trim_ascii().is_empty()
}

impl Tally {
    /// What makes the evidence weaker, a line each.
    pub(super) fn doubts(&self, usage: &Usage) -> Vec<String> {
        let beyond = usage.beyond();
        let mut doubts = Vec::new();
        let mut doubt = |count: u64, what: &str| {
            if count > 0 {
                doubts.push(format!("{count} {what}"));
            }
        };
        doubt(self.no_records, "lines are no decision records: what they would have named is not known");
        doubt(
            self.lost,
            "records were lost by agents that could not write them: what they named is not known",
        );
        doubt(self.ahead, "records are more than a minute ahead of this clock: they count as use now");
        doubt(beyond, "times a key was named beyond the 1000 of a role that are followed");
        doubts
    }
}
