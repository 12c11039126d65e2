//! `Signature-Input` and `Signature` (RFC 9421 section 4): what is signed, and by what.

use countersign_contract::time::UnixSeconds;
use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, ListEntry, Parameters, Parser};

use super::fault::{BotFault, shorten};

/// The longest `Signature-Input` or `Signature` that is read, in bytes, all lines together.
pub const LONGEST_HEADER: usize = 4 * 1024;
/// The most components that a signature may cover.
pub const MOST_COMPONENTS: usize = 16;

const INPUT: &str = "Signature-Input";
const SIGNATURE: &str = "Signature";

/// One signature of a request, as its two headers say.
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureInput {
    /// Its label.
    pub label: String,
    /// What it covers, in order.
    pub components: Vec<Component>,
    /// Components and parameters as they are signed, the value of `@signature-params`.
    pub signed_params: String,
    params: Parameters,
}

/// What a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// A field's name in lower case, or a derived component's, which begins with `@`.
    pub name: String,
    /// The member of a dictionary that alone is covered (RFC 9421 section 2.1.2).
    pub key: Option<String>,
    /// Name and parameters as they are signed, e.g. `"signature-agent";key="a"`.
    pub identifier: String,
}

/// The header `Signature-Input`, its members not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureInputs(Dictionary);

impl SignatureInputs {
    /// Reads the header, all of its lines.
    ///
    /// # Errors
    /// [`BotFault::TooLarge`], [`BotFault::Malformed`].
    pub fn parse(lines: &[Vec<u8>]) -> Result<Self, BotFault> {
        dictionary(INPUT, lines).map(Self)
    }

    /// The labels of the signatures whose `tag` is this one.
    pub fn tagged(&self, tag: &str) -> impl Iterator<Item = &str> {
        let has_tag = move |entry: &ListEntry| match entry {
            ListEntry::InnerList(list) => {
                list.params.get("tag").and_then(BareItem::as_string).is_some_and(|said| said.as_str() == tag)
            }
            ListEntry::Item(_) => false,
        };
        self.0.iter().filter(move |(_, entry)| has_tag(entry)).map(|(label, _)| label.as_str())
    }

    /// The signature of a label.
    ///
    /// # Errors
    /// [`BotFault::Malformed`], [`BotFault::ComponentUnsupported`] for parameters of components other than `key`.
    pub fn read(&self, label: &str) -> Result<SignatureInput, BotFault> {
        match self.0.get(label) {
            Some(ListEntry::InnerList(list)) => SignatureInput::read(label, list),
            Some(ListEntry::Item(_)) => {
                Err(BotFault::malformed(INPUT, format_args!("`{label}` is no list of components")))
            }
            None => Err(BotFault::malformed(INPUT, format_args!("`{label}` is missing"))),
        }
    }
}

/// The signature under a label of `Signature`.
///
/// # Errors
/// [`BotFault::TooLarge`], [`BotFault::Malformed`] where it isn't 64 bytes.
pub fn signature(lines: &[Vec<u8>], label: &str) -> Result<[u8; 64], BotFault> {
    let members = dictionary(SIGNATURE, lines)?;
    let bytes = match members.get(label) {
        Some(ListEntry::Item(Item { bare_item: BareItem::ByteSequence(bytes), .. })) => bytes.as_slice(),
        Some(_) => return Err(BotFault::malformed(SIGNATURE, format_args!("`{label}` is no byte sequence"))),
        None => return Err(BotFault::malformed(SIGNATURE, format_args!("`{label}` is missing"))),
    };
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        BotFault::malformed(SIGNATURE, format_args!("`{label}` has {length} bytes, expected 64"))
    })
}

impl SignatureInput {
    fn read(label: &str, list: &InnerList) -> Result<Self, BotFault> {
        let label = label.to_owned();
        if list.items.len() > MOST_COMPONENTS {
            let message =
                format_args!("`{label}` covers {}, expected at most {MOST_COMPONENTS}", list.items.len());
            return Err(BotFault::malformed(INPUT, message));
        }
        let mut components: Vec<Component> = Vec::with_capacity(list.items.len());
        for item in &list.items {
            let component = Component::read(item)?;
            if components.iter().any(|other| other.identifier == component.identifier) {
                let message = format_args!("`{label}` covers `{}` twice", component.identifier);
                return Err(BotFault::malformed(INPUT, message));
            }
            components.push(component);
        }
        // A list of one list is written as that list.
        let signed_params = vec![ListEntry::InnerList(list.clone())].serialize().unwrap_or_default();
        Ok(Self { label, components, signed_params, params: list.params.clone() })
    }

    /// A parameter that is a string.
    ///
    /// # Errors
    /// [`BotFault::Malformed`] if it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, BotFault> {
        match self.params.get(name) {
            None => Ok(None),
            Some(BareItem::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(BotFault::malformed(INPUT, format_args!("`{name}` is no string"))),
        }
    }

    /// A parameter that is a time.
    ///
    /// # Errors
    /// [`BotFault::Malformed`] if it isn't a whole number of seconds since 1970, [`BotFault::ParameterMissing`].
    pub fn time(&self, name: &'static str) -> Result<UnixSeconds, BotFault> {
        let said = self.params.get(name).ok_or(BotFault::ParameterMissing(name))?;
        let seconds = said.as_integer().and_then(|seconds| u64::try_from(i64::from(seconds)).ok());
        let seconds = seconds.ok_or_else(|| {
            BotFault::malformed(INPUT, format_args!("`{name}` is no number of seconds since 1970"))
        })?;
        Ok(UnixSeconds(seconds))
    }
}

impl Component {
    fn read(item: &Item) -> Result<Self, BotFault> {
        let BareItem::String(name) = &item.bare_item else {
            return Err(BotFault::malformed(INPUT, "a component's name is no string"));
        };
        let identifier = item.serialize();
        let unsupported = || BotFault::ComponentUnsupported(shorten(&identifier));
        let mut key = None;
        for (parameter, value) in &item.params {
            // Of RFC 9421 section 2.1 the others ask for bytes that nobody has here, or for another message.
            match (parameter.as_str(), value) {
                ("key", BareItem::String(member)) => key = Some(member.as_str().to_owned()),
                _ => return Err(unsupported()),
            }
        }
        let name = name.as_str().to_owned();
        if name.starts_with('@') && key.is_some() {
            return Err(unsupported());
        }
        Ok(Self { name, key, identifier })
    }
}

/// Reads a dictionary (RFC 9651 section 3.2), its lines together.
pub(super) fn dictionary(header: &'static str, lines: &[Vec<u8>]) -> Result<Dictionary, BotFault> {
    let joined = lines.join(&b", "[..]);
    if joined.len() > LONGEST_HEADER {
        return Err(BotFault::TooLarge { header, length: joined.len(), most: LONGEST_HEADER });
    }
    Parser::new(&joined).parse().map_err(|fault| BotFault::malformed(header, fault))
}
