//! Straight to HAProxy, with assertions that deserve to be refused: each for its own reason.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::forge::{ADMIN, Draft, ENGINEER, LIFETIME};
use crate::identity_provider::now;
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;
use crate::world::World;

/// One forged assertion: what is wrong with it, and the reason that it deserves.
///
/// All else about it is right: it is for this request, by the edge's own key, from now.
struct Forged {
    name: &'static str,
    status: u16,
    reason: &'static str,
    make: fn(&World, Draft) -> Result<String, Trouble>,
}

const FORGED: [Forged; 28] = [
    Forged {
        name: "expired",
        status: 403,
        reason: "assertion-expired",
        make: |world, draft| Ok(times(draft, now() - 90, now() - 90 + LIFETIME).signed(world.forge())),
    },
    Forged {
        name: "from the future",
        status: 403,
        reason: "assertion-not-yet-valid",
        make: |world, draft| Ok(times(draft, now() + 90, now() + 90 + LIFETIME).signed(world.forge())),
    },
    Forged {
        name: "living too long",
        status: 403,
        reason: "lives-too-long",
        make: |world, draft| Ok(times(draft, now(), now() + 86_400).signed(world.forge())),
    },
    Forged {
        name: "ending before it begins",
        status: 403,
        reason: "ends-before-it-begins",
        make: |world, draft| Ok(times(draft, now(), now() - 1).signed(world.forge())),
    },
    Forged {
        name: "for the wrong audience",
        status: 421,
        reason: "wrong-audience",
        make: |world, draft| Ok(draft.claim("aud", json!("us-1")).signed(world.forge())),
    },
    Forged {
        name: "staging's",
        status: 403,
        reason: "wrong-environment",
        make: |world, draft| Ok(draft.claim("env", json!("staging")).signed(world.forge())),
    },
    Forged {
        name: "with an unknown kid",
        status: 403,
        reason: "unknown-key",
        make: |world, draft| Ok(draft.parameter("kid", json!("edge-99")).signed(world.forge())),
    },
    Forged {
        name: "without a kid",
        status: 403,
        reason: "key-id-missing",
        make: |world, draft| Ok(draft.parameter("kid", Value::Null).signed(world.forge())),
    },
    Forged {
        name: "alg none",
        status: 403,
        reason: "algorithm-none",
        make: |_, draft| Ok(draft.parameter("alg", json!("none")).unsigned()),
    },
    Forged {
        name: "alg nOnE with a good signature",
        status: 403,
        reason: "algorithm-none",
        make: |world, draft| Ok(draft.parameter("alg", json!("nOnE")).signed(world.forge())),
    },
    Forged {
        name: "HS256 with the public key",
        status: 403,
        reason: "algorithm-mismatch",
        make: |world, draft| {
            Ok(draft.parameter("alg", json!("HS256")).hmac_with_the_public_key(world.forge()))
        },
    },
    Forged {
        name: "alg RS256",
        status: 403,
        reason: "algorithm-refused",
        make: |world, draft| Ok(draft.parameter("alg", json!("RS256")).signed(world.forge())),
    },
    Forged {
        name: "without a signature",
        status: 403,
        reason: "malformed-signature",
        make: |_, draft| Ok(draft.unsigned()),
    },
    Forged {
        name: "signed by a stranger",
        status: 403,
        reason: "signature-invalid",
        make: |_, draft| draft.signed_by_a_stranger(),
    },
    Forged {
        name: "with groups changed after signing",
        status: 403,
        reason: "signature-invalid",
        make: |world, draft| {
            let signed = draft.signed(world.forge());
            Ok(draft.claim("groups", json!(["admins", "engineering"])).under_the_signature_of(&signed))
        },
    },
    Forged {
        name: "with its own key inside",
        status: 403,
        reason: "header-parameter-refused",
        make: |_, draft| {
            let jwk =
                json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
            draft.parameter("jwk", jwk).signed_by_a_stranger()
        },
    },
    Forged {
        name: "pointing to a key elsewhere",
        status: 403,
        reason: "header-parameter-refused",
        make: |_, draft| {
            draft.parameter("jku", json!("https://evil.example.test/jwks")).signed_by_a_stranger()
        },
    },
    Forged {
        name: "with a critical extension",
        status: 403,
        reason: "header-parameter-refused",
        make: |world, draft| Ok(draft.parameter("crit", json!(["exp"])).signed(world.forge())),
    },
    Forged {
        name: "of another type",
        status: 403,
        reason: "wrong-type",
        make: |world, draft| Ok(draft.parameter("typ", json!("JWT")).signed(world.forge())),
    },
    Forged {
        name: "without a type",
        status: 403,
        reason: "wrong-type",
        make: |world, draft| Ok(draft.parameter("typ", Value::Null).signed(world.forge())),
    },
    Forged {
        name: "of another version",
        status: 403,
        reason: "unsupported-version",
        make: |world, draft| Ok(draft.claim("v", json!(2)).signed(world.forge())),
    },
    Forged {
        name: "without an audience",
        status: 403,
        reason: "malformed-claims",
        make: |world, draft| Ok(draft.claim("aud", Value::Null).signed(world.forge())),
    },
    Forged {
        name: "with two audiences",
        status: 403,
        reason: "malformed-claims",
        make: |world, draft| Ok(draft.claim("aud", json!(["eu-1", "us-1"])).signed(world.forge())),
    },
    Forged {
        name: "without an end",
        status: 403,
        reason: "malformed-claims",
        make: |world, draft| Ok(draft.claim("exp", Value::Null).signed(world.forge())),
    },
    Forged {
        name: "with a line break in the subject",
        status: 403,
        reason: "malformed-claims",
        make: |world, draft| {
            Ok(draft.claim("sub", json!("ann\r\nCountersign-Groups: admins")).signed(world.forge()))
        },
    },
    Forged {
        name: "over 4 KiB",
        status: 403,
        reason: "assertion-too-large",
        make: |world, draft| Ok(draft.claim("sub", json!("a".repeat(4000))).signed(world.forge())),
    },
    Forged {
        name: "of two parts",
        status: 403,
        reason: "malformed-parts",
        make: |world, draft| {
            let signed = draft.signed(world.forge());
            Ok(signed.rsplit_once('.').map(|(input, _)| input.to_owned()).unwrap_or_default())
        },
    },
    Forged {
        name: "that is no token",
        status: 403,
        reason: "malformed-header",
        make: |_, _| Ok("let.me.in".into()),
    },
];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = vec![
        Scene::new("straight, with a good assertion", FromHaproxy, Shares, |world| Box::pin(good(world))),
        Scene::new("straight, with none", FromHaproxy, Alone, |world| Box::pin(none(world))),
        Scene::new("straight, with two", FromHaproxy, Shares, |world| Box::pin(two(world))),
    ];
    scenes.extend(FORGED.iter().map(|forged| {
        let name = format!("straight, {}", forged.name);
        Scene::new(name, FromHaproxy, Shares, move |world| Box::pin(one_forged(world, forged)))
    }));
    scenes.extend([
        Scene::new("captured for another path", FromHaproxy, Shares, |world| {
            Box::pin(captured(world, "bound-to-another-path", |world| world.ask("GET", "/api/other")))
        }),
        Scene::new("captured for another query", FromHaproxy, Shares, |world| {
            Box::pin(captured_for_another_query(world))
        }),
        Scene::new("captured for another method", FromHaproxy, Shares, |world| {
            Box::pin(captured_for_another_method(world))
        }),
        Scene::new("captured for another host", FromHaproxy, Shares, |world| {
            Box::pin(captured_for_another_host(world))
        }),
        Scene::new("captured and replayed, once route", FromHaproxy, Shares, |world| {
            Box::pin(replayed(world))
        }),
        Scene::new("captured and replayed, window route", FromHaproxy, Shares, |world| {
            Box::pin(repeated(world))
        }),
        Scene::new("used twice at the same moment, once route", FromHaproxy, Shares, |world| {
            Box::pin(raced(world))
        }),
        Scene::new("a session token as assertion", Whole, Shares, |world| Box::pin(session_token(world))),
    ]);
    scenes
}

fn times(draft: Draft, issued: u64, expires: u64) -> Draft {
    draft.claim("iat", json!(issued)).claim("exp", json!(expires))
}

/// What makes the refusals below mean something: the same request passes with a good assertion.
async fn good(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/admin/users");
    let draft = world.forge().draft(&ask.request, ADMIN)?;
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("admin")
        .verdict("allow", ALLOWED)
        .is("decision id", Some(draft.decision_id()), seen.decision_id.clone())
        .holds("every tier wrote it", super::routes::one_decision_id(&seen)))
}

async fn none(world: &World) -> Result<Row, Trouble> {
    let before = world.served();
    let seen = world.straight(&world.ask("GET", "/admin/users")).await?;
    let made_by_haproxy = seen.decision_id.as_ref().is_some_and(|id| id.starts_with("h-") && id.len() == 34);
    Ok(Row::of(&seen)
        .refused(401, "assertion-missing")
        .is("requests that the pools served", before, world.served())
        .holds("the id is HAProxy's, and says so", made_by_haproxy)
        .holds("every tier wrote it", super::routes::one_decision_id(&seen)))
}

async fn two(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/admin/users");
    let (one, other) = (world.forge().good(&ask.request, ADMIN)?, world.forge().good(&ask.request, ADMIN)?);
    let seen = world.straight(&ask.assertion(&one).assertion(&other)).await?;
    Ok(Row::of(&seen).refused(403, "assertion-repeated"))
}

async fn one_forged(world: &World, forged: &Forged) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/admin/users");
    let assertion = (forged.make)(world, world.forge().draft(&ask.request, ADMIN)?)?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    let made_by_haproxy = seen.decision_id.as_ref().is_some_and(|id| id.starts_with("h-"));
    Ok(Row::of(&seen)
        .refused(forged.status, forged.reason)
        .holds("no id is taken from a bad assertion", made_by_haproxy))
}

async fn captured(world: &World, reason: &str, target: fn(&World) -> Ask) -> Result<Row, Trouble> {
    let assertion = world.captured(&world.ask("GET", "/api/things"), ENGINEER).await?;
    let seen = world.straight(&target(world).assertion(&assertion)).await?;
    Ok(Row::of(&seen).refused(403, reason))
}

async fn captured_for_another_query(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("GET", "/api/things");
    let assertion = world.captured(&ask, ENGINEER).await?;
    ask.request.target.push_str("?all=yes");
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).refused(403, "bound-to-another-path"))
}

async fn captured_for_another_method(world: &World) -> Result<Row, Trouble> {
    let mut ask = world.ask("GET", "/api/things");
    let assertion = world.captured(&ask, ENGINEER).await?;
    ask.request.method = "DELETE".into();
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).refused(403, "bound-to-another-method"))
}

async fn captured_for_another_host(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask_host("shop.example.test", "GET", "/api/things");
    let assertion = world.captured(&ask, ENGINEER).await?;
    let mut other = world.ask("GET", "/api/things").assertion(&assertion);
    other.request.target.clone_from(&ask.request.target);
    other.marker.clone_from(&ask.marker);
    let seen = world.straight(&other).await?;
    Ok(Row::of(&seen).refused(403, "bound-to-another-host"))
}

/// Sent often enough that each of the two agents gets it more than once.
const REPLAYS: usize = 4;

async fn replayed(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("POST", "/orders").body(b"{}");
    let assertion = world.captured(&ask, ENGINEER).await?;
    let ask = ask.assertion(&assertion);
    let mut row = Row::default();
    for _ in 0..REPLAYS {
        row = Row::of(&world.straight(&ask).await?).refused(403, "replayed");
        if !row.went_as_stated() {
            break;
        }
    }
    Ok(row)
}

async fn repeated(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things");
    let assertion = world.captured(&ask, ENGINEER).await?;
    let seen = world.straight(&ask.assertion(&assertion)).await?;
    Ok(Row::of(&seen).status(200).pool("api").verdict("allow", ALLOWED))
}

async fn raced(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("POST", "/orders").body(b"{}");
    let assertion = world.forge().good(&ask.request, ENGINEER)?;
    let ask = ask.assertion(&assertion);
    let (to, limit) = (world.node().address(), crate::client::PATIENCE);
    let sent = || ask.request.send(to, limit);
    let answers = tokio::join!(sent(), sent(), sent(), sent(), sent(), sent(), sent(), sent());
    let answers: [_; 8] = answers.into();
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(answer?.status);
    }
    statuses.sort_unstable();
    Ok(Row::default().is("statuses of eight", vec![200, 403, 403, 403, 403, 403, 403, 403], statuses))
}

async fn session_token(world: &World) -> Result<Row, Trouble> {
    let token = world.token(ADMIN)?;
    let seen = world.straight(&world.ask("GET", "/admin/users").assertion(&token)).await?;
    Ok(Row::of(&seen).refused(403, "wrong-type"))
}
