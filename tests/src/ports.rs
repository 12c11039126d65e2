//! Free TCP ports on loopback for programs that must be told a number.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use crate::trouble::Trouble;

/// Below the kernel's range for outgoing connections (32768 up), so that no client of a test that
/// runs beside this one is given the port between the look and the bind.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

static NEXT: Mutex<Option<u16>> = Mutex::new(None);

/// A port that nothing listens on and that this process has not handed out before.
///
/// The first look starts at a random place, so that two test processes rarely meet.
///
/// # Errors
/// [`Trouble::Unexpected`] when the whole range is taken.
pub fn free() -> Result<SocketAddr, Trouble> {
    let mut next = NEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in RANGE {
        let port = match *next {
            Some(port) if RANGE.contains(&port) => port,
            Some(_) => RANGE.start,
            None => RANGE.start + random_offset(),
        };
        *next = Some(port + 1);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(Trouble::unexpected("a free port on loopback", format!("none in {RANGE:?}")))
}

fn random_offset() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness the search starts at the beginning of the range; it still finds a port.
    let _ = getrandom::fill(&mut bytes);
    u16::from_le_bytes(bytes) % (RANGE.end - RANGE.start)
}
