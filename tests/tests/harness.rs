//! The harness keeps its own promises: nothing outlives it, and what it counts is right.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_tests::client::{PATIENCE, Request};
use countersign_tests::http_server::{HttpServer, Reply};
use countersign_tests::load::{Limit, Load};
use countersign_tests::process::{Journals, Process};
use countersign_tests::reaper::Reaper;
use countersign_tests::{ports, scenes};
use tempfile::TempDir;

fn runs(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until(what: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A shell that starts a child of its own, so that there is a group to end.
fn family(folder: &TempDir) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("sleep 300 & echo $! > {}/child; wait", folder.path().display()));
    command
}

fn child_of(folder: &TempDir) -> u32 {
    let path = folder.path().join("child");
    assert!(wait_until(|| std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))));
    // Nothing has the id 0, so that a child which never wrote its own counts as not running.
    std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

#[test]
fn a_dropped_process_takes_its_children_along() {
    let folder = tempfile::tempdir().unwrap();
    let reaper = Reaper::start(folder.path()).unwrap();
    let process = Process::start("a family", &mut family(&folder), &Journals::fresh(), &reaper).unwrap();
    let (parent, child) = (process.id(), child_of(&folder));
    assert!(runs(parent) && runs(child));
    drop(process);
    assert!(wait_until(|| !runs(parent) && !runs(child)));
}

#[test]
fn what_was_never_dropped_is_ended_by_the_reaper() {
    let folder = tempfile::tempdir().unwrap();
    let reaper = Reaper::start(folder.path()).unwrap();
    let process = Process::start("a family", &mut family(&folder), &Journals::fresh(), &reaper).unwrap();
    let (parent, child) = (process.id(), child_of(&folder));
    // The process holds the reaper too: forgetting both is what a crash looks like, but for the
    // pipe, which the kernel would close.
    let path = folder.path().to_owned();
    reaper.close();
    assert!(wait_until(|| !runs(child) && !path.exists()));
    drop(process);
    assert!(wait_until(|| !runs(parent)));
}

#[test]
fn ports_are_never_handed_out_twice() {
    let ports: BTreeSet<_> = (0..100).map(|_| ports::free().unwrap()).collect();
    assert_eq!(ports.len(), 100);
}

#[test]
fn every_scene_has_a_name_of_its_own() {
    let names: Vec<String> = scenes::all().into_iter().map(|scene| scene.name).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[tokio::test]
async fn a_load_counts_every_request_once() {
    let server = HttpServer::start("a server", |received| {
        Reply::status(if received.line.contains("/teapot") { 418 } else { 200 })
    })
    .await
    .unwrap();
    let load = Load {
        to: server.address(),
        connections: 3,
        limit: Limit::Requests(100),
        patience: PATIENCE,
        request: Request::new("GET", "www.example.test", "/teapot"),
    };
    let outcome = load.run().await;
    assert_eq!(outcome.statuses.get(&418), Some(&100));
    assert_eq!((outcome.lost, outcome.answered(), outcome.latencies.len()), (0, 100, 100));
    assert!(outcome.percentile(0.5) <= outcome.percentile(0.99));
}

#[tokio::test]
async fn a_load_notices_when_nobody_answers() {
    let load = Load {
        to: ports::free().unwrap(),
        connections: 2,
        limit: Limit::Requests(10),
        patience: PATIENCE,
        request: Request::new("GET", "www.example.test", "/"),
    };
    let outcome = load.run().await;
    assert_eq!((outcome.lost, outcome.answered()), (10, 0));
}
