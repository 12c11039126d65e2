//! Dumps the tables of a running HAProxy: asks its peers listener for everything, prints one line an entry.
//!
//! `cargo run --example dump_table -- 127.0.0.1:10000 HAPROXY-NAME OWN-NAME [/table]`
//!
//! OWN-NAME must be a peer in HAProxy's `peers` section. While this runs, it takes that peer's place; it
//! acknowledges nothing, so that the peer still gets all that it waits for. An entry that HAProxy pushes
//! anyway comes twice, the second time with the life it really has left.

use bytes::{Buf, BytesMut};
use haproxy_wire::peers::{
    Completeness, DataType, Event, Key, Lifetime, News, PeerName, Received, ServerKey, Session, SessionId,
    Settings, Value,
};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: dump_table ADDRESS HAPROXY-NAME OWN-NAME [TABLE]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (address, haproxy, own) = (next()?, next()?, next()?);
    let only = next().ok();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (mut input, mut output, mut chunk) = (BytesMut::new(), BytesMut::new(), [0; 16_384]);
    let settings = Settings::new(PeerName::new(&own)?);
    let peer = PeerName::new(&haproxy)?;
    let mut session = Session::connect(SessionId(1), settings, peer, Instant::now(), &mut output);
    loop {
        stream.write_all(&output)?;
        output.clear();
        match stream.read(&mut chunk) {
            Ok(0) => return Err("HAProxy closed the connection".into()),
            Ok(length) => input.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        let now = Instant::now();
        loop {
            let step = session.next_event(&input, now, &mut output);
            let consumed = step.consumed;
            let (mut opened, mut end) = (false, None);
            match step.event {
                None => break input.advance(consumed),
                Some(Event::Open) => opened = true,
                Some(Event::Table { table, news: News::New | News::Changed }) => match table.schema() {
                    Ok(schema) => {
                        let types: Vec<_> = schema.data_types().map(DataType::name).collect();
                        println!("# {}: {:?} {types:?}", table.name().escape_ascii(), schema.key());
                    }
                    Err(unreadable) => println!("# {}: {unreadable}", table.name().escape_ascii()),
                },
                Some(Event::Update(received)) => {
                    if only.as_ref().is_none_or(|only| only.as_bytes() == received.table.name()) {
                        println!("{}", line(&received));
                    }
                }
                Some(Event::ResyncEnded(completeness)) => end = Some(completeness),
                Some(Event::Refused(status)) => return Err(format!("HAProxy refused: {status}").into()),
                Some(Event::Failed(error)) => return Err(error.into()),
                Some(Event::Complaint(complaint)) => return Err(complaint.into()),
                Some(_) => {}
            }
            input.advance(consumed);
            if opened {
                session.request_resync(now, &mut output)?;
            }
            if let Some(completeness) = end {
                if completeness == Completeness::Partial {
                    println!("# HAProxy is not in sync itself: there may be more");
                }
                return Ok(());
            }
        }
        if let Some(Event::Failed(error)) = session.tick(now, &mut output) {
            return Err(error.into());
        }
    }
}

/// Table, key, time to live and values of one entry.
fn line(received: &Received<'_>) -> String {
    let key = match received.entry.key() {
        Key::Integer(value) => value.to_string(),
        Key::Ipv4(address) => address.to_string(),
        Key::Ipv6(address) => address.to_string(),
        Key::String(bytes) => bytes.escape_ascii().to_string(),
        Key::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let life = match received.lifetime {
        Lifetime::Forever => "forever".to_owned(),
        Lifetime::For(left) => format!("{left:?}"),
    };
    let mut line = format!("{} key={key} exp={life}", received.table.name().escape_ascii());
    let schema = received.entry.schema();
    for datum in received.entry.values() {
        let value = match datum.value {
            Value::Signed(value) => value.to_string(),
            Value::Unsigned(value) => value.to_string(),
            Value::Counter(value) => value.to_string(),
            Value::Rate(rate) => match schema.period(datum.data_type) {
                Some(period) => format!("{}/{:?}", rate.events(period, Duration::ZERO), period.duration()),
                None => format!("{rate:?}"),
            },
            Value::Dictionary(_) => match received.server_key {
                ServerKey::Known(text) => text.escape_ascii().to_string(),
                ServerKey::Absent => "-".to_owned(),
                ServerKey::Unknown(id) => format!("?{}", id.get()),
            },
        };
        let index =
            if schema.elements(datum.data_type) > 1 { format!("[{}]", datum.index) } else { String::new() };
        line.push_str(&format!(" {}{index}={value}", datum.data_type));
    }
    line
}
