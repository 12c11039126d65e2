//! `Signature-Agent`: who a bot says that it is.

use sfv::{BareItem, Dictionary, FieldType as _, Item, ListEntry, Parser};

use super::fault::{BotFault, shorten};
use super::signature_input::{LONGEST_HEADER, SignatureInput, dictionary};

const AGENT: &str = "Signature-Agent";

/// The header, in the form of today or of earlier drafts.
#[derive(Clone, Debug, PartialEq)]
pub enum SignatureAgent {
    /// Names under keys, of which a signature covers its own.
    Members(Dictionary),
    /// One name, as earlier drafts had it.
    Legacy(String),
}

impl SignatureAgent {
    /// Reads the header; `None` where it isn't there.
    ///
    /// # Errors
    /// [`BotFault::Malformed`], [`BotFault::TooLarge`].
    pub fn parse(lines: &[Vec<u8>]) -> Result<Option<Self>, BotFault> {
        let line = match lines {
            [] => return Ok(None),
            [line] => line,
            several => {
                let message = format_args!("it is there {} times, expected once", several.len());
                return Err(BotFault::malformed(AGENT, message));
            }
        };
        // A name begins with a quote, a dictionary's key can't.
        if line.trim_ascii_start().first() != Some(&b'"') {
            return dictionary(AGENT, lines).map(|members| Some(Self::Members(members)));
        }
        if line.len() > LONGEST_HEADER {
            return Err(BotFault::TooLarge { header: AGENT, length: line.len(), most: LONGEST_HEADER });
        }
        let item: Item = Parser::new(line).parse().map_err(|fault| BotFault::malformed(AGENT, fault))?;
        match item.bare_item {
            BareItem::String(name) => Ok(Some(Self::Legacy(name.as_str().to_owned()))),
            _ => Err(BotFault::malformed(AGENT, "it is no string")),
        }
    }

    /// The name that a signature vouches for: the one that it covers; of several, the one under its own label.
    ///
    /// # Errors
    /// [`BotFault::AgentUnsigned`] where there is none, [`BotFault::Malformed`] where it is no text.
    pub fn signed_by(&self, signature: &SignatureInput) -> Result<&str, BotFault> {
        let covered = || signature.components.iter().filter(|component| component.name == "signature-agent");
        let members = match self {
            Self::Legacy(name) => {
                let whole = covered().any(|component| component.key.is_none());
                return if whole { Ok(name) } else { Err(BotFault::AgentUnsigned) };
            }
            Self::Members(members) => members,
        };
        let mut keys = covered().filter_map(|component| component.key.as_deref());
        let own = keys.clone().find(|key| *key == signature.label);
        let key = match (own, keys.next(), keys.next()) {
            (Some(own), ..) => own,
            (None, Some(only), None) => only,
            (None, ..) => return Err(BotFault::AgentUnsigned),
        };
        match members.get(key) {
            Some(ListEntry::Item(Item { bare_item: BareItem::String(name), .. })) => Ok(name.as_str()),
            Some(_) => Err(BotFault::malformed(AGENT, format_args!("`{}` is no string", shorten(key)))),
            None => Err(BotFault::ComponentMissing(format!("\"signature-agent\";key=\"{}\"", shorten(key)))),
        }
    }
}

/// The value of one member as it is signed (RFC 9421 section 2.1.2).
pub(super) fn signed_member(members: &Dictionary, key: &str) -> Option<String> {
    match members.get(key)? {
        ListEntry::Item(item) => Some(item.serialize()),
        list @ ListEntry::InnerList(_) => vec![list.clone()].serialize(),
    }
}
