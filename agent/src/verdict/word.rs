//! What the edge's word about a request is worth.

use countersign_contract::assertion::{AssertionFault, Expected, Presented, VerifiedAssertion, verify};
use countersign_contract::time::UnixSeconds;

use super::Asked;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trust::{Overstated, Vouched};

/// What the edge's word about a request is worth.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once a verdict, where a box would be an allocation")]
pub enum Word {
    /// Nothing: there is none, or it doesn't hold.
    Unverified(AssertionFault),
    /// It is an edge service's, which says more than it may: nothing of it is told to the application.
    Overstated(Box<Overstated>),
    /// All that it says.
    Vouched(Vouched),
}

impl Word {
    /// The assertion, if it was verified, whoever vouches.
    #[must_use]
    pub fn assertion(&self) -> Option<&VerifiedAssertion> {
        match self {
            Self::Unverified(_) => None,
            Self::Overstated(overstated) => Some(overstated.assertion()),
            Self::Vouched(vouched) => Some(vouched.assertion()),
        }
    }

    /// The assertion, if all of it counts.
    #[must_use]
    pub const fn vouched(&self) -> Option<&Vouched> {
        match self {
            Self::Unverified(_) | Self::Overstated(_) => None,
            Self::Vouched(vouched) => Some(vouched),
        }
    }

    /// Verifies the assertion of a request, and has its service admitted.
    pub(super) fn of(
        request: &Request<'_>,
        asked: &Asked<'_>,
        snapshot: &Snapshot,
        now: UnixSeconds,
    ) -> Self {
        let expected = Expected {
            audience: &snapshot.audience,
            environments: snapshot.services.environments(),
            now,
            clock_skew: snapshot.clock_skew,
            longest_lifetime: snapshot.longest_lifetime,
            method: asked.method,
            authority: &asked.authority,
            target: &asked.target,
            known_hosts: snapshot.policy.routes().hosts(),
        };
        let presented = Presented::from_headers(request.assertions, request.assertion);
        match presented.and_then(|presented| verify(&presented, &snapshot.keys, &expected)) {
            Err(fault) => Self::Unverified(fault),
            Ok(assertion) => match snapshot.services.admit(assertion, &asked.authority) {
                Err(overstated) => Self::Overstated(overstated),
                Ok(vouched) => Self::Vouched(vouched),
            },
        }
    }
}
