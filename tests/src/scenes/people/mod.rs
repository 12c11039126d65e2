//! People: signing in, staying signed in and signing out, with a real identity provider and a real browser.

mod keys;
mod pages;
mod provider;
mod rotation;
mod sign_in;
mod sign_out;
mod staying;
mod tokens;

use crate::scene::{Row, Scene};
use crate::scenes::circuit;
use crate::site::SiteRules;
use crate::trouble::Trouble;

pub(super) fn scenes() -> Vec<Scene> {
    [
        sign_in::scenes(),
        staying::scenes(),
        sign_out::scenes(),
        tokens::scenes(),
        pages::scenes(),
        provider::scenes(),
        rotation::scenes(),
        keys::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Result<T = Row> = std::result::Result<T, Trouble>;

/// As the example of the edge's settings has it.
pub const RULES: SiteRules = SiteRules {
    circuit: circuit::RULES,
    session_lifetime: 3600,
    renew_after: 600,
    jwks_max_age: 300,
    jwks_stale: 3600,
};
