//! What is changed in a request before it is sent on.

use countersign_contract::route::{Class, Mode, Route};

use crate::platform::Protocol;
use crate::settings::BackendName;

/// The changes to a request on its way to HAProxy. Target and method are never among them: the
/// assertion is bound to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where it goes.
    pub backend: BackendName,
    /// Headers that are removed, by name, whatever their number.
    pub remove: Vec<String>,
    /// Headers that are set after that, replacing any of the same name.
    pub set: Vec<(&'static str, Vec<u8>)>,
    /// Whether the client's body goes along.
    pub body: Body,
    /// Whether the answer may come from or go into the platform's cache.
    pub caching: Caching,
    /// The protocol that it goes by.
    pub protocol: Protocol,
}

/// What becomes of the client's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It goes along.
    Sent,
    /// It was for us, or a cache would keep what an application makes of it.
    Kept,
}

/// Whether the platform's cache takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// No: each request is sent and no answer is kept.
    Pass,
    /// As the answer's own headers allow.
    Allowed,
}

/// What a route means for the request that is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handling {
    /// The route's class.
    pub class: Class,
    /// What becomes of a bearer token.
    pub credentials: Credentials,
    /// What becomes of the body.
    pub body: Body,
}

/// What becomes of a bearer token. Our own cookies always end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It ends here: the assertion says who is asking.
    Removed,
    /// The application goes on reading it, until the route is enforced.
    Kept,
}

impl Handling {
    /// What is done where no route is known.
    pub const STRICTEST: Self =
        Self { class: Class::Private, credentials: Credentials::Removed, body: Body::Sent };

    /// What is done with a request whose body was for us.
    pub const WITHOUT_BODY: Self = Self { body: Body::Kept, ..Self::STRICTEST };

    /// What a route means.
    #[must_use]
    pub const fn of(route: &Route) -> Self {
        let credentials = match (route.class, route.mode) {
            (Class::Private, Mode::Off | Mode::Observe) => Credentials::Kept,
            (Class::Public, _) | (_, Mode::Enforce) => Credentials::Removed,
        };
        Self { class: route.class, credentials, body: Body::Sent }
    }
}
