//! The decision records of the tiers, and HAProxy's log line, joined by decision id.

use std::time::Duration;

use serde_json::Value;

use crate::journal::{Journal, Place};
use crate::viceroy::LOG_ENDPOINT;

/// Longest wait for a record after the answer has come.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// One line of JSON that a tier wrote about one request.
#[derive(Debug, Clone)]
pub struct Record(Value);

impl Record {
    /// Reads a line: JSON, at the edge behind the name of its log endpoint.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let line = line.strip_prefix(LOG_ENDPOINT).and_then(|rest| rest.strip_prefix(" :: ")).unwrap_or(line);
        let value: Value = serde_json::from_str(line.trim()).ok()?;
        value.is_object().then_some(Self(value))
    }

    /// A field as text; numbers as digits; `None` when absent, null, empty or HAProxy's `-`.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<String> {
        match self.0.pointer(field_pointer(field).as_str())? {
            Value::String(text) if text.is_empty() || text == "-" => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The whole record.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// `would.reason` as the JSON pointer (RFC 6901) `/would/reason`.
fn field_pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// The newest record in `journal` from `since` on whose line contains any of `marks`, waiting up
/// to `limit`.
pub async fn find(journal: &Journal, since: Place, marks: &[&str], limit: Duration) -> Option<Record> {
    let is_record = |line: &str| marks.iter().any(|mark| line.contains(mark)) && Record::read(line).is_some();
    journal.wait_for(since, is_record, limit).await.as_deref().and_then(Record::read)
}

/// What the tiers wrote about one request.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// The edge's record.
    pub edge: Option<Record>,
    /// HAProxy's log line.
    pub haproxy: Option<Record>,
    /// The agent's record.
    pub agent: Option<Record>,
}

impl Joined {
    /// The verdict that stood, and why: HAProxy's own refusal, else the agent's, else the edge's.
    #[must_use]
    pub fn verdict_and_reason(&self) -> (Option<String>, Option<String>) {
        if let Some(why) = self.haproxy.as_ref().and_then(|record| record.text("why")) {
            return (Some("deny".into()), Some(why));
        }
        let decided = self.agent.as_ref().or(self.edge.as_ref());
        let text = |field| decided.and_then(|record| record.text(field));
        (text("verdict"), text("reason"))
    }

    /// The decision ids that the tiers wrote, without doubles.
    #[must_use]
    pub fn decision_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = [&self.edge, &self.haproxy, &self.agent]
            .into_iter()
            .flatten()
            .filter_map(|record| record.text("decision_id"))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
