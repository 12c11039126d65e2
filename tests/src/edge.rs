//! The edge: its program in Viceroy, an identity provider, a bot, and the wire to HAProxy, tapped.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::ask::{Ask, Observed, decision_id};
use crate::bot::Bot;
use crate::client::{Answer, PATIENCE};
use crate::command_line;
use crate::forge::Sender;
use crate::identity_provider::{self, IdentityProvider, TokenAlgorithm};
use crate::journal::Place;
use crate::node::{Node, Places};
use crate::pieces;
use crate::ports;
use crate::reaper::Reaper;
use crate::receipts;
use crate::records::{self, Joined};
use crate::tap::Tap;
use crate::trouble::Trouble;
use crate::viceroy::{EdgeStores, GRPC, Items, Viceroy, WEBSOCKETS};
use crate::world::{AUDIENCE, ENVIRONMENT, HOST, SERVICE};

/// The list that an edge begins with.
#[derive(Debug)]
pub struct EdgeList<'a> {
    /// The items of its store.
    pub items: Items,
    /// The secret `list-key`.
    pub keys: &'a str,
}

/// Whom an edge believes when it says who somebody is.
#[derive(Debug)]
pub enum Trusted {
    /// A stand-in of an identity provider, which only publishes keys.
    StandIn,
    /// Somebody else.
    Provider(Provider),
}

/// An identity provider, and how people sign in by it.
#[derive(Debug)]
pub struct Provider {
    /// Where it is reached.
    pub address: SocketAddr,
    /// `issuers` of the settings.
    pub issuers: Value,
    /// `logins` of the settings.
    pub logins: Value,
    /// Secrets beside those of every edge.
    pub secrets: Items,
    /// Keys that the edge holds beside those in use, to be used next.
    pub next: Option<NextKeys>,
}

/// Keys that the edge holds to be used next.
#[derive(Debug)]
pub struct NextKeys {
    /// A private JWK for assertions.
    pub assertion: String,
    /// A key of receipts, `ID:KEY`.
    pub receipt: String,
}

/// A running edge. Dropping it ends it.
#[derive(Debug)]
pub struct Edge {
    viceroy: Viceroy,
    idp: IdentityProvider,
    bot: Bot,
    tap: Tap,
    stores: EdgeStores,
}

impl Edge {
    /// Starts it before `haproxy`, with all its files in `folder`; `keys` has the edge's.
    ///
    /// # Errors
    /// Whatever part did not come up, with what it printed.
    pub async fn start(
        haproxy: SocketAddr,
        list: EdgeList<'_>,
        trusted: Trusted,
        keys: &Path,
        folder: &Path,
        reaper: &Arc<Reaper>,
    ) -> Result<Self, Trouble> {
        let idp = IdentityProvider::start().await?;
        let bot = Bot::start(folder).await?;
        let tap = Tap::start(haproxy).await?;
        let mut config = command_line::compiled_policy(&pieces::policy("www.toml")?).await?;
        let mut provider = match trusted {
            Trusted::StandIn => Provider {
                address: idp.address(),
                issuers: stand_in(),
                logins: json!([]),
                secrets: Items::new(),
                next: None,
            },
            Trusted::Provider(provider) => provider,
        };
        config.insert("settings".into(), settings(&provider).to_string());
        let private_key = std::fs::read_to_string(keys.join("assertion.private.jwk.json"))
            .map_err(Trouble::io("read the edge's private key"))?;
        let receipt_keys = receipts::read_keys(keys)?;
        let (assertion_keys, receipt_keys) = match &provider.next {
            None => (private_key, receipt_keys),
            Some(NextKeys { assertion, receipt }) => {
                (format!(r#"{{"keys":[{private_key},{assertion}]}}"#), format!("{receipt_keys} {receipt}"))
            }
        };
        let mut secrets = Items::from([
            ("assertion-key".to_owned(), assertion_keys),
            ("list-key".to_owned(), list.keys.to_owned()),
            ("receipt-key".to_owned(), receipt_keys),
        ]);
        secrets.append(&mut provider.secrets);
        let stores = EdgeStores {
            haproxy: tap.address(),
            elsewhere: ports::free()?,
            idp: provider.address,
            bot: bot.address(),
            config,
            list: list.items,
            secrets,
        };
        let viceroy = Viceroy::start(&stores, folder, reaper).await?;
        Ok(Self { viceroy, idp, bot, tap, stores })
    }

    /// Sends to it, and gathers what it wrote about it, and what the node behind it did.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`].
    pub async fn send(&self, ask: &Ask, node: &Node) -> Result<Observed, Trouble> {
        let (place, places) = (self.place(), node.places());
        let answer = ask.request.send(self.viceroy.address(), PATIENCE).await?;
        Ok(self.observed(ask, answer, place, node, places).await)
    }

    /// The end of its journal: the record of a request is written after it.
    #[must_use]
    pub fn place(&self) -> Place {
        self.viceroy.journals().out.end()
    }

    /// Gathers what it wrote after `since` about a request that was answered, and what the node behind it did.
    pub async fn observed(
        &self,
        ask: &Ask,
        answer: Answer,
        since: Place,
        node: &Node,
        places: Places,
    ) -> Observed {
        let decision_id = decision_id(&answer);
        let mut marks = vec![ask.marker.as_str()];
        marks.extend(decision_id.as_deref());
        let record = records::find(&self.viceroy.journals().out, since, &marks, records::PATIENCE).await;
        let mut records = Joined::default();
        if self.tap.heard(&ask.marker).is_some() {
            records = node.records(ask, &answer, places).await;
        }
        records.edge = record;
        Observed::new(answer, records)
    }

    /// A session token of the identity provider, as a log-in gives it.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] when it cannot be signed.
    pub fn token(&self, sender: Sender) -> Result<String, Trouble> {
        self.idp.token(TokenAlgorithm::Es256, sender.subject, sender.groups)
    }

    /// The identity provider.
    #[must_use]
    pub fn idp(&self) -> &IdentityProvider {
        &self.idp
    }

    /// The bot that it knows.
    #[must_use]
    pub fn bot(&self) -> &Bot {
        &self.bot
    }

    /// The wire between edge and HAProxy.
    #[must_use]
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The runtime, to break a store or to replace it.
    #[must_use]
    pub fn viceroy(&self) -> &Viceroy {
        &self.viceroy
    }

    /// What its stores were filled with at the start.
    #[must_use]
    pub fn stores(&self) -> &EdgeStores {
        &self.stores
    }
}

/// The edge's item `settings`.
fn settings(provider: &Provider) -> Value {
    json!({
        "version": 1,
        "service": SERVICE,
        "environment": ENVIRONMENT,
        "origins": [{
            "backend": "haproxy", "audience": AUDIENCE, "websockets": { HOST: WEBSOCKETS }, "grpc_backend": GRPC,
        }],
        "assertion_lifetime_seconds": 30,
        "clock_skew_seconds": 30,
        "issuers": provider.issuers,
        "logins": provider.logins,
        "bots": Bot::settings(),
    })
}

/// The stand-in as an issuer: it has no discovery document.
fn stand_in() -> Value {
    json!([{
        "name": "stand-in",
        "issuer": identity_provider::ISSUER,
        "audience": identity_provider::AUDIENCE,
        "backend": "idp",
        "jwks_uri": "http://idp.example.test/jwks",
        "algorithms": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
    }])
}
