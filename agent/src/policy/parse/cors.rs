//! What a route lets pages of other origins do.

use std::collections::BTreeSet;

use countersign_contract::route::{Class, Cors, CorsCredentials, CorsOrigins};

use super::start;
use crate::policy::toml::{Reader, Value};

const KEYS: [&str; 5] = ["origins", "headers", "expose", "credentials", "max_age_seconds"];
/// How long a browser remembers the answer to a preflight unless the rule says.
const DEFAULT_MAX_AGE_SECONDS: u32 = 600;
/// Browsers cap it below.
const LONGEST_MAX_AGE_SECONDS: u32 = 86_400;

pub(super) fn read<'t>(reader: &mut Reader<'t>, value: &Value<'t>, what: &str, class: Class) -> Option<Cors> {
    let table = reader.table(value, what)?;
    reader.refuse_other_keys(table, what, &KEYS);
    let of = |key: &str| format!("`{key}` of {what}");
    let origins = reader
        .required(table, "origins", start(value), what)
        .and_then(|value| read_origins(reader, value, what));
    let headers = table.get("headers").map(|value| reader.set(value, &of("headers"))).unwrap_or_default();
    let expose = table.get("expose").map(|value| reader.set(value, &of("expose"))).unwrap_or_default();
    let words = [("omit", CorsCredentials::Omit), ("include", CorsCredentials::Include)];
    let credentials = table
        .get("credentials")
        .and_then(|value| Some((start(value), reader.word(value, &of("credentials"), &words)?)));
    if let Some((place, CorsCredentials::Include)) = credentials {
        if origins == Some(CorsOrigins::Any) {
            let message = "includes credentials for every origin: any page could act as whoever is signed in";
            reader.fault(place, format_args!("{what} {message}; list the origins"));
        }
        if class == Class::Public {
            let message =
                "includes credentials and its route is public: expected `omit`, nobody is identified there";
            reader.fault(place, format_args!("{what} {message}"));
        }
    }
    let max_age_seconds = match table.get("max_age_seconds") {
        None => DEFAULT_MAX_AGE_SECONDS,
        Some(value) => {
            let seconds = reader.number::<u32>(value, &of("max_age_seconds"))?;
            if seconds > LONGEST_MAX_AGE_SECONDS {
                let key = of("max_age_seconds");
                reader.fault(
                    start(value),
                    format_args!("{key} is {seconds}: expected at most {LONGEST_MAX_AGE_SECONDS}"),
                );
            }
            seconds
        }
    };
    let credentials = credentials.map_or(CorsCredentials::Omit, |(_, credentials)| credentials);
    Some(Cors { origins: origins?, headers, expose, credentials, max_age_seconds })
}

fn read_origins<'t>(reader: &mut Reader<'t>, value: &Value<'t>, what: &str) -> Option<CorsOrigins> {
    let what = format!("`origins` of {what}");
    let items = reader.array(value, &what);
    if let [only] = items
        && only.get_ref().as_str() == Some("*")
    {
        return Some(CorsOrigins::Any);
    }
    if items.is_empty() {
        reader.fault(start(value), format_args!("{what} is empty: expected at least one, or [\"*\"]"));
        return None;
    }
    let origins: BTreeSet<_> = reader.set(value, &what);
    Some(CorsOrigins::These(origins))
}
