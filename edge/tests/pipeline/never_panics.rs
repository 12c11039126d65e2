//! Whatever a client sends: one answer, one record, and never anything unproven towards HAProxy.

use countersign_edge::answer::Answer;
use countersign_edge::platform::{Fetched, Protocol};
use jsonwebtoken::Algorithm;
use proptest::prelude::*;

use crate::browser::{Browser, page};
use crate::issuer::token;
use crate::world::{Ask, COOKIE, World, get};

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        Just("host".to_owned()),
        Just("cookie".to_owned()),
        Just("authorization".to_owned()),
        Just("countersign-assertion".to_owned()),
        Just("upgrade".to_owned()),
        Just("signature".to_owned()),
        Just("signature-input".to_owned()),
        Just("signature-agent".to_owned()),
        Just("connection".to_owned()),
        Just("accept".to_owned()),
        Just("content-length".to_owned()),
        Just("sec-fetch-mode".to_owned()),
        Just("sec-fetch-site".to_owned()),
        "[a-z_-]{1,20}",
        "(countersign|x-forwarded)[-_][a-z]{1,8}",
    ];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "(Bearer|bearer|Basic) [A-Za-z0-9._-]{0,80}".prop_map(String::into_bytes),
        "(__Host-countersign-(session|renewed|login-[A-Za-z0-9_-]{0,20})=?[A-Za-z0-9._-]{0,40}; ?){0,3}"
            .prop_map(String::into_bytes),
        "navigate|cors|cross-site|same-origin|text/html|\\*/\\*|0|7".prop_map(String::into_bytes),
        Just(b"www.example.test".to_vec()),
        "[a-z]=\\((\"(@authority|@query|host|x)\";?(key=\"a\")? ?){0,3}\\);(created|expires|keyid|tag)=(\"web-bot-auth\"|[0-9]{1,3})"
            .prop_map(String::into_bytes),
    ];
    (name, value)
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "/(api|page|static|beta|old|files)/[a-z%2eEfF/.;?=]{0,20}".prop_map(String::into_bytes),
        "/(api|page|static)/[a-z]{0,9}".prop_map(String::into_bytes),
        "/\\.countersign/(login|callback|logout|backchannel-logout|[a-z]{0,9})".prop_map(String::into_bytes),
        "/\\.countersign/(login|callback)\\?((return_to|state|code|error|iss)=[a-zA-Z0-9%/:.-]{0,20}&?){0,4}"
            .prop_map(String::into_bytes),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let method = prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), ".{0,8}"];
    let authority = prop_oneof![4 => Just("www.example.test".to_owned()), 1 => ".{0,30}"];
    let protocol = prop_oneof![Just(Protocol::Http1), Just(Protocol::Http2)];
    let headers = prop::collection::vec(header(), 0..8);
    (method, authority, target(), protocol, headers).prop_map(
        |(method, authority, target, protocol, headers)| {
            let mut ask = get("").method(&method);
            ask.authority = authority;
            ask.target = target;
            ask.protocol = protocol;
            ask.headers.extend(headers);
            ask
        },
    )
}

/// Bytes of a good token with a few of them changed: what gets deepest into the checks.
fn nearly_a_token() -> impl Strategy<Value = Vec<u8>> {
    let good = token(Algorithm::EdDSA).make().into_bytes();
    let change = (0..good.len(), any::<u8>());
    prop::collection::vec(change, 0..3).prop_map(move |changes| {
        let mut token = good.clone();
        for (place, byte) in changes {
            token[place] = byte;
        }
        token
    })
}

/// Bytes at places of something good.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)
}

fn changed(good: &[u8], changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (place, byte) in changes {
        bytes[place.index(good.len())] = *byte;
    }
    bytes
}

fn before_semicolon(cookie: &[u8]) -> &[u8] {
    cookie.split(|byte| *byte == b';').next().unwrap().trim_ascii()
}

/// What an issuer might answer, or somebody in its place.
fn document() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "\\{\"(issuer|id_token|error|jwks_uri)\":(\"[a-zA-Z0-9.:/_-]{0,60}\"|[0-9\\[{}]{0,9})\\}"
            .prop_map(String::into_bytes),
        "(logout_token=[A-Za-z0-9._%-]{0,80}&?){0,3}".prop_map(String::into_bytes),
    ]
}

/// No line ends in it that another header could begin behind.
fn is_one_line(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_request_gets_one_answer_and_one_record(ask in ask()) {
        let seen = World::new().ask(&ask);
        if let Some(sent) = &seen.sent {
            prop_assert_eq!(sent.all("countersign-assertion").len(), 1);
            prop_assert!(!ask.target.starts_with(b"/.countersign/"), "an own path reached HAProxy");
            let own = |name: &str| name.starts_with("countersign") && name != "countersign-assertion";
            prop_assert!(sent.headers.iter().all(|(name, _)| !own(&name.replace('_', "-"))));
            prop_assert!(sent.all("connection").is_empty() && sent.all("upgrade").is_empty());
            prop_assert!(sent.claims().get("sub").is_none(), "nobody has proven anything");
            let is_own = |pair: &str| pair.trim().starts_with("__Host-countersign-");
            let keeps_own = sent.all("cookie").iter().any(|cookie| cookie.split(';').any(is_own));
            let is_bearer = |value: &String| value.to_ascii_lowercase().starts_with("bearer ");
            prop_assert!(!keeps_own);
            let keeps_credentials = sent.all("authorization").iter().any(is_bearer);
            // They end here, except where the route isn't enforced yet.
            let is_enforced = seen.record["mode"] == "enforce" || seen.record["class"] == "public";
            prop_assert!(!(is_enforced && keeps_credentials));
        } else {
            prop_assert!(matches!(seen.answer, Answer::Own(_)));
            prop_assert!(seen.own().headers.iter().all(|(_, value)| is_one_line(value)));
        }
    }

    #[test]
    fn a_changed_token_is_nobodys(token in nearly_a_token()) {
        let good = crate::issuer::token(Algorithm::EdDSA).make().into_bytes();
        let seen = World::new().ask(&get("/api/x").header("authorization", [b"Bearer ".to_vec(), token.clone()].concat()));
        prop_assert_eq!(seen.sent.is_some(), token.trim_ascii() == good);
    }

    #[test]
    fn any_item_of_a_store_is_survived(item in ".{0,200}", which in 0..5_usize) {
        let mut world = World::new();
        let part = world.policy_part();
        let (store, key) = match which {
            0 => (&mut world.config, "settings"),
            1 => (&mut world.config, "policy"),
            2 => (&mut world.config, part.as_str()),
            3 => (&mut world.list, "_meta"),
            _ => (&mut world.list, "b0000"),
        };
        store.as_mut().unwrap().insert(key.to_owned(), item);
        let seen = world.ask(&get("/static/x"));
        // The list fails open, everything else closed.
        prop_assert_eq!(seen.sent.is_some(), which >= 3);
    }

    #[test]
    fn any_key_set_is_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let world = World::new();
        *world.key_server.borrow_mut() = Ok(Fetched { status: 200, body });
        let seen = world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).make()));
        seen.refused(503, "keys-unavailable");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_link_to_sign_in_ends_on_this_host(return_to in "[ -~]{0,30}|[/\\\\.%:a-z0-9@#?;]{0,20}") {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", &return_to).finish();
        let world = World::new();
        let mut browser = Browser::new(&world);
        let visit = browser.visit(&format!("/.countersign/login?{query}"));
        let seen = browser.sign_in(&visit);
        let location = seen.answer_header("location").unwrap().as_bytes();
        prop_assert_eq!(location[0], b'/');
        prop_assert!(!matches!(location.get(1), Some(b'/' | b'\\')), "{:?}", seen.answer_header("location"));
        prop_assert!(location.iter().all(u8::is_ascii_graphic));
        let path = location.split(|byte| *byte == b'?').next().unwrap();
        prop_assert!(!path.contains(&b'\\'), "browsers take it for a slash");
    }

    #[test]
    fn a_changed_session_is_nobodys(changes in changes(), kept in any::<prop::sample::Index>()) {
        let world = World::new();
        let good = world.session("ann", &["engineering"], 0).into_bytes();
        let mut session = changed(&good, &changes);
        session.truncate(kept.index(2 * good.len()));
        let cookie = [COOKIE.as_bytes(), b"=", &session].concat();
        let seen = world.ask(&get("/api/x").header("cookie", cookie));
        // White space around a cookie is no part of it.
        prop_assert_eq!(seen.sent.is_some(), session.trim_ascii() == good || before_semicolon(&session) == good);
    }

    #[test]
    fn a_changed_attempt_is_nobodys(changes in changes()) {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let visit = browser.visit("/api/x");
        world.will_issue(&visit.id_token());
        let name = visit.attempt_cookie();
        let good = browser.jar[&name].clone().into_bytes();
        let attempt = changed(&good, &changes);
        let cookie = [name.as_bytes(), b"=", &attempt].concat();
        let seen = world.ask(&page(&visit.back(&[("code", "c")])).header("cookie", cookie));
        let is_good = attempt.trim_ascii() == good || before_semicolon(&attempt) == good;
        prop_assert_eq!(seen.own().status == 303, is_good);
    }

    #[test]
    fn any_document_of_the_issuer_is_survived(body in document(), status in any::<u16>(), which in 0..2_usize) {
        let world = World::new();
        let mut browser = Browser::new(&world);
        let visit = (which == 1).then(|| browser.visit("/api/x"));
        let answered = Ok(Fetched { status, body });
        let seen = if let Some(visit) = visit {
            *world.token_endpoint.borrow_mut() = answered;
            browser.open(&visit.back(&[("code", "c")]))
        } else {
            *world.metadata.borrow_mut() = answered;
            browser.open("/api/x")
        };
        prop_assert!(seen.sent.is_none() && seen.own().status >= 400, "{}", seen.record);
        prop_assert!(seen.record.to_string().len() < 2000);
        prop_assert_eq!(browser.session(), None);
    }

    #[test]
    fn any_body_of_a_log_out_is_survived(body in document()) {
        let mut world = World::new();
        world.body = body;
        let seen = world.ask(&get("/.countersign/backchannel-logout").method("POST"));
        prop_assert!(seen.sent.is_none());
        prop_assert_eq!(seen.own().status, 400);
    }
}
