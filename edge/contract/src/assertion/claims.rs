//! The claims of an assertion.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::binding::RequestBinding;
use crate::decision_id::DecisionId;
use crate::name::{ArmName, Audience, BotName, Environment, GroupName, ServiceName, SessionId, Subject};
use crate::policy::PolicyDigest;
use crate::time::UnixSeconds;

/// The version of the claims described here, the only one there is.
pub const VERSION: u8 = 1;

/// The most groups an assertion carries; the header's 4 KiB would end soon after.
pub const MOST_GROUPS: usize = 64;

/// What an assertion says. Names and types are checked when it is read, so a value of this type
/// holds no control byte that could split a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Version of these claims: [`VERSION`].
    pub v: u8,
    /// The edge service that vouches (`iss`).
    pub iss: ServiceName,
    /// The data centre that it vouches to (`aud`).
    pub aud: Audience,
    /// When it was minted.
    pub iat: UnixSeconds,
    /// From when on it says nothing any more.
    pub exp: UnixSeconds,
    /// The decision id.
    pub txn: DecisionId,
    /// The one request it is for.
    pub req: RequestBinding,
    /// The client's address as the edge saw it; read as IPv4 where it is IPv4-mapped.
    #[serde(deserialize_with = "unmapped")]
    pub ip: IpAddr,
    /// Who is asking; absent for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<Subject>,
    /// The log-in that they are known by (`sid` of OpenID Connect), so that it can be revoked; absent where the
    /// identity provider names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// Their groups, only those that the policy names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// The bot that asks, where its signature was verified; `sub` is its subject then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<BotName>,
    /// The arm of the route's experiment that they are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<ArmName>,
    /// Somebody is signed in, and the route doesn't learn who: said where the list lets nobody else come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// The identity provider says that this log-in is over: only to [`crate::header::SIGNED_OUT_PATH`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<SessionId>,
    /// The environment that the edge serves.
    pub env: Environment,
    /// The version of the edge's program, as its platform counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sv: Option<u64>,
    /// The digest of the policy that the edge used; absent where it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pol: Option<PolicyDigest>,
    /// The generation of the list that the edge looked the client up in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rep: Option<u64>,
}

fn unmapped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    IpAddr::deserialize(deserializer).map(|address| address.to_canonical())
}
