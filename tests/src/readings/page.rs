//! `docs/who-reads-what.md`: written from what was seen, one column of it for each HAProxy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::corpus::{Corpus, Kind, Line};
use super::judge::{forged_names, reads_admin};
use super::meaning::{Meaning, meaning};
use super::reading::{Reader, Reading};
use super::stage::Outcome;
use super::tee::Seen;
use crate::pieces;
use crate::records::Record;

/// The versions that have a column.
pub const VERSIONS: [&str; 2] = ["2.6", "3.2"];
/// Set to `1`, the page is written; else it is compared.
pub const WRITE_VARIABLE: &str = "COUNTERSIGN_WRITE_DOCS";

/// Stands where nobody has looked yet, or nothing was seen.
const NOTHING: &str = "-";
/// Stands where a version answers as the one before it does.
const SAME: &str = "same";
/// Of what a record says beside the reason, in characters: what is longer tells of a policy, not of a spelling.
const LONGEST_DETAIL: usize = 48;
/// Names of fields that a cell lists; of more it says how many.
const LISTED_NAMES: usize = 4;
/// Of a reading, in characters.
const LONGEST_READING: usize = 60;

const HEAD: &str = "# Who reads what

<!-- Written by a test, once for each HAProxy; not to be edited:
COUNTERSIGN_WRITE_DOCS=1 COUNTERSIGN_HAPROXY=2.6 cargo test -p countersign-tests --test who_reads_what
COUNTERSIGN_WRITE_DOCS=1 COUNTERSIGN_HAPROXY=3.2 cargo test -p countersign-tests --test who_reads_what -->

What the edge signs and the agent judges has to be what the application reads. This page shows it, for a
[corpus](../tests/vectors/corpus/README.md) of hostile paths, hosts, headers and bodies, on real parts: the edge in
Viceroy, HAProxy on the shipped configuration, and behind every pool nginx, Node.js, and PHP by FastCGI behind nginx.
Each of the three is given the bytes that HAProxy sent to the pool.

Every line is sent twice, as bytes:

- to the **edge**, by an engineer who is signed in and may not see `/admin`;
- straight to **HAProxy**, with an assertion over exactly this request that speaks of an admin, signed with the edge's
  own key: the policy lets that one everywhere, so a refusal is for the spelling or for want of a route.

For no line, on neither way, did an application read

- a path below `/admin` (as it stands, decoded once or twice, with dot segments resolved, parameters dropped, backslashes
  taken for slashes, or cut at `?` or `#`) unless the verdict was for the route `admin`;
- a path or a host that isn't the one in the record of the decision;
- a subject, groups, decision id or client address that isn't the verified one, or a field that
  [only a proxy may set](../edge/contract/src/header.rs);
- two requests where one was judged.

The test fails where this isn't so any more, and where this page says something else than what was seen.

How to read it:

- `→ api` is a passage under the route `api`. Anything else is a refusal with its [reason](reasons.md); `by the parser` is
  one before any rule of ours, by Viceroy or HAProxy, with an answer or without; `same` is the column before it.
- A path as nginx reads it is `$uri`, as Node.js does `decodeURIComponent` of what stands before `?`, as PHP does
  `rawurldecode` of `parse_url`. `refused` is the application's own refusal.
- Of fields that a line makes up nginx tells those that it is asked for; what it passes on shows in PHP.
- What was refused was also sent to the three past edge and HAProxy: so they would read it.
- `= /admin` is a path below `/admin` by one of the readings above, or by nginx's `location /admin`, which takes every path
  that begins so. `≈ /admin` is one that a file system might take for that: it folds case, cuts at NUL, drops dots and
  spaces at the end of a name, or holds look-alikes for the same.
- What a client says in `Authorization` stays its own word: of `Basic` PHP makes `PHP_AUTH_USER`, which nobody has verified.
";

/// What was seen of one line.
#[derive(Debug, Clone)]
struct Row {
    edge: String,
    haproxy: BTreeMap<String, String>,
    fate: Fate,
    /// What the applications read, or would have.
    readings: [String; 3],
}

/// Whether an application saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    Refused,
}

impl Fate {
    const ALL: [Self; 2] = [Self::Passed, Self::Refused];

    fn title(self) -> &'static str {
        match self {
            Self::Passed => "What passed",
            Self::Refused => "What was refused",
        }
    }

    fn would(self) -> &'static str {
        match self {
            Self::Passed => "",
            Self::Refused => " would",
        }
    }
}

/// The page, to be filled line by line.
#[derive(Debug)]
pub struct Page {
    version: &'static str,
    known: BTreeMap<String, Row>,
    rows: BTreeMap<Kind, Vec<(String, Row)>>,
}

impl Page {
    /// A page about one version; what `known`, the page as it is, has of the other one is kept.
    #[must_use]
    pub fn new(version: &'static str, known: &str) -> Self {
        let mut fate = Fate::Passed;
        let mut rows = BTreeMap::new();
        for line in known.lines() {
            if let Some(title) = line.strip_prefix("### ") {
                fate = Fate::ALL.into_iter().find(|fate| fate.title() == title).unwrap_or(fate);
            }
            rows.extend(row_of(line, fate));
        }
        Self { version, known: rows, rows: BTreeMap::new() }
    }

    /// Where the page is.
    #[must_use]
    pub fn path() -> PathBuf {
        pieces::repository().join("docs/who-reads-what.md")
    }

    /// Adds what was seen of a line, and how applications read it without anything before them.
    pub fn add(&mut self, line: &Line, through_edge: &Outcome, straight: &Outcome, past: Option<&Seen>) {
        let label = code(&line.label());
        let passed = [straight, through_edge].into_iter().find_map(|outcome| outcome.seen.first());
        let seen = passed.map(|(seen, _)| seen).or(past);
        let mut row = Row {
            edge: edge_cell(through_edge),
            haproxy: BTreeMap::from([(self.version.to_owned(), haproxy_cell(straight))]),
            fate: if passed.is_some() { Fate::Passed } else { Fate::Refused },
            readings: seen.map_or([NOTHING; 3].map(str::to_owned), |seen| reading_cells(line.kind, seen)),
        };
        if let Some(known) = self.known.get(&label) {
            let others = known.haproxy.iter().filter(|(version, _)| *version != self.version);
            row.haproxy.extend(others.map(|(version, cell)| (version.clone(), cell.clone())));
            // Another version let it through.
            if row.fate == Fate::Refused && known.fate == Fate::Passed {
                (row.fate, row.readings) = (known.fate, known.readings.clone());
            }
        }
        self.rows.entry(line.kind).or_default().push((label, row));
    }

    /// The text of the page.
    #[must_use]
    pub fn text(&self, corpus: &Corpus) -> String {
        let count = |fate| self.rows.values().flatten().filter(|(_, row)| row.fate == fate).count();
        let mut text = HEAD.to_owned();
        let _ = writeln!(
            text,
            "\nOf {} lines {} passed to an application on some way and {} on none.",
            corpus.lines.len(),
            count(Fate::Passed),
            count(Fate::Refused),
        );
        for kind in Kind::ALL {
            let _ = writeln!(text, "\n## {}", kind.title());
            for fate in Fate::ALL {
                let rows = self.rows.get(&kind).into_iter().flatten().filter(|(_, row)| row.fate == fate);
                table(&mut text, kind, fate, rows);
            }
        }
        text
    }
}

fn what_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Path => "path",
        Kind::Host => "host",
        Kind::Header | Kind::Framing => "made up and seen",
    }
}

fn table<'a>(text: &mut String, kind: Kind, fate: Fate, rows: impl Iterator<Item = &'a (String, Row)>) {
    // Where a request ends nobody says alone.
    let readers = if kind == Kind::Framing && fate == Fate::Refused { 0 } else { Reader::ALL.len() };
    let mut head = vec!["line".to_owned(), "edge".to_owned()];
    head.extend(VERSIONS.map(|version| format!("HAProxy {version}")));
    let columns = Reader::ALL.map(|reader| format!("{}{}: {}", reader.name(), fate.would(), what_of(kind)));
    head.extend(columns.into_iter().take(readers));
    let mut lines = rows.map(|(label, row)| {
        let mut cells = vec![label.clone(), row.edge.clone()];
        cells.extend(haproxy_cells(&row.haproxy));
        cells.extend(row.readings.iter().take(readers).cloned());
        cells
    });
    let Some(first) = lines.next() else { return };
    let _ = writeln!(text, "\n### {}\n", fate.title());
    let ruler = head.iter().map(|_| "---".to_owned()).collect();
    for cells in [head, ruler, first].into_iter().chain(lines) {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// A row of the page as it is.
fn row_of(line: &str, fate: Fate) -> Option<(String, Row)> {
    let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let mut cells = line.split(" | ").map(str::to_owned);
    let (label, edge) = (cells.next()?, cells.next()?);
    let mut haproxy: BTreeMap<String, String> = BTreeMap::new();
    let mut before = String::new();
    for version in VERSIONS {
        let cell = cells.next()?;
        before = if cell == SAME { before } else { cell };
        haproxy.insert(version.to_owned(), before.clone());
    }
    let mut reading = || cells.next().unwrap_or(NOTHING.into());
    Some((label, Row { edge, haproxy, fate, readings: [reading(), reading(), reading()] }))
}

fn haproxy_cells(haproxy: &BTreeMap<String, String>) -> Vec<String> {
    let mut before = "";
    let mut cells = Vec::new();
    for version in VERSIONS {
        let answer = haproxy.get(version).map_or(NOTHING, String::as_str);
        let same = answer == before && answer != NOTHING;
        cells.push(if same { SAME } else { answer }.to_owned());
        before = answer;
    }
    cells
}

fn edge_cell(outcome: &Outcome) -> String {
    match &outcome.records.edge {
        Some(record) if record.text("verdict").as_deref() == Some("deny") => refusal(outcome, record),
        Some(_) => haproxy_cell(outcome),
        None => unrecorded(outcome),
    }
}

fn haproxy_cell(outcome: &Outcome) -> String {
    if let Some((_, record)) = outcome.seen.first() {
        let route = record.as_ref().and_then(|record| record.text("route")).unwrap_or_default();
        return match outcome.status {
            Some(200) => format!("→ {route}"),
            Some(status) => format!("→ {route}, {status}"),
            None => format!("→ {route}, not answered"),
        };
    }
    let refused = outcome.records.haproxy.as_ref();
    match (refused.and_then(|record| record.text("why")), &outcome.records.agent) {
        (Some(why), _) => format!("{} {why}", outcome.status.unwrap_or_default()),
        (None, Some(record)) => refusal(outcome, record),
        (None, None) => unrecorded(outcome),
    }
}

fn refusal(outcome: &Outcome, record: &Record) -> String {
    let status = outcome.status.unwrap_or_default();
    let reason = record.text("reason").unwrap_or_default();
    match record.text("detail").as_deref().map(short) {
        Some(detail) if (1..=LONGEST_DETAIL).contains(&detail.len()) => {
            format!("{status} {reason}: {}", cell(detail))
        }
        _ => format!("{status} {reason}"),
    }
}

/// Without where it stands and what was expected.
fn short(detail: &str) -> &str {
    let detail = detail.split(": ").next().unwrap_or_default();
    detail.split(" at offset").next().unwrap_or_default()
}

/// A parser that refuses may close before its answer is read: which of the two is seen is chance.
fn unrecorded(outcome: &Outcome) -> String {
    match outcome.status {
        Some(status) if status < 400 => status.to_string(),
        _ => "by the parser".into(),
    }
}

fn reading_cells(kind: Kind, seen: &Seen) -> [String; 3] {
    Reader::ALL.map(|reader| {
        let reading = seen.readings.iter().find(|reading| reading.reader == reader);
        reading.map_or(NOTHING.into(), |reading| reading_cell(kind, reading))
    })
}

fn reading_cell(kind: Kind, reading: &Reading) -> String {
    if !reading.told() {
        return match reading.status {
            Some(status) if status < 400 => status.to_string(),
            _ => "refused".into(),
        };
    }
    match kind {
        Kind::Path => {
            let path = reading.paths.first().map(|(_, path)| path.as_str()).unwrap_or_default();
            let is_like_admin = reading.paths.iter().any(|(_, path)| meaning(path) == Meaning::Loosely);
            let mark = match (reads_admin(reading), is_like_admin) {
                (true, _) => " = /admin",
                (false, true) => " ≈ /admin",
                (false, false) => "",
            };
            format!("{}{mark}", code(&cut(path)))
        }
        Kind::Host => {
            let mut hosts: Vec<_> = reading.hosts.iter().map(|(_, host)| code(&cut(host))).collect();
            hosts.dedup();
            if hosts.is_empty() { "none".into() } else { hosts.join(", ") }
        }
        Kind::Header | Kind::Framing => match forged_names(reading) {
            names if names.is_empty() => "nothing".into(),
            names if names.len() > LISTED_NAMES => format!("{} fields", names.len()),
            names => names.iter().map(|name| code(&cut(name))).collect::<Vec<_>>().join(", "),
        },
    }
}

fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST_READING {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(LONGEST_READING).collect();
    format!("{beginning}… ({length} characters)")
}

/// As code in a cell, whatever it holds.
fn code(text: &str) -> String {
    let visible: String = text.chars().flat_map(glyphs).collect();
    let fence = if visible.contains('`') { "`` " } else { "`" };
    format!("{fence}{}{}", cell(&visible), fence.chars().rev().collect::<String>())
}

/// A character that shows, or its number.
fn glyphs(character: char) -> Vec<char> {
    let shows = !character.is_control()
        && !matches!(character, '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}');
    if shows { vec![character] } else { format!("\\u{{{:x}}}", u32::from(character)).chars().collect() }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
