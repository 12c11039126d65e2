//! The reasons that scenes state, in one place: the words of the agent's and the edge's closed
//! lists, and of `why` in HAProxy's log.

/// Passed by the agent.
pub const ALLOWED: &str = "granted";
/// The route's permission is not among the sender's.
pub const PERMISSION_MISSING: &str = "permission-missing";

/// At the edge: nobody is signed in and the route wants somebody.
pub const IDENTITY_REQUIRED: &str = "identity-required";
/// At the edge: the list turns this client away.
pub const LISTED: &str = "listed-block";
/// At the edge: the list asks this client to come back later.
pub const LISTED_THROTTLE: &str = "listed-throttle";
/// At the edge: the list wants this client to sign in.
pub const LISTED_REQUIRE_IDENTITY: &str = "listed-require-identity";

/// At HAProxy: no agent answered with a verdict.
pub const VERDICT_MISSING: &str = "verdict-missing";
/// At HAProxy: a verdict that is neither `allow` nor `deny`.
pub const VERDICT_UNKNOWN: &str = "verdict-unknown";
/// At HAProxy: `deny` with a status outside the closed set.
pub const VERDICT_STATUS_UNKNOWN: &str = "verdict-status-unknown";
/// At HAProxy: a pool that it does not have.
pub const POOL_UNKNOWN: &str = "pool-unknown";
/// At HAProxy: a decision id that is none.
pub const DECISION_MALFORMED: &str = "decision-malformed";
/// At HAProxy: a subject or groups that would break a header.
pub const IDENTITY_MALFORMED: &str = "identity-malformed";
/// The log-in is over, at either tier.
pub const SESSION_REVOKED: &str = "session-revoked";
