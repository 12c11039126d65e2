//! The identity provider, the browser and the front that the scenes of log-in stand on, by themselves: a
//! small site takes the edge's place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_tests::browser::Browser;
use countersign_tests::client::{PATIENCE, Request};
use countersign_tests::faulty_provider::{Answering, FaultyProvider, PADDING};
use countersign_tests::http_server::{HttpServer, Received, Reply};
use countersign_tests::identity_provider::{ISSUER, TokenAlgorithm, random};
use countersign_tests::journal::Place;
use countersign_tests::oidc_client::OidcClient;
use countersign_tests::oidc_provider::{OidcPlan, OidcProvider, OlderKeys};
use countersign_tests::page::{NewCookie, Shown};
use countersign_tests::pieces::Subject;
use countersign_tests::ports;
use countersign_tests::reaper::Reaper;
use countersign_tests::tls_front::TlsFront;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Header, Validation};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const HOST: &str = "www.example.test";
const SITE: &str = "https://www.example.test";
const RESOURCE: &str = "https://api.example.test";

/// A folder and its reaper; what is started in it has to be dropped first.
fn folder() -> (TempDir, Arc<Reaper>) {
    let folder = tempfile::tempdir().unwrap();
    let reaper = Reaper::start(folder.path()).unwrap();
    (folder, reaper)
}

fn plan() -> OidcPlan {
    let mut clients = vec![OidcClient::site("site", HOST, TokenAlgorithm::Es256).unwrap()];
    for algorithm in TokenAlgorithm::ALL {
        clients.push(OidcClient::program(algorithm.name(), algorithm, &["machines"]).unwrap());
    }
    OidcPlan {
        clients,
        accounts: [("ann", ["admins", "staff"]), ("ben", ["staff", "night"])]
            .map(|(name, groups)| (name.to_owned(), groups.map(str::to_owned).to_vec()))
            .into(),
        resources: vec![RESOURCE.into()],
        lifetimes: [("IdToken", 300)].into(),
    }
}

/// The claims and the header of a token that the provider's published keys verify.
async fn verified(provider: &OidcProvider, token: &str, audience: &str) -> (Header, Value) {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let keys: JwkSet = serde_json::from_slice(&provider.get("/jwks").await.unwrap().body).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).expect("the key is published");
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[ISSUER]);
    let read = jsonwebtoken::decode(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
    (header, read.claims)
}

#[tokio::test]
async fn discovery_names_the_issuer_whoever_asks() {
    let (folder, reaper) = folder();
    let provider = OidcProvider::start(&plan(), folder.path(), &reaper).await.unwrap();
    let path = "/.well-known/openid-configuration";
    for host in ["idp.example.test", "127.0.0.1:1", "elsewhere.example"] {
        let request = Request::new("GET", host, path).header("X-Forwarded-Host", "elsewhere.example");
        let answer = request.send(provider.address(), PATIENCE).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.summary());
        let found = answer.json();
        assert_eq!(found["issuer"], ISSUER);
        for (endpoint, path) in
            [("authorization", "auth"), ("token", "token"), ("end_session", "session/end")]
        {
            assert_eq!(found[format!("{endpoint}_endpoint")], format!("{ISSUER}/{path}"), "{host}");
        }
        assert_eq!(found["jwks_uri"], format!("{ISSUER}/jwks"));
        assert_eq!(found["backchannel_logout_session_supported"], true);
    }
    let keys = provider.get("/jwks").await.unwrap().json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key.get("d").is_none()), "{keys:?}");
}

#[tokio::test]
async fn a_program_gets_tokens_for_a_resource_in_its_own_name() {
    let (folder, reaper) = folder();
    let provider = OidcProvider::start(&plan(), folder.path(), &reaper).await.unwrap();
    for algorithm in TokenAlgorithm::ALL {
        let client = algorithm.name();
        let token = provider.client_credentials_token(client, RESOURCE).await.unwrap();
        let (header, claims) = verified(&provider, &token, RESOURCE).await;
        assert_eq!(format!("{:?}", header.alg).to_uppercase(), client.to_uppercase());
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(claims["sub"], client);
        assert_eq!(claims["groups"], json!(["machines"]));
    }
    let refused = provider.client_credentials_token("ES256", "https://other.example.test").await;
    assert!(refused.unwrap_err().to_string().contains("invalid_target"));
    assert!(provider.client_credentials_token("nobody", RESOURCE).await.is_err());
}

#[tokio::test]
async fn a_new_key_signs_and_the_older_one_stays_or_goes() {
    let (folder, reaper) = folder();
    let mut provider = OidcProvider::start(&plan(), folder.path(), &reaper).await.unwrap();
    let address = provider.address();
    let first = provider.client_credentials_token("ES256", RESOURCE).await.unwrap();

    let second = provider.rotate(TokenAlgorithm::Es256, OlderKeys::Stay).await.unwrap();
    assert_eq!(provider.address(), address);
    let token = provider.client_credentials_token("ES256", RESOURCE).await.unwrap();
    assert_eq!(verified(&provider, &token, RESOURCE).await.0.kid, Some(second.clone()));
    verified(&provider, &first, RESOURCE).await;

    let third = provider.rotate(TokenAlgorithm::Es256, OlderKeys::Go).await.unwrap();
    assert_ne!(second, third);
    let keys: JwkSet = serde_json::from_slice(&provider.get("/jwks").await.unwrap().body).unwrap();
    assert_eq!(keys.keys.len(), 3);
    assert!(keys.find(&second).is_none() && keys.find(&third).is_some());

    provider.kill();
    assert!(provider.get("/jwks").await.is_err());
    provider.start_again().await.unwrap();
    assert_eq!(provider.get("/jwks").await.unwrap().status, 200);
}

/// A site in place of the edge, behind the front, with a provider and a browser.
struct Stage {
    browser: Browser,
    front: TlsFront,
    received: Arc<Mutex<Vec<Received>>>,
    _site: HttpServer,
    provider: OidcProvider,
    _reaper: Arc<Reaper>,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let (folder, reaper) = folder();
        let provider = OidcProvider::start(&plan(), folder.path(), &reaper).await.unwrap();
        let (received, site) = site("first").await;
        provider.deliver_to(site.address()).unwrap();
        let subject = Subject::from_environment().unwrap();
        let front = TlsFront::start(subject, provider.address(), site.address(), folder.path(), &reaper);
        let front = front.await.unwrap();
        let browser = Browser::start(front.address(), folder.path(), &reaper).await.unwrap();
        Self { browser, front, received, _site: site, provider, _reaper: reaper, _folder: folder }
    }

    /// What the site was sent for a path, newest last.
    fn received(&self, start: &str) -> Vec<Received> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|received| received.line.starts_with(start)).cloned().collect()
    }
}

/// Answers with its name and the request line, remembers everything, and reads nothing.
async fn site(name: &'static str) -> (Arc<Mutex<Vec<Received>>>, HttpServer) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&received);
    let site = HttpServer::start("the site", move |received: Received| {
        let page = format!(
            "<!doctype html><title>{name}</title><p>{}</p><a id=next href=/next>next</a>",
            received.line
        );
        let goes_on = received.line.contains("/goes-on");
        record.lock().unwrap().push(received);
        let mut reply = Reply::html(&page);
        reply
            .headers
            .push(("Set-Cookie".into(), "__Host-site=1; Path=/; Secure; HttpOnly; SameSite=Lax".into()));
        if goes_on {
            reply.body.extend_from_slice(b"<script>location.href = '/arrived'</script>");
        }
        reply
    });
    (received, site.await.unwrap())
}

/// A log-in that a relying party begins: the address, and what it keeps until the code comes.
struct LogIn {
    url: String,
    state: String,
    nonce: String,
    verifier: String,
}

impl LogIn {
    fn begin(more: &str) -> Self {
        let fresh = || URL_SAFE_NO_PAD.encode(random::<32>().unwrap());
        let (state, nonce, verifier) = (fresh(), fresh(), fresh());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let url = format!(
            "{ISSUER}/auth?client_id=site&response_type=code&scope=openid+groups\
             &redirect_uri={SITE}/.countersign/callback&state={state}&nonce={nonce}\
             &code_challenge={challenge}&code_challenge_method=S256{more}"
        );
        Self { url, state, nonce, verifier }
    }

    /// A parameter of the callback, which has to be one of this log-in.
    fn parameter(&self, shown: &Shown, name: &str) -> String {
        let query = shown.url.strip_prefix(&format!("{SITE}/.countersign/callback?"));
        let query = query.unwrap_or_else(|| panic!("no callback: {shown:?}"));
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
        };
        assert_eq!(value("state").as_deref(), Some(self.state.as_str()));
        assert_eq!(value("iss").as_deref(), Some(ISSUER));
        value(name).unwrap_or_else(|| panic!("no `{name}` in {query}"))
    }

    /// The claims of the ID token that the code gives.
    async fn finish(&self, shown: &Shown, provider: &OidcProvider) -> Value {
        let callback = format!("{SITE}/.countersign/callback");
        let code = self.parameter(shown, "code");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", callback.as_str()),
            ("code_verifier", self.verifier.as_str()),
        ];
        let answer = provider.ask_for_token("site", &form).await.unwrap();
        let tokens = answer.json();
        let token = tokens["id_token"].as_str().unwrap_or_else(|| panic!("{}", answer.summary()));
        let (_, claims) = verified(provider, token, "site").await;
        assert_eq!(claims["nonce"], self.nonce);
        claims
    }
}

#[tokio::test]
async fn a_person_logs_in_with_a_form_then_silently_and_out_everywhere() {
    let stage = Stage::set().await;
    let ann = stage.browser.person().await.unwrap();
    let page = ann.page().await.unwrap();

    let silent = LogIn::begin("&prompt=none");
    let shown = page.goto(&silent.url).await.unwrap();
    assert_eq!(silent.parameter(&shown, "error"), "login_required");

    let log_in = LogIn::begin("");
    let shown = page.goto(&log_in.url).await.unwrap();
    assert_eq!((shown.status, shown.title.as_str()), (Some(200), "Log in"));
    let shown = page.log_in_as("<b>eve</b>").await.unwrap();
    assert_eq!(shown.status, Some(403));
    assert!(shown.text.contains("<b>eve</b> has no account"), "{}", shown.text);
    let shown = page.log_in_as("ann").await.unwrap();
    assert_eq!(shown.title, "first");
    let claims = log_in.finish(&shown, &stage.provider).await;
    assert_eq!((&claims["sub"], &claims["groups"]), (&json!("ann"), &json!(["admins", "staff"])));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);

    let silent = LogIn::begin("&prompt=none");
    let again = silent.finish(&page.goto(&silent.url).await.unwrap(), &stage.provider).await;
    assert_eq!(claims["sid"], again["sid"]);

    let ben = stage.browser.person().await.unwrap().page().await.unwrap();
    let hinted = LogIn::begin("&login_hint=ben");
    let shown = ben.goto(&hinted.url).await.unwrap();
    assert!(shown.hops.len() >= 3, "{:?}", shown.hops);
    let bens = hinted.finish(&shown, &stage.provider).await;
    assert_eq!(bens["sub"], "ben");
    assert_ne!(bens["sid"], claims["sid"]);

    let log_out = format!("{ISSUER}/session/end?client_id=site&post_logout_redirect_uri={SITE}/");
    assert_eq!(page.goto(&log_out).await.unwrap().title, "Log out");
    let shown = page.click("button[name=logout]").await.unwrap();
    assert_eq!(shown.url, format!("{SITE}/"));
    let told = stage.received("POST /.countersign/backchannel-logout ");
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(told.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("host") && value == HOST));
    let (_, token) = form_urlencoded::parse(&told.body).find(|(name, _)| name == "logout_token").unwrap();
    let (header, logout) = verified(&stage.provider, &token, "site").await;
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    assert_eq!(logout["sid"], claims["sid"]);
    assert!(logout["events"].get("http://schemas.openid.net/event/backchannel-logout").is_some());
    let happened = stage.provider.happening(Place::START, "backchannel.success").await.unwrap();
    assert_eq!(happened["account"], "ann");

    let silent = LogIn::begin("&prompt=none");
    assert_eq!(silent.parameter(&page.goto(&silent.url).await.unwrap(), "error"), "login_required");
    let silent = LogIn::begin("&prompt=none");
    silent.finish(&ben.goto(&silent.url).await.unwrap(), &stage.provider).await;
}

#[tokio::test]
async fn a_page_does_what_a_person_does() {
    let mut stage = Stage::set().await;
    let page = stage.browser.person().await.unwrap().page().await.unwrap();
    let shown = page.goto(&format!("{SITE}/start?a=1")).await.unwrap();
    assert!(shown.text.contains("GET /start?a=1 HTTP/1.1"), "{}", shown.text);
    assert_eq!(shown.headers["content-type"], "text/html; charset=utf-8");
    assert!(stage.received("GET /start").iter().all(|received| {
        received.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("host") && value == HOST)
    }));

    assert_eq!(page.click("#next").await.unwrap().url, format!("{SITE}/next"));
    assert_eq!(page.back().await.unwrap().url, format!("{SITE}/start?a=1"));
    assert_eq!(page.reload().await.unwrap().status, Some(200));
    page.goto(&format!("{SITE}/goes-on")).await.unwrap();
    assert!(page.wait_for("/arrived").await.unwrap().text.contains("GET /arrived"));
    assert!(page.content().await.unwrap().contains("id=\"next\""));

    let fetched = page.fetch("/data", json!({ "method": "POST", "body": "b" })).await.unwrap();
    assert_eq!((fetched.status, fetched.kind.as_str(), fetched.redirected), (200, "basic", false));
    assert_eq!(stage.received("POST /data ")[0].body, b"b");
    // Of the keys a script of another origin may read, of an authorization not.
    assert_eq!(page.fetch(&format!("{ISSUER}/jwks"), json!({})).await.unwrap().kind, "cors");
    let refused = page.fetch(&LogIn::begin("").url, json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("Failed to fetch"), "{refused}");

    let cookies = page.cookies(SITE).await.unwrap();
    let [cookie] = cookies.as_slice() else { panic!("{cookies:?}") };
    assert_eq!((cookie.name.as_str(), cookie.http_only, cookie.secure), ("__Host-site", true, true));
    assert_eq!(cookie.same_site.as_deref(), Some("Lax"));
    page.set_cookie(&NewCookie { name: "__Host-made", value: "2", url: SITE }).await.unwrap();
    page.goto(&format!("{SITE}/with")).await.unwrap();
    let cookies = |received: &Received| {
        let mut lines = received.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        lines.any(|(_, value)| value.contains("__Host-made=2"))
    };
    assert!(cookies(&stage.received("GET /with ")[0]));
    page.delete_cookie("__Host-made", SITE).await.unwrap();
    page.goto(&format!("{SITE}/without")).await.unwrap();
    assert!(!cookies(&stage.received("GET /without ")[0]));

    // Nothing outside of this machine is reached, by name or by number.
    for elsewhere in ["https://elsewhere.example/", "https://192.0.2.1/"] {
        let refused = page.goto(elsewhere).await.unwrap_err().to_string();
        assert!(refused.contains("ERR_NAME_NOT_RESOLVED"), "{refused}");
    }
    let (_, other) = site("second").await;
    stage.front.lead_to(other.address()).await.unwrap();
    assert_eq!(page.goto(SITE).await.unwrap().title, "second");
    drop(other);
    assert_eq!(page.goto(SITE).await.unwrap().status, Some(503));
    page.close().await.unwrap();
}

#[tokio::test]
async fn nothing_of_a_browser_outlives_it() {
    let (folder, reaper) = folder();
    let path = folder.path().to_owned();
    let front = ports::free().unwrap();
    let browser = Browser::start(front, &path, &reaper).await.unwrap();
    let page = browser.person().await.unwrap().page().await.unwrap();
    let refused = page.goto(SITE).await.unwrap_err().to_string();
    assert!(refused.contains("ERR_CONNECTION_REFUSED"), "{refused}");
    let running = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        let name = path.to_str().unwrap();
        lines.filter(|line| String::from_utf8_lossy(line).contains(name)).count()
    };
    assert!(running() > 3);
    drop((browser, reaper, folder));
    for _ in 0..500 {
        if running() == 0 && !path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} processes are left, the folder {}", running(), if path.exists() { "too" } else { "not" });
}

#[tokio::test]
async fn a_faulty_provider_does_as_it_is_told_and_counts() {
    let real = HttpServer::start("a provider", |received: Received| {
        Reply::json(&json!({ "line": received.line, "body": String::from_utf8_lossy(&received.body) }))
    });
    let real = real.await.unwrap();
    let faulty = FaultyProvider::start(real.address()).await.unwrap();
    let get = async |path: &str| {
        Request::new("GET", "idp.example.test", path).send(faulty.address(), Duration::from_secs(5)).await
    };

    let request = Request::new("POST", "idp.example.test", "/token?x=1").body(b"code=1");
    let answer = request.send(faulty.address(), PATIENCE).await.unwrap();
    assert_eq!(answer.json(), json!({ "line": "POST /token?x=1 HTTP/1.1", "body": "code=1" }));

    faulty.answer_at("/jwks", Answering::Status(500));
    assert_eq!(get("/jwks").await.unwrap().status, 500);
    assert_eq!(get("/other").await.unwrap().status, 200);
    faulty.answer_at("/jwks", Answering::NoKeys);
    assert_eq!(get("/jwks?again").await.unwrap().json(), json!({ "keys": [] }));

    faulty.answer(Answering::Garbage);
    let garbage = get("/jwks").await.unwrap();
    assert_eq!(garbage.status, 200);
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err());
    faulty.answer(Answering::Redirect("https://elsewhere.example/jwks".into()));
    let redirect = get("/jwks").await.unwrap();
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("https://elsewhere.example/jwks")));
    faulty.answer(Answering::Close);
    assert!(get("/jwks").await.is_err());
    faulty.answer(Answering::Late(Duration::from_millis(300)));
    assert!(get("/jwks").await.unwrap().took >= Duration::from_millis(300));

    // Longer than what the harness's own client reads.
    faulty.answer(Answering::TooLong);
    let too_long = get("/jwks").await.unwrap_err().to_string();
    assert!(too_long.contains("shorter answer"), "{too_long}");
    const { assert!(PADDING > 4 << 20) };

    faulty.answer(Answering::Forward);
    faulty.refuse_connections().await;
    assert!(get("/jwks").await.unwrap_err().to_string().contains("refused"));
    faulty.accept_connections().await.unwrap();
    assert_eq!(get("/jwks").await.unwrap().status, 200);
    assert_eq!((faulty.requests("/jwks"), faulty.requests("/token"), faulty.requests("/none")), (8, 1, 0));
}
