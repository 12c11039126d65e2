//! Rate counters and penalty box: Fastly's, and a stand-in for them on the local server, where Fastly's never trip.

use std::io::{Read as _, Write as _};
use std::time::{Duration, SystemTime};

use countersign_contract::route::{Penalty, Window};
use countersign_edge::rate::{Counted, RateFault};
use fastly::cache::core::{self, CacheKey};
use fastly::erl::{CounterDuration, Penaltybox, RateCounter, RateWindow};

/// The rate counter and the penalty box of the service.
const RATE_COUNTER: &str = "countersign_rates";
const PENALTY_BOX: &str = "countersign_penalties";

/// What counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counters {
    /// Fastly's rate counter and penalty box, which count in each of its points of presence.
    Fastly,
    /// The local server's cache. Of two requests at the same moment it may count one.
    StandIn,
}

impl Counters {
    /// Those of the platform that this runs on. Fastly names the machine in `FASTLY_HOSTNAME`, and its local server
    /// says `localhost` there.
    pub(super) fn of_platform() -> Self {
        match std::env::var("FASTLY_HOSTNAME") {
            Ok(name) if name == "localhost" => Self::StandIn,
            _ => Self::Fastly,
        }
    }

    pub(super) fn count(self, counted: &Counted, window: Window) -> Result<u32, RateFault> {
        match self {
            Self::Fastly => {
                let counter = RateCounter::open(RATE_COUNTER);
                counter.increment(counted.as_str(), 1).map_err(|e| fault(&e))?;
                match duration(window) {
                    Some(duration) => counter.lookup_count(counted.as_str(), duration),
                    None => counter.lookup_rate(counted.as_str(), RateWindow::OneSec),
                }
                .map_err(|e| fault(&e))
            }
            Self::StandIn => {
                let seconds = u64::from(window.get());
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let number = since.as_secs().checked_div(seconds).unwrap_or_default();
                let key = format!("{RATE_COUNTER} {number} {}", counted.as_str());
                let count = read(&key)?.and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
                let count = count.saturating_add(1);
                write(&key, Duration::from_secs(seconds), &count.to_string())?;
                Ok(count)
            }
        }
    }

    pub(super) fn is_penalised(self, counted: &Counted) -> Result<bool, RateFault> {
        match self {
            Self::Fastly => Penaltybox::open(PENALTY_BOX).has(counted.as_str()).map_err(|e| fault(&e)),
            Self::StandIn => Ok(read(&penalty_key(counted))?.is_some()),
        }
    }

    pub(super) fn penalise(self, counted: &Counted, penalty: Penalty) -> Result<(), RateFault> {
        let seconds = Duration::from_secs(u64::from(penalty.get()));
        match self {
            Self::Fastly => {
                Penaltybox::open(PENALTY_BOX).add(counted.as_str(), seconds).map_err(|e| fault(&e))
            }
            Self::StandIn => write(&penalty_key(counted), seconds, "penalised"),
        }
    }
}

/// `None` for a second, of which the platform tells a rate.
fn duration(window: Window) -> Option<CounterDuration> {
    Some(match window.get() {
        10 => CounterDuration::TenSec,
        20 => CounterDuration::TwentySecs,
        30 => CounterDuration::ThirtySecs,
        40 => CounterDuration::FortySecs,
        50 => CounterDuration::FiftySecs,
        60 => CounterDuration::SixtySecs,
        _ => return None,
    })
}

fn penalty_key(counted: &Counted) -> String {
    format!("{PENALTY_BOX} {}", counted.as_str())
}

fn read(key: &str) -> Result<Option<String>, RateFault> {
    const LONGEST: u64 = 32;
    let found = core::lookup(CacheKey::from(key.to_owned())).execute().map_err(|e| fault(&e))?;
    let Some(found) = found else { return Ok(None) };
    let mut text = String::new();
    let body = found.to_stream().map_err(|e| fault(&e))?;
    body.take(LONGEST).read_to_string(&mut text).map_err(|e| fault(&e))?;
    Ok(Some(text))
}

fn write(key: &str, max_age: Duration, text: &str) -> Result<(), RateFault> {
    let mut body = core::insert(CacheKey::from(key.to_owned()), max_age).execute().map_err(|e| fault(&e))?;
    body.write_all(text.as_bytes()).and_then(|()| body.finish()).map_err(|e| fault(&e))
}

fn fault(fault: &dyn std::fmt::Display) -> RateFault {
    RateFault(fault.to_string())
}
