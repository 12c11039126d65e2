//! Bearer tokens at the edge: which ones are somebody, and which are nobody.

use serde_json::json;

use crate::forge::{ENGINEER, HEADER, NOBODY};
use crate::identity_provider::{TokenAlgorithm, claims, now};
use crate::node::Agents;
use crate::scene::Manners::{Alone, OwnWorld, Shares};
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;
use crate::world::World;

/// A token that is nobody's, and the edge's reason.
struct BadToken {
    name: &'static str,
    reason: &'static str,
    make: fn(&World) -> Result<String, Trouble>,
}

const BAD_TOKENS: [BadToken; 9] = [
    BadToken {
        name: "a token that has expired",
        reason: "token-expired",
        make: |world| signed(world, &claims("ann", &["engineering"], now() - 7200, now() - 3600)),
    },
    BadToken {
        name: "a token of another issuer",
        reason: "token-wrong-issuer",
        make: |world| {
            let mut claims = claims("ann", &["engineering"], now(), now() + 600);
            if let Some(issuer) = claims.get_mut("iss") {
                *issuer = json!("https://idp.evil.test");
            }
            signed(world, &claims)
        },
    },
    BadToken {
        name: "a token for another audience",
        reason: "token-wrong-audience",
        make: |world| {
            let mut claims = claims("ann", &["engineering"], now(), now() + 600);
            if let Some(audience) = claims.get_mut("aud") {
                *audience = json!("another-app");
            }
            signed(world, &claims)
        },
    },
    BadToken {
        // Viceroy has no TLS, so nobody has a certificate.
        name: "a token that is bound to a certificate",
        reason: "token-certificate",
        make: |world| bound(world, "x5t#S256"),
    },
    BadToken {
        name: "a token that is bound to a key by DPoP",
        reason: "token-confirmation",
        make: |world| bound(world, "jkt"),
    },
    BadToken {
        name: "a token signed by somebody else",
        reason: "token-signature-invalid",
        make: |world| world.idp()?.forged_token("ann", &["admins"]),
    },
    BadToken {
        name: "a token that is not signed",
        reason: "token-algorithm-none",
        make: |world| {
            let token = world.token(ENGINEER)?;
            let claims = token.split('.').nth(1).unwrap_or_default();
            // {"alg":"none","typ":"JWT"}
            Ok(format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."))
        },
    },
    BadToken {
        name: "a token that is none",
        reason: "token-malformed-parts",
        make: |_| Ok("let-me-in".into()),
    },
    BadToken {
        name: "an assertion in place of a token",
        reason: "token-wrong-type",
        make: |world| world.forge().good(&world.ask("GET", "/api/things").request, ENGINEER),
    },
];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes: Vec<Scene> = TokenAlgorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let name = format!("a token signed with {}", algorithm.name());
            Scene::new(name, Whole, Shares, move |world| Box::pin(good_token(world, algorithm)))
        })
        .collect();
    scenes.extend(
        BAD_TOKENS
            .iter()
            .map(|bad| Scene::new(bad.name, Whole, Shares, move |world| Box::pin(bad_token(world, bad)))),
    );
    scenes.push(Scene::new("a token signed by a new key", Whole, Alone, |world| Box::pin(new_key(world))));
    scenes.push(Scene::new("the identity provider is down", Whole, OwnWorld(Agents::Real), |world| {
        Box::pin(provider_down(world))
    }));
    scenes
}

fn signed(world: &World, claims: &serde_json::Value) -> Result<String, Trouble> {
    world.idp()?.token_of(TokenAlgorithm::Es256, claims)
}

/// A good token that is bound by this member of `cnf`.
fn bound(world: &World, member: &str) -> Result<String, Trouble> {
    let mut claims = claims("ann", &["engineering"], now(), now() + 600);
    if let Some(claims) = claims.as_object_mut() {
        // RFC 8705 appendix A.
        claims.insert("cnf".to_owned(), json!({ member: "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0" }));
    }
    signed(world, &claims)
}

async fn good_token(world: &World, algorithm: TokenAlgorithm) -> Result<Row, Trouble> {
    let token = world.idp()?.token(algorithm, "ann", &["engineering", "book-club"])?;
    let seen = world.through_edge(&world.ask("GET", "/api/things").bearer(&token)).await?;
    let leaks = seen.application.as_ref().is_none_or(|seen| seen.mentions(&token));
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .verdict("allow", ALLOWED)
        .holds("the application sees the user", seen.application_saw("Countersign-Subject", "ann"))
        .holds(
            "only groups that the policy names go on",
            seen.application_saw("Countersign-Groups", "engineering"),
        )
        .holds("the token stays at the edge", !leaks && seen.application_saw_no(HEADER)))
}

async fn bad_token(world: &World, bad: &BadToken) -> Result<Row, Trouble> {
    let token = (bad.make)(world)?;
    let ask = world.ask("GET", "/api/things").bearer(&token);
    let seen = world.through_edge(&ask).await?;
    Ok(Row::of(&seen)
        .refused(401, bad.reason)
        .holds("HAProxy sees nothing", world.tap()?.heard(&ask.marker).is_none()))
}

/// The provider signs with a key that the edge has never seen: it fetches the keys once more.
async fn new_key(world: &World) -> Result<Row, Trouble> {
    world.as_sender(&world.ask("GET", "/api/things"), ENGINEER).await?;
    world.idp()?.rotate()?;
    let before = world.idp()?.fetched();
    let token = world.idp()?.token(TokenAlgorithm::EdDsa, "ann", &["engineering"])?;
    let seen = world.through_edge(&world.ask("GET", "/api/things").bearer(&token)).await?;
    let fetched = world.idp()?.fetched() - before;
    Ok(Row::of(&seen).status(200).pool("api").is("times that the keys were fetched", 1, fetched))
}

/// Its keys were never fetched, so that nobody can be known: a 503, not a 401, and no passage.
async fn provider_down(world: &World) -> Result<Row, Trouble> {
    world.idp()?.fail();
    let ask = world.ask("GET", "/api/things");
    let seen = world.as_sender(&ask, ENGINEER).await?;
    let public = world.as_sender(&world.ask("GET", "/static/logo.svg"), NOBODY).await?;
    Ok(Row::of(&seen)
        .refused(503, "keys-unavailable")
        .holds("with Retry-After", seen.answer.header("retry-after").is_some())
        .holds("HAProxy sees nothing", world.tap()?.heard(&ask.marker).is_none())
        .is("status of a static file meanwhile", 200, public.answer.status))
}
