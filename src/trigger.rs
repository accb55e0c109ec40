//! A trigger: what one ScaledJob or ScaledObject wants from a pool.
//!
//! ```text
//! ScaledJob ──has──▶ Trigger ──offers──▶ capabilities
//!     └──owns──▶ agents (by name)
//! ```
//!
//! Pure. The gRPC edge reads KEDA's metadata into this; a trigger has no way to reach Azure.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    agent::AgentNamePattern,
    builtin::Builtin,
    capability::CapabilitySet,
    caseless::Caseless,
    demand::{AGENT_VERSION, Demand, DemandSet},
};

/// KEDA's default for `maxReplicaCount`, of ScaledJobs and ScaledObjects.
pub const MAX_REPLICAS: u32 = 100;

/// The ScaledJob or ScaledObject that a trigger belongs to: its agents and its maximum are shared by its triggers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScaledJobId {
    /// The object's name. It comes first: triggers that fit equally well are ordered by it.
    pub name: Arc<str>,
    /// The object's namespace.
    pub namespace: Arc<str>,
}

impl fmt::Display for ScaledJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a trigger is known by; KEDA sends no number for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TriggerId {
    /// Whose trigger it is.
    pub scaled_job: ScaledJobId,
    /// Its metadata without secrets.
    pub metadata: Arc<BTreeMap<String, String>>,
}

/// A trigger as its metadata says.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// What it is known by.
    pub id: TriggerId,
    /// What its agents offer, as declared.
    pub capabilities: Arc<CapabilitySet>,
    /// A registered agent whose capabilities its agents offer, too.
    pub parent: Option<Caseless>,
    /// Who else says what its agents offer.
    pub capabilities_from: CapabilitiesFrom,
    /// What it does with jobs that ask for nothing.
    pub jobs_without_demands: JobsWithoutDemands,
    /// How KEDA turns its value into agents.
    pub strategy: Strategy,
    /// Where it wants the built-in scaler's number: how that counts. Such a trigger takes no part in sharing out jobs.
    pub builtin: Option<Builtin>,
    /// Which agents are its own.
    pub agent_names: AgentNamePattern,
    /// How many agents it may run.
    pub max_replicas: u32,
    /// How many idle agents KEDA keeps for it.
    pub min_replicas: u32,
    /// Which trigger goes first when several fit: lower first.
    pub priority: i32,
    /// How many jobs one agent is started for.
    pub target: u32,
    /// The trigger is active while its value is above this.
    pub activation: u32,
    /// Whether a placeholder is kept registered that offers the same.
    pub keeps_placeholder: bool,
    /// What its author should know.
    pub hints: Vec<String>,
}

/// Who says what a trigger's agents offer, beside `capabilities` and `parent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapabilitiesFrom {
    /// Nobody.
    #[default]
    Declared,
    /// Its own agents, as they registered.
    Learned,
    /// The environment of its container, as the cluster shows it.
    Environment,
}

/// What a trigger does with jobs that ask for nothing, or only for a version of the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobsWithoutDemands {
    /// Takes them like any other.
    #[default]
    Take,
    /// Leaves them to others.
    Leave,
    /// Takes them only if no other trigger does.
    Last,
}

/// How KEDA turns a value into Kubernetes Jobs or pods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Strategy {
    /// A ScaledJob's `default`: KEDA subtracts every unfinished Kubernetes Job.
    #[default]
    Default,
    /// A ScaledJob's `accurate`: KEDA subtracts those whose pods do not run yet.
    Accurate,
    /// A ScaledJob's `eager`: KEDA subtracts nothing until the maximum is near.
    Eager,
    /// A ScaledJob's `custom`: KEDA subtracts what its author says.
    Custom {
        /// `customScalingQueueLengthDeduction`.
        deduction: i32,
        /// `customScalingRunningJobPercentage`, a part of one.
        percentage: f64,
    },
    /// A ScaledObject: the value is the number of replicas, and agents take job after job.
    ScaledObject,
}

impl Trigger {
    /// Whether an agent of this trigger, with these capabilities, is started for jobs with such demands.
    #[must_use]
    pub fn takes(&self, capabilities: &CapabilitySet, demands: &DemandSet) -> bool {
        let left = self.jobs_without_demands == JobsWithoutDemands::Leave && demands.is_without_demands();
        !left && self.lacks(capabilities, demands).next().is_none() && demands.not_understood().is_empty()
    }

    /// The demands that an agent with these capabilities would not meet. Where the version of the agent is not known,
    /// any is taken for good enough.
    pub fn lacks<'a>(
        &self,
        capabilities: &'a CapabilitySet,
        demands: &'a DemandSet,
    ) -> impl Iterator<Item = &'a Demand> {
        let version_known = capabilities.get(&AGENT_VERSION.into()).is_some();
        demands
            .demands()
            .iter()
            .filter(move |demand| !(capabilities.meets(demand) || !version_known && demand.is_on_agent_version()))
    }
}
