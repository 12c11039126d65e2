//! Rate limits at the edge. What counts here is the local server's stand-in for Fastly's rate counter.

use std::net::Ipv4Addr;

use crate::ask::{Ask, Observed};
use crate::bot::NAME;
use crate::forge::{ADMIN, ENGINEER};
use crate::scene::Manners::{Alone, Shares};
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;
use crate::world::{HOST, World};

/// Clients of these scenes and of no others.
const FAST: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 2);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("somebody asks too often", Whole, Alone, |world| Box::pin(too_often(world))),
        Scene::new("a person and a bot have rates of their own", Whole, Shares, |world| {
            Box::pin(of_their_own(world))
        }),
    ]
}

/// Sends until it is refused, twice the rate and one more at most: the counter's window may end meanwhile.
async fn until_refused(world: &World, rate: u32, ask: impl Fn() -> Ask) -> Result<(u32, Observed), Trouble> {
    let mut passed = 0;
    loop {
        let seen = world.through_edge(&ask()).await?;
        if seen.answer.status != 200 || passed > 2 * rate {
            return Ok((passed, seen));
        }
        passed += 1;
    }
}

async fn too_often(world: &World) -> Result<Row, Trouble> {
    let ask = || world.ask("GET", "/search/news").from(FAST);
    let (passed, seen) = until_refused(world, 5, ask).await?;
    let served = world.served();
    let penalised = world.through_edge(&ask()).await?;
    let neighbour = world.through_edge(&world.ask("GET", "/search/news").from(NEIGHBOUR)).await?;
    Ok(Row::of(&seen)
        .refused(429, "rate-exceeded")
        .holds(format!("at least 5 of its requests passed before ({passed})"), (5..=10).contains(&passed))
        .is("Retry-After", Some("60"), seen.answer.header("retry-after"))
        .is("status while the penalty lasts", 429, penalised.answer.status)
        .is("status of another client", 200, neighbour.answer.status)
        .is("requests that the pools served after it, the other client's", 1, world.served() - served))
}

async fn of_their_own(world: &World) -> Result<Row, Trouble> {
    let token = world.token(ADMIN)?;
    let person = || world.ask("GET", "/export/all").bearer(&token);
    let (passed, refused) = until_refused(world, 2, person).await?;
    let other = world.through_edge(&world.ask("GET", "/export/all").bearer(&world.token(ENGINEER)?)).await?;
    let signed = world.bot()?.sign(HOST).await?;
    let (of_bot, seen) = until_refused(world, 4, || signed.on(world.ask("GET", "/export/all"))).await?;
    Ok(Row::of(&seen)
        .refused(429, "rate-exceeded")
        .is("status of a person who is too fast", 429, refused.answer.status)
        .holds(format!("2 of a person's requests passed at least ({passed})"), (2..=4).contains(&passed))
        .is("status of another person", 200, other.answer.status)
        .is("pool of a person", Some("api".to_owned()), other.application.map(|seen| seen.pool))
        .holds(format!("4 of bot `{NAME}`'s passed at least ({of_bot})"), (4..=8).contains(&of_bot)))
}
