//! A browser in memory, and the visits that it pays to the issuer.

use std::collections::BTreeMap;

use countersign_edge::platform::Fetched;
use form_urlencoded::Serializer;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::issuer::{self, CLIENT, ISSUER, Token};
use crate::world::{Ask, COOKIE, HOST, Seen, World, get};

/// What the names of the cookies of attempts begin with.
pub(crate) const ATTEMPT: &str = "__Host-countersign-login-";
/// What marks that a session was to be renewed a moment ago.
pub(crate) const RENEWED: &str = "__Host-countersign-renewed";

/// Keeps cookies as the answers say.
pub(crate) struct Browser<'w> {
    world: &'w World,
    pub(crate) host: &'static str,
    pub(crate) jar: BTreeMap<String, String>,
}

/// A browser opens a page.
pub(crate) fn page(target: &str) -> Ask {
    get(target).header("sec-fetch-mode", "navigate").header("accept", "text/html,*/*;q=0.8")
}

/// The parameters of a query.
pub(crate) fn parameters(query: &str) -> BTreeMap<String, String> {
    let all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let parameters: BTreeMap<String, String> = all.iter().cloned().collect();
    assert_eq!(all.len(), parameters.len(), "a parameter twice: {query}");
    parameters
}

impl<'w> Browser<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self { world, host: HOST, jar: BTreeMap::new() }
    }

    /// Opens a page, with the cookies that are there, and keeps those that the answer sets.
    pub(crate) fn open(&mut self, target: &str) -> Seen {
        self.send(page(target))
    }

    pub(crate) fn send(&mut self, ask: Ask) -> Seen {
        let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ask = ask.host(self.host);
        let ask = if cookies.is_empty() { ask } else { ask.header("cookie", cookies.join("; ")) };
        let seen = self.world.ask(&ask);
        if seen.sent.is_none() {
            for (cookie, attributes) in seen.set_cookies() {
                let (name, value) = cookie.split_once('=').unwrap();
                if attributes.contains("Max-Age=0") {
                    self.jar.remove(name);
                } else {
                    self.jar.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        seen
    }

    /// Begins to sign in on the way to a page.
    pub(crate) fn visit(&mut self, target: &str) -> Visit {
        Visit::of(&self.open(target))
    }

    /// Comes back with a code, for which the issuer has an ID token of `ann`.
    pub(crate) fn sign_in(&mut self, visit: &Visit) -> Seen {
        self.world.will_issue(&visit.id_token());
        self.open(&visit.back(&[("code", "c0de")]))
    }

    pub(crate) fn session(&self) -> Option<&String> {
        self.jar.get(COOKIE)
    }

    pub(crate) fn attempts(&self) -> usize {
        self.jar.keys().filter(|name| name.starts_with(ATTEMPT)).count()
    }
}

/// What a browser is sent to the issuer with.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Visit {
    #[track_caller]
    pub(crate) fn of(seen: &Seen) -> Self {
        let answer = seen.own();
        assert_eq!(answer.status, 303, "{}", seen.record);
        let location = seen.answer_header("location").unwrap();
        let query = location.strip_prefix(&format!("{ISSUER}/auth?")).expect(location);
        Self { parameters: parameters(query) }
    }

    pub(crate) fn state(&self) -> &str {
        &self.parameters["state"]
    }

    pub(crate) fn attempt_cookie(&self) -> String {
        format!("{ATTEMPT}{}", self.state().split_at(16).0)
    }

    /// The way back, with the issuer's name and these parameters.
    pub(crate) fn back(&self, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("state", self.state()).append_pair("iss", ISSUER).extend_pairs(more);
        format!("/.countersign/callback?{}", query.finish())
    }

    /// The ID token of `ann`, who has signed in on this visit.
    pub(crate) fn id_token(&self) -> Token {
        issuer::token(Algorithm::ES256)
            .header("typ", json!("JWT"))
            .claim("aud", json!(CLIENT))
            .claim("nonce", json!(self.parameters["nonce"]))
            .claim("sid", json!("08a5"))
    }
}

impl World {
    /// What the token endpoint answers from now on.
    pub(crate) fn will_answer(&self, status: u16, body: impl Into<Vec<u8>>) {
        *self.token_endpoint.borrow_mut() = Ok(Fetched { status, body: body.into() });
    }

    /// The ID token that the token endpoint gives for any code.
    pub(crate) fn will_issue(&self, token: &Token) {
        let tokens = json!({ "access_token": "4cc355", "token_type": "Bearer", "id_token": token.make() });
        self.will_answer(200, tokens.to_string());
    }
}

/// What every page of a log-in that didn't work out has in common.
#[track_caller]
fn is_page(seen: &Seen) {
    let answer = seen.own();
    assert_eq!(seen.answer_header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(seen.answer_header("cache-control"), Some("no-store"));
    assert!(seen.answer_header("content-security-policy").unwrap().contains("default-src 'none'"));
    // Its link must not carry the code in its address to the application.
    assert_eq!(seen.answer_header("referrer-policy"), Some("no-referrer"));
    assert!(answer.body.contains(seen.record["decision_id"].as_str().unwrap()));
    assert!(seen.set_cookies().is_empty(), "nobody is signed in or out by it");
}

#[track_caller]
pub(crate) fn fails(seen: &Seen, status: u16, reason: &str) {
    seen.refused(status, reason);
    is_page(seen);
}

/// The claims of the session in a cookie.
pub(crate) fn claims(cookie: &str) -> Value {
    use base64::Engine as _;
    let content = cookie.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(content).unwrap())
        .unwrap()
}
