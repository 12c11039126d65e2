//! The question that HAProxy asks, as the shipped SPOE file words it, and a connection to ask it on.

use std::net::Ipv4Addr;

use bytes::BytesMut;
use countersign_tests::world::HOST;
use haproxy_wire::spop::{FrameId, HaproxyHello, MaxFrameSize, NotifyWriter, Purpose, TooLarge, Value};

/// Appends a NOTIFY about one request with one assertion to `out`.
pub(crate) fn notify(
    id: FrameId,
    method: &str,
    target: &str,
    assertion: &str,
    out: &mut BytesMut,
) -> Result<(), TooLarge> {
    let mut writer = NotifyWriter::new();
    writer
        .message("request")
        .arg("id", Value::text("0b2b2c1e-6d50-4c2e-9f0e-3a1f5f2d7c11"))?
        .arg("method", Value::text(method))?
        .arg("host", Value::text(HOST))?
        .arg("hosts", Value::Int64(1))?
        .arg("target", Value::text(target))?
        .arg("src", Value::Ipv4(Ipv4Addr::new(192, 0, 2, 10)))?
        .arg("assertions", Value::Int64(1))?
        .arg("assertion", Value::text(assertion))?;
    writer.encode(id, MaxFrameSize::DEFAULT, out)
}

/// Appends the HELLO that opens a connection to `out`.
pub(crate) fn hello(out: &mut BytesMut) -> Result<(), TooLarge> {
    HaproxyHello {
        supported_versions: b"2.0",
        max_frame_size: MaxFrameSize::DEFAULT.bytes(),
        capabilities: b"pipelining",
        purpose: Purpose::Session,
        engine_id: None,
    }
    .encode(out)
}
