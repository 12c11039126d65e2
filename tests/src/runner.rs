//! Plays scenes, each in the world that it needs.

use tokio::sync::OnceCell;

use crate::circuit::Circuit;
use crate::cluster::Cluster;
use crate::example::ExampleStage;
use crate::node::Agents;
use crate::pieces::Subject;
use crate::scene::{Manners, Play, PlayOn, Row, Scene, Stage, Whose};
use crate::scenes;
use crate::site::Site;
use crate::streams::Streams;
use crate::trouble::Trouble;
use crate::world::{Behind, Front, Plan, World};

/// One HAProxy to test, and the world that the scenes with manners share.
pub struct Runner {
    subject: Subject,
    front: Front,
    common: OnceCell<Result<World, String>>,
    streams: OnceCell<Result<Streams, String>>,
    site: OnceCell<Result<Site, String>>,
}

impl Runner {
    /// Nothing is started before the first scene is played.
    #[must_use]
    pub fn new(subject: Subject, front: Front) -> Self {
        Self { subject, front, common: OnceCell::new(), streams: OnceCell::new(), site: OnceCell::new() }
    }

    /// Whether this stage has all that the scene needs.
    #[must_use]
    pub fn has_stage_for(&self, scene: &Scene) -> bool {
        match scene.play {
            Play::World { stage: Stage::Whole, .. }
            | Play::Streams { stage: Stage::Whole, .. }
            | Play::Example { stage: Stage::Whole, .. }
            | Play::Circuit { .. }
            | Play::Site { .. } => self.front == Front::Edge,
            Play::World { stage: Stage::FromHaproxy, .. }
            | Play::Streams { stage: Stage::FromHaproxy, .. }
            | Play::Example { stage: Stage::FromHaproxy, .. }
            | Play::Cluster { .. } => true,
        }
    }

    /// Plays one scene; a trouble on the stage, or a stage that could not be set, becomes a row that
    /// says so.
    pub async fn play(&self, scene: &Scene) -> Row {
        let played = match &scene.play {
            Play::World { manners: Manners::OwnWorld(agents), stage, play } => {
                self.play_alone(self.plan(*stage, *agents), play).await
            }
            Play::World { manners: Manners::LargeBodies, stage, play } => {
                let plan = Plan { behind: Behind::Streaming, ..self.plan(*stage, Agents::Real) };
                self.play_alone(plan, play).await
            }
            Play::World { manners, play, .. } => match self.common().await {
                Ok(world) => {
                    let _quiet = world.claim(*manners).await;
                    play(world).await
                }
                Err(why) => return named(scene, Row::failed(why.to_owned())),
            },
            Play::Streams { manners: Manners::OwnWorld(agents), stage, play } => {
                match Streams::start(self.plan(*stage, *agents)).await {
                    Ok(streams) => play(&streams).await,
                    Err(trouble) => Err(trouble),
                }
            }
            Play::Streams { manners, play, .. } => match self.streams().await {
                Ok(streams) => {
                    let _quiet = streams.world().claim(*manners).await;
                    play(streams).await
                }
                Err(why) => return named(scene, Row::failed(why.to_owned())),
            },
            Play::Example { stage, plan, play } => {
                match ExampleStage::start(self.subject, stage.front(), *plan).await {
                    Ok(example) => play(&example).await,
                    Err(trouble) => Err(trouble),
                }
            }
            Play::Cluster { rules, play } => match Cluster::start(self.subject, *rules).await {
                Ok(cluster) => play(&cluster).await,
                Err(trouble) => Err(trouble),
            },
            Play::Circuit { rules, play } => match Circuit::start(self.subject, *rules).await {
                Ok(circuit) => play(&circuit).await,
                Err(trouble) => Err(trouble),
            },
            Play::Site { whose: Whose::Own(rules), play } => match Site::start(self.subject, *rules).await {
                Ok(site) => play(&site).await,
                Err(trouble) => Err(trouble),
            },
            Play::Site { whose: Whose::Common, play } => match self.site().await {
                Ok(site) => play(site).await,
                Err(why) => return named(scene, Row::failed(why.to_owned())),
            },
        };
        named(scene, played.unwrap_or_else(|trouble| Row::failed(trouble.to_string())))
    }

    /// The world that scenes share; set at the first call, and only once.
    ///
    /// # Errors
    /// Why it could not be set, the same for every caller.
    pub async fn common(&self) -> Result<&World, &str> {
        let plan = self.common_plan();
        let start = || async move { World::start(plan).await.map_err(|trouble| trouble.to_string()) };
        self.common.get_or_init(start).await.as_ref().map_err(String::as_str)
    }
}

impl Runner {
    /// On a world that is set for this scene.
    async fn play_alone(&self, plan: Plan, play: &PlayOn<World>) -> Result<Row, Trouble> {
        let world = World::start(plan).await?;
        play(&world).await
    }

    fn common_plan(&self) -> Plan {
        Plan { subject: self.subject, front: self.front, agents: Agents::Real, behind: Behind::Telling }
    }

    /// What a scene gets that has a world of its own.
    fn plan(&self, stage: Stage, agents: Agents) -> Plan {
        Plan { front: stage.front(), agents, ..self.common_plan() }
    }

    async fn streams(&self) -> Result<&Streams, &str> {
        let plan = self.common_plan();
        let start = || async move { Streams::start(plan).await.map_err(|trouble| trouble.to_string()) };
        self.streams.get_or_init(start).await.as_ref().map_err(String::as_str)
    }

    async fn site(&self) -> Result<&Site, &str> {
        let start = || async move {
            let site = Site::start(self.subject, scenes::people::RULES).await;
            site.map_err(|trouble| trouble.to_string())
        };
        self.site.get_or_init(start).await.as_ref().map_err(String::as_str)
    }
}

fn named(scene: &Scene, mut row: Row) -> Row {
    row.scene.clone_from(&scene.name);
    row
}
