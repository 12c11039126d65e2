//! Experiments and their arms.

use std::collections::BTreeMap;

use countersign_contract::experiment::{Experiment, LARGEST_SHARE};
use countersign_contract::name::{ArmName, ExperimentName, PoolName};
use toml::de::DeTable;

use super::start;
use crate::policy::toml::{Reader, Value};

const KEYS: [&str; 1] = ["arms"];

pub(super) fn read<'t>(
    reader: &mut Reader<'t>,
    document: &DeTable<'t>,
) -> BTreeMap<ExperimentName, Experiment> {
    let mut experiments = BTreeMap::new();
    let Some(table) = document.get("experiments").and_then(|value| reader.table(value, "`experiments`"))
    else {
        return experiments;
    };
    for (key, value) in table {
        let name: &str = key.get_ref();
        let what = format!("experiment `{name}`");
        let name = match name.parse::<ExperimentName>() {
            Ok(name) => Some(name),
            Err(error) => {
                reader.fault(key.span().start, error);
                None
            }
        };
        let Some(experiment) = reader.table(value, &what) else { continue };
        reader.refuse_other_keys(experiment, &what, &KEYS);
        let Some(arms) = reader.required(experiment, "arms", key.span().start, &what) else { continue };
        let arms = read_arms(reader, arms, &what);
        if let Some(name) = name {
            experiments.insert(name, Experiment { arms });
        }
    }
    experiments
}

fn read_arms<'t>(reader: &mut Reader<'t>, value: &Value<'t>, what: &str) -> BTreeMap<ArmName, u32> {
    let of = format!("`arms` of {what}");
    let Some(table) = reader.table(value, &of) else { return BTreeMap::new() };
    let mut arms = BTreeMap::new();
    for (key, value) in table {
        let share = reader.number::<u32>(value, &format!("the share of {of}"));
        if let Some(share) = share.filter(|share| *share > LARGEST_SHARE) {
            reader.fault(
                start(value),
                format_args!("a share of {of} is {share}: expected 0 to {LARGEST_SHARE}"),
            );
        }
        match key.get_ref().parse::<ArmName>() {
            Ok(arm) => {
                arms.insert(arm, share.unwrap_or(1));
            }
            Err(error) => reader.fault(key.span().start, error),
        }
    }
    if arms.values().all(|share| *share == 0) {
        reader.fault(
            start(value),
            format_args!("{of} leave nobody an arm: expected at least one share above 0"),
        );
    }
    arms
}

/// The pools of a route's arms.
pub(super) fn read_pools<'t>(
    reader: &mut Reader<'t>,
    value: &Value<'t>,
    what: &str,
    experiment: Option<&Experiment>,
) -> BTreeMap<ArmName, PoolName> {
    let mut pools = BTreeMap::new();
    let Some(table) = reader.table(value, what) else { return pools };
    for (key, value) in table {
        let name: &str = key.get_ref();
        let pool = reader.parsed::<PoolName>(value, &format!("the pool of arm `{name}` in {what}"));
        let arm = experiment.and_then(|experiment| experiment.arms.get_key_value(name));
        match (arm, pool) {
            (Some((arm, _)), Some(pool)) => {
                pools.insert(arm.clone(), pool);
            }
            (Some(_), None) => {}
            (None, _) => reader.fault(
                key.span().start,
                format_args!("{what} names arm `{name}`, which the route's `experiment` doesn't have"),
            ),
        }
    }
    pools
}
