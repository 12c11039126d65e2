//! Where peers are listened for, and where they are.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address, written `unix:/path`, `tcp:ip:port` or `tls:host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A Unix socket file.
    Unix(PathBuf),
    /// An IP address and a port, without protection: of use on loopback only. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// Mutual TLS.
    Tls {
        /// An IP address, or else the name of a host, which can be connected to and not listened on.
        host: String,
        /// The port; 0 takes a free one.
        port: u16,
    },
}

/// Text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address `{text}` is not understood: expected `unix:/path`, `tcp:ip:port` or `tls:host:port`")]
pub struct AddressError {
    text: String,
}

impl Address {
    /// Can nobody but this host's users reach it, so that no TLS is needed?
    pub(super) fn is_of_this_host(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Tls { .. } => false,
        }
    }

    pub(super) fn tls(address: SocketAddr) -> Self {
        Self::Tls { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Some(Self::Unix(PathBuf::from(path))),
            Some(("tcp", address)) => address.parse().ok().map(Self::Tcp),
            Some(("tls", address)) => tls(address),
            _ => None,
        };
        address.ok_or_else(|| AddressError { text: text.to_owned() })
    }
}

fn tls(text: &str) -> Option<Address> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Address::tls(address));
    }
    let (host, port) = text.split_once(':')?;
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_host = !host.is_empty() && host.bytes().all(usual);
    Some(Address::Tls { host: host.to_owned(), port: port.parse().ok()? }).filter(|_| is_host)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Tls { host, port } => match host.parse::<IpAddr>() {
                Ok(address) => write!(f, "tls:{}", SocketAddr::new(address, *port)),
                Err(_) => write!(f, "tls:{host}:{port}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_and_printed_alike() {
        for text in [
            "unix:/run/a.sock",
            "unix:a.sock",
            "tcp:127.0.0.1:9301",
            "tcp:[::1]:9301",
            "tls:192.0.2.7:9301",
            "tls:[2001:db8::1]:9301",
            "tls:publish.example:9301",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_names_itself() {
        for text in [
            "",
            "unix:",
            "tcp:localhost:1",
            "tcp:127.0.0.1",
            "/run/a.sock",
            "udp:127.0.0.1:1",
            "tls:",
            "tls:host",
            "tls:host:99999",
            "tls::1",
            "tls:2001:db8::1:9301",
            "tls:a b:1",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn loopback_is_of_this_host_whatever_its_spelling() {
        let is_of_this_host = |text: &str| text.parse::<Address>().unwrap().is_of_this_host();
        for text in
            ["unix:a", "tcp:127.0.0.1:1", "tcp:127.9.9.9:1", "tcp:[::1]:1", "tcp:[::ffff:127.0.0.1]:1"]
        {
            assert!(is_of_this_host(text), "{text}");
        }
        for text in ["tcp:0.0.0.0:1", "tcp:[::]:1", "tcp:192.0.2.7:1", "tls:127.0.0.1:1"] {
            assert!(!is_of_this_host(text), "{text}");
        }
    }
}
