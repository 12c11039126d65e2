//! What the list costs at the edge: its share of the program's own time for a request.

use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::policy::EdgePolicyFault;
use countersign_tests::client::{PATIENCE, Request};
use countersign_tests::identity_provider::{self, IdentityProvider, TokenAlgorithm, claims, now};
use countersign_tests::listing::Listing;
use countersign_tests::pieces;
use countersign_tests::reaper::Reaper;
use countersign_tests::records::{self, Record};
use countersign_tests::trouble::Trouble;
use countersign_tests::viceroy::{Items, Viceroy};
use countersign_tests::world::HOST;

use crate::Pace;
use crate::compute::{self, Service};
use crate::edge::{Edge, EdgeError};
use crate::interleaved::median;
use crate::report::{Line, Report, Target};
use crate::verdict::{VerdictError, policy};

/// Listed clients, in a config store's 500 items less its head.
const CLIENTS: u32 = 300_000;
const BUCKETS: NonZeroU32 = NonZeroU32::MIN.saturating_add(498);
/// What the list may take of a request's time at the edge.
const MOST: f64 = 0.05;
/// What Viceroy logs: not that there is no backend, which the program would wait for.
pub(crate) const LOG: &str = "info,viceroy_lib::wiggle_abi=off";
/// Requests before the first that counts: keys are fetched, pages are touched.
const WARMING: usize = 5;
/// The address of the load's own client that is listed.
pub(crate) const OFFENDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Why the bench can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
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
}

/// A request whose cost is looked at.
struct Case {
    what: &'static str,
    path: &'static str,
    token: Option<String>,
    from: Ipv4Addr,
    /// The record's reason: that of a request which got to its end, or was refused for the list.
    reason: &'static str,
    /// What the list may take of it, where anything was promised.
    most: Option<Target>,
}

/// What one request took, in microseconds.
#[derive(Clone, Copy)]
struct Taken {
    whole: f64,
    list: f64,
}

/// Measures; takes a minute at most.
pub(crate) fn run(pace: Pace) -> Result<Report, ListError> {
    let rounds = match pace {
        Pace::Full => 1500,
        Pace::Quick => 50,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Trouble::io("start a runtime"))?;
    runtime.block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Result<Report, ListError> {
    let folder = tempfile::tempdir().map_err(Trouble::io("make a folder"))?;
    let reaper = Reaper::start(folder.path())?;
    let idp = IdentityProvider::start().await?;
    let listing = full_listing()?;
    let list = listing.items()?;
    let fullest = list.values().map(|value| value.len() / 12).max().unwrap_or_default();
    let edge = Edge::new(&policy()?)?;
    let mut config: Items = policy()?.for_edge().to_items()?.into_iter().collect();
    // The backend is none that the runtime knows.
    config.insert("settings".to_owned(), compute::settings("none", &[], &json!([])));
    let secrets = Items::from([
        ("assertion-key".to_owned(), edge.private().to_owned()),
        ("list-key".to_owned(), listing.key().to_owned()),
    ]);
    let backends = vec![(compute::ISSUER_BACKEND, idp.address()), (compute::KEYS_BACKEND, idp.address())];
    let service = Service { backends, config, list, secrets };
    let runtime = service.start(&pieces::edge()?, folder.path(), LOG, &reaper).await?;

    let mut claims = claims("ann", &["engineering"], now(), now() + identity_provider::TOKEN_LIFETIME);
    if let Some(claims) = claims.as_object_mut() {
        claims.insert("sid".to_owned(), "08a5".into());
    }
    let token = idp.token_of(TokenAlgorithm::EdDsa, &claims)?;
    let public = "/static/logo.svg";
    let first = Case::passing("anonymous on a public route: 1 key", public, None);
    let second = Case::passing("signed in (EdDSA) on a private route: 3 keys", "/api/things", Some(token));
    let refused = Case::passing("refused for its address: 1 key", public, None);
    let refused = Case { from: OFFENDER, reason: "listed-block", most: None, ..refused };
    let cases = [first, second, refused];
    let mut taken = [const { Vec::new() }; 3];
    for round in 0..WARMING + rounds {
        for (case, taken) in cases.iter().zip(&mut taken) {
            let one = case.ask(&runtime).await?;
            if round >= WARMING {
                taken.push(one);
            }
        }
    }
    let lines = cases.iter().zip(&taken).map(|(case, taken)| case.line(taken)).collect();
    Ok(Report {
        title: "list: what a look-up takes of a request's time at the edge".to_owned(),
        notes: vec![
            format!("{CLIENTS} clients in {BUCKETS} buckets, {fullest} of 666 records in the fullest"),
            "`list_micros` and `micros` of the edge's records under Viceroy: the program's own time for the \
             look-ups, and from its first instruction to its record, calls to the host among both"
                .to_owned(),
            "the backend is none, so that no origin's time is in it; stores are held in memory, as Viceroy \
             would read a file again at each request"
                .to_owned(),
            "not in it: how long Fastly's platform takes to find an item, and to start the program"
                .to_owned(),
        ],
        lines,
    })
}

/// A list of [`CLIENTS`] and of [`OFFENDER`].
pub(crate) fn full_listing() -> Result<Listing, Trouble> {
    let mut listing = Listing::with_buckets(BUCKETS)?;
    for number in 0..CLIENTS {
        // From 10.0.0.0 on.
        listing.add(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), Action::Block);
    }
    listing.add_client(ClientKey::of_address(IpAddr::V4(OFFENDER)), Action::Block);
    Ok(listing)
}

impl Case {
    /// A request that gets as far as the backend, which doesn't exist.
    fn passing(what: &'static str, path: &'static str, token: Option<String>) -> Self {
        Self {
            what,
            path,
            token,
            from: Ipv4Addr::LOCALHOST,
            reason: "origin-unreachable",
            most: Some(Target::AtMost(MOST)),
        }
    }

    /// Sends it, and gives the times of its record.
    async fn ask(&self, edge: &Viceroy) -> Result<Taken, Trouble> {
        let mut request = Request::new("GET", HOST, self.path).from(self.from);
        if let Some(token) = &self.token {
            request = request.header("Authorization", &format!("Bearer {token}"));
        }
        let journal = &edge.journals().out;
        let since = journal.end();
        let answer = request.send(edge.address(), PATIENCE).await?;
        let record = records::find(journal, since, &[self.path], records::PATIENCE).await;
        let is_right = |record: &Record| {
            record.text("reason").as_deref() == Some(self.reason) && record.text("list_fault").is_none()
        };
        let taken = record.filter(is_right).and_then(|record| {
            let micros = |field| record.value().get(field)?.as_f64();
            Some(Taken { whole: micros("micros")?, list: micros("list_micros")? })
        });
        taken.ok_or_else(|| Trouble::unexpected(format!("a record of {}", self.reason), answer.summary()))
    }

    fn line(&self, taken: &[Taken]) -> Line {
        let middle = |of: fn(&Taken) -> f64| median(taken.iter().map(of).collect());
        let (list, whole) = (middle(|it| it.list), middle(|it| it.whole));
        Line::new(self.what, format!("list {list:.0} us of {whole:.0} us")).beside(
            "the request's time",
            middle(|it| it.list / it.whole),
            self.most,
        )
    }
}
