//! The closed list of reasons: what the log says, what the client gets, what an operator can do.

use std::fmt;

use countersign_contract::assertion::AssertionFault;
use countersign_contract::canonical::{NotAMethod, NotAnAuthority, NotCanonical};
use countersign_contract::list::Action;
use countersign_contract::name::{BotName, GroupName, Permission, RouteName};
use countersign_contract::route::NoRoute;

use crate::reputation::list::Of;
use crate::request::QuestionFault;
use crate::trust::ServiceFault;

/// The statuses that a refusal can have: HAProxy has one rule for each, since a status can't be a
/// variable there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 401: nobody is known to be asking.
    Unauthorized,
    /// 403: known, and not allowed.
    Forbidden,
    /// 421: sent to the wrong place.
    Misdirected,
    /// 429: to come back later.
    TooManyRequests {
        /// In how many seconds.
        retry_after: u32,
    },
    /// 503: nobody's fault out there, worth another try.
    Unavailable,
}

impl Status {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::Misdirected => 421,
            Self::TooManyRequests { .. } => 429,
            Self::Unavailable => 503,
        }
    }

    /// After how many seconds another try makes sense, where it does.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::TooManyRequests { retry_after } => Some(retry_after),
            Self::Unavailable => Some(1),
            Self::Unauthorized | Self::Forbidden | Self::Misdirected => None,
        }
    }
}

/// Why a request is refused. Its `Display` is for the log: the client learns only the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// HAProxy's question lacks what a verdict needs.
    Question(QuestionFault),
    /// The target isn't canonical.
    NotCanonical(NotCanonical),
    /// The host isn't exactly one.
    Host(NotAnAuthority),
    /// The method isn't a token.
    Method(NotAMethod),
    /// No route can open the method.
    MethodRefused(String),
    /// No route decides.
    NoRoute(NoRoute),
    /// The assertion doesn't hold.
    Assertion(AssertionFault),
    /// The assertion says more than its edge service may.
    Service(ServiceFault),
    /// A path of Countersign's own, asked for in a way that is none.
    OwnPath,
    /// An assertion that ends a log-in, on another path than the one for that.
    EndsMisplaced,
    /// The assertion was used before, on a route that takes each one once.
    Replayed,
    /// Nothing more can be remembered as used.
    ReplayLogFull,
    /// The client is listed.
    Listed {
        /// What the list says.
        action: Action,
        /// Whom of.
        of: Of,
        /// For how many seconds more; a day at most is told.
        seconds: u32,
    },
    /// Nobody is signed in.
    IdentityRequired {
        /// The route that asks for somebody.
        route: RouteName,
    },
    /// A WebSocket, and the route is for none.
    UpgradeRefused {
        /// The route.
        route: RouteName,
    },
    /// A bot, and the route is for none.
    BotRefused {
        /// The route.
        route: RouteName,
        /// The bot.
        bot: BotName,
    },
    /// A group that the route refuses.
    GroupDenied {
        /// The route.
        route: RouteName,
        /// The group.
        group: GroupName,
    },
    /// No group gives the permission.
    PermissionMissing {
        /// The route.
        route: RouteName,
        /// What it asks for.
        permission: Permission,
    },
}

impl Refusal {
    /// The word for this reason in verdicts, records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Question(_) => "question-malformed",
            Self::NotCanonical(_) | Self::NoRoute(NoRoute::NotCanonical(_)) => "not-canonical",
            Self::Host(_) => "host-refused",
            Self::Method(_) | Self::MethodRefused(_) => "method-refused",
            Self::NoRoute(NoRoute::UnknownHost) => "unknown-host",
            Self::NoRoute(NoRoute::UnknownPath) => "unknown-path",
            Self::NoRoute(NoRoute::MethodNotListed) => "method-not-listed",
            Self::Assertion(fault) => fault.code(),
            Self::Service(fault) => fault.code(),
            Self::OwnPath => "own-path",
            Self::EndsMisplaced => "ends-misplaced",
            Self::Replayed => "replayed",
            Self::ReplayLogFull => "replay-log-full",
            Self::Listed { action: Action::Throttle, .. } => "listed-throttle",
            Self::Listed { action: Action::RequireIdentity, .. } => "listed-require-identity",
            Self::Listed { action: Action::Block, of: Of::LogIn, .. } => "session-revoked",
            Self::Listed { action: Action::Block | Action::Observe, .. } => "listed",
            Self::IdentityRequired { .. } => "identity-required",
            Self::UpgradeRefused { .. } => "upgrade-refused",
            Self::BotRefused { .. } => "bot-refused",
            Self::GroupDenied { .. } => "group-denied",
            Self::PermissionMissing { .. } => "permission-missing",
        }
    }

    /// The status that the client gets.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Assertion(AssertionFault::Missing)
            | Self::Listed { action: Action::RequireIdentity, .. }
            | Self::IdentityRequired { .. } => Status::Unauthorized,
            // Whoever it is may sign in again.
            Self::Listed { action: Action::Block, of: Of::LogIn, .. } => Status::Unauthorized,
            Self::Listed { action: Action::Throttle, seconds, .. } => {
                Status::TooManyRequests { retry_after: *seconds }
            }
            Self::NoRoute(NoRoute::UnknownHost) | Self::Assertion(AssertionFault::WrongAudience { .. }) => {
                Status::Misdirected
            }
            Self::Question(_) | Self::ReplayLogFull => Status::Unavailable,
            Self::NotCanonical(_)
            | Self::Host(_)
            | Self::Method(_)
            | Self::MethodRefused(_)
            | Self::NoRoute(_)
            | Self::Assertion(_)
            | Self::Service(_)
            | Self::OwnPath
            | Self::EndsMisplaced
            | Self::Replayed
            | Self::Listed { action: Action::Block | Action::Observe, .. }
            | Self::UpgradeRefused { .. }
            | Self::BotRefused { .. }
            | Self::GroupDenied { .. }
            | Self::PermissionMissing { .. } => Status::Forbidden,
        }
    }

    /// What an operator can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Question(_) => {
                "use the shipped countersign.spoe.conf: its `args` line is what the agent reads"
            }
            Self::NotCanonical(_) | Self::NoRoute(NoRoute::NotCanonical(_)) => {
                "send the path in its one canonical spelling, or let the route `allow` it"
            }
            Self::Host(_) | Self::Method(_) | Self::MethodRefused(_) => "nothing: no browser sends this",
            Self::NoRoute(_) => "add a route to the policy, or look for a mistyped host, path or method",
            Self::Assertion(fault) => remedy_of(fault),
            Self::Service(fault) => fault.remedy(),
            Self::OwnPath => "nothing: no edge of ours asks for it so",
            Self::EndsMisplaced => "nothing: no edge of ours says so there",
            Self::Replayed => {
                "nothing if it was an attack; a client that repeats itself must ask the edge again"
            }
            Self::ReplayLogFull => "raise `replay.capacity`, or let fewer routes take each assertion once",
            Self::Listed { .. } => {
                "`countersign bans explain CLIENT` says why, `bans remove CLIENT` lifts it"
            }
            Self::IdentityRequired { .. } => "sign in at the edge, or make the route's `identity` optional",
            Self::UpgradeRefused { .. } => "set the route's `upgrade` to `websocket`, at both tiers",
            Self::BotRefused { .. } => {
                "nothing: the edge should have refused it, see whether both have one policy"
            }
            Self::GroupDenied { .. } => {
                "take the group from the route's `deny_groups`, or the person from the group"
            }
            Self::PermissionMissing { .. } => "give the permission to a role of one of the person's groups",
        }
    }
}

const fn remedy_of(fault: &AssertionFault) -> &'static str {
    match fault {
        AssertionFault::Missing => "send requests through the edge: it adds the assertion",
        AssertionFault::Expired(_) | AssertionFault::NotYetValid(_) => {
            "compare the clocks of edge and origin; a captured assertion stays refused"
        }
        AssertionFault::UnknownKey(_) => {
            "add the edge's public key to the file of `assertion.keys` and reload"
        }
        AssertionFault::WrongAudience { .. } => "compare `audience` in the settings of edge and agent",
        AssertionFault::WrongEnvironment { .. } => {
            "compare `environment` in the settings of edge and agent, or name it in the service's `environments`"
        }
        AssertionFault::BoundToAnother(_) => {
            "nothing if it was captured; else look for what changes method, host or path between edge and HAProxy"
        }
        AssertionFault::LivesTooLong { .. } => {
            "compare the edge's `assertion_lifetime_seconds` with the agent's `assertion.max_lifetime_seconds`"
        }
        AssertionFault::UnsupportedVersion(_) => "run edge and agent of the same release",
        _ => "nothing: no edge of ours makes such an assertion",
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question(fault) => fault.fmt(f),
            Self::NotCanonical(fault) => fault.fmt(f),
            Self::Host(fault) => fault.fmt(f),
            Self::Method(fault) => fault.fmt(f),
            Self::MethodRefused(method) => write!(f, "method `{method}` is never let on"),
            Self::NoRoute(fault) => fault.fmt(f),
            Self::Assertion(fault) => fault.fmt(f),
            Self::Service(fault) => fault.fmt(f),
            Self::OwnPath => f.write_str(
                "paths below `/.countersign/` are Countersign's own, and this is not how an edge asks for one",
            ),
            Self::EndsMisplaced => {
                f.write_str("the assertion says that a log-in is over, and is for another path than the one for that")
            }
            Self::Replayed => f.write_str("the assertion was used before, and the route takes each one once"),
            Self::ReplayLogFull => f.write_str("the log of used assertions is full"),
            Self::Listed { action: Action::Block, of: Of::LogIn, seconds } => {
                write!(f, "the log-in was revoked, or is over: for {seconds} s more")
            }
            Self::Listed { action, seconds, .. } => {
                write!(f, "the client is listed: {} for {seconds} s more", action.as_str())
            }
            Self::IdentityRequired { route } => write!(f, "route `{route}` asks for somebody signed in"),
            Self::UpgradeRefused { route } => write!(f, "route `{route}` is for no WebSocket"),
            Self::BotRefused { route, bot } => write!(f, "route `{route}` is for no bots, bot `{bot}` neither"),
            Self::GroupDenied { route, group } => write!(f, "route `{route}` refuses group `{group}`"),
            Self::PermissionMissing { route, permission } => {
                write!(
                    f,
                    "route `{route}` asks for permission `{permission}`, which none of the person's groups gives"
                )
            }
        }
    }
}
