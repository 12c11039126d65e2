//! The certificate that a client showed in the TLS handshake.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A client's certificate. The handshake has proven that the client holds its private key (RFC 8446 section
/// 4.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    thumbprint: Thumbprint,
    standing: Standing,
}

/// What the platform says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is of an authority that the service trusts, or nobody looked.
    Trusted,
    /// It is of no such authority, as one that a client made for itself (RFC 8705 section 2.2).
    UnknownAuthority,
    /// It is expired, revoked, damaged, or refused for something else.
    Refused,
}

/// The SHA-256 of a certificate's DER, the `x5t#S256` of RFC 8705 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thumbprint([u8; 32]);

impl ClientCertificate {
    /// Reads a certificate in PEM (RFC 7468 section 5.1): the first of several, which is the client's own. `None`
    /// where there is none.
    #[must_use]
    pub fn from_pem(pem: &[u8], standing: Standing) -> Option<Self> {
        let (_, begun) = std::str::from_utf8(pem).ok()?.split_once("-----BEGIN CERTIFICATE-----")?;
        let (lines, _) = begun.split_once("-----END CERTIFICATE-----")?;
        let base64: String = lines.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).ok().filter(|der| !der.is_empty())?;
        Some(Self { thumbprint: Thumbprint(Sha256::digest(der).into()), standing })
    }

    /// Its thumbprint.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// What the platform says of it.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }
}

impl Thumbprint {
    /// Reads a thumbprint in base64url without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}
