//! Fills HAProxy's `cs_sensor` over the peers protocol.

use std::future::{Future, pending};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use haproxy_wire::peers::net::{Address, BindError, Ended, Fill, Handler, Listener, run};
use haproxy_wire::peers::{
    BadParameters, BadPeerName, Completeness, DataType, Elements, Event, Key, KeyType, Lesson, LocalTable,
    Parameters, PeerName, Period, Rate, Refusal, Schema, Session, SessionId, Settings, UpdateId, Value,
};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Longest time that it may take, the wait for HAProxy's next attempt to connect included.
const PATIENCE: Duration = Duration::from_secs(60);
/// `expire` of the shipped table.
const EXPIRE: Duration = Duration::from_secs(600);
/// The period of its rates, in milliseconds.
const PERIOD: u32 = 60_000;
/// Milliseconds since a counter moved that has not for long.
const LONG_AGO: u32 = 3_600_000;

/// Why HAProxy's table can't be filled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TeachingError {
    /// No table like the shipped one.
    #[error(transparent)]
    Parameters(#[from] BadParameters),
    /// Our name is none.
    #[error(transparent)]
    Name(#[from] BadPeerName),
    /// The socket can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// It took too long.
    #[error("expected HAProxy to learn {0} entries within {PATIENCE:?}")]
    TooSlow(u32),
    /// The session ended.
    #[error("expected HAProxy to learn {0} entries; the session ended: {1}")]
    Ended(u32, String),
}

/// Listens on `socket` and teaches so many entries to the HAProxy that connects.
pub(crate) async fn teach(socket: &Path, entries: u32) -> Result<(), TeachingError> {
    let schema = schema()?;
    let settings = Settings::new(PeerName::new("countersign")?);
    let mut listener = Listener::bind(&[Address::Unix(socket.to_owned())], None).await?;
    let learnt = Arc::new(Notify::new());
    let teacher =
        Teacher { entries, taught: 0, schema, table: None, asked: false, learnt: Arc::clone(&learnt) };
    let taught = async {
        let connection = listener.accept().await;
        let session = Session::accept(SessionId(0), settings, Instant::now());
        run(connection, session, BytesMut::new(), teacher, learnt.notified()).await
    };
    match timeout(PATIENCE, taught).await {
        Ok((Ended::Stopped, _)) => Ok(()),
        Ok((ended, _)) => Err(TeachingError::Ended(entries, ended.to_string())),
        Err(_) => Err(TeachingError::TooSlow(entries)),
    }
}

/// The shipped `cs_sensor`: `type ipv6 expire 10m store gpc_rate(4,1m)`.
fn schema() -> Result<Schema, BadParameters> {
    let parts = Elements::new(4).zip(Period::from_millis(PERIOD)).ok_or(BadParameters(DataType::GpcRate))?;
    Schema::new(KeyType::Ipv6, EXPIRE)
        .with(DataType::GpcRate, Parameters::ElementsAndPeriod(parts.0, parts.1))
}

/// A client: of each four three with an IPv4 address and one with an IPv6 network, spread as an
/// attack's are.
fn client(number: u32) -> Ipv6Addr {
    let spread = number.wrapping_mul(0x9e37_79b1);
    let (high, low) = ((spread >> 16) as u16, (spread & 0xffff) as u16);
    if number.is_multiple_of(4) {
        Ipv6Addr::new(0x2001, 0xdb8, high, low, 0, 0, 0, 0)
    } else {
        Ipv4Addr::from(spread).to_ipv6_mapped()
    }
}

struct Teacher {
    entries: u32,
    taught: u32,
    schema: Schema,
    table: Option<LocalTable>,
    asked: bool,
    learnt: Arc<Notify>,
}

impl Teacher {
    fn say(&mut self, session: &mut Session, now: Instant, room: usize, out: &mut BytesMut) -> Option<Fill> {
        let table = match self.table {
            Some(table) => table,
            None => *self.table.insert(session.offer(b"/cs_sensor", self.schema).ok()?),
        };
        let nothing = Value::Rate(Rate { elapsed: LONG_AGO, current: 0, previous: 0 });
        let full = out.len() + room;
        while self.taught < self.entries {
            if out.len() >= full {
                return Some(Fill::More);
            }
            self.taught += 1;
            // So many that each counts for two minutes: a signal can't pass over it as nothing.
            let probes = Rate { elapsed: 0, current: 20 + self.taught % 30, previous: 0 };
            let values = [Value::Rate(probes), nothing, nothing, nothing];
            let key = Key::Ipv6(client(self.taught));
            let id = UpdateId(self.taught);
            let lesson = Lesson { id, expiry: Some(EXPIRE), key, values: &values, server_key: None };
            session.teach(table, &lesson, now, out).ok()?;
        }
        if self.asked {
            session.end_lesson(Completeness::Finished, now, out).ok()?;
            self.asked = false;
        }
        Some(Fill::Idle)
    }
}

impl Handler for Teacher {
    fn admit(&mut self, _peer: &str) -> Result<(), Refusal> {
        Ok(())
    }

    fn on_event(&mut self, event: &Event<'_>, _now: Instant) {
        match event {
            Event::ResyncRequested => self.asked = true,
            Event::Acknowledged { update, .. } if *update == UpdateId(self.entries) => {
                self.learnt.notify_one()
            }
            _ => {}
        }
    }

    fn fill(&mut self, session: &mut Session, now: Instant, room: usize, out: &mut BytesMut) -> Fill {
        self.say(session, now, room, out).unwrap_or_else(|| {
            session.close();
            Fill::Idle
        })
    }

    fn wake(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }
}
