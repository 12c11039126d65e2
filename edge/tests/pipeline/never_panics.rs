//! Whatever a client sends: one answer, one record, and never anything unproven towards HAProxy.

use countersign_edge::answer::Answer;
use countersign_edge::platform::Protocol;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;

use crate::issuer::token;
use crate::world::{Ask, COOKIE, World, get};

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        Just("host".to_owned()),
        Just("cookie".to_owned()),
        Just("authorization".to_owned()),
        Just("countersign-assertion".to_owned()),
        Just("upgrade".to_owned()),
        Just("connection".to_owned()),
        "[a-z_-]{1,20}",
        "(countersign|x-forwarded)[-_][a-z]{1,8}",
    ];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "(Bearer|bearer|Basic) [A-Za-z0-9._-]{0,80}".prop_map(String::into_bytes),
        "(__Host-countersign-session=?[A-Za-z0-9._-]{0,40}; ?){0,3}".prop_map(String::into_bytes),
        Just(b"www.example.test".to_vec()),
    ];
    (name, value)
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "/(api|page|static|beta|old|files)/[a-z%2eEfF/.;?=]{0,20}".prop_map(String::into_bytes),
        "/(api|page|static)/[a-z]{0,9}".prop_map(String::into_bytes),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_request_gets_one_answer_and_one_record(ask in ask()) {
        let seen = World::new().ask(&ask);
        if let Some(sent) = &seen.sent {
            prop_assert_eq!(sent.all("countersign-assertion").len(), 1);
            let own = |name: &str| name.starts_with("countersign") && name != "countersign-assertion";
            prop_assert!(sent.headers.iter().all(|(name, _)| !own(&name.replace('_', "-"))));
            prop_assert!(sent.all("connection").is_empty() && sent.all("upgrade").is_empty());
            prop_assert!(sent.claims().get("sub").is_none(), "nobody has proven anything");
            let is_session = |pair: &str| pair.trim().split('=').next() == Some(COOKIE);
            let keeps_session = sent.all("cookie").iter().any(|cookie| cookie.split(';').any(is_session));
            let is_bearer = |value: &String| value.to_ascii_lowercase().starts_with("bearer ");
            prop_assert!(!keeps_session);
            let keeps_credentials = sent.all("authorization").iter().any(is_bearer);
            // They end here, except where the route isn't enforced yet.
            let is_enforced = seen.record["mode"] == "enforce" || seen.record["class"] == "public";
            prop_assert!(!(is_enforced && keeps_credentials));
        } else {
            prop_assert!(matches!(seen.answer, Answer::Own(_)));
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
        *world.key_server.borrow_mut() = Ok(countersign_edge::platform::Fetched { status: 200, body });
        let seen = world.ask(&get("/api/x").bearer(&token(Algorithm::EdDSA).make()));
        seen.refused(503, "keys-unavailable");
    }
}
