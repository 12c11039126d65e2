//! A request that another of our own edge locations has vouched for already, on its way through
//! this one.

use countersign_contract::assertion::{Expected, Presented, VerifiedAssertion, verify};
use countersign_contract::time::UnixSeconds;

use crate::platform::Received;
use crate::scrub::Canonical;
use crate::settings::{Origin, Settings};
use crate::signing::SigningKeys;

/// How far the clocks of two edge locations may be apart, in seconds; agents grant no more.
const CLOCK_SKEW_SECONDS: u64 = 5;
/// The longest life of an assertion, in seconds, see the contract.
const LONGEST_LIFETIME_SECONDS: u64 = 60;

/// The assertion of an earlier hop, and the data centre that it is for: exactly one, under a key of ours,
/// fresh, for a data centre and the environment of ours, and for this very request. Anything else that a
/// client sends in its place is deleted like every header of ours.
#[must_use]
pub fn earlier_hop<'s>(
    received: &Received,
    request: &Canonical<'_>,
    settings: &'s Settings,
    keys: &SigningKeys,
    now: UnixSeconds,
) -> Option<(VerifiedAssertion, &'s Origin)> {
    let [assertion] = received.assertion.as_slice() else { return None };
    let presented = Presented::parse(assertion).ok()?;
    let own = keys.own().ok()?;
    settings.origins.iter().find_map(|origin| {
        let expected = Expected {
            audience: &origin.audience,
            environments: std::slice::from_ref(&settings.environment),
            now,
            clock_skew: CLOCK_SKEW_SECONDS,
            longest_lifetime: LONGEST_LIFETIME_SECONDS,
            method: request.method,
            authority: &request.authority,
            target: &request.target,
            known_hosts: &[],
        };
        let verified = verify(&presented, &own, &expected).ok()?;
        (verified.claims().iss == settings.service).then_some((verified, origin))
    })
}
