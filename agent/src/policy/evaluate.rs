//! Evaluating a route for somebody.

use countersign_contract::assertion::Claims;
use countersign_contract::name::PoolName;
use countersign_contract::route::{Bots, Identity, Route};

use super::Policy;
use crate::reason::Refusal;
use crate::trust::Vouched;

/// Leave to pass to one pool. Only an evaluation makes one, and only a permit names a pool to
/// HAProxy, so nothing can be routed that was not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    pool: PoolName,
    basis: Basis,
}

/// What a permit rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The rules grant it.
    Granted,
    /// The rules would refuse it, the route only observes.
    Observed,
    /// The route is off: no rule was looked at.
    Unjudged,
}

impl Basis {
    /// The word for this basis in verdicts, records and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Observed => "observed",
            Self::Unjudged => "not-judged",
        }
    }
}

impl Permit {
    /// Where the route only observes; `vouched` is whom an assertion speaks of, all of which counts.
    pub(crate) fn observed(route: &Route, vouched: Option<&Vouched>) -> Self {
        Self { pool: pool_of(route, vouched), basis: Basis::Observed }
    }

    /// The same where the route is off.
    pub(crate) fn unjudged(route: &Route, vouched: Option<&Vouched>) -> Self {
        Self { pool: pool_of(route, vouched), basis: Basis::Unjudged }
    }

    /// The pool that it is for.
    #[must_use]
    pub const fn pool(&self) -> &PoolName {
        &self.pool
    }

    /// What it rests on.
    #[must_use]
    pub const fn basis(&self) -> Basis {
        self.basis
    }
}

fn pool_of(route: &Route, vouched: Option<&Vouched>) -> PoolName {
    vouched.map_or(&route.pool, |vouched| route.pool_for(vouched.claims())).clone()
}

impl Policy {
    /// Evaluates a route for whom an assertion speaks of, all of which counts.
    ///
    /// # Errors
    /// The [`Refusal`] that names the route, and the bot, group or permission that decided.
    pub fn evaluate(&self, route: &Route, vouched: &Vouched) -> Result<Permit, Refusal> {
        let claims = vouched.claims();
        if route.bots == Bots::None
            && let Some(bot) = &claims.bot
        {
            return Err(Refusal::BotRefused { route: route.name.clone(), bot: bot.clone() });
        }
        if claims.sub.is_none() && (route.identity == Identity::Required || route.permission.is_some()) {
            return Err(Refusal::IdentityRequired { route: route.name.clone() });
        }
        if let Some(group) = claims.groups.iter().find(|group| route.deny_groups.contains(*group)) {
            return Err(Refusal::GroupDenied { route: route.name.clone(), group: group.clone() });
        }
        if let Some(permission) = &route.permission
            && !self.gives(claims, permission)
        {
            return Err(Refusal::PermissionMissing {
                route: route.name.clone(),
                permission: permission.clone(),
            });
        }
        Ok(Permit { pool: route.pool_for(claims).clone(), basis: Basis::Granted })
    }

    fn gives(&self, claims: &Claims, permission: &countersign_contract::name::Permission) -> bool {
        claims
            .groups
            .iter()
            .any(|group| self.permissions.get(group).is_some_and(|given| given.contains(permission)))
    }
}
