//! The server over real sockets, against a client that plays HAProxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod peer;

use haproxy_wire::spop::server::{Address, BindError, Limits, Readiness, Server, SocketMode};
use haproxy_wire::spop::{MaxFrameSize, Purpose, Status};
use peer::{Client, PATIENCE, Running, Said, Scripted, ack, eventually, question};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Limits with a drain that a test can wait for.
fn limits() -> Limits {
    Limits {
        drain: Duration::from_millis(400),
        check_interval: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn questions_are_answered_on_both_kinds_of_socket() {
    let folder = tempfile::tempdir().unwrap();
    for server in [Running::tcp(limits()).await, Running::unix(folder.path(), limits()).await] {
        let mut client = server.client().await;
        client.send_hello(Purpose::Session, 4000).await;
        let hello = Said::Hello { max_frame_size: 4000, capabilities: "pipelining".to_owned() };
        assert_eq!(client.said().await, hello);
        for stream in 0..50 {
            client.ask(stream, "now", 0).await;
            assert_eq!(client.said().await, ack(stream, "allow"));
        }
        client.disconnect(Status::Normal).await;
        assert_eq!(client.said().await, Said::Disconnect(Status::Normal));
        drop(client);
        let counters = Arc::clone(&server.counters);
        eventually("the connection ends", || counters.open_connections() == 0).await;
        assert_eq!((counters.hellos.get(), counters.notifies.get(), counters.acks.get()), (1, 50, 50));
        assert_eq!(counters.broken.get(), 0);
        assert_eq!(server.end().await.cut, 0);
    }
}

#[tokio::test]
async fn pipelined_questions_are_all_answered_and_slow_ones_do_not_hold_up_others() {
    let server = Running::tcp(limits()).await;
    let mut client = server.session().await;
    let mut bytes = question(1, "slow", 100).to_vec();
    for stream in 2..200 {
        bytes.extend_from_slice(&question(stream, "now", 0));
    }
    bytes.extend_from_slice(&question(200, "slow", 20));
    client.send(&bytes).await;
    for stream in 2..200 {
        assert_eq!(client.said().await, ack(stream, "allow"));
    }
    assert_eq!(client.said().await, ack(200, "later"));
    assert_eq!(client.said().await, ack(1, "later"));
    server.end().await;
}

#[tokio::test]
async fn frames_may_come_in_pieces() {
    let server = Running::tcp(limits()).await;
    let mut client = server.session().await;
    for byte in question(1, "now", 0).iter().chain(&question(2, "now", 0)) {
        client.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.said().await, ack(1, "allow"));
    assert_eq!(client.said().await, ack(2, "allow"));
    server.end().await;
}

#[tokio::test]
async fn a_missed_deadline_is_an_ack_without_actions() {
    let server = Running::tcp(Limits { notify_deadline: Duration::from_millis(50), ..limits() }).await;
    let mut client = server.session().await;
    let begun = Instant::now();
    client.ask(1, "slow", 60_000).await;
    assert_eq!(client.said().await, Said::Ack(1, None));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    client.ask(2, "slow", 1).await;
    assert_eq!(client.said().await, ack(2, "later"));
    assert_eq!(server.counters.deadline_misses.get(), 1);
    server.end().await;
}

#[tokio::test]
async fn a_panic_is_an_ack_without_actions_and_the_connection_lives() {
    let server = Running::tcp(limits()).await;
    let mut client = server.session().await;
    for (stream, name) in [(1, "panic"), (3, "panic-later")] {
        client.ask(stream, name, 0).await;
        assert_eq!(client.said().await, Said::Ack(stream, None));
        client.ask(stream + 1, "now", 0).await;
        assert_eq!(client.said().await, ack(stream + 1, "allow"));
    }
    assert_eq!(server.counters.panics.get(), 2);
    server.end().await;
}

#[tokio::test]
async fn an_answer_beyond_the_frame_is_an_ack_without_actions() {
    let server = Running::tcp(limits()).await;
    let mut client = server.client().await;
    client.hello(Purpose::Session, 256).await;
    client.ask(1, "large", 300).await;
    assert_eq!(client.said().await, Said::Ack(1, None));
    client.ask(2, "large", 100).await;
    assert_eq!(client.said().await, ack(2, &"x".repeat(100)));
    assert_eq!(server.counters.oversize_answers.get(), 1);
    server.end().await;
}

#[tokio::test]
async fn in_flight_work_is_bounded() {
    let bounded = Limits { max_in_flight: 3, notify_deadline: PATIENCE, ..limits() };
    let server = Running::tcp(bounded).await;
    let mut client = server.session().await;
    for stream in 0..10 {
        client.ask(stream, "slow", 150).await;
    }
    let counters = Arc::clone(&server.counters);
    eventually("three are taken", || counters.notifies.get() == 3).await;
    sleep(Duration::from_millis(30)).await;
    assert_eq!(counters.notifies.get(), 3, "no more are taken while three are open");
    for _ in 0..10 {
        assert!(matches!(client.said().await, Said::Ack(_, Some(_))));
    }
    server.end().await;
}

#[tokio::test]
async fn health_checks_are_answered_and_closed() {
    let server = Running::tcp(limits()).await;
    let mut client = server.client().await;
    client.hello(Purpose::HealthCheck, 16_380).await;
    assert_eq!(client.said().await, Said::Closed);
    assert_eq!((server.counters.health_checks.get(), server.counters.hellos.get()), (1, 0));
    server.end().await;
}

#[tokio::test]
async fn hello_is_refused_while_not_ready_and_open_connections_go_on() {
    let server = Running::tcp(limits()).await;
    let mut open = server.session().await;
    server.readiness.set_not_ready();
    for purpose in [Purpose::HealthCheck, Purpose::Session] {
        let mut client = server.client().await;
        client.send_hello(purpose, 16_380).await;
        assert_eq!(client.said().await, Said::Disconnect(Status::Resource));
        assert_eq!(client.said().await, Said::Closed);
    }
    open.ask(1, "now", 0).await;
    assert_eq!(open.said().await, ack(1, "allow"));
    assert_eq!(server.counters.hellos_refused.get(), 2);
    server.readiness.set_ready();
    server.session().await.ask(1, "now", 0).await;
    server.end().await;
}

#[tokio::test]
async fn garbage_is_refused_with_its_status_and_counted() {
    let server = Running::tcp(limits()).await;
    let table: [(&[u8], Status); 4] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Status::TooBig),
        (b"\0\0\0\0", Status::Invalid),
        (b"\0\0\0\x07\x03\0\0\0\x01\0\0", Status::Invalid),
        (b"\0\0\0\x07\x01\0\0\0\x01\0\0", Status::NoVersion),
    ];
    for (bytes, status) in table {
        let mut client = server.client().await;
        client.send(bytes).await;
        assert_eq!(client.said().await, Said::Disconnect(status));
        assert_eq!(client.said().await, Said::Closed);
    }
    let mut client = server.session().await;
    client.send(&[0, 0, 0, 7, 0, 0, 0, 0, 1, 1, 1]).await;
    assert_eq!(client.said().await, Said::Disconnect(Status::FragmentationNotSupported));
    let counters = Arc::clone(&server.counters);
    assert_eq!((counters.oversize_frames.get(), counters.invalid_frames.get()), (1, 1));
    assert_eq!((counters.unexpected_frames.get(), counters.invalid_hellos.get()), (1, 1));
    assert_eq!(counters.fragmented_frames.get(), 1);
    server.end().await;
}

#[tokio::test]
async fn frames_beyond_our_own_limit_are_refused() {
    let server = Running::tcp(Limits { max_frame_size: MaxFrameSize::new(300).unwrap(), ..limits() }).await;
    let mut client = server.client().await;
    client.send_hello(Purpose::Session, 16_380).await;
    let hello = Said::Hello { max_frame_size: 300, capabilities: "pipelining".to_owned() };
    assert_eq!(client.said().await, hello);
    client.send(&[0, 0, 1, 45]).await;
    assert_eq!(client.said().await, Said::Disconnect(Status::TooBig));
    server.end().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_and_hurts_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let strict = Limits { write_timeout: Duration::from_millis(200), ..limits() };
    let server = Running::unix(folder.path(), strict).await;
    let mut deaf = server.session().await;
    let mut other = server.session().await;
    let flood = tokio::spawn(async move { while deaf.sends(&question(1, "fill", 16_000)).await {} });
    other.ask(1, "now", 0).await;
    assert_eq!(other.said().await, ack(1, "allow"));
    let counters = Arc::clone(&server.counters);
    eventually("the deaf peer is cut", || counters.write_timeouts.get() == 1).await;
    assert!(counters.acks.get() < 1000, "output is bounded: {}", counters.acks.get());
    other.ask(2, "now", 0).await;
    assert_eq!(other.said().await, ack(2, "allow"));
    timeout(PATIENCE, flood).await.expect("the flood ends with the connection").unwrap();
    server.end().await;
}

#[tokio::test]
async fn without_hello_or_frames_a_connection_is_closed() {
    let short = Duration::from_millis(60);
    let server = Running::tcp(Limits { hello_timeout: short, idle_timeout: short * 3, ..limits() }).await;
    let mut silent = server.client().await;
    let mut slow = server.client().await;
    slow.send(&[0, 0]).await;
    let mut idle = server.session().await;
    let mut partial = server.session().await;
    partial.send(&question(1, "now", 0)[..10]).await;
    assert_eq!(silent.said().await, Said::Disconnect(Status::Timeout));
    assert_eq!(slow.said().await, Said::Disconnect(Status::Timeout));
    idle.ask(1, "now", 0).await;
    assert_eq!(idle.said().await, ack(1, "allow"));
    assert_eq!(idle.said().await, Said::Disconnect(Status::Normal));
    assert_eq!(partial.said().await, Said::Disconnect(Status::Timeout));
    let counters = Arc::clone(&server.counters);
    assert_eq!((counters.hello_timeouts.get(), counters.idle_timeouts.get()), (2, 2));
    server.end().await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let server = Running::tcp(Limits { max_connections: 2, ..limits() }).await;
    let (_first, second) = (server.session().await, server.session().await);
    let mut third = server.client().await;
    assert_eq!(third.said().await, Said::Disconnect(Status::Resource));
    assert_eq!(server.counters.connections_refused.get(), 1);
    drop(second);
    let counters = Arc::clone(&server.counters);
    eventually("a place is free", || counters.open_connections() == 1).await;
    sleep(Duration::from_millis(20)).await;
    server.session().await;
    server.end().await;
}

#[tokio::test]
async fn a_peer_that_goes_away_is_no_trouble() {
    let server = Running::tcp(Limits { notify_deadline: PATIENCE, ..limits() }).await;
    drop(server.client().await);
    drop(server.session().await);
    let mut busy = server.session().await;
    busy.ask(1, "slow", 60_000).await;
    let counters = Arc::clone(&server.counters);
    eventually("the question is taken", || counters.notifies.get() == 1).await;
    drop(busy);
    let mut partial = server.session().await;
    partial.send(&question(1, "now", 0)[..9]).await;
    eventually("four are open or gone", || counters.connections.get() == 4).await;
    drop(partial);
    eventually("all are gone", || counters.open_connections() == 0).await;
    assert_eq!(counters.broken.get(), 2);
    server.end().await;
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_leaves_with_the_last_answer() {
    let long = Limits { drain: Duration::from_secs(2), notify_deadline: PATIENCE, ..limits() };
    let mut server = Running::tcp(long).await;
    let mut busy = server.session().await;
    let mut idle = server.session().await;
    busy.ask(1, "slow", 300).await;
    let counters = Arc::clone(&server.counters);
    eventually("the question is taken", || counters.notifies.get() == 1).await;
    let begun = Instant::now();
    server.stop();
    assert_eq!(idle.said().await, Said::Disconnect(Status::Normal));
    assert!(begun.elapsed() >= Duration::from_millis(40), "not before it was quiet");
    drop(idle);
    for stream in 2..12 {
        busy.ask(stream, "now", 0).await;
        assert_eq!(busy.said().await, ack(stream, "allow"));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(busy.said().await, ack(1, "later"));
    assert_eq!(busy.said().await, Said::Disconnect(Status::Normal));
    drop(busy);
    assert_eq!(server.drained().await.cut, 0);
    assert!(begun.elapsed() < Duration::from_secs(2), "ends as soon as all is said");
}

#[tokio::test]
async fn a_busy_connection_is_left_behind_its_next_answer() {
    let mut server = Running::tcp(limits()).await;
    let mut client = server.session().await;
    client.ask(1, "now", 0).await;
    assert_eq!(client.said().await, ack(1, "allow"));
    server.stop();
    // Asked at once, so that it was not quiet in between.
    client.send(&[question(2, "now", 0), question(3, "now", 0)].concat()).await;
    assert_eq!(client.said().await, ack(2, "allow"));
    assert_eq!(client.said().await, ack(3, "allow"));
    assert_eq!(client.said().await, Said::Disconnect(Status::Normal));
    drop(client);
    assert_eq!(server.drained().await.cut, 0);
}

/// HAProxy before 3.1 may cut what is in flight when a health check fails: so the next check has to
/// be as far away as can be when the first one can fail.
#[tokio::test]
async fn a_drain_under_load_goes_on_listening_until_health_was_checked_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let patient = Limits { drain: PATIENCE, check_interval: PATIENCE, notify_deadline: PATIENCE, ..limits() };
    let mut server = Running::unix(folder.path(), patient).await;
    let Address::Unix(path) = server.address.clone() else { panic!() };
    let mut busy = server.session().await;
    busy.ask(1, "slow", 300).await;
    let counters = Arc::clone(&server.counters);
    eventually("the question is taken", || counters.notifies.get() == 1).await;
    server.stop();
    for stream in 2..6 {
        let mut new = server.session().await;
        new.ask(stream, "now", 0).await;
        assert_eq!(new.said().await, ack(stream, "allow"));
        assert_eq!(new.said().await, Said::Disconnect(Status::Normal));
    }
    assert!(path.exists(), "it listens on");
    let mut check = server.client().await;
    check.hello(Purpose::HealthCheck, 16_380).await;
    eventually("the file goes", || !path.exists()).await;
    assert_eq!(busy.said().await, ack(1, "later"));
    assert_eq!(busy.said().await, Said::Disconnect(Status::Normal));
    drop((busy, check));
    assert_eq!(server.drained().await.cut, 0);
}

#[tokio::test]
async fn without_pipelining_haproxy_is_told_so() {
    let serial = Limits { pipelining: haproxy_wire::spop::Pipelining::Off, ..limits() };
    let server = Running::tcp(serial).await;
    let mut client = server.client().await;
    client.send_hello(Purpose::Session, 16_380).await;
    let Said::Hello { capabilities, .. } = client.said().await else { panic!() };
    assert_eq!(capabilities, "");
    drop(client);
    server.end().await;
}

#[tokio::test]
async fn a_drain_takes_no_new_connections_and_removes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::unix(folder.path(), limits()).await;
    let Address::Unix(path) = server.address.clone() else { panic!() };
    let mut client = server.session().await;
    server.stop();
    eventually("the file goes", || !path.exists()).await;
    assert!(tokio::net::UnixStream::connect(&path).await.is_err());
    assert_eq!(client.said().await, Said::Disconnect(Status::Normal));
    drop(client);
    server.drained().await;
}

#[tokio::test]
async fn a_peer_that_stays_after_our_leave_does_not_hold_up_the_end() {
    let mut server = Running::tcp(limits()).await;
    let mut client = server.session().await;
    server.stop();
    assert_eq!(client.said().await, Said::Disconnect(Status::Normal));
    client.ask(1, "now", 0).await;
    let counters = Arc::clone(&server.counters);
    eventually("the crossing is counted", || counters.crossed.get() == 1).await;
    assert_eq!(client.said().await, Said::Closed);
    assert_eq!(server.drained().await.cut, 0);
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced_and_gets_the_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Running::unix(folder.path(), Limits { unix_mode: SocketMode(0o600), ..limits() }).await;
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    server.session().await;
    server.end().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_in_use_or_of_another_kind_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bind = |path: std::path::PathBuf| async {
        let address = Address::Unix(path);
        Server::bind(&[address], Arc::new(Scripted), limits(), Readiness::ready()).await.map(drop)
    };
    let server = Running::unix(folder.path(), limits()).await;
    let error = bind(folder.path().join("agent.sock")).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    server.session().await;
    let plain = folder.path().join("plain");
    fs::write(&plain, "kept").unwrap();
    assert!(matches!(bind(plain.clone()).await.unwrap_err(), BindError::NotASocket(_)));
    assert_eq!(fs::read_to_string(&plain).unwrap(), "kept");
    let missing = folder.path().join("no/such/folder.sock");
    let error = bind(missing).await.unwrap_err();
    assert!(matches!(error, BindError::Io { .. }) && error.to_string().contains("No such file"), "{error}");
    server.end().await;
}

#[tokio::test]
async fn a_file_that_another_instance_bound_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let old = Running::unix(folder.path(), limits()).await;
    let Address::Unix(path) = old.address.clone() else { panic!() };
    fs::remove_file(&path).unwrap();
    let new = Running::unix(folder.path(), limits()).await;
    old.end().await;
    assert!(path.exists());
    let mut client = new.session().await;
    client.ask(1, "now", 0).await;
    assert_eq!(client.said().await, ack(1, "allow"));
    drop(client);
    new.end().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_server_dropped_cuts_its_connections_and_removes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let address = Address::Unix(path.clone());
    let server =
        Server::bind(std::slice::from_ref(&address), Arc::new(Scripted), limits(), Readiness::ready())
            .await
            .unwrap();
    let running = tokio::spawn(server.run(std::future::pending()));
    let mut client = Client::connect(&address).await;
    client.hello(Purpose::Session, 16_380).await;
    assert!(client.is_quiet_for(Duration::from_millis(20)).await);
    running.abort();
    assert_eq!(client.said().await, Said::Closed);
    eventually("the file goes", || !path.exists()).await;
}
