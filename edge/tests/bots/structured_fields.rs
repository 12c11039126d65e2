//! The working group's tests of structured fields (RFC 9651), of the kinds that signatures are made of.

use countersign_edge::bots::signature_input::SignatureInputs;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sfv::{BareItem, Dictionary, FieldType as _, Item, ListEntry, Parameters, Parser};

use crate::request::read;

#[derive(Deserialize)]
struct Vector {
    name: String,
    header_type: String,
    raw: Vec<String>,
    expected: Option<Value>,
    canonical: Option<Vec<String>>,
    #[serde(default)]
    must_fail: bool,
    #[serde(default)]
    can_fail: bool,
}

#[test]
fn fields_are_read_and_written_as_the_working_group_has_it() {
    let vectors: Vec<Vector> = read("structured_fields.json");
    assert!(vectors.len() >= 60, "{}", vectors.len());
    for vector in vectors {
        let raw = vector.raw.join(", ");
        let read = match vector.header_type.as_str() {
            "dictionary" => {
                Parser::new(&raw).parse::<Dictionary>().map(|read| (dictionary(&read), read.serialize()))
            }
            "item" => Parser::new(&raw).parse::<Item>().map(|read| (item(&read), Some(read.serialize()))),
            other => panic!("{}: a header of type {other}", vector.name),
        };
        match read {
            Err(fault) => assert!(vector.must_fail || vector.can_fail, "{}: {fault}", vector.name),
            Ok((value, written)) => {
                assert!(!vector.must_fail, "{}: {value}", vector.name);
                assert_eq!(Some(value), vector.expected, "{}", vector.name);
                let canonical = vector.canonical.unwrap_or(vector.raw);
                assert_eq!(written.into_iter().collect::<Vec<_>>(), canonical, "{}", vector.name);
            }
        }
    }
}

/// What must fail does so in our headers too, dictionaries as they are and items as a member's value.
#[test]
fn what_must_fail_is_no_signature_input() {
    let vectors: Vec<Vector> = read("structured_fields.json");
    for Vector { name, header_type, raw, .. } in vectors.into_iter().filter(|vector| vector.must_fail) {
        let front = if header_type == "item" { "a=" } else { "" };
        let lines: Vec<Vec<u8>> = raw.iter().map(|line| format!("{front}{line}").into_bytes()).collect();
        assert!(SignatureInputs::parse(&lines).is_err(), "{name}");
    }
}

fn dictionary(read: &Dictionary) -> Value {
    let members = read.iter().map(|(key, entry)| {
        let value = match entry {
            ListEntry::Item(one) => item(one),
            ListEntry::InnerList(list) => {
                json!([list.items.iter().map(item).collect::<Vec<_>>(), parameters(&list.params)])
            }
        };
        (key.as_str().to_owned(), value)
    });
    Value::Object(members.collect())
}

fn item(read: &Item) -> Value {
    json!([bare(&read.bare_item), parameters(&read.params)])
}

fn parameters(read: &Parameters) -> Value {
    Value::Object(
        read.iter().map(|(key, value)| (key.as_str().to_owned(), bare(value))).collect::<Map<_, _>>(),
    )
}

fn bare(read: &BareItem) -> Value {
    match read {
        BareItem::Integer(number) => json!(i64::from(*number)),
        BareItem::Decimal(number) => json!(f64::from(*number)),
        BareItem::String(text) => json!(text.as_str()),
        BareItem::Boolean(flag) => json!(flag),
        BareItem::Token(word) => json!({ "__type": "token", "value": word.as_str() }),
        BareItem::ByteSequence(bytes) => json!({ "__type": "binary", "value": base32(bytes) }),
        BareItem::Date(_) | BareItem::DisplayString(_) => panic!("none of the vectors has {read:?}"),
    }
}

/// RFC 4648 section 6, in which the vectors write bytes.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit = |five: &[u8]| {
        let value = (0..5).fold(0, |value, bit| value << 1 | five.get(bit).copied().unwrap_or(0));
        char::from(ALPHABET[usize::from(value)])
    };
    let mut text: String = bits.chunks(5).map(digit).collect();
    while !text.len().is_multiple_of(8) {
        text.push('=');
    }
    text
}
