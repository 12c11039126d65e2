//! Plays scenes, each in the world that it needs.

use tokio::sync::OnceCell;

use crate::pieces::Subject;
use crate::scene::{Manners, Row, Scene, Stage};
use crate::world::{Agents, Front, Plan, World};

/// One HAProxy to test, and the world that the scenes with manners share.
pub struct Runner {
    subject: Subject,
    front: Front,
    common: OnceCell<Result<World, String>>,
}

impl Runner {
    /// Nothing is started before the first scene is played.
    #[must_use]
    pub fn new(subject: Subject, front: Front) -> Self {
        Self { subject, front, common: OnceCell::new() }
    }

    /// Whether this stage has all that the scene needs.
    #[must_use]
    pub fn has_stage_for(&self, scene: &Scene) -> bool {
        scene.stage == Stage::FromHaproxy || self.front == Front::Edge
    }

    /// Plays one scene; a stage that could not be set becomes a row that says so.
    pub async fn play(&self, scene: &Scene) -> Row {
        let Manners::OwnWorld(agents) = scene.manners else {
            return match self.common().await {
                Ok(world) => scene.play(world).await,
                Err(why) => named(scene, why),
            };
        };
        let front = match scene.stage {
            Stage::Whole => Front::Edge,
            Stage::FromHaproxy => Front::Nothing,
        };
        match World::start(Plan { subject: self.subject, front, agents }).await {
            Ok(world) => scene.play(&world).await,
            Err(trouble) => named(scene, &trouble.to_string()),
        }
    }

    /// The world that scenes share; set at the first call, and only once.
    ///
    /// # Errors
    /// Why it could not be set, the same for every caller.
    pub async fn common(&self) -> Result<&World, &str> {
        let plan = Plan { subject: self.subject, front: self.front, agents: Agents::Real };
        let start = || async move { World::start(plan).await.map_err(|trouble| trouble.to_string()) };
        self.common.get_or_init(start).await.as_ref().map_err(String::as_str)
    }
}

fn named(scene: &Scene, why: &str) -> Row {
    let mut row = Row::failed(why.to_owned());
    row.scene.clone_from(&scene.name);
    row
}
