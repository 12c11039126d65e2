//! One id for one decision, the same at both tiers.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::name::shown;

/// The id of a decision: 128 random bits, written as 32 lower-case hexadecimal digits.
///
/// The edge makes it, the assertion carries it as `txn`, and both tiers write it in their record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct DecisionId([u8; 16]);

/// Why a text is not a decision id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a decision id is 32 lower-case hexadecimal digits, got `{0}`")]
pub struct NotADecisionId(String);

impl DecisionId {
    /// Makes an id of 16 bytes that the caller drew at random.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + (half - 10) };
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DecisionId {
    type Err = NotADecisionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotADecisionId(shown(text));
        let digits = <&[u8; 32]>::try_from(text.as_bytes()).map_err(|_| refuse())?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(refuse()),
                };
                *byte = (*byte << 4) | value;
            }
        }
        Ok(Self(bytes))
    }
}

impl From<DecisionId> for String {
    fn from(id: DecisionId) -> Self {
        id.to_string()
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Reads the digits where they stand, without a copy.
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = DecisionId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 lower-case hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DecisionId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::DecisionId;

    #[test]
    fn only_the_exact_spelling_is_an_id() {
        let id = DecisionId::from_random(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "30", "3031323334353637383961626364656G", "30313233343536373839616263646566 "] {
            assert!(wrong.parse::<DecisionId>().is_err(), "{wrong}");
        }
        assert!("3031323334353637383961626364656A".parse::<DecisionId>().is_err());
    }
}
