//! A rate limit of a route.

use countersign_contract::route::{Rate, RateKey};

use crate::policy::toml::{Reader, Value};

const KEYS: [&str; 4] = ["requests", "seconds", "by", "penalty_seconds"];
const NUMBERS: [&str; 3] = ["requests", "seconds", "penalty_seconds"];

/// A rate that says whose requests it counts.
pub(super) fn read<'t>(reader: &mut Reader<'t>, value: &Value<'t>, what: &str) -> Option<Rate> {
    let place = value.span().start;
    let table = reader.table(value, what)?;
    reader.refuse_other_keys(table, what, &KEYS);
    let words = [("address", RateKey::Address), ("subject", RateKey::Subject)];
    let by = reader
        .required(table, "by", place, what)
        .and_then(|value| reader.word(value, &format!("`by` of {what}"), &words));
    read_numbers(reader, value, what, by?)
}

/// A rate of bots, each of which is a subject.
pub(super) fn read_of_bots<'t>(reader: &mut Reader<'t>, value: &Value<'t>, what: &str) -> Option<Rate> {
    let table = reader.table(value, what)?;
    reader.refuse_other_keys(table, what, &NUMBERS);
    read_numbers(reader, value, what, RateKey::Subject)
}

fn read_numbers<'t>(reader: &mut Reader<'t>, value: &Value<'t>, what: &str, by: RateKey) -> Option<Rate> {
    let place = value.span().start;
    let table = reader.table(value, what)?;
    let requests = reader
        .required(table, "requests", place, what)
        .and_then(|value| reader.number(value, &format!("`requests` of {what}")));
    let seconds = reader
        .required(table, "seconds", place, what)
        .and_then(|value| reader.number(value, &format!("`seconds` of {what}")));
    let penalty_seconds = match table.get("penalty_seconds") {
        Some(value) => Some(reader.number(value, &format!("`penalty_seconds` of {what}"))?),
        None => None,
    };
    Some(Rate { requests: requests?, seconds: seconds?, by, penalty_seconds })
}
