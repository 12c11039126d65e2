//! The published vectors of Cloudflare's `web-bot-auth`. They live a hundred years, so the day's limit is lifted.

use countersign_edge::bots::BotFault;
use countersign_edge::bots::directory::Directory;
use countersign_edge::bots::signature_agent::SignatureAgent;
use countersign_edge::bots::signature_input::SignatureInputs;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::request::{Bots, Request, Time, read};

const AGENT: &str = "https://signature-agent.test";

#[derive(Deserialize)]
struct Vector {
    key: Value,
    target_url: String,
    created_ms: u64,
    expires_ms: u64,
    signature: String,
    signature_input: String,
    signature_agent: Option<String>,
}

impl Vector {
    fn request(&self) -> Request {
        let mut headers = vec![
            ("signature".to_owned(), self.signature.clone()),
            ("signature-input".to_owned(), self.signature_input.clone()),
        ];
        headers.extend(self.signature_agent.clone().map(|agent| ("signature-agent".to_owned(), agent)));
        Request::new("GET", &self.target_url, &headers)
    }

    fn bots(&self) -> Bots {
        Bots::new(&[("theirs", AGENT, json!({ "keys": [self.key] }))])
    }
}

fn is_ed25519(vector: &&Vector) -> bool {
    vector.key["kty"] == "OKP"
}

#[test]
fn their_signatures_are_taken_while_they_live() {
    let vectors: Vec<Vector> = read("cloudflare.json");
    assert_eq!(vectors.iter().filter(is_ed25519).count(), 2);
    for vector in vectors.iter().filter(is_ed25519) {
        let (created, expires) = (vector.created_ms / 1000, vector.expires_ms / 1000);
        let (bots, request) = (vector.bots(), vector.request());
        let at = |now| bots.verify(&request, Time { now, skew: 0, longest: expires - created });
        for now in [created, expires - 1] {
            let bot = at(now).unwrap().unwrap();
            assert_eq!(bot.key(), "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U");
        }
        assert!(matches!(at(created - 1), Err(BotFault::FromTheFuture(1))));
        assert!(matches!(at(expires), Err(BotFault::Expired(0))));
        // As the edge has it they live too long.
        assert!(matches!(bots.verify(&request, Time::at(created, 0)), Err(BotFault::LivesTooLong { .. })));
        // And they are for their host.
        let elsewhere = Request { host: "example.org".to_owned(), ..request.clone() };
        let elsewhere = bots.verify(&elsewhere, Time { now: created, skew: 0, longest: expires - created });
        assert_eq!(elsewhere.unwrap_err(), BotFault::SignatureInvalid);
    }
}

#[test]
fn signatures_of_rsa_are_refused() {
    let vectors: Vec<Vector> = read("cloudflare.json");
    let mut others = vectors.iter().filter(|vector| !is_ed25519(vector)).peekable();
    assert!(others.peek().is_some());
    for vector in others {
        assert!(Directory::parse(json!({ "keys": [vector.key] }).to_string().as_bytes()).is_err());
        let bots = Bots::new(&[("theirs", AGENT, json!({ "keys": [vectors[1].key] }))]);
        let fault = bots.verify(&vector.request(), Time::at(vector.created_ms / 1000, 0)).unwrap_err();
        assert_eq!(fault, BotFault::AlgorithmRefused("rsa-pss-sha512".to_owned()));
    }
}

#[derive(Deserialize)]
struct DirectoryVector {
    public_key: Value,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    body: String,
}

#[test]
fn their_directory_is_read_and_its_keys_are_named_by_their_thumbprints() {
    let vectors: Vec<DirectoryVector> = read("cloudflare_directory.json");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let directory = Directory::parse(vector.response.body.as_bytes()).unwrap();
        let id = vector.public_key["kid"].as_str().unwrap();
        assert_eq!(directory.find(id).unwrap().thumbprint(), id);
    }
}

#[derive(Deserialize)]
struct AgentVector {
    header: String,
    entries: Vec<AgentEntry>,
}

#[derive(Deserialize)]
struct AgentEntry {
    label: String,
    uri: String,
}

#[test]
fn each_of_their_names_is_read() {
    let vectors: Vec<AgentVector> = read("cloudflare_agents.json");
    assert_eq!(vectors.len(), 3);
    for AgentVector { header, entries } in vectors {
        let agent = SignatureAgent::parse(&[header.into_bytes()]).unwrap().unwrap();
        for AgentEntry { label, uri } in entries {
            let input = format!(r#"x=("signature-agent";key="{label}")"#).into_bytes();
            let signature = SignatureInputs::parse(&[input]).unwrap().read("x").unwrap();
            assert_eq!(agent.signed_by(&signature).unwrap(), uri);
        }
    }
}
