//! What Fastly answers: the shapes of its successes and of its errors.
//!
//! Successes and missing records are as in the recordings of the real API that come with Fastly's Go
//! client (fastly/go-fastly, `fastly/fixtures/config_store*`, `fastly/fixtures/dictionary_items*`).

use serde_json::{Value, json};

use super::budget::Window;

/// An answer to be written.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

const JSON: &str = "application/json";

impl Answer {
    pub(super) fn json(body: &Value) -> Self {
        Self::of(200, JSON, body)
    }

    /// What a batch, a deletion and the like are answered with.
    pub(super) fn ok() -> Self {
        Self::json(&json!({ "status": "ok" }))
    }

    pub(super) fn error(status: u16, shape: ErrorShape, title: &str, detail: &str) -> Self {
        match shape {
            ErrorShape::Message => Self::of(status, JSON, &json!({ "msg": title, "detail": detail })),
            ErrorShape::Title => Self::of(status, JSON, &json!({ "title": title, "detail": detail })),
            ErrorShape::Errors => Self::of(
                status,
                "application/vnd.api+json",
                &json!({ "errors": [{ "title": title, "detail": detail, "status": status.to_string() }] }),
            ),
            ErrorShape::Problem => Self::of(
                status,
                "application/problem+json",
                &json!({ "type": "about:blank", "title": title, "detail": detail, "status": status }),
            ),
            ErrorShape::Html => Self {
                status,
                headers: vec![("content-type", "text/html; charset=utf-8".into())],
                body: format!(
                    "<html><head><title>{status} {title}</title></head><body>{detail}</body></html>"
                ),
            },
        }
    }

    /// Fastly's words for a spent budget, as its command line prints them (fastly/cli, issue 1836).
    pub(super) fn too_many_requests() -> Self {
        let message = "You have exceeded your hourly rate limit. \
                       Please contact support@fastly.com if you think this is a mistake.";
        Self::of(429, JSON, &json!({ "msg": message }))
    }

    pub(super) fn with_window(mut self, window: Window) -> Self {
        self.headers.push(("fastly-ratelimit-remaining", window.remaining.to_string()));
        self.headers.push(("fastly-ratelimit-reset", window.reset.to_string()));
        self
    }

    /// With 200 and something that no reader of JSON takes.
    pub(super) fn garbled(self) -> Self {
        Self { status: 200, body: "{\"status\":\"o\u{fffd}\u{0}".into(), ..self }
    }

    fn of(status: u16, content_type: &str, body: &Value) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body: body.to_string() }
    }
}

/// How the body of an error says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"msg": …, "detail": …}`, what the endpoints of stores and dictionaries say.
    Message,
    /// `{"title": …, "detail": …}`.
    Title,
    /// `{"errors": [{"title": …, "detail": …}]}`, JSON:API.
    Errors,
    /// `application/problem+json`, RFC 9457.
    Problem,
    /// No JSON: what a proxy on the way says.
    Html,
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token, or a wrong one.
    Unauthorized,
    /// No such endpoint, or not with this method.
    NoSuchEndpoint,
    /// No store or service of this id.
    NoSuchStore,
    /// The key has no item.
    NoSuchItem { key: String },
    /// A batch updates or deletes items that are not there; the request of the first of them.
    NotThereInBatch { operation: &'static str },
    /// The key has an item already, or the name a store.
    Duplicate { key: String },
    /// A write-only dictionary was to be read.
    WriteOnly,
    /// More than 1000 operations.
    TooManyOperations,
    /// A body of more than 1 MiB.
    TooLarge,
    /// The store holds as many items as it may.
    Full { limit: usize },
    /// An empty key, or one of more than 255 characters.
    KeyLength,
    /// A value of more than 8000 characters.
    ValueLength { key: String },
    /// A create, update or upsert with no value.
    NoValue { key: String },
    /// A body that is not what the endpoint takes.
    Malformed { why: String },
}

impl Refusal {
    /// Where a comment names a source, the words are Fastly's; the others are made up and so are
    /// their statuses: a client goes by 4xx.
    pub(super) fn answer(&self) -> Answer {
        let bad = |detail: String| Answer::error(400, ErrorShape::Message, "Bad request", &detail);
        match self {
            // Quoted by several clients; some got it as text/plain.
            Self::Unauthorized => {
                Answer::of(401, JSON, &json!({ "msg": "Provided credentials are missing or invalid" }))
            }
            Self::NoSuchEndpoint => Answer::error(
                404,
                ErrorShape::Title,
                "Not found",
                "expected an endpoint that the stand-in has",
            ),
            // go-fastly, `config_store/TestClient_GetConfigStore/get_store_404.yaml`.
            Self::NoSuchStore => Answer::of(404, JSON, &json!({ "msg": "Record not found" })),
            Self::NoSuchItem { key } => Answer::error(
                404,
                ErrorShape::Message,
                "Record not found",
                &format!("Couldn't find item '{key}'"),
            ),
            // adobe/fastly-native-promises, pull request 432.
            Self::NotThereInBatch { operation } => {
                bad(format!("-102 dictionary_item(s) for {operation} not found"))
            }
            // adobe/fastly-native-promises, issue 27.
            Self::Duplicate { key } => Answer::error(
                409,
                ErrorShape::Message,
                "Duplicate record",
                &format!("Duplicate dictionary_item: 'item_key={key}'"),
            ),
            // ysugimoto/falco, pull request 144.
            Self::WriteOnly => bad("Not allowed to read contents of write_only dictionary".into()),
            // gitlab-com/www-gitlab-com, issue 9087.
            Self::TooManyOperations => {
                let message = "You can't have more than 1000 items in one batch operation";
                Answer::of(400, JSON, &json!({ "msg": message }))
            }
            Self::TooLarge => {
                Answer::error(413, ErrorShape::Title, "Payload too large", "expected at most 1 MiB")
            }
            Self::Full { limit } => bad(format!("expected at most {limit} items")),
            Self::KeyLength => bad("expected a key of 1 to 255 characters".into()),
            Self::ValueLength { key } => bad(format!("expected at most 8000 characters for '{key}'")),
            Self::NoValue { key } => bad(format!("expected a value for '{key}'")),
            Self::Malformed { why } => bad(why.clone()),
        }
    }
}
