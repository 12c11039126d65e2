//! From TOML to a valid policy, or to everything that is wrong with it.

mod cors;
mod experiments;
mod rate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use countersign_contract::canonical::Allowance;
use countersign_contract::experiment::Experiment;
use countersign_contract::name::{ExperimentName, Permission, PoolName, RoleName, RouteName};
use countersign_contract::route::{
    Bots, Class, HostPattern, Identity, Mode, PathPattern, Replay, Route, RouteTable, Upgrade,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::toml::{Reader, Value};
use super::{Policy, Role};

/// The version of the policy's format, the only one there is.
pub(super) const VERSION: u8 = 1;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Everything that is wrong with a policy, in the order of its text; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFaults(Vec<PolicyFault>);

impl PolicyFaults {
    /// The faults.
    pub fn iter(&self) -> impl Iterator<Item = &PolicyFault> {
        self.0.iter()
    }
}

impl std::error::Error for PolicyFaults {}

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for PolicyFault { line, column, message } in &self.0 {
            write!(f, "{separator}{line}:{column}: {message}")?;
            separator = "\n";
        }
        Ok(())
    }
}

const TOP_KEYS: [&str; 4] = ["version", "roles", "experiments", "route"];
const ROLE_KEYS: [&str; 2] = ["groups", "permissions"];
const ROUTE_KEYS: [&str; 20] = [
    "name",
    "hosts",
    "path",
    "methods",
    "class",
    "mode",
    "identity",
    "permission",
    "deny_groups",
    "replay",
    "pool",
    "bots",
    "bot_pool",
    "bot_rate",
    "rate",
    "experiment",
    "arm_pools",
    "cors",
    "upgrade",
    "allow",
];

pub(super) fn parse(text: &str) -> Result<Policy, PolicyFaults> {
    let (mut reader, document) = Reader::parse(text);
    let document = document.get_ref();
    reader.refuse_other_keys(document, "the policy", &TOP_KEYS);
    check_version(&mut reader, document);
    let roles = read_roles(&mut reader, document);
    let experiments = experiments::read(&mut reader, document);
    let routes = read_routes(&mut reader, document, &experiments);
    check_permissions(&mut reader, &roles, &routes);
    let table = build_table(&mut reader, routes);
    let faults: Vec<_> = reader
        .into_faults()
        .into_iter()
        .map(|(line, column, message)| PolicyFault { line, column, message })
        .collect();
    match table {
        Some(table) if faults.is_empty() => Ok(Policy::new(&roles, experiments, table)),
        _ => Err(PolicyFaults(faults)),
    }
}

fn check_version<'t>(reader: &mut Reader<'t>, document: &DeTable<'t>) {
    let Some(value) = reader.required(document, "version", 0, "the policy") else { return };
    let version = match value.get_ref() {
        DeValue::Integer(integer) => integer.to_string(),
        other => other.type_str().to_owned(),
    };
    if version != VERSION.to_string() {
        reader.fault(value.span().start, format_args!("`version` is `{version}`: expected {VERSION}"));
    }
}

fn read_roles<'t>(reader: &mut Reader<'t>, document: &DeTable<'t>) -> BTreeMap<RoleName, Role> {
    let mut roles = BTreeMap::new();
    let Some(table) = document.get("roles").and_then(|value| reader.table(value, "`roles`")) else {
        return roles;
    };
    for (key, value) in table {
        let name: &str = key.get_ref();
        let what = format!("role `{name}`");
        let name = match name.parse::<RoleName>() {
            Ok(name) => Some(name),
            Err(error) => {
                reader.fault(key.span().start, error);
                None
            }
        };
        let Some(role) = reader.table(value, &what) else { continue };
        reader.refuse_other_keys(role, &what, &ROLE_KEYS);
        let place = key.span().start;
        let groups = reader
            .required(role, "groups", place, &what)
            .map(|value| reader.set(value, &format!("`groups` of {what}")))
            .unwrap_or_default();
        let permissions = reader
            .required(role, "permissions", place, &what)
            .map(|value| reader.set(value, &format!("`permissions` of {what}")))
            .unwrap_or_default();
        if let Some(name) = name {
            roles.insert(name, Role { groups, permissions });
        }
    }
    roles
}

/// A route and the places that later checks point at.
struct Placed {
    route: Route,
    path: usize,
    permission: usize,
}

fn read_routes<'t>(
    reader: &mut Reader<'t>,
    document: &DeTable<'t>,
    experiments: &BTreeMap<ExperimentName, Experiment>,
) -> Vec<Placed> {
    let Some(value) = document.get("route") else {
        reader.fault(0, "the policy has no `[[route]]`: every request would be refused");
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    let mut routes = Vec::new();
    for value in reader.array(value, "`route`") {
        let Some(placed) = read_route(reader, value, experiments) else { continue };
        if !names.insert(placed.route.name.clone()) {
            reader.fault(value.span().start, format_args!("there are two routes `{}`", placed.route.name));
        }
        routes.push(placed);
    }
    routes
}

fn read_route<'t>(
    reader: &mut Reader<'t>,
    value: &Value<'t>,
    experiments: &BTreeMap<ExperimentName, Experiment>,
) -> Option<Placed> {
    let place = value.span().start;
    let table = reader.table(value, "`route`")?;
    let what = match table.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("route `{name}`"),
        None => "the route".to_owned(),
    };
    reader.refuse_other_keys(table, &what, &ROUTE_KEYS);
    let of = |key: &str| format!("`{key}` of {what}");
    let name: Option<RouteName> =
        reader.required(table, "name", place, &what).and_then(|value| reader.parsed(value, &of("name")));
    let hosts: Option<BTreeSet<HostPattern>> = reader.required(table, "hosts", place, &what).map(|value| {
        let hosts = reader.set(value, &of("hosts"));
        if value.get_ref().as_array().is_some_and(|hosts| hosts.is_empty()) {
            reader.fault(
                value.span().start,
                format_args!("{} is empty: expected at least one host", of("hosts")),
            );
        }
        hosts
    });
    let path = reader.required(table, "path", place, &what);
    let path_place = path.map_or(place, start);
    let path: Option<PathPattern> = path.and_then(|value| reader.parsed(value, &of("path")));
    let pool: Option<PoolName> =
        reader.required(table, "pool", place, &what).and_then(|value| reader.parsed(value, &of("pool")));
    let methods = table.get("methods").map(|value| reader.set(value, &of("methods"))).unwrap_or_default();
    let deny_groups =
        table.get("deny_groups").map(|value| reader.set(value, &of("deny_groups"))).unwrap_or_default();
    let permission: Option<Permission> =
        table.get("permission").and_then(|value| reader.parsed(value, &of("permission")));
    let permission_place = table.get("permission").map_or(place, start);
    // What is left out is the safe one.
    let class =
        read_word(reader, table, "class", &what, &[("private", Class::Private), ("public", Class::Public)])
            .unwrap_or(Class::Private);
    let modes = [("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)];
    let mode = read_word(reader, table, "mode", &what, &modes).unwrap_or(Mode::Enforce);
    let identities = [("required", Identity::Required), ("optional", Identity::Optional)];
    let identity = read_word(reader, table, "identity", &what, &identities);
    let replays = [("once", Replay::Once), ("window", Replay::Window)];
    let replay = read_word(reader, table, "replay", &what, &replays);
    let bots = [("any", Bots::Any), ("verified", Bots::Verified), ("none", Bots::None)];
    let bots = read_word(reader, table, "bots", &what, &bots).unwrap_or_default();
    let bot_pool = table.get("bot_pool").and_then(|value| reader.parsed(value, &of("bot_pool")));
    let bot_rate = table.get("bot_rate").and_then(|value| rate::read_of_bots(reader, value, &of("bot_rate")));
    let rate = table.get("rate").and_then(|value| rate::read(reader, value, &of("rate")));
    let experiment: Option<ExperimentName> =
        table.get("experiment").and_then(|value| reader.parsed(value, &of("experiment")));
    let known = experiment.as_ref().and_then(|name| experiments.get(name));
    if let Some(value) = table.get("experiment").filter(|_| experiment.is_some() && known.is_none()) {
        reader.fault(start(value), format_args!("{} is not among `experiments`", of("experiment")));
    }
    let arm_pools = table
        .get("arm_pools")
        .map(|value| experiments::read_pools(reader, value, &of("arm_pools"), known))
        .unwrap_or_default();
    let cors = table.get("cors").and_then(|value| cors::read(reader, value, &of("cors"), class));
    let upgrades = [("none", Upgrade::None), ("websocket", Upgrade::Websocket)];
    let upgrade = read_word(reader, table, "upgrade", &what, &upgrades).unwrap_or_default();
    let allowances = [("encoded-slash", Allowance::EncodedSlash), ("semicolon", Allowance::Semicolon)];
    let allow = table.get("allow").map_or_else(Vec::new, |value| {
        let items = reader.array(value, &of("allow"));
        items.iter().filter_map(|item| reader.word(item, &of("allow"), &allowances)).collect()
    });
    check_public(reader, table, &what, class, replay);
    if class == Class::Public && path.as_ref().is_some_and(|path| !path.is_prefix()) {
        let message = "is public and its `path` has a `*`: expected a prefix, `/**` at most at its end, so that no page of somebody's own is \
                       taken for one of everybody's";
        reader.fault(path_place, format_args!("{what} {message}"));
    }
    check_identity(reader, table, &what, identity);
    let identity = identity.unwrap_or(match class {
        Class::Public => Identity::Optional,
        Class::Private => Identity::Required,
    });
    let route = Route {
        name: name?,
        hosts: hosts?.into_iter().collect(),
        path: path?,
        methods,
        class,
        mode,
        identity,
        permission,
        deny_groups,
        replay,
        pool: pool?,
        bots,
        bot_pool,
        bot_rate,
        rate,
        experiment,
        arm_pools,
        cors,
        upgrade,
        allow,
    };
    Some(Placed { route, path: path_place, permission: permission_place })
}

/// A public answer is the same for everybody, so nothing about a person can decide on it.
fn check_public<'t>(
    reader: &mut Reader<'t>,
    table: &DeTable<'t>,
    what: &str,
    class: Class,
    replay: Option<Replay>,
) {
    if class == Class::Private {
        return;
    }
    for key in ["permission", "deny_groups", "bot_pool", "bot_rate"] {
        if let Some(value) = table.get(key) {
            reader.fault(
                start(value),
                format_args!("{what} is public and has `{key}`: nobody is identified there"),
            );
        }
    }
    let upgrade = table.get("upgrade").filter(|value| value.get_ref().as_str() != Some("none"));
    for (key, value) in [("experiment", table.get("experiment")), ("upgrade", upgrade)] {
        if let Some(value) = value {
            reader.fault(
                start(value),
                format_args!("{what} is public and has `{key}`: its answers are the same for everybody"),
            );
        }
    }
    let rate = table.get("rate").and_then(|rate| rate.get_ref().as_table()?.get("by"));
    if let Some(value) = rate.filter(|by| by.get_ref().as_str() == Some("subject")) {
        reader.fault(
            start(value),
            format_args!(
                "{what} is public and counts by `subject`: expected `address`, nobody is identified there"
            ),
        );
    }
    if let Some(value) = table.get("identity").filter(|value| value.get_ref().as_str() == Some("required")) {
        reader.fault(
            start(value),
            format_args!("{what} is public and its `identity` is `required`: expected `optional`"),
        );
    }
    if let Some(value) = table.get("replay").filter(|_| replay == Some(Replay::Once)) {
        reader.fault(
            start(value),
            format_args!("{what} is public and its `replay` is `once`: a cache repeats requests"),
        );
    }
}

fn check_identity<'t>(reader: &mut Reader<'t>, table: &DeTable<'t>, what: &str, identity: Option<Identity>) {
    if let Some(value) = table.get("permission").filter(|_| identity == Some(Identity::Optional)) {
        let message =
            "has a `permission` and its `identity` is `optional`: a permission needs somebody signed in";
        reader.fault(start(value), format_args!("{what} {message}"));
    }
}

fn check_permissions(reader: &mut Reader<'_>, roles: &BTreeMap<RoleName, Role>, routes: &[Placed]) {
    let given: BTreeSet<&Permission> = roles.values().flat_map(|role| &role.permissions).collect();
    for Placed { route, permission: place, .. } in routes {
        if let Some(permission) = route.permission.as_ref().filter(|permission| !given.contains(permission)) {
            let name = &route.name;
            reader.fault(
                *place,
                format_args!("route `{name}` asks for permission `{permission}`, which no role gives"),
            );
        }
    }
}

fn build_table(reader: &mut Reader<'_>, placed: Vec<Placed>) -> Option<RouteTable> {
    let places: Vec<_> = placed.iter().map(|placed| (placed.route.name.clone(), placed.path)).collect();
    match RouteTable::build(placed.into_iter().map(|placed| placed.route).collect()) {
        Ok(table) => Some(table),
        Err(overlaps) => {
            for overlap in overlaps {
                if let (Some((first, _)), Some((second, place))) =
                    (places.get(overlap.first), places.get(overlap.second))
                {
                    let message =
                        "have a host and a path in common and share a method: expected one route to decide";
                    reader.fault(*place, format_args!("routes `{first}` and `{second}` {message}"));
                }
            }
            None
        }
    }
}

fn read_word<'t, T: Copy>(
    reader: &mut Reader<'t>,
    table: &DeTable<'t>,
    key: &str,
    what: &str,
    words: &[(&str, T)],
) -> Option<T> {
    table.get(key).and_then(|value| reader.word(value, &format!("`{key}` of {what}"), words))
}

fn start(value: &Spanned<DeValue<'_>>) -> usize {
    value.span().start
}
