//! What an example's stage consists of, as the example's page has it.

use crate::world::AUDIENCE;

use super::files::SHIPPED_BIND;

/// What an example is made of.
#[derive(Debug, Clone, Copy)]
pub struct ExamplePlan {
    /// Its folder.
    pub name: &'static str,
    /// Its data centres.
    pub centres: &'static [Centre],
    /// The locations of the edge; clients come to the first.
    pub locations: &'static [Location],
    /// Its pools whose application keeps streams open.
    pub streams: &'static [(&'static str, Keeps)],
}

/// What streams an application keeps open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// WebSockets.
    WebSockets,
    /// Calls of gRPC.
    Calls,
}

/// Where a client sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the edge.
    Edge,
    /// Straight to HAProxy.
    Straight,
}

impl ExamplePlan {
    /// An example with one data centre and one location.
    #[must_use]
    pub const fn of(name: &'static str) -> Self {
        Self { name, centres: &[Centre::SHIPPED], locations: &[Location::ONLY], streams: &[] }
    }
}

/// A data centre.
#[derive(Debug, Clone, Copy)]
pub struct Centre {
    /// Its name: the audience of its agents.
    pub audience: &'static str,
    /// Where its HAProxy listens, as the example's files name it.
    pub address: &'static str,
    /// The file of its agents' settings; `None` is the shipped one.
    pub agents: Option<&'static str>,
}

impl Centre {
    /// As the shipped files have it.
    pub const SHIPPED: Self = Self { audience: AUDIENCE, address: SHIPPED_BIND, agents: None };
}

/// A location of the edge.
#[derive(Debug, Clone, Copy)]
pub struct Location {
    /// The file of its backends.
    pub backends: &'static str,
    /// Where it listens, as the example's files name it.
    pub address: &'static str,
}

impl Location {
    /// The only one, where Fastly's local server listens by itself.
    pub const ONLY: Self = Self { backends: "backends.toml", address: "127.0.0.1:7676" };
}
