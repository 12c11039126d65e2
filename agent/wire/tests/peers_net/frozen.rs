//! A process that was stopped for longer than its peer may be silent.

use super::node::{Hub, PATIENCE};
use super::stalls::{SHORT, hello, impatient};
use bytes::BytesMut;
use haproxy_wire::peers::Control;
use std::future::pending;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

/// Tells the test of this name, run by another test, where to listen.
const SOCKET: &str = "PEERS_NET_FROZEN_SOCKET";

/// Not a test of its own: the process that is stopped.
#[tokio::test]
#[ignore = "runs as a process of another test"]
async fn frozen_hub() {
    if let Ok(address) = std::env::var(SOCKET) {
        let _hub = Hub::new(&address, None, impatient(), 1).await;
        pending().await
    }
}

/// A child that does not outlive its test.
struct Frozen(Child);

impl Frozen {
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(path: &Path) -> UnixStream {
    let began = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        sleep(SHORT / 20);
    }
}

#[test]
fn a_process_that_was_stopped_reads_before_it_takes_its_peer_for_silent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers.sock");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "frozen::frozen_hub"])
        .env(SOCKET, format!("unix:{}", path.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let hub = Frozen(child);
    let mut peer = connect(&path);
    peer.write_all(&hello()).unwrap();
    peer.set_nonblocking(true).unwrap();
    let mut heartbeat = BytesMut::new();
    Control::Heartbeat.encode(&mut heartbeat);
    for _ in 0..5 {
        hub.signal("-STOP");
        let stopped = Instant::now();
        while stopped.elapsed() < 2 * SHORT {
            peer.write_all(&heartbeat).unwrap();
            sleep(SHORT / 8);
        }
        hub.signal("-CONT");
        let resumed = Instant::now();
        while resumed.elapsed() < SHORT {
            peer.write_all(&heartbeat).unwrap();
            match peer.read(&mut [0; 4096]) {
                Ok(length) => assert!(length > 0, "the session was ended"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            sleep(SHORT / 8);
        }
    }
}
