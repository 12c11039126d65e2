//! `Expect: 100-continue`: a client that asks first whether its body is wanted.

use crate::curl::{Curl, Version};
use crate::forge::ENGINEER;
use crate::scene::Manners::Shares;
use crate::scene::Scene;
use crate::scene::Stage::{FromHaproxy, Whole};
use crate::scenes::reason::{IDENTITY_REQUIRED, PERMISSION_MISSING};
use crate::world::{Way, World};

use super::methods::played;
use super::{Outcome, Result, on_both_ways};

/// Small enough that a client could send it at once.
static BODY: [u8; 100_000] = [b'x'; 100_000];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes: Vec<_> =
        on_both_ways("Expect: 100-continue", Shares, |world, way| Box::pin(allowed(world, way))).into();
    scenes.extend([
        Scene::new("Expect: 100-continue, refused at the edge", Whole, Shares, |world| {
            Box::pin(refused_at_the_edge(world))
        }),
        Scene::new("Expect: 100-continue, refused straight", FromHaproxy, Shares, |world| {
            Box::pin(refused_straight(world))
        }),
    ]);
    scenes
}

async fn allowed(world: &World, way: Way) -> Result {
    let ask = world.ask("POST", "/api/things").header("Expect", "100-continue").body(&BODY);
    let ask = world.vouched(ask, ENGINEER, way)?;
    let (row, got) = played(world, &ask, way, Curl::new(&ask.request, Version::Http1)).await?;
    let arrived = got.answer.json().get("body").and_then(|body| Some(body.as_str()?.len()));
    // The edge's runtime asks for the body by itself. HAProxy leaves it to the application, and this one doesn't:
    // curl sends after a second.
    let asked_for = match way {
        Way::ThroughEdge => vec![100],
        Way::Straight => Vec::new(),
    };
    Ok(Outcome::Passes("api")
        .of(row)
        .is("interim answers", asked_for, got.interim)
        .is("bytes that curl sent", BODY.len(), usize::try_from(got.uploaded).unwrap_or_default())
        .is("bytes that the application got", Some(BODY.len()), arrived))
}

/// Viceroy asks for the body whatever the program answers; what Fastly does is not seen here.
async fn refused_at_the_edge(world: &World) -> Result {
    let ask = world.ask("POST", "/api/things").header("Expect", "100-continue").body(&BODY);
    let (row, got) = played(world, &ask, Way::ThroughEdge, Curl::new(&ask.request, Version::Http1)).await?;
    Ok(row
        .refused(401, IDENTITY_REQUIRED)
        .note(format!("interim answers {:?}, {} bytes sent", got.interim, got.uploaded))
        .holds("HAProxy sees nothing", world.tap()?.heard(&ask.marker).is_none()))
}

async fn refused_straight(world: &World) -> Result {
    let ask = world.ask("POST", "/admin/users").header("Expect", "100-continue").body(&BODY);
    let ask = world.vouched(ask, ENGINEER, Way::Straight)?;
    let (row, got) = played(world, &ask, Way::Straight, Curl::new(&ask.request, Version::Http1)).await?;
    Ok(row.refused(403, PERMISSION_MISSING).is("interim answers", Vec::<u16>::new(), got.interim).is(
        "bytes that curl sent",
        0,
        got.uploaded,
    ))
}
