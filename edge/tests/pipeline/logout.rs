//! Signing out: by the person, and by the issuer behind everybody's back.

use countersign_edge::platform::{FetchFault, OriginHead};
use form_urlencoded::Serializer;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::browser::{Browser, page, parameters};
use crate::issuer::{self, CLIENT, ISSUER, Token, token};
use crate::world::{Ask, COOKIE, NOW, Seen, World, get};

const LOG_OUT: &str = "/.countersign/logout";

#[test]
fn who_signs_out_is_signed_out_here_and_at_the_issuer() {
    for method in ["GET", "POST"] {
        for site in [None, Some("same-origin"), Some("same-site"), Some("none")] {
            let world = World::new();
            let mut browser = Browser::new(&world);
            browser.jar.insert(COOKIE.to_owned(), world.session("ann", &[], 0));
            let ask = page(LOG_OUT).method(method);
            let ask = site.into_iter().fold(ask, |ask, site| ask.header("sec-fetch-site", site));
            let seen = browser.send(ask);
            seen.done(303, "signed-out");
            assert!(seen.sent.is_none());
            let location = seen.answer_header("location").unwrap();
            let query = location.strip_prefix(&format!("{ISSUER}/session/end?")).unwrap();
            let parameters: Vec<(String, String)> = parameters(query).into_iter().collect();
            let expected = [
                ("client_id".to_owned(), CLIENT.to_owned()),
                ("post_logout_redirect_uri".to_owned(), "https://www.example.test/".to_owned()),
            ];
            assert_eq!(parameters, expected);
            let deleted =
                ("__Host-countersign-session=", "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
            assert_eq!(seen.set_cookies(), [deleted]);
            assert_eq!(browser.session(), None);
            browser.open("/api/x").refused(303, "identity-required");
        }
    }
}

#[test]
fn another_sites_page_signs_nobody_out() {
    for method in ["GET", "POST"] {
        let seen = World::new().ask(&page(LOG_OUT).method(method).header("sec-fetch-site", "cross-site"));
        seen.refused(403, "cross-site");
        assert!(seen.set_cookies().is_empty());
        // Two that contradict each other are no better.
        let two = page(LOG_OUT).header("sec-fetch-site", "none").header("sec-fetch-site", "cross-site");
        World::new().ask(&two).refused(403, "cross-site");
    }
}

#[test]
fn an_issuer_that_is_down_keeps_nobody_signed_in() {
    let world = World::new();
    *world.metadata.borrow_mut() = Err(FetchFault::Unreachable("connection refused".to_owned()));
    let no_end = World::new();
    let mut metadata = issuer::metadata();
    metadata.as_object_mut().unwrap().remove("end_session_endpoint");
    no_end.metadata.borrow_mut().as_mut().unwrap().body = metadata.to_string().into();
    let no_keys = World::new().without_secret("session-key");
    for (world, location) in [(&world, Some("/")), (&no_end, Some("/")), (&no_keys, None)] {
        let seen = world.ask(&page(LOG_OUT).session("whatever"));
        seen.done(303, "signed-out");
        assert!(location.is_none() || seen.answer_header("location") == location);
        assert!(seen.set_cookies()[0].1.ends_with("Max-Age=0"));
    }
}

#[test]
fn people_come_to_the_page_of_the_settings() {
    let world = World::new().setting(|settings| settings["logins"][0]["signed_out_path"] = json!("/bye?a=1"));
    let seen = world.ask(&page(LOG_OUT));
    let location = seen.answer_header("location").unwrap();
    let query = location.split_once('?').unwrap().1;
    assert_eq!(parameters(query)["post_logout_redirect_uri"], "https://www.example.test/bye?a=1");
    // No link says where they come to.
    let link =
        format!("{LOG_OUT}?post_logout_redirect_uri=https://evil.example.test&return_to=//evil.example.test");
    assert!(!World::new().ask(&page(&link)).answer_header("location").unwrap().contains("evil"));
}

/// A log-out token of the log-in `08a5`.
fn ending() -> Token {
    token(Algorithm::ES256)
        .header("typ", json!("logout+jwt"))
        .claim("aud", json!(CLIENT))
        .claim("jti", json!("l1"))
        .claim("sid", json!("08a5"))
        .claim("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} }))
        .without_claim("groups")
}

/// The issuer's server sends this body; the origin answers with `status`.
fn told(mut world: World, body: impl Into<Vec<u8>>, status: u16) -> Seen {
    world.body = body.into();
    world.origin = Ok(OriginHead { status, header_names: vec![], decisions: vec![], receipts: vec![] });
    world.ask(&tell())
}

fn tell() -> Ask {
    get("/.countersign/backchannel-logout")
        .method("POST")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", "900")
}

fn form(token: &str) -> String {
    Serializer::new(String::new()).append_pair("logout_token", token).finish()
}

#[test]
fn a_log_in_that_is_over_is_told_to_the_origin() {
    let seen = told(World::new(), form(&ending().make()), 204);
    let answer = seen.done(200, "log-in-ended");
    assert_eq!(answer.body, "");
    assert_eq!(seen.answer_header("cache-control"), Some("no-store"));
    assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie" && *name != "location"));
    let sent = seen.sent.as_ref().unwrap();
    assert_eq!(sent.backend, "haproxy");
    let claims = sent.claims();
    assert_eq!(claims["ends"], "08a5");
    for absent in ["sub", "sid", "groups", "known"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
    assert_eq!(claims["aud"], "eu-1");
    assert_eq!(seen.record["origin_status"], 204);
    assert_eq!(seen.record["decision_id"], claims["txn"]);
}

/// The issuer has to try again: nobody else will.
#[test]
fn the_issuer_learns_that_the_origin_did_not_take_it() {
    for status in [200, 202, 404, 403, 503, 301] {
        let seen = told(World::new(), form(&ending().make()), status);
        seen.answered(503, "logout-untold");
        assert!(seen.sent.is_some() && seen.answer_header("retry-after").is_some());
        assert_eq!(seen.record["origin_status"], status);
    }
    let mut world = World::new();
    world.unreachable.insert("haproxy");
    let seen = told(world, form(&ending().make()), 204);
    seen.answered(503, "origin-unreachable");
}

#[test]
fn what_is_no_good_log_out_token_is_told_to_nobody() {
    let refused = |token: Token, reason: &str| {
        told(World::new(), form(&token.make()), 204).refused(400, reason);
    };
    refused(ending().without_claim("events"), "token-events-missing");
    refused(ending().claim("nonce", json!("n")), "token-nonce-present");
    refused(ending().without_claim("sid"), "token-session-missing");
    refused(ending().claim("sid", json!("a b\n")), "token-malformed-claims");
    refused(ending().claim("aud", json!(issuer::AUDIENCE)), "token-wrong-audience");
    refused(ending().claim("iss", json!("https://evil.example.test")), "token-wrong-issuer");
    refused(ending().claim("exp", json!(NOW - 31)), "token-expired");
    refused(ending().without_claim("exp"), "token-expiry-missing");
    refused(ending().without_claim("iat"), "token-issued-missing");
    refused(ending().header("typ", json!("at+jwt")), "token-wrong-type");
    refused(ending().header("alg", json!("none")), "token-algorithm-none");
    refused(ending().header("kid", json!("nope")), "token-unknown-key");
    // An access token and an ID token of the same issuer.
    refused(token(Algorithm::ES256), "token-wrong-type");
    let id_token = token(Algorithm::ES256).header("typ", json!("JWT")).claim("aud", json!(CLIENT));
    refused(id_token.clone().claim("sid", json!("08a5")), "token-events-missing");
    refused(id_token.claim("nonce", json!("n")).claim("sid", json!("08a5")), "token-nonce-present");
    let forged = ending().claim("sid", json!("other")).make();
    let (forged, good) = (forged.rsplit_once('.').unwrap().0, ending().make());
    let (_, signature) = good.rsplit_once('.').unwrap();
    told(World::new(), form(&format!("{forged}.{signature}")), 204).refused(400, "token-signature-invalid");
    let without_keys = World::new();
    *without_keys.key_server.borrow_mut() = Err(FetchFault::Unreachable("connection refused".to_owned()));
    told(without_keys, form(&ending().make()), 204).refused(503, "keys-unavailable");
}

#[test]
fn exactly_one_token_in_a_form_is_read() {
    let good = form(&ending().make());
    for body in [
        String::new(),
        "x".to_owned(),
        ending().make(),
        good.replace("logout_token", "Logout_Token"),
        good.replace("logout_token", "id_token"),
        format!("{good}&{good}"),
        format!("logout_token=&{good}"),
        json!({ "logout_token": ending().make() }).to_string(),
    ] {
        told(World::new(), body, 204).refused(400, "logout-malformed");
    }
    told(World::new(), "logout_token=", 204).refused(400, "token-malformed-parts");
    told(World::new(), vec![0xff; 100], 204).refused(400, "logout-malformed");
    // Other fields may be there, up to 16 KiB in all.
    let filled = |length: usize| format!("{good}&x={}", "x".repeat(length - good.len() - 3));
    told(World::new(), filled(16 * 1024), 204).done(200, "log-in-ended");
    told(World::new(), filled(16 * 1024 + 1), 204).refused(400, "logout-malformed");
    told(World::new(), form(&"x".repeat(8193)), 204).refused(400, "token-too-large");
}

#[test]
fn what_the_issuer_sent_is_not_written_down() {
    let token = ending().make();
    for status in [204, 503] {
        let line = told(World::new(), form(&token), status).record.to_string();
        token.split('.').for_each(|part| assert!(!line.contains(part), "{line}"));
    }
}
