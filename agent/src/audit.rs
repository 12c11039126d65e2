//! Decision records: what was decided, one line of JSON each.

mod record;
mod sink;

pub use record::{decision_id, record_of};
pub use sink::{RecordSink, SinkError};
