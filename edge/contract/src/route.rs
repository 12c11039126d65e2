//! Routes: which part of the policy decides about a request.

mod cors;
mod pattern;
mod rate;
mod table;

pub use cors::{Cors, CorsCredentials, CorsOrigins, HeaderName, NotForCors, WebOrigin};
pub use pattern::{HostPattern, MethodName, NotAPattern, PathPattern};
pub use rate::{NotARate, Penalty, Rate, RateKey, Requests, Window};
pub use table::{NoRoute, Overlap, RouteTable};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::assertion::Claims;
use crate::canonical::{Allowance, Method};
use crate::name::{ArmName, ExperimentName, GroupName, Permission, PoolName, RouteName};

/// One route of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name, in records and refusals.
    pub name: RouteName,
    /// The hosts it is for.
    pub hosts: Vec<HostPattern>,
    /// The paths it is for.
    pub path: PathPattern,
    /// The methods it is for; none listed means every method.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<MethodName>,
    /// Whether it may be cached.
    pub class: Class,
    /// How far it is enforced.
    pub mode: Mode,
    /// Whether somebody has to be signed in.
    pub identity: Identity,
    /// The permission that is asked for; none means that any identity accepted will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
    /// Groups that are refused whatever else they may do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deny_groups: BTreeSet<GroupName>,
    /// Whether an assertion may be used again; none means by the method, see [`Route::replay_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The pool that answers.
    pub pool: PoolName,
    /// What becomes of requests that claim to be a bot's.
    #[serde(default, skip_serializing_if = "Bots::is_any")]
    pub bots: Bots,
    /// The pool that answers bots, where it isn't `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_pool: Option<PoolName>,
    /// How many requests it takes of one bot, where that isn't `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_rate: Option<Rate>,
    /// How many requests it takes of one client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The experiment that whoever asks takes part in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentName>,
    /// The pools of its arms, where they aren't `pool`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arm_pools: BTreeMap<ArmName, PoolName>,
    /// What it lets pages of other origins do; none means that the application decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Whether it becomes another protocol.
    #[serde(default, skip_serializing_if = "Upgrade::is_none")]
    pub upgrade: Upgrade,
    /// Odd spellings that it accepts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allowance>,
}

impl Route {
    /// Whether an assertion for this method may be used again. Unless the route says: once where
    /// the method changes something (RFC 9110 section 9.2.1), within its lifetime otherwise.
    #[must_use]
    pub fn replay_of(&self, method: Method<'_>) -> Replay {
        self.replay.unwrap_or(if method.is_safe() { Replay::Window } else { Replay::Once })
    }

    /// The arm that an assertion speaks of, where the route has an experiment; elsewhere it says nothing.
    #[must_use]
    pub fn arm_of<'c>(&self, claims: &'c Claims) -> Option<&'c ArmName> {
        claims.arm.as_ref().filter(|_| self.experiment.is_some())
    }

    /// The pool that answers whom an assertion speaks of: bots' own before an arm's.
    #[must_use]
    pub fn pool_for(&self, claims: &Claims) -> &PoolName {
        let of_bots = self.bot_pool.as_ref().filter(|_| claims.bot.is_some());
        of_bots.or_else(|| self.arm_pools.get(self.arm_of(claims)?)).unwrap_or(&self.pool)
    }
}

/// Whether the answers of a route may be kept in a cache that all clients share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The same for everybody: sent without credentials, may be cached.
    Public,
    /// Passes the cache.
    Private,
}

impl Class {
    /// The word for this class in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// How far a route is enforced, so that no live site has to switch in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Not judged: passes.
    Off,
    /// Judged and passed; the record says what it would have been.
    Observe,
    /// Judged, and refused where the judgement says so.
    Enforce,
}

impl Mode {
    /// The word for this mode in records and verdicts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// Whether somebody has to be signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Yes.
    Required,
    /// No, but who is signed in is known.
    Optional,
}

/// Whether one assertion may be used again while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replay {
    /// Never again.
    Once,
    /// For the same request, as long as it lives.
    Window,
}

/// Whether requests may become another protocol (RFC 9110 section 7.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upgrade {
    /// No.
    #[default]
    None,
    /// A WebSocket (RFC 6455).
    Websocket,
}

impl Upgrade {
    /// Whether it is what a policy means that says nothing: left out then, so that its digest stays.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What becomes of a request that claims to be a bot's, by its signature (Web Bot Auth).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bots {
    /// A verified one is somebody; a claim that isn't verified counts for nothing.
    #[default]
    Any,
    /// A claim that isn't verified is refused.
    Verified,
    /// Every such claim is refused.
    None,
}

impl Bots {
    /// Whether it is what a policy means that says nothing: left out then, so that its digest stays.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::Any
    }
}
