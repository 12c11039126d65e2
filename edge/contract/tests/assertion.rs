//! What is minted verifies and says the same, and nothing next to it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod judging;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use countersign_contract::assertion::{
    AssertionFault, Claims, LONGEST_ASSERTION, MOST_GROUPS, MintError, Presented, VERSION,
};
use countersign_contract::binding::{Difference, RequestBinding};
use countersign_contract::decision_id::DecisionId;
use countersign_contract::name::{GroupName, Subject};
use countersign_contract::time::UnixSeconds;
use judging::{
    HOST, LONGEST, METHOD, NOW, SKEW, TARGET, binding, claims, ed_signer, encode, hs_signer, judge,
    judge_headers, keys,
};
use proptest::prelude::*;

#[test]
fn what_is_minted_verifies_under_either_key() {
    for signer in [ed_signer(), hs_signer()] {
        let verified = judge(signer.mint(&claims()).unwrap()).unwrap();
        assert_eq!(verified.claims(), &claims());
        assert_eq!(verified.key(), signer.id());
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address_that_it_is() {
    let mapped = Claims { ip: "::ffff:192.0.2.7".parse().unwrap(), ..claims() };
    let verified = judge(ed_signer().mint(&mapped).unwrap()).unwrap();
    assert_eq!(verified.claims().ip, IpAddr::from([192, 0, 2, 7]));
}

#[test]
fn every_changed_bit_is_refused() {
    for signer in [ed_signer(), hs_signer()] {
        let token = signer.mint(&claims()).unwrap();
        for index in 0..token.len() {
            for bit in 0..8 {
                let mut changed = token.clone().into_bytes();
                changed[index] ^= 1 << bit;
                assert!(judge(&changed).is_err(), "bit {bit} of character {index}");
            }
        }
        let parts: Vec<Vec<u8>> = token.split('.').map(judging::decode).collect();
        for part in 0..3 {
            for bit in 0..parts[part].len() * 8 {
                let mut changed = parts.clone();
                changed[part][bit / 8] ^= 1 << (bit % 8);
                let changed: Vec<String> = changed.iter().map(encode).collect();
                assert!(judge(changed.join(".")).is_err(), "bit {bit} of part {part}");
            }
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let token = ed_signer().mint(&claims()).unwrap();
    for end in 0..token.len() {
        assert!(judge(&token[..end]).is_err(), "cut at {end}");
        assert!(judge(&token[end + 1..]).is_err(), "begun at {}", end + 1);
    }
}

#[test]
fn anything_behind_or_before_it_is_refused() {
    let token = ed_signer().mint(&claims()).unwrap();
    for tail in ["A", "AA", "AAAA", "=", "==", ".", ".A", " ", "\n", "\0", ",", ";", "\u{e9}"] {
        assert!(judge(format!("{token}{tail}")).is_err(), "behind: {tail:?}");
        assert!(judge(format!("{tail}{token}")).is_err(), "before: {tail:?}");
    }
    assert!(judge(format!("{token},{token}")).is_err());
    assert!(judge(format!("Bearer {token}")).is_err());
}

/// One token, one spelling: what a replay log or a cache keys by can't be had twice.
#[test]
fn no_second_spelling_of_a_token_is_accepted() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Claims of every length modulo three, so that each part has spare bits at least once.
    for extra in ["", "a", "ab"] {
        let sub = Some(format!("alice{extra}").parse().unwrap());
        let token = ed_signer().mint(&Claims { sub, ..claims() }).unwrap();
        assert!(judge(&token).is_ok());
        let parts: Vec<&str> = token.split('.').collect();
        for part in 0..3 {
            for letter in ALPHABET {
                let mut changed: Vec<Vec<u8>> = parts.iter().map(|p| p.as_bytes().to_vec()).collect();
                let last = changed[part].last_mut().unwrap();
                if std::mem::replace(last, *letter) != *letter {
                    assert!(judge(changed.join(&b'.')).is_err(), "part {part} ends in {letter}");
                }
            }
            let mut padded = parts.clone();
            let with_padding = format!("{}=", parts[part]);
            padded[part] = &with_padding;
            assert_eq!(judge(padded.join(".")).unwrap_err().code(), "malformed-parts");
        }
        // The standard alphabet is another spelling of the same bytes.
        let standard = token.replace('-', "+").replace('_', "/");
        assert!(standard == token || judge(standard).is_err());
    }
}

/// Ed25519 without the check of RFC 8032 section 5.1.7 (`S` below the group's order `L`) accepts
/// `S + L` as well.
#[test]
fn a_signature_with_the_group_order_added_is_refused() {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let token = ed_signer().mint(&claims()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = judging::decode(signature);
    let mut carry = 0;
    for (byte, l) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(judge(format!("{message}.{}", encode(signature))).unwrap_err().code(), "signature-invalid");
}

#[test]
fn times_hold_to_the_second() {
    use AssertionFault as F;
    let now = NOW.0;
    for (iat, exp, fault) in [
        (now, now + 30, None),
        (now, now + 1, None),
        (now - 30, now, None),
        // The skew is allowed for at both ends, to the second.
        (now + SKEW, now + SKEW + 30, None),
        (now + SKEW + 1, now + SKEW + 31, Some(F::NotYetValid(SKEW + 1))),
        (now - 30, now - SKEW + 1, None),
        (now - 30, now - SKEW, Some(F::Expired(SKEW))),
        (now - 90, now - 60, Some(F::Expired(60))),
        // Never for a life that is too long, whatever the skew.
        (now, now + LONGEST, None),
        (now, now + LONGEST + 1, Some(F::LivesTooLong { lifetime: LONGEST + 1, longest: LONGEST })),
        (now - 1, now + LONGEST, Some(F::LivesTooLong { lifetime: LONGEST + 1, longest: LONGEST })),
        (0, now + 1, Some(F::LivesTooLong { lifetime: now + 1, longest: LONGEST })),
        (now, now, Some(F::EndsBeforeItBegins)),
        (now, now - 1, Some(F::EndsBeforeItBegins)),
        (0, 0, Some(F::EndsBeforeItBegins)),
        (u64::MAX, u64::MAX, Some(F::EndsBeforeItBegins)),
        (u64::MAX, 0, Some(F::EndsBeforeItBegins)),
        (0, u64::MAX, Some(F::LivesTooLong { lifetime: u64::MAX, longest: LONGEST })),
        (0, 60, Some(F::Expired(now - 60))),
        (u64::MAX - 1, u64::MAX, Some(F::NotYetValid(u64::MAX - 1 - now))),
    ] {
        let claims = Claims { iat: UnixSeconds(iat), exp: UnixSeconds(exp), ..claims() };
        let found = judge(ed_signer().mint(&claims).unwrap()).err();
        assert_eq!(found, fault, "issued {iat}, expires {exp}");
    }
}

#[test]
fn without_skew_the_edges_are_the_times_themselves() {
    let token = ed_signer().mint(&claims()).unwrap();
    let at = |now: u64, skew| {
        judge_headers(1, Some(token.as_bytes()), &keys(), |expected| {
            expected.now = UnixSeconds(now);
            expected.clock_skew = skew;
        })
        .err()
    };
    assert_eq!(at(NOW.0 - 1, 0), Some(AssertionFault::NotYetValid(1)));
    assert_eq!(at(NOW.0, 0), None);
    assert_eq!(at(NOW.0 + 29, 0), None);
    assert_eq!(at(NOW.0 + 30, 0), Some(AssertionFault::Expired(0)));
    // A clock at either end of time is no reason to panic; where sums end, it is refused.
    assert_eq!(at(0, u64::MAX), None);
    assert_eq!(at(u64::MAX, 0), Some(AssertionFault::Expired(u64::MAX - NOW.0 - 30)));
    assert_eq!(at(u64::MAX, u64::MAX), Some(AssertionFault::Expired(u64::MAX - NOW.0 - 30)));
}

#[test]
fn an_assertion_for_another_request_names_the_part_that_differs() {
    for (req, difference) in [
        (binding("POST", HOST, TARGET), Difference::Method),
        (binding(METHOD, "shop.example.test", TARGET), Difference::Host),
        // Not among the hosts that are known here.
        (binding(METHOD, "other.example.test", TARGET), Difference::Path),
        (binding(METHOD, HOST, "/api/items?page=3"), Difference::Path),
        (binding(METHOD, HOST, "/api/items"), Difference::Path),
        (binding(METHOD, HOST, "/api/item?s=page=2"), Difference::Path),
    ] {
        let token = ed_signer().mint(&Claims { req, ..claims() }).unwrap();
        assert_eq!(judge(token).unwrap_err(), AssertionFault::BoundToAnother(difference));
    }
}

/// Saying what differs is work that anybody can ask for, without a key: it has to stay below
/// what a signature costs.
#[test]
fn a_long_target_is_not_hashed_over_and_over() {
    let long = format!("/{}", "a".repeat(7000));
    let (method, authority, target) = (
        countersign_contract::canonical::Method::parse(b"GET").unwrap(),
        countersign_contract::canonical::Authority::parse(HOST.as_bytes()).unwrap(),
        countersign_contract::canonical::Target::parse(long.as_bytes()).unwrap(),
    );
    let hosts = (0..1000).map(|_| "shop.example.test");
    let asked = std::cell::Cell::new(0);
    let difference = RequestBinding::difference(
        binding("GET", "other.example.test", &long),
        method,
        &authority,
        &target,
        hosts.inspect(|_| asked.set(asked.get() + 1)),
    );
    assert_eq!((difference, asked.get()), (Difference::Path, 0));
}

#[test]
fn what_no_verifier_would_read_is_not_minted() {
    let group = |n: usize| format!("g{n}").parse::<GroupName>().unwrap();
    let many = Claims { groups: (0..=MOST_GROUPS).map(group).collect(), ..claims() };
    assert_eq!(ed_signer().mint(&many), Err(MintError::TooManyGroups(MOST_GROUPS + 1)));
    let most = Claims { groups: (0..MOST_GROUPS).map(group).collect(), ..claims() };
    assert!(judge(ed_signer().mint(&most).unwrap()).is_ok());
    let long = |n: usize| format!("{n:0>100}").parse::<GroupName>().unwrap();
    let large = Claims { groups: (0..40).map(long).collect(), ..claims() };
    assert!(matches!(ed_signer().mint(&large), Err(MintError::TooLarge(n)) if n > LONGEST_ASSERTION));
    // Exactly the limit is read by both.
    let base = ed_signer().mint(&large_with(20, 1)).unwrap().len();
    let token =
        (1..100).find_map(|n| ed_signer().mint(&large_with(20, n)).ok().filter(|t| t.len() > base + 50));
    assert!(judge(token.unwrap()).is_ok());
}

fn large_with(groups: usize, length: usize) -> Claims {
    Claims { groups: (0..groups).map(|_| "g".repeat(length).parse().unwrap()).collect(), ..claims() }
}

#[test]
fn a_header_value_holds_nothing_but_the_token() {
    let token = ed_signer().mint(&claims()).unwrap();
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')));
    assert!(token.len() < LONGEST_ASSERTION);
}

fn subjects() -> impl Strategy<Value = Subject> {
    prop_oneof!["[a-z0-9|@.+-]{1,60}", "\\PC{1,60}", "[\u{c0}-\u{24f}\u{4e00}-\u{4eff}, ;=\"\\\\%]{1,40}"]
        .prop_filter_map("not a subject", |text| text.parse().ok())
}

fn groups() -> impl Strategy<Value = Vec<GroupName>> {
    let group = prop_oneof!["[a-zA-Z0-9:/ _-]{1,30}", "[^,\\pC]{1,20}"]
        .prop_filter_map("not a group", |text| text.parse().ok());
    proptest::collection::vec(group, 0..=MOST_GROUPS)
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).to_ipv6_mapped().into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_claims_come_back_as_they_were(
        (iss, sub, groups, ip) in ("[A-Za-z0-9_.:/-]{1,64}", proptest::option::of(subjects()), groups(), addresses()),
        (txn, life, age) in (any::<[u8; 16]>(), 1..=LONGEST, 0u64..30),
        (sv, rep, pol) in (any::<Option<u64>>(), any::<Option<u64>>(), proptest::option::of("[0-9a-f]{32}")),
    ) {
        let iat = UnixSeconds(NOW.0 - age.min(life));
        let minted = Claims {
            v: VERSION,
            iss: iss.parse().unwrap(),
            iat,
            exp: iat.plus(life),
            txn: DecisionId::from_random(txn),
            ip, sub, groups, sv, rep,
            pol: pol.map(|digits| digits.try_into().unwrap()),
            ..claims()
        };
        for signer in [ed_signer(), hs_signer()] {
            match signer.mint(&minted) {
                Ok(token) => {
                    let verified = judge(token).unwrap();
                    prop_assert_eq!(verified.claims(), &Claims { ip: minted.ip.to_canonical(), ..minted.clone() });
                }
                Err(fault) => prop_assert!(matches!(fault, MintError::TooLarge(n) if n > LONGEST_ASSERTION)),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(judge(&bytes).is_err());
    }

    #[test]
    fn arbitrary_parts_are_refused_without_a_panic(
        header in ".{0,80}", claims in ".{0,120}", signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", encode(header), encode(claims), encode(signature));
        prop_assert!(judge(token).is_err());
    }

    #[test]
    fn any_number_of_headers_but_one_is_refused(count in any::<usize>()) {
        let token = ed_signer().mint(&claims()).unwrap();
        let found = Presented::from_headers(count, Some(token.as_bytes())).err();
        let expected = match count {
            0 => Some(AssertionFault::Missing),
            1 => None,
            several => Some(AssertionFault::Repeated(several)),
        };
        prop_assert_eq!(found, expected);
    }
}
