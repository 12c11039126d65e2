//! What a request asks for: the endpoints of Fastly's API that exist here.
//!
//! Paths, methods and bodies are those of Fastly's API reference ("Config Store", "Config Store item",
//! "Dictionary item") and of its Go client (fastly/go-fastly, `fastly/config_store*.go`,
//! `fastly/dictionary_item.go`), and what the real command line was seen to send.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::answer::Refusal;
use super::store::{Operation, StoreId};

/// Most operations of a batch.
pub const MAX_OPERATIONS: usize = 1000;
/// Largest body, in bytes.
pub const MAX_BODY: usize = 1 << 20;
/// What a page has where a page was asked for and no length.
const USUAL_PAGE: usize = 100;

/// Where items are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    ConfigStore(StoreId),
    Dictionary { service: String, id: StoreId },
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1 on.
    pub(super) number: usize,
    pub(super) length: usize,
    pub(super) sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    ByKey,
    ByCreation,
}

/// What a write is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Echo {
    /// The item as it is now.
    Item(String),
    /// That all is well.
    Status,
}

/// Something to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// What the command line asks for at every start, without a token.
    OpenIdConfiguration,
    ListConfigStores {
        name: Option<String>,
    },
    CreateConfigStore {
        name: String,
    },
    DescribeConfigStore(StoreId),
    DeleteConfigStore(StoreId),
    ListItems {
        at: Address,
        page: Option<Page>,
    },
    DescribeItem {
        at: Address,
        key: String,
    },
    /// One item by its own endpoint.
    WriteItem {
        at: Address,
        operation: Operation,
        echo: Echo,
    },
    /// A batch.
    WriteItems {
        at: Address,
        operations: Vec<Operation>,
    },
}

impl Call {
    /// Reads a request.
    pub(super) fn read(method: &str, path: &str, query: &str, body: &[u8]) -> Result<Self, Refusal> {
        let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let field = |name| form_field(query.as_bytes(), name);
        let config_store = |id: &str| Address::ConfigStore(StoreId(id.to_owned()));
        let call = match (method, segments.as_slice()) {
            ("GET", ["realms", "fastly", ".well-known", "openid-configuration"]) => Self::OpenIdConfiguration,
            ("GET", ["resources", "stores", "config"]) => Self::ListConfigStores { name: field("name") },
            ("POST", ["resources", "stores", "config"]) => {
                Self::CreateConfigStore { name: form_field(body, "name").unwrap_or_default() }
            }
            ("GET", ["resources", "stores", "config", id]) => {
                Self::DescribeConfigStore(StoreId((*id).to_owned()))
            }
            ("DELETE", ["resources", "stores", "config", id]) => {
                Self::DeleteConfigStore(StoreId((*id).to_owned()))
            }
            (_, ["resources", "stores", "config", id, rest @ ..]) => {
                return Self::on_items(method, config_store(id), rest, None, body);
            }
            (_, ["service", service, "dictionary", id, rest @ ..]) => {
                let at =
                    Address::Dictionary { service: (*service).to_owned(), id: StoreId((*id).to_owned()) };
                return Self::on_items(method, at, rest, Page::of(query), body);
            }
            _ => return Err(Refusal::NoSuchEndpoint),
        };
        Ok(call)
    }

    /// The operations that it carries.
    pub(super) fn operations(&self) -> &[Operation] {
        match self {
            Self::WriteItem { operation, .. } => std::slice::from_ref(operation),
            Self::WriteItems { operations, .. } => operations,
            Self::OpenIdConfiguration
            | Self::ListConfigStores { .. }
            | Self::CreateConfigStore { .. }
            | Self::DescribeConfigStore(_)
            | Self::DeleteConfigStore(_)
            | Self::ListItems { .. }
            | Self::DescribeItem { .. } => &[],
        }
    }

    /// The same with only the first operations of a batch.
    pub(super) fn cut_short(mut self, kept: usize) -> Self {
        if let Self::WriteItems { operations, .. } = &mut self {
            operations.truncate(kept);
        }
        self
    }

    /// Both kinds of store have the same endpoints below their own path.
    fn on_items(
        method: &str,
        at: Address,
        rest: &[&str],
        page: Option<Page>,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        let value = |key: &str| {
            form_field(body, "item_value").ok_or_else(|| Refusal::NoValue { key: key.to_owned() })
        };
        let (operation, echo) = match (method, rest) {
            ("GET", ["items"]) => return Ok(Self::ListItems { at, page }),
            ("PATCH", ["items"]) => return Ok(Self::WriteItems { at, operations: batch(body)? }),
            ("GET", ["item", key]) => return Ok(Self::DescribeItem { at, key: (*key).to_owned() }),
            ("POST", ["item"]) => {
                let key = form_field(body, "item_key").unwrap_or_default();
                (Operation::Create { value: value(&key)?, key: key.clone() }, Echo::Item(key))
            }
            ("PUT", ["item", key]) => {
                (Operation::Upsert { key: (*key).to_owned(), value: value(key)? }, Echo::Item((*key).into()))
            }
            ("PATCH", ["item", key]) => {
                (Operation::Update { key: (*key).to_owned(), value: value(key)? }, Echo::Item((*key).into()))
            }
            ("DELETE", ["item", key]) => (Operation::Delete { key: (*key).to_owned() }, Echo::Status),
            _ => return Err(Refusal::NoSuchEndpoint),
        };
        Ok(Self::WriteItem { at, operation, echo })
    }
}

impl Page {
    /// Without a number or a length, the whole list is meant: so go-fastly's older versions read it.
    fn of(query: &str) -> Option<Self> {
        let number = |name| form_field(query.as_bytes(), name)?.parse().ok().filter(|number| *number > 0);
        let (page, length) = (number("page"), number("per_page"));
        page.or(length)?;
        let sort = match form_field(query.as_bytes(), "sort").as_deref() {
            Some("created") => Sort::ByCreation,
            _ => Sort::ByKey,
        };
        Some(Self { number: page.unwrap_or(1), length: length.unwrap_or(USUAL_PAGE), sort })
    }
}

#[derive(Debug, Deserialize)]
struct Batch {
    items: Vec<BatchItem>,
}

#[derive(Debug, Deserialize)]
struct BatchItem {
    op: Op,
    item_key: String,
    /// The command line sends `null` with deletions.
    item_value: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Create,
    Update,
    Upsert,
    Delete,
}

fn batch(body: &[u8]) -> Result<Vec<Operation>, Refusal> {
    let batch: Batch =
        serde_json::from_slice(body).map_err(|error| Refusal::Malformed { why: error.to_string() })?;
    if batch.items.len() > MAX_OPERATIONS {
        return Err(Refusal::TooManyOperations);
    }
    batch.items.into_iter().map(BatchItem::operation).collect()
}

impl BatchItem {
    fn operation(self) -> Result<Operation, Refusal> {
        let key = self.item_key;
        let value = self.item_value.ok_or_else(|| Refusal::NoValue { key: key.clone() });
        Ok(match self.op {
            Op::Create => Operation::Create { value: value?, key },
            Op::Update => Operation::Update { value: value?, key },
            Op::Upsert => Operation::Upsert { value: value?, key },
            Op::Delete => Operation::Delete { key },
        })
    }
}

fn form_field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
