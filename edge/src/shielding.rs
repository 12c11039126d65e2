//! A request that another of our own edge locations has vouched for already, on its way through
//! this one.

use countersign_contract::assertion::{Expected, Presented, VerifiedAssertion, verify};
use countersign_contract::time::UnixSeconds;

use crate::platform::Received;
use crate::scrub::Canonical;
use crate::settings::Settings;
use crate::signing::SigningKey;

/// How far the clocks of two edge locations may be apart, in seconds; agents grant no more.
const CLOCK_SKEW_SECONDS: u64 = 5;
/// The longest life of an assertion, in seconds, see the contract.
const LONGEST_LIFETIME_SECONDS: u64 = 60;

/// The assertion of an earlier hop: exactly one, under our own key, fresh, for our own data centre
/// and environment, and for this very request. Anything else that a client sends in its place is
/// deleted like every header of ours.
#[must_use]
pub fn earlier_hop(
    received: &Received,
    request: &Canonical<'_>,
    settings: &Settings,
    key: &SigningKey,
    now: UnixSeconds,
) -> Option<VerifiedAssertion> {
    let [assertion] = received.assertion.as_slice() else { return None };
    let expected = Expected {
        audience: &settings.audience,
        environments: std::slice::from_ref(&settings.environment),
        now,
        clock_skew: CLOCK_SKEW_SECONDS,
        longest_lifetime: LONGEST_LIFETIME_SECONDS,
        method: request.method,
        authority: &request.authority,
        target: &request.target,
        known_hosts: &[],
    };
    let verified = Presented::parse(assertion).and_then(|presented| verify(&presented, key.own(), &expected));
    verified.ok().filter(|assertion| assertion.claims().iss == settings.service)
}
