//! Peers that stall: they end in time, and hold nothing and nobody up.

use super::node::{Caller, Hub, PATIENCE, settings, until};
use super::unix;
use haproxy_wire::peers::net::{Ended, MAX_HANDSHAKES, WRITE_TIMEOUT, connect};
use haproxy_wire::peers::{Control, Hello, SessionError, Settings};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

pub(crate) const SHORT: Duration = Duration::from_millis(400);

/// A hub that is soon out of patience.
pub(crate) fn impatient() -> Settings {
    Settings { handshake: SHORT, silence: SHORT, heartbeat: SHORT / 4, ..settings("hub") }
}

pub(crate) fn hello() -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    Hello { to: "hub", from: "raw", process: 1, relative_process: 1 }.encode(&mut out);
    out.to_vec()
}

fn path(hub: &Hub) -> PathBuf {
    hub.address.to_string().trim_start_matches("unix:").into()
}

async fn raw(hub: &Hub) -> UnixStream {
    UnixStream::connect(path(hub)).await.unwrap()
}

/// A peer that is through the handshake.
async fn open(hub: &Hub) -> UnixStream {
    let mut raw = raw(hub).await;
    raw.write_all(&hello()).await.unwrap();
    let mut status = [0; 4];
    timeout(PATIENCE, raw.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"200\n");
    raw
}

#[tokio::test]
async fn no_hello_half_a_hello_and_a_hello_byte_by_byte_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::new(&unix(folder.path()), None, impatient(), 1).await;
    let began = Instant::now();
    let _silent = raw(&hub).await;
    let mut half = raw(&hub).await;
    half.write_all(&hello()[..20]).await.unwrap();
    let mut slow = raw(&hub).await;
    let slowly = tokio::spawn(async move {
        for byte in hello() {
            sleep(SHORT / 20).await;
            if slow.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    for _ in 0..3 {
        let ended = hub.ended().await;
        assert!(matches!(ended, Ended::Failed(SessionError::Handshake)), "{ended}");
    }
    assert!(began.elapsed() < 5 * SHORT, "{:?}", began.elapsed());
    assert_eq!(hub.heard.borrow().opened, 0);
    slowly.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_falls_silent_ends_and_one_with_heartbeats_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::new(&unix(folder.path()), None, impatient(), 1).await;
    let mut alive = open(&hub).await;
    let (mut heartbeat, began) = (bytes::BytesMut::new(), Instant::now());
    Control::Heartbeat.encode(&mut heartbeat);
    while began.elapsed() < 3 * SHORT {
        alive.write_all(&heartbeat).await.unwrap();
        sleep(SHORT / 4).await;
    }
    let last = Instant::now();
    let ended = hub.ended().await;
    assert!(matches!(ended, Ended::Failed(SessionError::Silence)), "{ended}");
    assert!(last.elapsed() < 3 * SHORT, "{:?}", last.elapsed());
}

#[tokio::test]
async fn half_a_message_byte_by_byte_is_silence() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::new(&unix(folder.path()), None, impatient(), 1).await;
    let mut slow = open(&hub).await;
    // A message of 16000 bytes that never ends.
    slow.write_all(&[10, 0x80, 0xf0, 0xd9, 0x06]).await.unwrap();
    let slowly = tokio::spawn(async move {
        while slow.write_all(&[0]).await.is_ok() {
            sleep(SHORT / 100).await
        }
    });
    let ended = hub.ended().await;
    assert!(matches!(ended, Ended::Failed(SessionError::Silence)), "{ended}");
    slowly.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_and_one_that_reads_is_taught_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::new(&unix(folder.path()), None, settings("hub"), 200_000).await;
    let (mut reader, mut writer) = open(&hub).await.into_split();
    let began = Instant::now();
    let alive = tokio::spawn(async move {
        let mut heartbeat = bytes::BytesMut::new();
        Control::Heartbeat.encode(&mut heartbeat);
        while writer.write_all(&heartbeat).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let mut caller = Caller::new(connect(&hub.address, None).await.unwrap(), "caller", 1);
    until(&mut caller.heard, |heard| heard.finished && heard.entries == 200_000).await;
    assert!(began.elapsed() < WRITE_TIMEOUT, "{:?}", began.elapsed());
    let ended = hub.ended().await;
    assert!(matches!(ended, Ended::Stalled), "{ended}");
    assert!(began.elapsed() < 2 * WRITE_TIMEOUT, "{:?}", began.elapsed());
    alive.await.unwrap();
    // What was held for it is what the system held, and no more than that comes.
    let mut left = Vec::new();
    let _ = timeout(PATIENCE, reader.read_to_end(&mut left)).await.unwrap();
    assert!(left.len() < 4 << 20, "{}", left.len());
}

#[tokio::test]
async fn the_oldest_of_too_many_handshakes_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::new(&unix(folder.path()), None, settings("hub"), 1).await;
    let mut waiting = Vec::new();
    for _ in 0..MAX_HANDSHAKES + 8 {
        waiting.push(raw(&hub).await);
    }
    let mut caller = Caller::new(connect(&hub.address, None).await.unwrap(), "caller", 1);
    until(&mut caller.heard, |heard| heard.finished).await;
    for _ in 0..9 {
        let ended = hub.ended().await;
        assert!(matches!(ended, Ended::GaveWay), "{ended}");
    }
    assert_eq!(waiting[0].read(&mut [0; 4]).await.unwrap(), 0);
    // The newest of them can still go through.
    let newest = waiting.last_mut().unwrap();
    newest.write_all(&hello()).await.unwrap();
    newest.read_exact(&mut [0; 4]).await.unwrap();
}
