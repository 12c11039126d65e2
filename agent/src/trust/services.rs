//! What each edge service may say: a good signature proves who says something, not that they may.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use countersign_contract::assertion::{AssertionKeys, Claims, VerifiedAssertion};
use countersign_contract::canonical::Authority;
use countersign_contract::name::{
    BOT_SUBJECTS, BotName, Environment, GroupName, KeyId, ServiceName, SessionId, Subject,
};
use countersign_contract::route::HostPattern;
use serde::Deserialize;
use thiserror::Error;

/// One edge service, as a table of `[[assertion.services]]` has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name: `iss` of its assertions.
    pub name: ServiceName,
    /// The keys that may sign for it, by `kid`.
    pub keys: Vec<KeyId>,
    /// The hosts that it may vouch for.
    pub hosts: Vec<HostPattern>,
    /// The groups that it may say; without a list every one.
    #[serde(default)]
    pub groups: Option<BTreeSet<GroupName>>,
    /// What stands before the subjects and log-ins that it may speak of, with a `:` behind it; without a list it
    /// may speak of everybody.
    #[serde(default)]
    pub subject_prefixes: Option<Vec<String>>,
    /// Whether it may say that a log-in is over, which has that one refused everywhere.
    #[serde(default)]
    pub log_outs: LogOuts,
    /// The environments that it may be of; without a list the agent's own alone.
    #[serde(default)]
    pub environments: Option<Vec<Environment>>,
}

/// Whether an edge service may say that a log-in is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOuts {
    /// No.
    #[default]
    Refused,
    /// Yes: people sign in there.
    Accepted,
}

/// The edge services whose word counts, and for what.
#[derive(Clone, Debug)]
pub struct Services {
    by_name: BTreeMap<ServiceName, Limits>,
    environments: Vec<Environment>,
}

#[derive(Clone, Debug)]
struct Limits {
    keys: Vec<KeyId>,
    hosts: Vec<HostPattern>,
    groups: Groups,
    subjects: Subjects,
    log_outs: LogOuts,
    environments: Vec<Environment>,
}

#[derive(Clone, Debug)]
enum Subjects {
    Every,
    Below(Vec<String>),
}

#[derive(Clone, Debug)]
enum Groups {
    Every,
    Only(BTreeSet<GroupName>),
}

/// Why services can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServicesFault {
    /// None at all.
    #[error("there is none: expected a table for each edge service, with `name`, `keys` and `hosts`")]
    None,
    /// A list is empty.
    #[error("service `{service}` has no `{list}`: expected at least one")]
    Empty {
        /// The service.
        service: ServiceName,
        /// `keys`, `hosts`, `subject_prefixes` or `environments`.
        list: &'static str,
    },
    /// Two of one name.
    #[error("two services are named `{0}`: expected one table for each")]
    Twice(ServiceName),
    /// One key for two services.
    #[error(
        "key `{key}` is named by `{first}` and by `{second}`: expected a key of its own for each service"
    )]
    SharedKey {
        /// The key.
        key: KeyId,
        /// The one.
        first: ServiceName,
        /// The other.
        second: ServiceName,
    },
}

/// What an edge service says and may not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceFault {
    /// No such service.
    #[error("`{0}` is none of the edge services of `assertion.services`")]
    Unknown(ServiceName),
    /// Signed by a key that isn't its own.
    #[error("key `{key}` signed for edge service `{service}`, whose `keys` don't name it")]
    KeyOfAnother {
        /// The service that is named.
        service: ServiceName,
        /// The key.
        key: KeyId,
    },
    /// From an environment that it isn't of.
    #[error("edge service `{service}` says that it is of environment `{environment}`, and may not")]
    Environment {
        /// The service.
        service: ServiceName,
        /// The environment.
        environment: Environment,
    },
    /// For a host that isn't its.
    #[error("edge service `{service}` vouches for host `{host}`, which none of its `hosts` is for")]
    Host {
        /// The service.
        service: ServiceName,
        /// The host.
        host: String,
    },
    /// Somebody whom it may not speak of.
    #[error("edge service `{service}` speaks of `{whom}`, whom none of its `subject_prefixes` is for")]
    Subject {
        /// The service.
        service: ServiceName,
        /// The subject or the log-in.
        whom: String,
    },
    /// A bot by one name, and a subject that isn't this bot's; or a bot's subject, and no bot.
    #[error(
        "edge service `{service}` says bot {} and subject {}, which don't belong together",
        quoted(bot.as_ref()),
        quoted(subject.as_ref())
    )]
    Bot {
        /// The service.
        service: ServiceName,
        /// The bot.
        bot: Option<BotName>,
        /// The subject.
        subject: Option<Subject>,
    },
    /// That a log-in is over.
    #[error("edge service `{service}` says that a log-in is over, and its `log_outs` are not `accepted`")]
    LogOut {
        /// The service.
        service: ServiceName,
    },
    /// A group that it may not say.
    #[error("edge service `{service}` says group `{group}`, which its `groups` don't name")]
    Group {
        /// The service.
        service: ServiceName,
        /// The group.
        group: GroupName,
    },
}

/// An assertion that was verified, by a service that may say all of it: only [`Services::admit`] makes one.
#[derive(Debug)]
pub struct Vouched(VerifiedAssertion);

/// An assertion that was verified, by a service that may not say all of it.
#[derive(Debug)]
pub struct Overstated {
    assertion: VerifiedAssertion,
    fault: ServiceFault,
}

impl Vouched {
    /// The assertion.
    #[must_use]
    pub const fn assertion(&self) -> &VerifiedAssertion {
        &self.0
    }

    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        self.0.claims()
    }
}

impl Overstated {
    /// The assertion: good for nothing but records.
    #[must_use]
    pub const fn assertion(&self) -> &VerifiedAssertion {
        &self.assertion
    }

    /// What it says and may not.
    #[must_use]
    pub const fn fault(&self) -> &ServiceFault {
        &self.fault
    }
}

impl Services {
    /// These services, of the environment `own` where they name none.
    ///
    /// # Errors
    /// The first [`ServicesFault`].
    pub fn new(services: Vec<Service>, own: &Environment) -> Result<Self, ServicesFault> {
        if services.is_empty() {
            return Err(ServicesFault::None);
        }
        let mut by_name: BTreeMap<ServiceName, Limits> = BTreeMap::new();
        for Service { name, keys, hosts, groups, subject_prefixes, log_outs, environments } in services {
            let environments = environments.unwrap_or_else(|| vec![own.clone()]);
            let lists = [
                ("keys", keys.is_empty()),
                ("hosts", hosts.is_empty()),
                ("environments", environments.is_empty()),
                ("subject_prefixes", subject_prefixes.as_ref().is_some_and(Vec::is_empty)),
            ];
            if let Some((list, _)) = lists.into_iter().find(|(_, empty)| *empty) {
                return Err(ServicesFault::Empty { service: name, list });
            }
            for (first, other) in &by_name {
                if let Some(key) = keys.iter().find(|key| other.keys.contains(*key)) {
                    let (key, first, second) = (key.clone(), first.clone(), name);
                    return Err(if first == second {
                        ServicesFault::Twice(first)
                    } else {
                        ServicesFault::SharedKey { key, first, second }
                    });
                }
            }
            let groups = groups.map_or(Groups::Every, Groups::Only);
            let subjects = subject_prefixes.map_or(Subjects::Every, Subjects::Below);
            let limits = Limits { keys, hosts, groups, subjects, log_outs, environments };
            if by_name.insert(name.clone(), limits).is_some() {
                return Err(ServicesFault::Twice(name));
            }
        }
        let mut all: Vec<_> =
            by_name.values().flat_map(|limits| limits.environments.iter().cloned()).collect();
        all.sort_unstable();
        all.dedup();
        Ok(Self { by_name, environments: all })
    }

    /// Every environment that some service may be of.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// Keys that a service names and the ring doesn't hold, each with its service.
    pub fn keys_not_held(&self, ring: &AssertionKeys) -> impl Iterator<Item = (&ServiceName, &KeyId)> {
        let named =
            self.by_name.iter().flat_map(|(name, limits)| limits.keys.iter().map(move |key| (name, key)));
        named.filter(|(_, key)| ring.ids().all(|held| held != *key))
    }

    /// The service that a key signs for.
    #[must_use]
    pub fn of_key(&self, key: &KeyId) -> Option<&ServiceName> {
        self.by_name.iter().find(|(_, limits)| limits.keys.contains(key)).map(|(name, _)| name)
    }

    /// Admits an assertion for a request to this host.
    ///
    /// # Errors
    /// [`Overstated`] where the service may not say so; that alone costs an allocation.
    pub fn admit(
        &self,
        assertion: VerifiedAssertion,
        authority: &Authority<'_>,
    ) -> Result<Vouched, Box<Overstated>> {
        match self.check(assertion.claims(), assertion.key(), authority) {
            Ok(()) => Ok(Vouched(assertion)),
            Err(fault) => Err(Box::new(Overstated { assertion, fault })),
        }
    }

    fn check(&self, claims: &Claims, key: &KeyId, authority: &Authority<'_>) -> Result<(), ServiceFault> {
        let service = &claims.iss;
        let limits = self.by_name.get(service).ok_or_else(|| ServiceFault::Unknown(service.clone()))?;
        if !limits.keys.contains(key) {
            return Err(ServiceFault::KeyOfAnother { service: service.clone(), key: key.clone() });
        }
        if !limits.environments.contains(&claims.env) {
            let (service, environment) = (service.clone(), claims.env.clone());
            return Err(ServiceFault::Environment { service, environment });
        }
        let host = authority.host();
        if !limits.hosts.iter().any(|pattern| is_for(pattern, host)) {
            return Err(ServiceFault::Host { service: service.clone(), host: host.to_owned() });
        }
        if claims.ends.is_some() && limits.log_outs == LogOuts::Refused {
            return Err(ServiceFault::LogOut { service: service.clone() });
        }
        let named = claims.sub.as_ref().and_then(|subject| subject.as_str().strip_prefix(BOT_SUBJECTS));
        if named != claims.bot.as_ref().map(BotName::as_str) {
            let (bot, subject) = (claims.bot.clone(), claims.sub.clone());
            return Err(ServiceFault::Bot { service: service.clone(), bot, subject });
        }
        let log_ins = claims.sid.iter().chain(&claims.ends).map(SessionId::as_str);
        let mut whom = claims.sub.iter().map(Subject::as_str).chain(log_ins);
        if let Some(whom) = whom.find(|whom| !limits.subjects.includes(whom)) {
            return Err(ServiceFault::Subject { service: service.clone(), whom: whom.to_owned() });
        }
        match &limits.groups {
            Groups::Every => Ok(()),
            Groups::Only(own) => match claims.groups.iter().find(|group| !own.contains(*group)) {
                None => Ok(()),
                Some(group) => Err(ServiceFault::Group { service: service.clone(), group: group.clone() }),
            },
        }
    }
}

impl Subjects {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Below(prefixes) => prefixes
                .iter()
                .any(|prefix| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with(':'))),
        }
    }
}

/// As the policy's routes read a pattern: exactly, or one or more labels before a suffix.
fn is_for(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(name) => name == host,
        HostPattern::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
    }
}

fn quoted(name: Option<&impl fmt::Display>) -> String {
    name.map_or_else(|| "none".to_owned(), |name| format!("`{name}`"))
}

impl ServiceFault {
    /// The word for it in verdicts, records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "service-unknown",
            Self::KeyOfAnother { .. } => "key-of-another-service",
            Self::Environment { .. } => "environment-not-vouched",
            Self::Host { .. } => "host-not-vouched",
            Self::Subject { .. } => "subject-not-vouched",
            Self::Bot { .. } => "bot-mismatch",
            Self::LogOut { .. } => "log-out-not-vouched",
            Self::Group { .. } => "group-not-vouched",
        }
    }

    /// What an operator can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Unknown(_) => {
                "add the service to `assertion.services`, or compare its `service` at the edge"
            }
            Self::KeyOfAnother { .. } => {
                "nothing if that key was stolen; else name it in the service's `keys`"
            }
            Self::Environment { .. } => {
                "add the environment to the service's `environments`, if it may be of it"
            }
            Self::Host { .. } => "add the host to the service's `hosts`, if it may vouch for it",
            Self::Subject { .. } => {
                "add the prefix to the service's `subject_prefixes`, if it may speak of them"
            }
            Self::Bot { .. } => "nothing: no edge of ours says so",
            Self::LogOut { .. } => "set the service's `log_outs` to `accepted`, if people sign in there",
            Self::Group { .. } => "add the group to the service's `groups`, if it may say it",
        }
    }
}
