//! The header of a signed token, read in one way.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// The parameters of a JOSE header (RFC 7515 section 4.1) that are read, and the names of all
/// others in their order: whoever reads a token decides which of those it refuses.
///
/// One of the three that stands there twice is an error, since parsers disagree on which counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoseHeader {
    /// The algorithm, as said.
    pub alg: Option<String>,
    /// The key's id.
    pub kid: Option<String>,
    /// The kind of token.
    pub typ: Option<String>,
    /// Every other parameter by name.
    pub others: Vec<String>,
}

impl<'de> Deserialize<'de> for JoseHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, since a derived reader would take an array of the values as well.
        deserializer.deserialize_map(Parameters)
    }
}

struct Parameters;

impl<'de> Visitor<'de> for Parameters {
    type Value = JoseHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `alg`, `kid` and `typ`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JoseHeader, A::Error> {
        let mut header = JoseHeader::default();
        while let Some(name) = map.next_key::<String>()? {
            let parameter = match name.as_str() {
                "alg" => &mut header.alg,
                "kid" => &mut header.kid,
                "typ" => &mut header.typ,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    header.others.push(name);
                    continue;
                }
            };
            if parameter.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom(format_args!("`{name}` stands there twice")));
            }
        }
        Ok(header)
    }
}
