//! Verifying an assertion: the order of its checks on one screen.

use std::fmt;

use super::claims::Claims;
use super::fault::AssertionFault;
use super::keys::AssertionKeys;
use super::presented::Presented;
use crate::binding::RequestBinding;
use crate::canonical::{Authority, Method, Target};
use crate::name::{Audience, Environment, KeyId};
use crate::time::UnixSeconds;

/// What an assertion is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The data centre that this is.
    pub audience: &'a Audience,
    /// The environments whose edges are taken.
    pub environments: &'a [Environment],
    /// The time now.
    pub now: UnixSeconds,
    /// How far the clocks of edge and origin may be apart, in seconds.
    pub clock_skew: u64,
    /// The longest life that is accepted, in seconds.
    pub longest_lifetime: u64,
    /// The request's method.
    pub method: Method<'a>,
    /// The request's host.
    pub authority: &'a Authority<'a>,
    /// The request's target.
    pub target: &'a Target<'a>,
    /// Hosts that we know, to say whether an assertion was made for another of them.
    pub known_hosts: &'a [String],
}

/// An assertion that passed every check: only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedAssertion {
    claims: Claims,
    key: KeyId,
}

impl VerifiedAssertion {
    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key that signed it.
    #[must_use]
    pub const fn key(&self) -> &KeyId {
        &self.key
    }
}

/// Verifies an assertion, cheap checks before dear ones: a forger without a key never reaches the
/// signature unless every claim fits this very request.
///
/// # Errors
/// The first fault, in the order of [`Check`].
pub fn verify(
    presented: &Presented<'_>,
    keys: &AssertionKeys,
    expected: &Expected<'_>,
) -> Result<VerifiedAssertion, AssertionFault> {
    let key = presented.key(keys)?;
    let claims = presented.claims()?;
    check_times(&claims, expected)?;
    check_audience(&claims, expected)?;
    check_environment(&claims, expected)?;
    check_binding(&claims, expected)?;
    presented.check_signature(key)?;
    Ok(VerifiedAssertion { claims, key: key.id().clone() })
}

fn check_times(claims: &Claims, expected: &Expected<'_>) -> Result<(), AssertionFault> {
    let Claims { iat, exp, .. } = claims;
    if exp <= iat {
        return Err(AssertionFault::EndsBeforeItBegins);
    }
    let lifetime = exp.since(*iat);
    if lifetime > expected.longest_lifetime {
        return Err(AssertionFault::LivesTooLong { lifetime, longest: expected.longest_lifetime });
    }
    if *iat > expected.now.plus(expected.clock_skew) {
        return Err(AssertionFault::NotYetValid(iat.since(expected.now)));
    }
    if exp.plus(expected.clock_skew) <= expected.now {
        return Err(AssertionFault::Expired(expected.now.since(*exp)));
    }
    Ok(())
}

fn check_audience(claims: &Claims, expected: &Expected<'_>) -> Result<(), AssertionFault> {
    if claims.aud == *expected.audience {
        return Ok(());
    }
    Err(AssertionFault::WrongAudience {
        said: claims.aud.to_string(),
        expected: expected.audience.to_string(),
    })
}

fn check_environment(claims: &Claims, expected: &Expected<'_>) -> Result<(), AssertionFault> {
    if expected.environments.contains(&claims.env) {
        return Ok(());
    }
    let names: Vec<&str> = expected.environments.iter().map(Environment::as_str).collect();
    Err(AssertionFault::WrongEnvironment { said: claims.env.to_string(), expected: names.join("` or `") })
}

fn check_binding(claims: &Claims, expected: &Expected<'_>) -> Result<(), AssertionFault> {
    let Expected { method, authority, target, known_hosts, .. } = *expected;
    if RequestBinding::of(method, authority, target) == claims.req {
        return Ok(());
    }
    let others = known_hosts.iter().map(String::as_str);
    Err(AssertionFault::BoundToAnother(RequestBinding::difference(
        claims.req, method, authority, target, others,
    )))
}

/// The checks of an assertion in the order in which [`verify`] makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Its header names a key that we hold, and that key's algorithm.
    Key,
    /// Its claims can be read.
    Claims,
    /// It is neither expired, nor from the future, nor too long-lived.
    Times,
    /// It is for this data centre.
    Audience,
    /// It is for this environment.
    Environment,
    /// It is for this request.
    Binding,
    /// It is signed by that key.
    Signature,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Claims => "claims",
            Self::Times => "times",
            Self::Audience => "audience",
            Self::Environment => "environment",
            Self::Binding => "binding",
            Self::Signature => "signature",
        })
    }
}

/// How one check of an explanation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed(AssertionFault),
    /// It needs what an earlier one failed to give.
    NotReached,
}

/// Makes every check that can still be made, also after one failed: for people who look for the
/// reason. Gives no [`VerifiedAssertion`], so nothing can be let through with it.
#[must_use]
pub fn explain(
    presented: &Presented<'_>,
    keys: &AssertionKeys,
    expected: &Expected<'_>,
) -> [(Check, CheckOutcome); 7] {
    let key = presented.key(keys);
    let claims = presented.claims();
    let of_claims = |check: fn(&Claims, &Expected<'_>) -> Result<(), AssertionFault>| match &claims {
        Ok(claims) => outcome(check(claims, expected)),
        Err(_) => CheckOutcome::NotReached,
    };
    [
        (Check::Key, outcome(key.as_ref().map(drop).map_err(Clone::clone))),
        (Check::Claims, outcome(claims.as_ref().map(drop).map_err(Clone::clone))),
        (Check::Times, of_claims(check_times)),
        (Check::Audience, of_claims(check_audience)),
        (Check::Environment, of_claims(check_environment)),
        (Check::Binding, of_claims(check_binding)),
        (
            Check::Signature,
            key.map_or(CheckOutcome::NotReached, |key| outcome(presented.check_signature(key))),
        ),
    ]
}

fn outcome(result: Result<(), AssertionFault>) -> CheckOutcome {
    result.map_or_else(CheckOutcome::Failed, |()| CheckOutcome::Passed)
}
