//! A ScaledJob or a ScaledObject as its author wrote it, read as KEDA reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::{batch::v1::JobSpec, core::v1::PodSpec};
use serde::Deserialize;
use serde_json::Value;

use super::environment::{Environment, Variable};
use crate::{
    capability::CapabilitySet,
    trigger::{MAX_REPLICAS, Strategy},
    wording::names_a_secret,
};

const PAUSED: &str = "autoscaling.keda.sh/paused";
const PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";

/// What is kept of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub(super) strategy: Strategy,
    pub(super) max_replicas: u32,
    pub(super) min_replicas: u32,
    pub(super) is_paused: bool,
    pub(super) pending_pod_conditions: Vec<String>,
    pub(super) environment: Arc<CapabilitySet>,
    triggers: Vec<External>,
}

/// A trigger that asks an external scaler: this one, or another.
#[derive(Clone, Debug, PartialEq)]
struct External {
    address: String,
    /// Whether it names a pool, which every trigger of ours does.
    has_pool: bool,
    /// As KEDA sends it; none where only a Secret or a ConfigMap tells.
    metadata: Option<Arc<BTreeMap<String, String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    job_target_ref: Option<JobSpec>,
    env_source_container_name: Option<String>,
    min_replica_count: Option<i32>,
    max_replica_count: Option<i32>,
    scaling_strategy: Option<ScalingStrategy>,
    triggers: Vec<Trigger>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ScalingStrategy {
    strategy: Option<String>,
    custom_scaling_queue_length_deduction: Option<i32>,
    custom_scaling_running_job_percentage: Option<String>,
    pending_pod_conditions: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trigger {
    r#type: String,
    metadata: BTreeMap<String, String>,
}

impl Record {
    /// Reads a ScaledJob's `spec`. One that the API server would not have taken asks nobody.
    pub(super) fn of_scaled_job(annotations: Option<&BTreeMap<String, String>>, spec: &Value) -> Self {
        let spec = Spec::deserialize(spec).unwrap_or_default();
        let pod: Option<&PodSpec> = spec.job_target_ref.as_ref().and_then(|job| job.template.spec.as_ref());
        let environment = pod.and_then(|pod| Environment::of(pod, spec.env_source_container_name.as_deref()));
        let capabilities = environment.as_ref().map(Environment::capabilities).unwrap_or_default();
        let variable = |name: &str| environment.as_ref().map_or(Variable::Hidden, |environment| environment.get(name));
        let strategy = spec.scaling_strategy.as_ref();
        Self {
            strategy: strategy.map(strategy_of).unwrap_or_default(),
            is_paused: is_true(annotations, PAUSED),
            pending_pod_conditions: strategy
                .and_then(|strategy| strategy.pending_pod_conditions.clone())
                .unwrap_or_default(),
            environment: Arc::new(capabilities),
            triggers: externals(&spec, variable),
            ..Self::replicas(&spec)
        }
    }

    /// Reads a ScaledObject's `spec`. Its containers are another object's, so their environment is not known.
    pub(super) fn of_scaled_object(annotations: Option<&BTreeMap<String, String>>, spec: &Value) -> Self {
        let spec = Spec::deserialize(spec).unwrap_or_default();
        Self {
            strategy: Strategy::ScaledObject,
            is_paused: is_true(annotations, PAUSED)
                || annotations.is_some_and(|have| have.contains_key(PAUSED_REPLICAS)),
            triggers: externals(&spec, |_| Variable::Hidden),
            ..Self::replicas(&spec)
        }
    }

    /// The bounds. KEDA takes a minimum above a written maximum for that maximum; one above its own default it keeps.
    fn replicas(spec: &Spec) -> Self {
        let count = |written: Option<i32>| written.map(|count| u32::try_from(count).unwrap_or(0));
        let written = count(spec.max_replica_count);
        let min_replicas = count(spec.min_replica_count).unwrap_or(0).min(written.unwrap_or(u32::MAX));
        Self { max_replicas: written.unwrap_or(MAX_REPLICAS.max(min_replicas)), min_replicas, ..Self::default() }
    }

    /// Whether any of its triggers asks at one of these addresses.
    pub(super) fn asks_at(&self, addresses: &BTreeSet<String>) -> bool {
        self.triggers.iter().any(|trigger| addresses.contains(&trigger.address))
    }

    /// The metadata of its triggers that ask this scaler. Where KEDA has asked about it, whatever the address, those are
    /// all that name a pool.
    pub(super) fn ours(&self, addresses: &BTreeSet<String>, is_asked: bool) -> Vec<Arc<BTreeMap<String, String>>> {
        self.ours_of(addresses, is_asked).filter_map(|trigger| trigger.metadata.clone()).collect()
    }

    /// Whether it has a trigger that asks this scaler and of which KEDA alone knows what it says.
    pub(super) fn hides_a_trigger(&self, addresses: &BTreeSet<String>, is_asked: bool) -> bool {
        self.ours_of(addresses, is_asked).any(|trigger| trigger.metadata.is_none())
    }

    fn ours_of(&self, addresses: &BTreeSet<String>, is_asked: bool) -> impl Iterator<Item = &External> {
        let is_ours = move |trigger: &&External| addresses.contains(&trigger.address) || (is_asked && trigger.has_pool);
        self.triggers.iter().filter(is_ours)
    }
}

fn externals(spec: &Spec, variable: impl Fn(&str) -> Variable) -> Vec<External> {
    let externals =
        spec.triggers.iter().filter(|trigger| matches!(trigger.r#type.as_str(), "external" | "external-push"));
    let external = |trigger: &Trigger| External {
        address: trigger.metadata.get("scalerAddress").map(|address| address.trim().to_owned()).unwrap_or_default(),
        has_pool: trigger.metadata.contains_key("poolName") || trigger.metadata.contains_key("poolID"),
        metadata: as_sent(&trigger.metadata, &variable).map(Arc::new),
    };
    externals.map(external).collect()
}

/// The metadata as KEDA sends it, but for what secrets say: that a trigger brings one tells where it belongs.
fn as_sent(
    written: &BTreeMap<String, String>,
    variable: impl Fn(&str) -> Variable,
) -> Option<BTreeMap<String, String>> {
    let mut sent = BTreeMap::new();
    for (key, value) in written {
        let is_secret = names_a_secret(key);
        let is_variable = key.ends_with("FromEnv");
        let value = if is_variable { variable(value) } else { Variable::Known(value.clone()) };
        match value {
            Variable::Known(value) if value.is_empty() && is_variable => {}
            Variable::Absent => {}
            Variable::Known(_) | Variable::Hidden if is_secret => _ = sent.insert(key.clone(), String::new()),
            Variable::Known(value) => _ = sent.insert(key.clone(), value),
            Variable::Hidden => return None,
        }
    }
    Some(sent)
}

/// The strategy. `custom` without a percentage that KEDA can read is `default` to it, and so is any word it doesn't know.
fn strategy_of(written: &ScalingStrategy) -> Strategy {
    match written.strategy.as_deref() {
        Some("accurate") => Strategy::Accurate,
        Some("eager") => Strategy::Eager,
        Some("custom") => {
            let percentage = written.custom_scaling_running_job_percentage.as_deref().and_then(float);
            let deduction = written.custom_scaling_queue_length_deduction.unwrap_or(0);
            percentage.map_or(Strategy::Default, |percentage| Strategy::Custom { deduction, percentage })
        }
        _ => Strategy::Default,
    }
}

/// A number as Go reads it: one too large for it is an error there, and infinite here.
fn float(text: &str) -> Option<f64> {
    let is_infinite = || text.to_ascii_lowercase().contains("inf");
    text.parse().ok().filter(|number: &f64| !number.is_infinite() || is_infinite())
}

/// An annotation as Go reads a boolean; what it can't read KEDA takes for true.
fn is_true(annotations: Option<&BTreeMap<String, String>>, name: &str) -> bool {
    let value = annotations.and_then(|annotations| annotations.get(name));
    value.is_some_and(|value| !matches!(value.as_str(), "0" | "f" | "F" | "false" | "FALSE" | "False"))
}

#[cfg(test)]
mod tests;
