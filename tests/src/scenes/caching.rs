//! Answers that no cache may keep: what each client gets of them, and whose they are.

use crate::forge::{ADMIN, ENGINEER, HEADER, NOBODY};
use crate::scene::Manners::Shares;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scene::{Row, Scene};
use crate::scenes::crossing::claim;
use crate::trouble::Trouble;
use crate::world::World;

/// What an application says of an answer that may be kept, and that a cache may believe before `Cache-Control`.
const TO_CACHES: [(&str, &str); 3] = [
    ("Surrogate-Control", "max-age=3600"),
    ("CDN-Cache-Control", "public, max-age=3600"),
    ("Fastly-CDN-Cache-Control", "max-age=3600"),
];
/// What is said of an answer that is not to be kept.
const UNSHARED: &str = "private, no-store, max-age=0";
/// How often two people ask for one URL, each.
const TURNS: usize = 10;

/// The ways in which an answer says that it is somebody's own, or that it may not be kept.
const WAYS: [(&str, &[(&str, &str)]); 11] = [
    ("a cookie", &[("Cache-Control", "public, max-age=60"), ("Set-Cookie", "id=7; Path=/")]),
    ("two cookies", &[("Set-Cookie", "id=7"), ("Set-Cookie", "theme=dark")]),
    ("an empty cookie", &[("set-cookie", "")]),
    ("Vary: *", &[("Cache-Control", "s-maxage=60"), ("Vary", "*")]),
    ("Vary: Accept-Encoding, *", &[("Vary", "Accept-Encoding, *")]),
    ("private", &[("Cache-Control", "private")]),
    ("PRIVATE", &[("cache-control", "max-age=60,PRIVATE")]),
    ("private with a field", &[("Cache-Control", "max-age=60, private=\"x-name, x-mail\"")]),
    ("No-Store behind others", &[("Cache-Control", "public, s-maxage=60 ,\tNo-Store")]),
    (
        "no-store in a line of its own",
        &[("Cache-Control", "public, max-age=60"), ("Cache-Control", "no-store")],
    ),
    (
        "private in a third line",
        &[("Cache-Control", "max-age=60"), ("Cache-Control", "s-maxage=9"), ("Cache-Control", "private")],
    ),
];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (name, lines) in WAYS {
        scenes.push(Scene::new(format!("a public answer with {name}"), FromHaproxy, Shares, move |world| {
            Box::pin(kept_from_caches(world, lines))
        }));
    }
    scenes.push(Scene::new("a public answer that may be kept", FromHaproxy, Shares, |world| {
        Box::pin(left_to_caches(world))
    }));
    scenes.push(Scene::new("a public answer that says nothing of caches", FromHaproxy, Shares, |world| {
        Box::pin(silent(world))
    }));
    scenes.push(Scene::new("a private answer with a cookie", FromHaproxy, Shares, |world| {
        Box::pin(private(world))
    }));
    scenes.push(Scene::new("two people ask for one private URL", Whole, Shares, |world| {
        Box::pin(one_url(world))
    }));
    scenes.push(Scene::new("somebody signed in asks for what is everybody's", Whole, Shares, |world| {
        Box::pin(nobody_is_named(world))
    }));
    scenes
}

async fn kept_from_caches(world: &World, lines: &[(&str, &str)]) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/public/page");
    let ask = TO_CACHES.iter().chain(lines).fold(ask, |ask, (name, value)| ask.answered_with(name, value));
    let seen = world.as_sender(&ask, NOBODY).await?;
    let others = TO_CACHES.iter().flat_map(|(name, _)| seen.answer.all(name)).count();
    let of = |wanted: &str| -> Vec<&str> {
        let lines = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        lines.map(|(_, value)| *value).collect()
    };
    Ok(Row::of(&seen)
        .status(200)
        .is("Cache-Control", vec![UNSHARED], seen.answer.all("cache-control"))
        .is("lines that a cache may believe before it", 0, others)
        .is("Set-Cookie", of("set-cookie"), seen.answer.all("set-cookie"))
        .is("Vary", of("vary"), seen.answer.all("vary")))
}

async fn left_to_caches(world: &World) -> Result<Row, Trouble> {
    let lines =
        [("Cache-Control", "public, max-age=60, stale-while-revalidate=9"), ("Vary", "Accept-Encoding")];
    let ask = world.ask("GET", "/public/page");
    let ask = TO_CACHES.iter().chain(&lines).fold(ask, |ask, (name, value)| ask.answered_with(name, value));
    let seen = world.as_sender(&ask, NOBODY).await?;
    let row = Row::of(&seen).status(200);
    Ok(TO_CACHES
        .iter()
        .chain(&lines)
        .fold(row, |row, (name, value)| row.is(name, vec![*value], seen.answer.all(name))))
}

async fn silent(world: &World) -> Result<Row, Trouble> {
    let seen = world.as_sender(&world.ask("GET", "/public/page").answered(404), NOBODY).await?;
    Ok(Row::of(&seen).status(404).is("Cache-Control", vec![], seen.answer.all("cache-control")))
}

/// What a browser may keep is the application's to say.
async fn private(world: &World) -> Result<Row, Trouble> {
    let lines = [("Cache-Control", "private, max-age=60"), ("Set-Cookie", "id=7")];
    let ask = world.ask("GET", "/api/things");
    let ask = TO_CACHES.iter().chain(&lines).fold(ask, |ask, (name, value)| ask.answered_with(name, value));
    // By an assertion that names no policy the route might be public at the edge.
    let unknown = world.forge().good(&ask.request, ENGINEER)?;
    let unknown = world.straight(&ask.clone().assertion(&unknown)).await?;
    let policy = unknown.records.agent.as_ref().and_then(|record| record.text("policy")).unwrap_or_default();
    let draft = world.forge().draft(&ask.request, ENGINEER)?.claim("pol", policy.into());
    let seen = world.straight(&ask.assertion(&draft.signed(world.forge()))).await?;
    let others = TO_CACHES.iter().flat_map(|(name, _)| seen.answer.all(name)).count();
    Ok(Row::of(&seen)
        .status(200)
        .is("Cache-Control", vec!["private, max-age=60"], seen.answer.all("cache-control"))
        .is("Set-Cookie", vec!["id=7"], seen.answer.all("set-cookie"))
        .is("lines to shared caches", 0, others)
        .is("Cache-Control where no policy is named", vec![UNSHARED], unknown.answer.all("cache-control")))
}

/// The application calls it everybody's; it is not asked. The local server keeps nothing by itself: that a private
/// route passes the cache is stated by the edge's own tests.
async fn one_url(world: &World) -> Result<Row, Trouble> {
    let ask = world.ask("GET", "/api/things").answered_with("Cache-Control", "public, max-age=60");
    let (mut own, mut last) = (0, None);
    for turn in 0..2 * TURNS {
        let sender = if turn % 2 == 0 { ENGINEER } else { ADMIN };
        let seen = world.through_edge(&ask.clone().bearer(&world.token(sender)?)).await?;
        own += usize::from(seen.application_saw("Countersign-Subject", sender.subject));
        last = Some(seen);
    }
    let times = world.tap()?.times(&ask.marker);
    let row = last.as_ref().map_or_else(Row::default, Row::of);
    Ok(row.status(200).is("answers that were made for whoever asked", 2 * TURNS, own).is(
        "requests that HAProxy got",
        2 * TURNS,
        times,
    ))
}

async fn nobody_is_named(world: &World) -> Result<Row, Trouble> {
    let token = world.token(ENGINEER)?;
    let ask = world.ask("GET", "/static/logo.svg").bearer(&token).cookie(&token);
    let seen = world.through_edge(&ask).await?;
    let assertion = world.tap()?.heard_header(&ask.marker, HEADER).unwrap_or_default();
    let named = ["sub", "groups", "sid", "bot"].into_iter().filter(|name| claim(&assertion, name).is_some());
    Ok(Row::of(&seen)
        .status(200)
        .pool("web")
        .holds("there is an assertion", claim(&assertion, "txn").is_some())
        .is("claims that name somebody", Vec::<&str>::new(), named.collect())
        .holds("the application sees no Authorization", seen.application_saw_no("Authorization"))
        .holds("the application sees no Cookie", seen.application_saw_no("Cookie"))
        .holds("the application sees no user", seen.application_saw_no("Countersign-Subject"))
        .holds("the application sees no groups", seen.application_saw_no("Countersign-Groups")))
}
