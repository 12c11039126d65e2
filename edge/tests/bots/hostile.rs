//! Whatever stands in the three headers: an answer, and never a bot that hasn't signed this request.

use proptest::prelude::*;

use crate::made::{Document, Expected};
use crate::request::{Request, Time};

const HEADERS: [&str; 3] = ["signature", "signature-input", "signature-agent"];

/// Something that looks like a structured field.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let inner =
        r#"\((("(@authority|@path|accept|signature-agent|x)"|a|1)(;(key|sf|req)(="sig")?)? ?){0,4}\)"#;
    let value = format!(r#"({inner}|"[ -~]{{0,20}}"|:[A-Za-z0-9+/=]{{0,90}}:|-?[0-9]{{1,16}}|\?1|@9|%"a")"#);
    let params =
        r#"(;(created|expires|keyid|tag|alg|type)(=("web-bot-auth"|"ed25519"|[0-9]{1,11}|x))?){0,5}"#;
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        proptest::string::string_regex(&format!("((sig|a)=?{value}{params},? ?){{1,3}}"))
            .unwrap()
            .prop_map(String::into_bytes),
        proptest::string::string_regex(&value).unwrap().prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_headers_are_answered_and_nobodys(lines in prop::collection::vec((0..3_usize, line()), 0..5)) {
        let document = Document::read_once();
        let mut request = Request::new("GET", "https://www.example.test/", &[]);
        for (which, line) in lines {
            request.fields.entry(HEADERS[which].to_owned()).or_default().push(line);
        }
        let found = document.bots().verify(&request, Time::at(document.now, document.skew_seconds)).map(|bot| bot.is_some());
        prop_assert_ne!(found, Ok(true));
    }

    /// Some bytes mean nothing, such as white space; no other makes a bot of what wasn't one, or another one.
    #[test]
    fn a_changed_request_is_that_bots_or_nobodys(vector in any::<prop::sample::Index>(), which in 0..3_usize, place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let document = Document::read_once();
        let vector = vector.get(&document.vectors);
        let mut request = vector.request();
        let Some(line) = request.fields.get_mut(HEADERS[which]).and_then(|lines| lines.first_mut()) else { return Ok(()) };
        if line.is_empty() { return Ok(()); }
        let place = place.index(line.len());
        line[place] = byte;
        let found = document.bots().verify(&request, Time::at(document.now, document.skew_seconds)).ok().flatten().map(|bot| bot.bot().name.to_string());
        let allowed = match &vector.expect {
            Expected::Bot(name) => found.is_none_or(|found| found == *name),
            // A byte may undo the defect of what goodbot has signed; the other bot has signed none of these.
            Expected::Fault(_) | Expected::Nothing(_) => found.is_none_or(|found| found == "goodbot") ,
        };
        prop_assert!(allowed, "{}: byte {} of `{}` is {}", vector.name, place, HEADERS[which], byte);
    }
}
