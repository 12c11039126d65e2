//! Who reads what: no line of the corpus reaches an application as something else than what was judged.
//!
//! The subject is chosen by `COUNTERSIGN_HAPROXY`. With `COUNTERSIGN_WRITE_DOCS=1` the page of the docs is
//! written, else it is compared with what was seen.

#![allow(clippy::unwrap_used, reason = "a stage that does not come up fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use countersign_tests::pieces::{HaproxyCommand, Subject};
use countersign_tests::readings::Stage;
use countersign_tests::readings::corpus::Corpus;
use countersign_tests::readings::judge::{reads_admin, violations};
use countersign_tests::readings::page::{Page, VERSIONS, WRITE_VARIABLE};
use countersign_tests::readings::reading::Reader;
use countersign_tests::readings::stage::Way;

#[test]
fn every_line_has_a_known_source_and_a_label_of_its_own() {
    let corpus = Corpus::read().unwrap();
    let mut labels = BTreeSet::new();
    for line in &corpus.lines {
        assert!(corpus.sources.contains_key(&line.source), "`{}` is no source", line.source);
        assert!(labels.insert(line.label()), "two lines are `{}`", line.label());
    }
    let named: BTreeSet<_> = corpus.lines.iter().map(|line| line.source.clone()).collect();
    assert_eq!(named, corpus.sources.keys().cloned().collect(), "a source without a line");
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_read_what_was_judged() {
    let subject = Subject::from_environment().unwrap();
    let found = HaproxyCommand::find(subject).unwrap().version().unwrap();
    let version = VERSIONS.into_iter().find(|version| found.starts_with(version));
    let corpus = Corpus::read().unwrap();
    let stage = Stage::start(subject).await.unwrap();
    let known = std::fs::read_to_string(Page::path()).unwrap_or_default();
    let mut page = Page::new(version.unwrap_or_default(), &known);
    let (mut wrong, mut reached, mut read_as_admin) = (Vec::new(), 0, BTreeMap::new());
    for line in &corpus.lines {
        let through_edge = stage.play(line, Way::ThroughEdge).await.unwrap();
        let straight = stage.play(line, Way::Straight).await.unwrap();
        for outcome in [&through_edge, &straight] {
            reached += outcome.seen.len();
            for violation in violations(outcome) {
                let bytes = line.bytes("X-Proof", "…");
                let bytes = bytes.get(..bytes.len().min(600)).unwrap_or_default().escape_ascii();
                wrong.push(format!("{:?}: {violation}\n    {bytes}", outcome.way));
            }
        }
        let past = stage.past_everything(line).await;
        let readings = past.iter().flat_map(|seen| &seen.readings);
        for reading in readings.filter(|reading| reads_admin(reading)) {
            *read_as_admin.entry(reading.reader.name()).or_insert(0) += 1;
        }
        page.add(line, &through_edge, &straight, past.as_ref());
    }
    assert!(wrong.is_empty(), "{} findings on HAProxy {found}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(reached > corpus.lines.len() / 4, "only {reached} requests reached an application");
    // Without anything before them they do read most of it so: the corpus is not harmless.
    for reader in Reader::ALL {
        let count = read_as_admin.get(reader.name()).copied().unwrap_or_default();
        assert!(count > 100, "{} reads only {count} lines as a path below /admin", reader.name());
    }
    // Other versions have no column.
    if version.is_none() {
        return;
    }
    let text = page.text(&corpus);
    if std::env::var(WRITE_VARIABLE).as_deref() == Ok("1") {
        std::fs::write(Page::path(), text).unwrap();
        return;
    }
    let differing: Vec<_> =
        text.lines().filter(|line| !known.lines().any(|known| known == *line)).take(20).collect();
    assert!(
        text == known,
        "`docs/who-reads-what.md` says something else than what was seen, among it:\n{}\nif that is right, write it \
         with {WRITE_VARIABLE}=1 for both versions",
        differing.join("\n")
    );
}
