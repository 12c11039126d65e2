//! The policy: who may do what where, and which pool answers.
//!
//! Groups are given roles, roles give permissions, routes ask for one: a table that an operator
//! can read and review. Exactly one route decides about a request, a denied group overrides all
//! that is given, and what no route is for is refused.

mod evaluate;
mod parse;
mod toml;

pub use evaluate::{Basis, Permit};
pub use parse::{PolicyFault, PolicyFaults};

use std::collections::{BTreeMap, BTreeSet};

use countersign_contract::experiment::Experiment;
use countersign_contract::name::{ExperimentName, GroupName, Permission, RoleName};
use countersign_contract::policy::{EdgePolicy, PolicyDigest};
use countersign_contract::route::RouteTable;
use serde::Serialize;

/// A valid policy, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Policy {
    routes: RouteTable,
    permissions: BTreeMap<GroupName, BTreeSet<Permission>>,
    groups: BTreeSet<GroupName>,
    experiments: BTreeMap<ExperimentName, Experiment>,
    digest: PolicyDigest,
}

/// A role: what it permits, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Role {
    groups: BTreeSet<GroupName>,
    permissions: BTreeSet<Permission>,
}

impl Policy {
    /// Reads a policy from TOML.
    ///
    /// # Errors
    /// [`PolicyFaults`]: everything that is wrong with it, with line and column.
    pub fn parse(text: &str) -> Result<Self, PolicyFaults> {
        parse::parse(text)
    }

    fn new(
        roles: &BTreeMap<RoleName, Role>,
        experiments: BTreeMap<ExperimentName, Experiment>,
        routes: RouteTable,
    ) -> Self {
        #[derive(Serialize)]
        struct Compiled<'a> {
            version: u8,
            roles: &'a BTreeMap<RoleName, Role>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            experiments: &'a BTreeMap<ExperimentName, Experiment>,
            routes: &'a [countersign_contract::route::Route],
        }
        let compiled =
            Compiled { version: parse::VERSION, roles, experiments: &experiments, routes: routes.routes() };
        // Maps with text for keys and plain data: there is nothing here that JSON can't write.
        let digest = PolicyDigest::of(&serde_json::to_vec(&compiled).unwrap_or_default());
        let mut permissions: BTreeMap<GroupName, BTreeSet<Permission>> = BTreeMap::new();
        for role in roles.values() {
            for group in &role.groups {
                permissions.entry(group.clone()).or_default().extend(role.permissions.iter().cloned());
            }
        }
        let denied = routes.routes().iter().flat_map(|route| route.deny_groups.iter());
        let groups = permissions.keys().chain(denied).cloned().collect();
        Self { routes, permissions, groups, experiments, digest }
    }

    /// The routes.
    #[must_use]
    pub const fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The digest that the edge's copy must have too.
    #[must_use]
    pub const fn digest(&self) -> &PolicyDigest {
        &self.digest
    }

    /// The edge's copy.
    #[must_use]
    pub fn for_edge(&self) -> EdgePolicy {
        EdgePolicy {
            digest: self.digest.clone(),
            groups: self.groups.clone(),
            experiments: self.experiments.clone(),
            routes: self.routes.routes().to_vec(),
        }
    }
}
