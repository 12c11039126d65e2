//! Several issuers side by side: none can speak for another.

use countersign_edge::platform::Fetched;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::issuer::{self, AUDIENCE, ISSUER, Token, ed25519_jwk, key_set, p256_jwk, token};
use crate::world::{World, get};

const PARTNERS: &str = "https://partners.example.test";

/// The second issuer, whose people are `partners:…` and who may speak of two groups.
fn partners() -> Value {
    json!({
        "name": "partners", "issuer": PARTNERS, "audience": AUDIENCE, "backend": "partners-idp",
        "jwks_uri": format!("{PARTNERS}/keys"), "algorithms": ["ES256", "EdDSA"],
        "subject_prefix": "partners", "groups": ["engineering", "visitors"],
    })
}

/// Beside `staff`, who may speak of all groups but the visitors. The second one's key `ed-1` is another key
/// under the same name.
fn world() -> World {
    let names = ["admins", "engineering", "suspended", "visitors"];
    let mut world = World::with_policy(&crate::world::routes(), &names).setting(|settings| {
        settings["issuers"][0]["groups"] = json!(["admins", "engineering", "suspended"]);
        settings["issuers"].as_array_mut().unwrap().push(partners());
    });
    let mut other = ed25519_jwk();
    // RFC 8032 section 7.1, test 2.
    other["x"] = json!("PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw");
    world.elsewhere.insert(("partners-idp", format!("{PARTNERS}/keys")), key_set(&[p256_jwk(), other]));
    *world.key_server.borrow_mut() = Ok(Fetched { status: 200, body: key_set(&[ed25519_jwk()]) });
    world
}

fn of_partners(signer: Algorithm) -> Token {
    token(signer).claim("iss", json!(PARTNERS))
}

fn subject_of(token: &Token) -> Value {
    world().ask(&get("/api/x").bearer(&token.make())).passed("forwarded").claims()["sub"].clone()
}

#[track_caller]
fn refused(token: &Token, reason: &str) {
    world().ask(&get("/api/x").bearer(&token.make())).refused(401, reason);
}

#[test]
fn each_issuers_people_have_names_of_their_own() {
    assert_eq!(subject_of(&token(Algorithm::EdDSA)), "ann");
    assert_eq!(subject_of(&of_partners(Algorithm::ES256)), "partners:ann");
    // The log-ins, too.
    let with_log_in = of_partners(Algorithm::ES256).claim("sid", json!("7"));
    let seen = world().ask(&get("/api/x").bearer(&with_log_in.make()));
    assert_eq!(seen.passed("forwarded").claims()["sid"], "partners:7");
}

#[test]
fn a_subject_that_begins_as_anothers_is_refused() {
    refused(&token(Algorithm::EdDSA).claim("sub", json!("partners:ann")), "token-subject-refused");
    refused(&token(Algorithm::EdDSA).claim("sub", json!("partners:")), "token-subject-refused");
    for sub in ["partners", "partnersx:ann", "Partners:ann", "x:partners:ann"] {
        assert_eq!(subject_of(&token(Algorithm::EdDSA).claim("sub", json!(sub))), sub);
    }
    // What stands before it is put there whatever is in it.
    let twice = of_partners(Algorithm::ES256).claim("sub", json!("partners:ann"));
    assert_eq!(subject_of(&twice), "partners:partners:ann");
    // A log-in that begins so is none: no log-out of the other would end it.
    let foreign = token(Algorithm::EdDSA).claim("sid", json!("partners:7"));
    let seen = world().ask(&get("/api/x").bearer(&foreign.make()));
    assert!(seen.passed("forwarded").claims().get("sid").is_none());
}

#[test]
fn an_issuer_speaks_only_of_its_own_groups() {
    let all = json!(["admins", "engineering", "suspended", "visitors", "book-club"]);
    for (token, groups) in [
        (token(Algorithm::EdDSA), json!(["admins", "engineering", "suspended"])),
        (of_partners(Algorithm::ES256), json!(["engineering", "visitors"])),
    ] {
        let seen = world().ask(&get("/api/x").bearer(&token.claim("groups", all.clone()).make()));
        assert_eq!(seen.passed("forwarded").claims()["groups"], groups);
    }
}

#[test]
fn a_key_counts_for_its_own_issuer_alone() {
    // The same name, and even the same algorithm.
    refused(&of_partners(Algorithm::EdDSA), "token-signature-invalid");
    refused(&token(Algorithm::ES256), "token-unknown-key");
    refused(&of_partners(Algorithm::EdDSA).without_header("kid"), "token-signature-invalid");
    // Neither does an algorithm.
    refused(&of_partners(Algorithm::RS256), "token-algorithm-refused");
    refused(&token(Algorithm::EdDSA).claim("iss", json!("https://third.example.test")), "token-wrong-issuer");
    refused(&token(Algorithm::EdDSA).claim("iss", json!([ISSUER, PARTNERS])), "token-malformed-claims");
}

#[test]
fn an_outage_of_one_is_none_of_the_other() {
    let world = world();
    *world.key_server.borrow_mut() = Ok(Fetched { status: 500, body: vec![] });
    let ours = get("/api/x").bearer(&token(Algorithm::EdDSA).make());
    world.ask(&ours).refused(503, "keys-unavailable");
    world.ask(&get("/api/x").bearer(&of_partners(Algorithm::ES256).make())).passed("forwarded");
    // Nor has the one's answer got into the other's place.
    *world.key_server.borrow_mut() = Ok(Fetched { status: 200, body: issuer::published() });
    world.now.set(crate::world::NOW + 11);
    world.ask(&ours).passed("forwarded");
}

#[test]
fn keys_may_be_had_from_another_backend() {
    let mut world = world();
    world.elsewhere.clear();
    world = world.setting(|settings| {
        let mut partners = partners();
        partners["jwks_backend"] = json!("key-server");
        settings["issuers"][0]["groups"] = json!([]);
        settings["issuers"].as_array_mut().unwrap().push(partners);
    });
    world.elsewhere.insert(("key-server", format!("{PARTNERS}/keys")), key_set(&[p256_jwk()]));
    world.ask(&get("/api/x").bearer(&of_partners(Algorithm::ES256).make())).passed("forwarded");
}

/// The one that a host signs in with is the only one whose ID tokens it takes.
#[test]
fn a_log_in_takes_no_id_token_of_the_other_issuer() {
    let world = world();
    let mut browser = crate::browser::Browser::new(&world);
    let visit = browser.visit("/api/x");
    world.will_issue(&visit.id_token().claim("iss", json!(PARTNERS)));
    let seen = browser.open(&visit.back(&[("code", "c")]));
    crate::browser::fails(&seen, 403, "token-wrong-issuer");
}

#[test]
fn tokens_of_an_issuer_count_on_its_own_hosts_alone() {
    let world =
        World::new().setting(|settings| settings["issuers"][0]["hosts"] = json!(["admin.example.test"]));
    let ask = get("/api/x").bearer(&token(Algorithm::EdDSA).make());
    world.ask(&ask).refused(401, "token-wrong-host");
    let world =
        World::new().setting(|settings| settings["issuers"][0]["hosts"] = json!([crate::world::HOST]));
    world.ask(&ask).passed("forwarded");
}
