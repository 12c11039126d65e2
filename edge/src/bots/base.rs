//! The signature base (RFC 9421 section 2.5): the text that a signature is over.

use std::fmt::Write as _;

use countersign_contract::canonical::{Authority, Method, Target};

use super::fault::{BotFault, shorten};
use super::signature_agent::signed_member;
use super::signature_input::{Component, SignatureInput, dictionary};

/// A request, as far as it can be signed.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The method.
    pub method: Method<'a>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host, in the form that both tiers compare.
    pub authority: &'a Authority<'a>,
    /// The target.
    pub target: &'a Target<'a>,
    /// The lines of a field by its name in lower case, none where the request doesn't have it; `None` for
    /// fields that nobody here can look at.
    pub fields: &'a dyn Fn(&str) -> Option<&'a [Vec<u8>]>,
}

/// Builds the signature base.
///
/// # Errors
/// [`BotFault::ComponentUnsupported`], [`BotFault::ComponentMissing`].
pub fn signature_base(signature: &SignatureInput, message: &Message<'_>) -> Result<String, BotFault> {
    let mut base = String::new();
    for component in &signature.components {
        let value = message.value(component)?;
        // Writing to a string can't fail.
        let _ = writeln!(base, "{}: {value}", component.identifier);
    }
    let _ = write!(base, "\"@signature-params\": {}", signature.signed_params);
    Ok(base)
}

impl Message<'_> {
    /// The value of a component: derived ones by RFC 9421 section 2.2, fields by section 2.1.
    fn value(&self, component: &Component) -> Result<String, BotFault> {
        let Self { method, scheme, authority, target, .. } = self;
        let target = target.as_str();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match component.name.as_str() {
            "@method" => Ok(method.as_str().to_owned()),
            "@scheme" => Ok((*scheme).to_owned()),
            "@authority" => Ok(authority.as_str().to_owned()),
            "@target-uri" => Ok(format!("{scheme}://{}{target}", authority.as_str())),
            "@path" => Ok(path.to_owned()),
            // It has its question mark even where the target has none.
            "@query" => Ok(format!("?{query}")),
            _ => self.field(component),
        }
    }

    fn field(&self, component: &Component) -> Result<String, BotFault> {
        let unsupported = || BotFault::ComponentUnsupported(shorten(&component.identifier));
        let missing = || BotFault::ComponentMissing(shorten(&component.identifier));
        let lines = (self.fields)(&component.name).ok_or_else(unsupported)?;
        let [line] = lines else { return Err(missing()) };
        if let Some(key) = &component.key {
            let members = dictionary("a field with `key`", lines).map_err(|_| missing())?;
            return signed_member(&members, key).ok_or_else(missing);
        }
        let text = std::str::from_utf8(line.trim_ascii()).map_err(|_| unsupported())?;
        // A line break would let a value speak for the lines after it.
        let is_plain = text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        if is_plain { Ok(text.to_owned()) } else { Err(unsupported()) }
    }
}
