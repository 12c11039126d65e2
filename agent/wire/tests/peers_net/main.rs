//! Sessions over real sockets: two of our own ends, TLS, limits in time and number, hostile bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod certificates;
mod frozen;
mod hostile;
mod node;
mod stalls;
mod tls;

use haproxy_wire::peers::Status;
use haproxy_wire::peers::net::{Address, BindError, ConnectError, Ended, Listener, connect};
use node::{Caller, Hub, STRANGER, settings, until};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn unix(folder: &Path) -> String {
    format!("unix:{}", folder.join("peers.sock").display())
}

/// Both teach, are asked for everything, and hear that all of it was taken.
async fn teach_each_other(mut hub: Hub, mut caller: Caller) {
    let (hubs, callers) = (*hub.entries.borrow(), *caller.entries.borrow());
    until(&mut hub.heard, |heard| {
        heard.entries == u64::from(callers) && heard.finished && heard.confirmed && heard.acknowledged == hubs
    })
    .await;
    until(&mut caller.heard, |heard| {
        heard.entries == u64::from(hubs) && heard.finished && heard.confirmed && heard.acknowledged == callers
    })
    .await;
    // Something new on both sides, long after all was said.
    hub.entries.send_modify(|entries| *entries += 1);
    until(&mut caller.heard, |heard| heard.entries == u64::from(hubs) + 1).await;
    caller.entries.send_modify(|entries| *entries += 1);
    until(&mut hub.heard, |heard| heard.entries == u64::from(callers) + 1).await;
    until(&mut hub.heard, |heard| heard.acknowledged == hubs + 1).await;
    caller.stop();
    assert!(matches!(caller.ended().await, Ended::Stopped));
    let ended = hub.ended().await;
    // What the caller had not read yet makes its close a reset.
    assert!(matches!(ended, Ended::Closed | Ended::Io(_)), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ends_teach_each_other_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(&unix(folder.path()), None, settings("hub"), 20_000).await;
    let caller = Caller::new(connect(&hub.address, None).await.unwrap(), "caller", 30_000);
    teach_each_other(hub, caller).await;
}

#[tokio::test]
async fn two_ends_teach_each_other_over_tcp_on_one_thread() {
    let hub = Hub::new("tcp:127.0.0.1:0", None, settings("hub"), 30_000).await;
    let connection = connect(&hub.address, None).await.unwrap();
    assert!(connection.may_be("anybody"));
    teach_each_other(hub, Caller::new(connection, "caller", 20_000)).await;
}

#[tokio::test]
async fn whoever_has_nothing_to_teach_ends_the_lesson_at_once() {
    let hub = Hub::new("tcp:[::1]:0", None, settings("hub"), 1).await;
    let caller = Caller::new(connect(&hub.address, None).await.unwrap(), "caller", 1);
    teach_each_other(hub, caller).await;
}

#[tokio::test]
async fn a_stranger_is_told_so() {
    let mut hub = Hub::new("tcp:127.0.0.1:0", None, settings("hub"), 1).await;
    let caller = Caller::new(connect(&hub.address, None).await.unwrap(), STRANGER, 1);
    assert!(matches!(caller.ended().await, Ended::Refused(Status::RemoteNameMismatch)));
    assert!(matches!(hub.ended().await, Ended::TurnedAway(_)));
    assert_eq!(hub.heard.borrow().opened, 0);
}

#[tokio::test]
async fn plain_tcp_off_loopback_is_refused_at_both_ends() {
    for text in ["tcp:0.0.0.0:0", "tcp:192.0.2.7:1", "tcp:[::]:0"] {
        let address: Address = text.parse().unwrap();
        let refused = Listener::bind(std::slice::from_ref(&address), None).await.unwrap_err();
        assert!(matches!(refused, BindError::Plain(_)));
        assert!(refused.to_string().contains(&format!("`{text}`")), "{refused}");
        assert!(refused.to_string().contains("`tls:ip:port`"), "{refused}");
        let refused = connect(&address, None).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Plain(_)));
        assert!(refused.to_string().contains("`tls:host:port`"), "{refused}");
    }
}

#[tokio::test]
async fn tls_needs_certificates_and_an_address() {
    let bind = async |text: &str| Listener::bind(&[text.parse().unwrap()], None).await.unwrap_err();
    assert!(matches!(bind("tls:127.0.0.1:0").await, BindError::NoCertificate(_)));
    assert!(matches!(bind("tls:localhost:0").await, BindError::Name(_)));
    let refused = connect(&"tls:127.0.0.1:1".parse().unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, ConnectError::NoCertificate(_)));
}

#[tokio::test]
async fn a_socket_file_is_the_groups_replaces_a_stale_one_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let address: Address = unix(folder.path()).parse().unwrap();
    let addresses = std::slice::from_ref(&address);
    let listener = Listener::bind(addresses, None).await.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    assert!(matches!(Listener::bind(addresses, None).await, Err(BindError::InUse(_))));
    drop(listener);
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert!(matches!(Listener::bind(addresses, None).await, Err(BindError::NotASocket(_))));
}
