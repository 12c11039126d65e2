//! What a request costs at the edge, by kind, beside a program that only forwards.

mod asked;
mod figures;
mod sizes;

use std::path::{Path, PathBuf};

use countersign_contract::name::NotAName;
use countersign_contract::policy::EdgePolicyFault;
use countersign_contract::time::UnixSeconds;
use countersign_edge::sealed::{Kind as Seal, SessionKeys, SessionKeysFault};
use countersign_edge::session::{COOKIE, NewSession, Session};
use countersign_edge::settings::{IssuerName, NotASetting};
use countersign_tests::bot::{Bot, Signed};
use countersign_tests::client::Request;
use countersign_tests::http_server::{HttpServer, Reply};
use countersign_tests::identity_provider::{self, IdentityProvider, TokenAlgorithm, now};
use countersign_tests::pieces;
use countersign_tests::reaper::Reaper;
use countersign_tests::trouble::Trouble;
use countersign_tests::viceroy::Items;
use countersign_tests::world::HOST;
use serde_json::json;

use self::asked::Connection;
use crate::Pace;
use crate::compute::{self, Service};
use crate::edge::{Edge, EdgeError};
use crate::list::{OFFENDER, full_listing};
use crate::report::Report;
use crate::verdict::{VerdictError, policy};

/// What Viceroy logs beside records: where it listens.
const LOG: &str = "error,viceroy_lib::service=info";
/// The key of sessions; whose it is doesn't matter here.
const SESSION_KEY: &str = "bench:bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0";
const SESSION_LIFETIME: u64 = 3600;

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KindsError {
    /// A program or file is missing, or didn't do as it should.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The policy is refused.
    #[error(transparent)]
    Policy(#[from] VerdictError),
    /// The policy can't be written.
    #[error(transparent)]
    EdgePolicy(#[from] EdgePolicyFault),
    /// No key.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The key of sessions is none.
    #[error(transparent)]
    SessionKeys(#[from] SessionKeysFault),
    /// A name in the session is none.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// The issuer's name is none.
    #[error(transparent)]
    Issuer(#[from] NotASetting),
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Each kind has one turn in each.
    rounds: usize,
    /// Requests in a turn.
    batch: u32,
}

/// A request whose cost is looked at.
struct Kind {
    what: &'static str,
    request: Request,
    /// The answer's status, by which it is seen that it took this way.
    status: u16,
}

/// Measures; takes a minute at most.
pub(crate) fn run(pace: Pace) -> Result<Report, KindsError> {
    let effort = match pace {
        Pace::Full => Effort { rounds: 100, batch: 20 },
        Pace::Quick => Effort { rounds: 8, batch: 10 },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Trouble::io("start a runtime"))?;
    runtime.block_on(measure(effort))
}

async fn measure(effort: Effort) -> Result<Report, KindsError> {
    let folder = tempfile::tempdir().map_err(Trouble::io("make a folder"))?;
    let reaper = Reaper::start(folder.path())?;
    let origin = HttpServer::start("the origin", |_| Reply::json(&json!({ "status": "ok" }))).await?;
    let issuer = HttpServer::start("the issuer", |_| Reply::json(&discovery())).await?;
    let idp = IdentityProvider::start().await?;
    let bot = Bot::start(folder.path()).await?;
    let listing = full_listing()?;
    let key = Edge::new(&policy()?)?;
    let mut config: Items = policy()?.for_edge().to_items()?.into_iter().collect();
    config.insert("settings".to_owned(), compute::settings("haproxy", &[HOST], &Bot::settings()));
    let secrets = [
        ("assertion-key", key.private()),
        ("list-key", listing.key()),
        ("session-key", SESSION_KEY),
        ("client-secret", "a secret of the client"),
    ];
    let secrets = secrets.map(|(name, secret)| (name.to_owned(), secret.to_owned())).into();
    let backends = vec![
        ("haproxy", origin.address()),
        (compute::ISSUER_BACKEND, issuer.address()),
        (compute::KEYS_BACKEND, idp.address()),
        ("bot", bot.address()),
    ];
    let service = Service { backends, config, list: listing.items()?, secrets };
    let start =
        async |program: &Path, service: &Service| service.start(program, folder.path(), LOG, &reaper).await;
    let [program, empty, crypto] = programs()?;
    let edge = start(&program, &service).await?;
    // It has no settings.
    let bare = Service { backends: service.backends.clone(), ..Service::default() };
    let (empty_edge, crypto_edge) = (start(&empty, &bare).await?, start(&crypto, &bare).await?);

    let kinds = kinds(&idp, &bot.sign(HOST).await?)?;
    let mut connections = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        let runtime = if index == 0 { &empty_edge } else { &edge };
        connections.push(Connection::open(runtime, kind).await?);
    }
    let any = Kind { what: "the program that signs", request: page("/"), status: 200 };
    let mut primitives = Connection::open(&crypto_edge, &any).await?;
    let turns = asked::take_turns(effort, &mut connections, &mut primitives).await?;

    let mut lines = figures::lines(&kinds, SESSION, &turns);
    lines.push(figures::beside_session(&kinds, SESSION, BOT, &turns));
    lines.extend([sizes::line(&program)?, sizes::line(&empty)?]);
    let Effort { rounds, batch } = effort;
    Ok(Report {
        title: "edge: what a request costs at the edge, by kind".to_owned(),
        notes: vec![
            "the edge program under Viceroy, and (a), a program that only sends each request on and its answer \
             back, given the request with a session cookie; the origin answers a constant"
                .to_owned(),
            "processor: what Viceroy's threads used for a request, from its first byte to the answer's last, so \
             its HTTP is in it and a fresh sandbox; the ratio is of that"
                .to_owned(),
            format!(
                "{rounds} rounds in turn, {batch} requests a turn over one connection; medians, ratios are \
                 medians of the rounds' ratios"
            ),
            "300000 clients are listed; the issuer's keys and documents are in the cache".to_owned(),
            "50 ms of processor time is what Fastly grants a request; the share of it is an estimate, as the \
             platform compiles and runs wasm otherwise than Viceroy on this machine"
                .to_owned(),
        ],
        lines,
    })
}

/// The place of the session's kind among all.
const SESSION: usize = 2;
/// That of the bot's.
const BOT: usize = 3;

/// All kinds; the empty program's first, the session's at [`SESSION`], the bot's at [`BOT`].
fn kinds(idp: &IdentityProvider, signed: &Signed) -> Result<Vec<Kind>, KindsError> {
    let private = "/api/things";
    let kind = |what, request, status| Kind { what, request, status };
    let bearer = |algorithm: TokenAlgorithm| {
        let token = idp.token(algorithm, "ann", &["engineering"])?;
        Ok::<_, KindsError>(page(private).header("Authorization", &format!("Bearer {token}")))
    };
    let with_session = page(private).header("Cookie", &format!("{COOKIE}={}", session()?));
    Ok(vec![
        kind("(a) the empty program", with_session.clone(), 200),
        kind("public route", page("/static/logo.svg"), 200),
        kind("session cookie", with_session, 200),
        kind("bot's signature, Ed25519", signed.on_request(page(private)), 200),
        kind("bearer token, EdDSA", bearer(TokenAlgorithm::EdDsa)?, 200),
        kind("bearer token, ES256", bearer(TokenAlgorithm::Es256)?, 200),
        kind("bearer token, RS256", bearer(TokenAlgorithm::Rs256)?, 200),
        kind("refused: nobody", page(private), 401),
        kind("refused: listed", page("/static/logo.svg").from(OFFENDER), 403),
        kind("log-in started", page(private).header("Sec-Fetch-Mode", "navigate"), 303),
    ])
}

fn page(path: &str) -> Request {
    Request::new("GET", HOST, path)
}

/// A session as a log-in gives it, not to be renewed while it is used here.
fn session() -> Result<String, KindsError> {
    let session = Session::new(NewSession {
        host: HOST,
        issuer: IssuerName::try_from(compute::ISSUER.to_owned())?,
        subject: "ann".parse()?,
        session: Some("08a5".parse()?),
        groups: vec!["engineering".parse()?],
        now: UnixSeconds(now()),
        renew_after: SESSION_LIFETIME,
        lifetime: SESSION_LIFETIME,
    });
    Ok(SessionKeys::parse(SESSION_KEY, None)?.seal(Seal::Session, &session))
}

/// The issuer's discovery document.
fn discovery() -> serde_json::Value {
    let at = |path: &str| format!("{}{path}", identity_provider::ISSUER);
    json!({
        "issuer": identity_provider::ISSUER,
        "jwks_uri": at("/jwks"),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
    })
}

/// The edge program, the empty one, and that of signatures.
fn programs() -> Result<[PathBuf; 3], Trouble> {
    let edge = pieces::edge()?;
    let beside = |name: &str| {
        let path = edge.with_file_name(name);
        let missing =
            || Trouble::Missing { what: "a program of the bench", looked_at: path.display().to_string() };
        path.exists().then(|| path.clone()).ok_or_else(missing)
    };
    let (empty, crypto) = (beside("countersign-bench-empty.wasm")?, beside("countersign-bench-crypto.wasm")?);
    Ok([edge, empty, crypto])
}
