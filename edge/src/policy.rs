//! The policy as the edge reads it: which route decides, and which groups travel.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use countersign_contract::canonical::Method;
use countersign_contract::experiment::Experiment;
use countersign_contract::name::{ExperimentName, GroupName};
use countersign_contract::policy::{EdgePolicy, EdgePolicyFault, PolicyDigest};
use countersign_contract::route::{NoRoute, Overlap, Route, RouteTable};
use thiserror::Error;

use crate::platform::{Platform, Store, StoreFault};
use crate::scrub::Canonical;

/// The policy, ready for look-up.
#[derive(Debug)]
pub struct Policy {
    /// The digest of what it was compiled from.
    pub digest: PolicyDigest,
    /// Every group that it names: no other travels.
    pub groups: BTreeSet<GroupName>,
    experiments: BTreeMap<ExperimentName, Experiment>,
    routes: RouteTable,
}

/// Why there is no policy to decide by. Nothing passes without one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyFault {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Its items can't be read.
    #[error(transparent)]
    Items(#[from] EdgePolicyFault),
    /// Two routes could decide.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Overlap(Vec<Overlap>),
}

impl Policy {
    /// Reads the items of the config store.
    ///
    /// # Errors
    /// [`PolicyFault`] says which item is missing or wrong.
    pub fn load(platform: &impl Platform) -> Result<Self, PolicyFault> {
        let store_fault = RefCell::new(None);
        let read = EdgePolicy::from_items(|key| {
            platform.item(Store::Config, key).unwrap_or_else(|fault| {
                store_fault.replace(Some(fault));
                None
            })
        });
        if let Some(fault) = store_fault.into_inner() {
            return Err(fault.into());
        }
        let EdgePolicy { digest, groups, experiments, routes } = read?;
        let routes = RouteTable::build(routes).map_err(PolicyFault::Overlap)?;
        Ok(Self { digest, groups, experiments, routes })
    }

    /// The one route that decides.
    ///
    /// # Errors
    /// [`NoRoute`]: none does. That is never a pass.
    pub fn route(&self, request: &Canonical<'_>) -> Result<&Route, NoRoute> {
        self.route_of(request.method, request)
    }

    /// The one route that would decide about the same request by another method.
    ///
    /// # Errors
    /// [`NoRoute`]: none does.
    pub fn route_of(&self, method: Method<'_>, request: &Canonical<'_>) -> Result<&Route, NoRoute> {
        self.routes.find(method, &request.authority, &request.target)
    }

    /// The experiment of a route, with its name.
    #[must_use]
    pub fn experiment(&self, route: &Route) -> Option<(&ExperimentName, &Experiment)> {
        self.experiments.get_key_value(route.experiment.as_ref()?)
    }
}
