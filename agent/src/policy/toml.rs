//! Reading TOML in a way that finds everything wrong with it at once, each with its place.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Collects what is wrong with a text while it is read.
pub(super) struct Reader<'t> {
    text: &'t str,
    faults: Vec<(usize, String)>,
}

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    /// Parses `text`; syntax errors are collected, what could be read is given back.
    pub(super) fn parse(text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let faults = errors
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))
            .collect();
        (Self { text, faults }, table)
    }

    /// Notes a fault at a place of the text.
    pub(super) fn fault(&mut self, offset: usize, message: impl fmt::Display) {
        self.faults.push((offset, message.to_string()));
    }

    /// The faults in the order of the text, as line, column and message.
    pub(super) fn into_faults(mut self) -> Vec<(usize, usize, String)> {
        self.faults.sort_by_key(|(offset, _)| *offset);
        self.faults.dedup();
        let text = self.text;
        let place = |offset: usize| {
            let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
            (line, column)
        };
        self.faults
            .into_iter()
            .map(|(offset, message)| {
                let (line, column) = place(offset);
                (line, column, message)
            })
            .collect()
    }

    /// Notes every key of `table` that isn't among `known`.
    pub(super) fn refuse_other_keys(&mut self, table: &DeTable<'t>, what: &str, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let expected = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                self.fault(
                    key.span().start,
                    format_args!("unknown key `{name}` in {what}: expected one of {expected}"),
                );
            }
        }
    }

    /// The value of a key that must be there.
    pub(super) fn required<'v>(
        &mut self,
        table: &'v DeTable<'t>,
        key: &str,
        place: usize,
        what: &str,
    ) -> Option<&'v Value<'t>> {
        let value = table.get(key);
        if value.is_none() {
            self.fault(place, format_args!("{what} has no `{key}`"));
        }
        value
    }

    pub(super) fn table<'v>(&mut self, value: &'v Value<'t>, what: &str) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.mistyped(value, what, "a table");
        }
        table
    }

    pub(super) fn array<'v>(&mut self, value: &'v Value<'t>, what: &str) -> &'v [Value<'t>] {
        match value.get_ref().as_array() {
            Some(array) => array,
            None => {
                self.mistyped(value, what, "an array");
                &[]
            }
        }
    }

    /// A string that parses as `T`.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        value: &Value<'t>,
        what: &str,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.mistyped(value, what, "a string");
            return None;
        };
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.fault(value.span().start, format_args!("{what}: {error}"));
                None
            }
        }
    }

    /// An array of strings that parse as `T`, none of them twice.
    pub(super) fn set<T: FromStr<Err: fmt::Display> + Ord>(
        &mut self,
        value: &Value<'t>,
        what: &str,
    ) -> BTreeSet<T> {
        let mut set = BTreeSet::new();
        for item in self.array(value, what) {
            if let Some(parsed) = self.parsed::<T>(item, what)
                && !set.insert(parsed)
            {
                self.fault(item.span().start, format_args!("{what} lists it twice"));
            }
        }
        set
    }

    /// A string that is one of the words given.
    pub(super) fn word<T: Copy>(&mut self, value: &Value<'t>, what: &str, words: &[(&str, T)]) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.mistyped(value, what, "a string");
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let expected = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            self.fault(value.span().start, format_args!("{what} is `{text}`: expected one of {expected}"));
        }
        found
    }

    /// A whole number that makes a `T`.
    pub(super) fn number<T: TryFrom<u32, Error: fmt::Display>>(
        &mut self,
        value: &Value<'t>,
        what: &str,
    ) -> Option<T> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.mistyped(value, what, "a whole number");
            return None;
        };
        let Ok(number) = integer.to_string().parse::<u32>() else {
            self.fault(value.span().start, format_args!("{what} is {integer}: expected 0 to {}", u32::MAX));
            return None;
        };
        match T::try_from(number) {
            Ok(number) => Some(number),
            Err(error) => {
                self.fault(value.span().start, format_args!("{what}: {error}"));
                None
            }
        }
    }

    fn mistyped(&mut self, value: &Value<'t>, what: &str, expected: &str) {
        let found = value.get_ref().type_str();
        self.fault(value.span().start, format_args!("{what} is of type {found}: expected {expected}"));
    }
}
