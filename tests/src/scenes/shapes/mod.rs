//! Every odd shape of traffic, sent by clients that nobody here wrote: curl and nghttp.

mod expect;
mod http2;
mod methods;
mod streams;
mod tunnels;

use crate::scene::{Manners, Playing, Row, Scene, Stage};
use crate::scenes::reason::ALLOWED;
use crate::trouble::Trouble;
use crate::world::{Way, World};

pub(super) fn scenes() -> Vec<Scene> {
    [methods::scenes(), tunnels::scenes(), expect::scenes(), http2::scenes(), streams::scenes()]
        .into_iter()
        .flatten()
        .collect()
}

type Result = std::result::Result<Row, Trouble>;

/// What a way needs, and its name at the end of a scene's.
fn stage(way: Way) -> (Stage, &'static str) {
    match way {
        Way::ThroughEdge => (Stage::Whole, "at the edge"),
        Way::Straight => (Stage::FromHaproxy, "straight"),
    }
}

/// The same scene on both ways.
fn on_both_ways<Play>(name: &str, manners: Manners, play: Play) -> [Scene; 2]
where
    Play: for<'a> Fn(&'a World, Way) -> Playing<'a> + Copy + Send + Sync + 'static,
{
    [Way::ThroughEdge, Way::Straight].map(|way| {
        let (stage, end) = stage(way);
        Scene::new(format!("{name} {end}"), stage, manners, move |world| play(world, way))
    })
}

/// What should come of a request on one way.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// The application of this pool answers.
    Passes(&'static str),
    /// Refused with this status, for this reason.
    Refused(u16, &'static str),
}

impl Outcome {
    /// States it.
    fn of(self, row: Row) -> Row {
        match self {
            Self::Passes(pool) => row.status(200).pool(pool).verdict("allow", ALLOWED),
            Self::Refused(status, reason) => row.refused(status, reason),
        }
    }
}
