//! Pages of other origins, as their browsers ask.

use crate::ask::Ask;
use crate::forge::ENGINEER;
use crate::scene::Manners::Shares;
use crate::scene::Stage::Whole;
use crate::scene::{Row, Scene};
use crate::trouble::Trouble;
use crate::world::World;

const SHOP: &str = "https://shop.example.test";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("a page of another origin asks what it may send", Whole, Shares, |world| {
            Box::pin(preflight(world))
        }),
        Scene::new("a page of an origin that no rule names asks", Whole, Shares, |world| {
            Box::pin(preflight_of_another(world))
        }),
        Scene::new("a page of another origin reads an answer", Whole, Shares, |world| Box::pin(read(world))),
    ]
}

fn asking(world: &World, origin: &str) -> Ask {
    world
        .ask("OPTIONS", "/widgets/7")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "x-trace")
}

async fn preflight(world: &World) -> Result<Row, Trouble> {
    let ask = asking(world, SHOP);
    let seen = world.through_edge(&ask).await?;
    let said = |name: &str| seen.answer.header(name).map(str::to_owned);
    Ok(Row::of(&seen)
        .status(204)
        .no_pool()
        .verdict("allow", "preflight")
        .is("the origin that may read", Some(SHOP.to_owned()), said("access-control-allow-origin"))
        .is("the method", Some("PUT".to_owned()), said("access-control-allow-methods"))
        .is("the headers", Some("x-trace".to_owned()), said("access-control-allow-headers"))
        .is("whether cookies come along", Some("true".to_owned()), said("access-control-allow-credentials"))
        .holds("HAProxy is not asked", world.tap()?.heard(&ask.marker).is_none()))
}

async fn preflight_of_another(world: &World) -> Result<Row, Trouble> {
    let seen = world.through_edge(&asking(world, "https://evil.example")).await?;
    let said = seen.answer.header("access-control-allow-origin").is_some();
    Ok(Row::of(&seen).refused(403, "cors-refused").holds("no origin may read", !said))
}

async fn read(world: &World) -> Result<Row, Trouble> {
    let token = world.token(ENGINEER)?;
    let ask = |origin: &str| world.ask("GET", "/widgets/7").bearer(&token).header("Origin", origin);
    let seen = world.through_edge(&ask(SHOP)).await?;
    let other = world.through_edge(&ask("https://evil.example")).await?;
    let said = seen.answer.header("access-control-allow-origin").map(str::to_owned);
    let to_other = other.answer.header("access-control-allow-origin").is_some();
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .is("the origin that may read", Some(SHOP.to_owned()), said)
        .is("what a cache has to know", Some("Origin"), seen.answer.header("vary"))
        .is("status of another page's request", 200, other.answer.status)
        .holds("which that page may not read", !to_other))
}
