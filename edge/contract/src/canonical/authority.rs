//! The host that a request is for.

use std::borrow::Cow;

use thiserror::Error;

/// The authority of a request: host and port, lower case, without a default port.
///
/// HAProxy shows `:authority` of HTTP/2 without its default port and `Host` of HTTP/1 with it, and
/// both keep the client's case; so both tiers compare this form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority<'a> {
    text: Cow<'a, str>,
    host_len: usize,
}

/// Why bytes are not exactly one host.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum NotAnAuthority {
    /// No host at all.
    #[error("the request names no host")]
    Missing,
    /// More than 255 bytes.
    #[error("the host is longer than 255 bytes")]
    TooLong,
    /// A byte that no host name, address literal or port holds: `@`, `,`, `%`, a space, …
    #[error(
        "the host holds the byte 0x{0:02x}: expected letters, digits, `-`, `_`, `.`, or an address in `[]`"
    )]
    Byte(u8),
    /// An empty label: a leading or trailing dot, or two dots.
    #[error("the host has an empty label: expected no leading, trailing or double dot")]
    EmptyLabel,
    /// A port that isn't 1 to 65535 in plain digits.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl NotAnAuthority {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "host-missing",
            Self::TooLong => "host-too-long",
            Self::Byte(_) => "host-byte",
            Self::EmptyLabel => "host-empty-label",
            Self::Port => "host-port",
        }
    }
}

impl<'a> Authority<'a> {
    /// Reads the value of `Host` or `:authority` (RFC 9110 section 7.2): `host [ ":" port ]`.
    ///
    /// # Errors
    /// [`NotAnAuthority`] says what is odd about it.
    pub fn parse(raw: &'a [u8]) -> Result<Self, NotAnAuthority> {
        if raw.is_empty() {
            return Err(NotAnAuthority::Missing);
        }
        if raw.len() > 255 {
            return Err(NotAnAuthority::TooLong);
        }
        let text = std::str::from_utf8(raw)
            .map_err(|_| NotAnAuthority::Byte(raw.iter().copied().find(|b| !b.is_ascii()).unwrap_or(0x80)))?;
        let (host, port) = split(text)?;
        let port = port.map(parse_port).transpose()?;
        let kept = match port {
            None | Some(80 | 443) => host,
            Some(_) => text,
        };
        let text = if kept.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(kept.to_ascii_lowercase())
        } else {
            Cow::Borrowed(kept)
        };
        Ok(Self { text, host_len: host.len() })
    }

    /// Host and port in the form that is compared and bound, e.g. `www.example.test:8443`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host alone, e.g. `www.example.test` or `[2001:db8::1]`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text.get(..self.host_len).unwrap_or(&self.text)
    }
}

/// Cuts `host [":" port]` in two and checks the host.
fn split(text: &str) -> Result<(&str, Option<&str>), NotAnAuthority> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(NotAnAuthority::Byte(b'['))?;
        let (literal, rest) = text.split_at_checked(end + 1).ok_or(NotAnAuthority::Byte(b'['))?;
        let address = literal.trim_start_matches('[').trim_end_matches(']');
        if literal.len() != address.len() + 2 || address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(NotAnAuthority::Byte(b'['));
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((literal, Some(port))),
            None if rest.is_empty() => Ok((literal, None)),
            None => Err(NotAnAuthority::Byte(rest.as_bytes().first().copied().unwrap_or(b']'))),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if let Some(odd) = host.bytes().find(|b| !is_host(b)) {
        return Err(NotAnAuthority::Byte(odd));
    }
    if host.is_empty() {
        return Err(NotAnAuthority::Missing);
    }
    if host.split('.').any(str::is_empty) {
        return Err(NotAnAuthority::EmptyLabel);
    }
    Ok((host, port))
}

fn parse_port(digits: &str) -> Result<u16, NotAnAuthority> {
    // A leading zero or sign would be a second spelling of the same port.
    if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotAnAuthority::Port);
    }
    digits.parse().map_err(|_| NotAnAuthority::Port)
}

#[cfg(test)]
mod tests {
    use super::{Authority, NotAnAuthority};

    #[test]
    fn case_and_default_ports_do_not_matter() {
        for (raw, text, host) in [
            ("WWW.Example.test", "www.example.test", "www.example.test"),
            ("www.example.test:80", "www.example.test", "www.example.test"),
            ("www.example.test:443", "www.example.test", "www.example.test"),
            ("www.example.test:8443", "www.example.test:8443", "www.example.test"),
            ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1"),
            ("[2001:DB8::1]:80", "[2001:db8::1]", "[2001:db8::1]"),
        ] {
            let authority = Authority::parse(raw.as_bytes()).unwrap();
            assert_eq!((authority.as_str(), authority.host()), (text, host), "{raw}");
        }
    }

    #[test]
    fn odd_hosts_are_refused_with_their_own_reason() {
        for (raw, fault) in [
            (&b""[..], NotAnAuthority::Missing),
            (b":80", NotAnAuthority::Missing),
            (b"a.test.", NotAnAuthority::EmptyLabel),
            (b".a.test", NotAnAuthority::EmptyLabel),
            (b"a..test", NotAnAuthority::EmptyLabel),
            (b"a@b.test", NotAnAuthority::Byte(b'@')),
            (b"u:p@b.test", NotAnAuthority::Port),
            (b"a.test,b.test", NotAnAuthority::Byte(b',')),
            (b"a.test b", NotAnAuthority::Byte(b' ')),
            (b"a.test/x", NotAnAuthority::Byte(b'/')),
            (b"a%2ftest", NotAnAuthority::Byte(b'%')),
            (b"a.test:", NotAnAuthority::Port),
            (b"a.test:0", NotAnAuthority::Port),
            (b"a.test:080", NotAnAuthority::Port),
            (b"a.test:+80", NotAnAuthority::Port),
            (b"a.test:65536", NotAnAuthority::Port),
            (b"[::1", NotAnAuthority::Byte(b'[')),
            (b"[[::1]]", NotAnAuthority::Byte(b'[')),
            (b"[nope]", NotAnAuthority::Byte(b'[')),
            (b"[::1]x", NotAnAuthority::Byte(b'x')),
            (b"caf\xc3\xa9.test", NotAnAuthority::Byte(0xc3)),
            (b"\xff", NotAnAuthority::Byte(0xff)),
        ] {
            assert_eq!(Authority::parse(raw), Err(fault), "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!(Authority::parse(&[b'a'; 256]), Err(NotAnAuthority::TooLong));
    }
}
