//! Mutual TLS: who is let in, and who is not.

use super::certificates::Authority;
use super::node::{Caller, Hub, PATIENCE, settings, until};
use super::teach_each_other;
use haproxy_wire::peers::net::{
    Address, ConnectError, Ended, TLS_HANDSHAKE, TlsClient, TlsError, TlsFiles, TlsServer, connect,
};
use haproxy_wire::peers::{PeerName, Status};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

async fn hub(authority: &Authority) -> Hub {
    let tls = TlsServer::new(&authority.files("127.0.0.1")).unwrap();
    Hub::new("tls:127.0.0.1:0", Some(&tls), settings("hub"), 20_000).await
}

fn client(files: &TlsFiles) -> TlsClient {
    TlsClient::new(files).unwrap()
}

fn socket(address: &Address) -> String {
    address.to_string().trim_start_matches("tls:").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ends_teach_each_other_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let hub = hub(&authority).await;
    let connection = connect(&hub.address, Some(&client(&authority.files("caller")))).await.unwrap();
    assert!(matches!(connection.address(), Address::Tls { .. }));
    teach_each_other(hub, Caller::new(connection, "caller", 30_000)).await;
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let mut hub = hub(&authority).await;
    let tls = client(&authority.files("caller"));
    for name in ["other", "caller.example", "127.0.0.1", "not_a"] {
        let caller = Caller::new(connect(&hub.address, Some(&tls)).await.unwrap(), name, 1);
        assert!(matches!(caller.ended().await, Ended::Refused(Status::RemoteNameMismatch)), "{name}");
        match hub.ended().await {
            Ended::Impostor(given) => assert_eq!(given, PeerName::new(name).unwrap()),
            other => panic!("{other}"),
        }
    }
    assert_eq!(hub.heard.borrow().opened, 0);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_at_either_end() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
    let hub = hub(&ours).await;
    let refused = connect(&hub.address, Some(&client(&theirs.files("caller")))).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Io { .. }), "{refused}");
    // Trusts us, but nobody whom we trust knows it.
    let files = TlsFiles { authority: ours.files("x").authority, ..theirs.files("caller") };
    // With TLS 1.3 a client hears only after the handshake that it was refused.
    match connect(&hub.address, Some(&client(&files))).await {
        Ok(connection) => {
            let ended = Caller::new(connection, "caller", 1).ended().await;
            assert!(matches!(ended, Ended::Io(_)), "{ended}");
        }
        Err(refused) => assert!(matches!(refused, ConnectError::Io { .. }), "{refused}"),
    }
    assert_eq!(hub.heard.borrow().opened, 0);
    let mut caller =
        Caller::new(connect(&hub.address, Some(&client(&ours.files("caller")))).await.unwrap(), "caller", 1);
    until(&mut caller.heard, |heard| heard.entries == 20_000).await;
}

#[tokio::test]
async fn no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let hub = hub(&authority).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.files("x").authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(socket(&hub.address)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let refused = match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(mut stream) => timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap_err(),
        Err(refused) => refused,
    };
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    assert_eq!(hub.heard.borrow().opened, 0);
}

#[tokio::test]
async fn a_server_of_another_host_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let tls = TlsServer::new(&authority.files("publish.example")).unwrap();
    let hub = Hub::new("tls:127.0.0.1:0", Some(&tls), settings("hub"), 1).await;
    let refused = connect(&hub.address, Some(&client(&authority.files("caller")))).await.unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_slow_handshake_holds_nobody_up_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ours");
    let hub = hub(&authority).await;
    let began = Instant::now();
    let mut slow = TcpStream::connect(socket(&hub.address)).await.unwrap();
    let tls = client(&authority.files("caller"));
    let mut caller = Caller::new(connect(&hub.address, Some(&tls)).await.unwrap(), "caller", 1);
    until(&mut caller.heard, |heard| heard.finished).await;
    assert!(began.elapsed() < TLS_HANDSHAKE, "{:?}", began.elapsed());
    let left = timeout(PATIENCE, slow.read(&mut [0; 16])).await.expect("an end in time");
    assert!(matches!(left, Ok(0) | Err(_)), "{left:?}");
    assert!(began.elapsed() < 2 * TLS_HANDSHAKE, "{:?}", began.elapsed());
}

#[test]
fn what_is_wrong_with_files_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = Authority::new(folder.path(), "ours").files("caller");
    let (missing, other) = (folder.path().join("missing.pem"), folder.path().join("other.pem"));
    std::fs::write(&other, "nothing").unwrap();
    let refused = |files: &TlsFiles| match (TlsServer::new(files), TlsClient::new(files)) {
        (Err(server), Err(client)) => {
            assert_eq!(server.to_string(), client.to_string());
            server
        }
        other => panic!("{other:?}"),
    };
    for files in [
        TlsFiles { certificate: missing.clone(), ..good.clone() },
        TlsFiles { key: missing.clone(), ..good.clone() },
        TlsFiles { authority: missing.clone(), ..good.clone() },
    ] {
        let error = refused(&files);
        assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains("missing.pem"), "{error}");
    }
    let error = refused(&TlsFiles { certificate: other.clone(), ..good.clone() });
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error}");
    let error = refused(&TlsFiles { key: other.clone(), ..good.clone() });
    assert!(matches!(error, TlsError::NoKey(_)), "{error}");
    let error = refused(&TlsFiles { authority: other, ..good.clone() });
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error}");
    let stranger = Authority::new(folder.path(), "theirs").files("caller");
    let error = refused(&TlsFiles { key: stranger.key, ..good });
    assert!(matches!(error, TlsError::Pair { .. }), "{error}");
}
