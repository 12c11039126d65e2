//! What a scene is, and the row that it ends as.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;

use crate::ask::Observed;
use crate::circuit::{Circuit, CircuitRules};
use crate::cluster::Cluster;
use crate::example::{ExamplePlan, ExampleStage};
use crate::node::Agents;
use crate::publisher::Rules;
use crate::site::{Site, SiteRules};
use crate::streams::Streams;
use crate::trouble::Trouble;
use crate::world::{Front, World};

/// What a scene of the world, or of an example, needs to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Edge, HAProxy, agents and pools.
    Whole,
    /// HAProxy and what is behind it: requests go straight there.
    FromHaproxy,
}

impl Stage {
    /// What is before HAProxy there.
    #[must_use]
    pub fn front(self) -> Front {
        match self {
            Self::Whole => Front::Edge,
            Self::FromHaproxy => Front::Nothing,
        }
    }
}

/// How a scene of the world gets on with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Plays beside others in one world.
    Shares,
    /// Plays in the common world, but counts requests or changes a store: nobody else plays meanwhile.
    Alone,
    /// Stops, freezes or reloads things: gets a world of its own.
    OwnWorld(Agents),
    /// Sends large bodies: gets a world of its own whose application takes them.
    LargeBodies,
}

/// A scene in play.
pub type Playing<'a> = Pin<Box<dyn Future<Output = Result<Row, Trouble>> + Send + 'a>>;

/// How a scene is played on a stage.
pub type PlayOn<S> = Box<dyn for<'a> Fn(&'a S) -> Playing<'a> + Send + Sync>;

/// Where a scene is played, and what is played there.
pub enum Play {
    /// On one node, with or without the edge before it.
    World {
        /// What it needs.
        stage: Stage,
        /// How it gets on with others.
        manners: Manners,
        /// The scene itself.
        play: PlayOn<World>,
    },
    /// On two nodes and a publisher, a cluster of its own.
    Cluster {
        /// What the publisher is told.
        rules: Rules,
        /// The scene itself.
        play: PlayOn<Cluster>,
    },
    /// On a cluster whose publisher writes the list of the edge before it, a circuit of its own.
    Circuit {
        /// What publisher and API are told.
        rules: CircuitRules,
        /// The scene itself.
        play: PlayOn<Circuit>,
    },
    /// Before an application that keeps streams open.
    Streams {
        /// What it needs.
        stage: Stage,
        /// How it gets on with others: [`Manners::OwnWorld`] for a stage of its own.
        manners: Manners,
        /// The scene itself.
        play: PlayOn<Streams>,
    },
    /// On the files of an example, a stage of its own.
    Example {
        /// What it needs.
        stage: Stage,
        /// Which example.
        plan: ExamplePlan,
        /// The scene itself.
        play: PlayOn<ExampleStage>,
    },
    /// On a site that people sign in to.
    Site {
        /// Whose.
        whose: Whose,
        /// The scene itself.
        play: PlayOn<Site>,
    },
}

/// Whose site a scene is played on.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// Everybody's, beside others.
    Common,
    /// Its own, since it breaks or changes something.
    Own(SiteRules),
}

/// One row of the table, still to be played.
pub struct Scene {
    /// Its name, as in the table and as the name of its test.
    pub name: String,
    /// Where, and what.
    pub play: Play,
}

impl Scene {
    /// A scene on the world.
    pub fn new(
        name: impl Into<String>,
        stage: Stage,
        manners: Manners,
        play: impl for<'a> Fn(&'a World) -> Playing<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), play: Play::World { stage, manners, play: Box::new(play) } }
    }

    /// A scene before an application that keeps streams open.
    pub fn on_streams(
        name: impl Into<String>,
        stage: Stage,
        manners: Manners,
        play: impl for<'a> Fn(&'a Streams) -> Playing<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), play: Play::Streams { stage, manners, play: Box::new(play) } }
    }

    /// A scene on a cluster.
    pub fn on_cluster(
        name: impl Into<String>,
        rules: Rules,
        play: impl for<'a> Fn(&'a Cluster) -> Playing<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), play: Play::Cluster { rules, play: Box::new(play) } }
    }

    /// A scene on a site.
    pub fn on_site(
        name: impl Into<String>,
        whose: Whose,
        play: impl for<'a> Fn(&'a Site) -> Playing<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), play: Play::Site { whose, play: Box::new(play) } }
    }

    /// A scene on an example.
    pub fn on_example(
        name: impl Into<String>,
        stage: Stage,
        plan: ExamplePlan,
        play: impl for<'a> Fn(&'a ExampleStage) -> Playing<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), play: Play::Example { stage, plan, play: Box::new(play) } }
    }

    /// A scene on a circuit.
    pub fn on_circuit(
        name: impl Into<String>,
        rules: CircuitRules,
        play: impl for<'a> Fn(&'a Circuit) -> Playing<'a> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), play: Play::Circuit { rules, play: Box::new(play) } }
    }
}

/// How one scene went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// The scene's name.
    pub scene: String,
    /// The status that the client got.
    pub status: Option<u16>,
    /// The pool whose application answered.
    pub pool: Option<String>,
    /// `allow` or `deny`, by the record of the tier that decided.
    pub verdict: Option<String>,
    /// Its reason.
    pub reason: Option<String>,
    /// The decision id.
    pub decision_id: Option<String>,
    /// From the connection to the last byte, in milliseconds.
    pub milliseconds: Option<f64>,
    /// What was found besides: how long something took, how much it was.
    pub notes: Vec<String>,
    /// What was stated, in words.
    pub expected: Vec<String>,
    /// What went otherwise; empty when the scene went as stated.
    pub differed: Vec<String>,
}

impl Row {
    /// A row of what was seen; nothing is stated yet.
    #[must_use]
    pub fn of(seen: &Observed) -> Self {
        let (verdict, reason) = seen.records.verdict_and_reason();
        Self {
            status: Some(seen.answer.status),
            pool: seen.application.as_ref().map(|application| application.pool.clone()),
            verdict,
            reason,
            decision_id: seen.decision_id.clone(),
            milliseconds: Some(seen.answer.took.as_secs_f64() * 1000.0),
            ..Self::default()
        }
    }

    /// A scene that could not be played to its end.
    #[must_use]
    pub fn failed(why: String) -> Self {
        Self { differed: vec![why], ..Self::default() }
    }

    /// Whether everything went as stated.
    #[must_use]
    pub fn went_as_stated(&self) -> bool {
        self.differed.is_empty()
    }

    /// What was seen, on one line; empty when nothing was.
    #[must_use]
    pub fn seen(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let parts = [
            ("status", &status),
            ("pool", &self.pool),
            ("verdict", &self.verdict),
            ("reason", &self.reason),
            ("decision id", &self.decision_id),
        ];
        let parts =
            parts.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Tells something that was found, and that nothing is stated of.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Takes over what is stated and found of another row, each under its name.
    #[must_use]
    pub fn and(mut self, name: &str, other: Self) -> Self {
        let named =
            |lines: Vec<String>| lines.into_iter().map(|line| format!("{name}: {line}")).collect::<Vec<_>>();
        self.notes.extend(named(other.notes));
        self.expected.extend(named(other.expected));
        self.differed.extend(named(other.differed));
        self
    }

    /// States the status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        let got = self.status;
        self.state("status", Some(status), got);
        self
    }

    /// States the pool.
    #[must_use]
    pub fn pool(mut self, pool: &str) -> Self {
        let got = self.pool.clone();
        self.state("pool", Some(pool.to_owned()), got);
        self
    }

    /// States that no pool answered.
    #[must_use]
    pub fn no_pool(mut self) -> Self {
        let got = self.pool.clone();
        self.state("pool", None, got);
        self
    }

    /// States the verdict and its reason.
    #[must_use]
    pub fn verdict(mut self, verdict: &str, reason: &str) -> Self {
        let (got, why) = (self.verdict.clone(), self.reason.clone());
        self.state("verdict", Some(verdict.to_owned()), got);
        self.state("reason", Some(reason.to_owned()), why);
        self
    }

    /// States a refusal that reaches no pool.
    #[must_use]
    pub fn refused(self, status: u16, reason: &str) -> Self {
        self.status(status).no_pool().verdict("deny", reason)
    }

    /// States that something is so.
    #[must_use]
    pub fn holds(mut self, statement: impl Into<String>, so: bool) -> Self {
        let statement = statement.into();
        if !so {
            self.differed.push(format!("not so: {statement}"));
        }
        self.expected.push(statement);
        self
    }

    /// States what a value is.
    #[must_use]
    pub fn is<T: PartialEq + std::fmt::Debug>(mut self, what: &str, stated: T, got: T) -> Self {
        if stated != got {
            self.differed.push(format!("{what}: stated {stated:?}, got {got:?}"));
        }
        self.expected.push(format!("{what} {stated:?}"));
        self
    }

    /// States how long the answer may take.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        let so = self.milliseconds.is_some_and(|milliseconds| milliseconds <= limit.as_secs_f64() * 1000.0);
        self.holds(format!("answered within {limit:?}"), so)
    }

    fn state<T: PartialEq + Display>(&mut self, what: &str, stated: Option<T>, got: Option<T>) {
        let text = |value: &Option<T>| value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        if stated != got {
            self.differed.push(format!("{what}: stated {}, got {}", text(&stated), text(&got)));
        }
        self.expected.push(format!("{what} {}", text(&stated)));
    }
}
