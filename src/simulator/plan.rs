//! What a simulated world is made of: pools with their agents and arriving jobs, ScaledJobs, and how long things take.
//!
//! Plain data. Everything that is drawn at random is drawn from a range here, by the one generator that `seed` starts.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::keda::{Scaling, Strategy};
use crate::{capability::CapabilitySet, job_request::Parallelism, parallel_jobs::Each, trigger::ScaledJobId};

/// A range of milliseconds to draw from.
pub type Millis = RangeInclusive<u64>;

/// A world before it begins. The same plan always tells the same story.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Starts the one random generator.
    pub seed: u64,
    /// What time it is when the world begins.
    pub begins_at: Timestamp,
    /// The organisation's name.
    pub organization: Arc<str>,
    /// How many jobs may run at once in the organisation, at its beginning; without a number, as many as there are.
    pub parallel_jobs: Each<Option<u32>>,
    /// The organisation's pools.
    pub pools: Vec<PoolPlan>,
    /// The cluster's ScaledJobs.
    pub scaled_jobs: Vec<ScaledJobPlan>,
    /// How long things take.
    pub delays: Delays,
}

/// A pool.
#[derive(Clone, Debug)]
pub struct PoolPlan {
    /// Azure's number for it.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// Agents that are nobody's: they take job after job, or none.
    pub agents: Vec<AgentPlan>,
    /// Jobs that arrive by themselves.
    pub arrivals: Arrivals,
}

/// An agent that is there from the beginning.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// Unique in its pool.
    pub name: Arc<str>,
    /// What it registered with.
    pub capabilities: CapabilitySet,
    /// Whether it has a session.
    pub online: bool,
    /// Whether it may take jobs.
    pub enabled: bool,
}

/// Jobs that arrive by themselves until they are stopped.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// From one arrival to the next.
    pub every: Millis,
    /// How many jobs arrive together.
    pub at_once: RangeInclusive<u32>,
    /// What arrives; without any kind, nothing does.
    pub kinds: Vec<JobKind>,
}

/// Jobs that are alike.
#[derive(Clone, Debug)]
pub struct JobKind {
    /// Its pipeline's name.
    pub pipeline: Arc<str>,
    /// The job's name.
    pub job: Arc<str>,
    /// Its demands as Azure writes them.
    pub demands: Arc<[Box<str>]>,
    /// Whose licences it needs.
    pub parallelism: Parallelism,
    /// How often it comes, compared with the others.
    pub weight: u32,
    /// How long it runs.
    pub runs_for: Millis,
    /// When its author cancels it if it still waits.
    pub cancelled_after: Option<Millis>,
}

/// A ScaledJob with one trigger.
#[derive(Clone, Debug)]
pub struct ScaledJobPlan {
    /// Its name and namespace.
    pub id: ScaledJobId,
    /// Azure's number for the pool that its agents serve.
    pub pool: i64,
    /// What its agents offer, as its trigger declares.
    pub capabilities: CapabilitySet,
    /// What KEDA's arithmetic reads.
    pub scaling: Scaling,
    /// From one poll to the next.
    pub polling_interval: Duration,
}

/// How long things take.
#[derive(Clone, Debug)]
pub struct Delays {
    /// From an assignment being possible to Azure making it.
    pub assignment: Millis,
    /// From the assignment to the agent having received the job.
    pub receipt: Millis,
    /// From a Kubernetes Job to its pod running.
    pub pod_start: Millis,
    /// From the pod running to its agent being registered and online.
    pub registration: Millis,
    /// From the end of its one job to the agent being offline.
    pub leaving: Millis,
    /// From there to the Kubernetes Job being finished.
    pub job_end: Millis,
    /// From there to the agent being no longer registered.
    pub linger: Millis,
}

impl ScaledJobPlan {
    /// The trigger's metadata as KEDA sends it.
    #[must_use]
    pub fn metadata(&self, organization: &str, pool: &str) -> BTreeMap<String, String> {
        let capabilities: Vec<String> = self
            .capabilities
            .sorted()
            .into_iter()
            .map(|(name, value)| if value.is_empty() { name.to_owned() } else { format!("{name}={value}") })
            .collect();
        let mut metadata = BTreeMap::from([
            ("organization".to_owned(), organization.to_owned()),
            ("poolName".to_owned(), pool.to_owned()),
            ("capabilities".to_owned(), capabilities.join(", ")),
            ("maxReplicaCount".to_owned(), self.scaling.max_replicas.to_string()),
        ]);
        if self.scaling.min_replicas > 0 {
            metadata.insert("minReplicaCount".to_owned(), self.scaling.min_replicas.to_string());
        }
        let strategy = match self.scaling.strategy {
            Strategy::Default => return metadata,
            Strategy::Accurate => "accurate",
            Strategy::Eager => "eager",
            Strategy::Custom { deduction, percentage } => {
                metadata.insert("customScalingQueueLengthDeduction".to_owned(), deduction.to_string());
                metadata.insert("customScalingRunningJobPercentage".to_owned(), percentage.to_string());
                "custom"
            }
        };
        metadata.insert("scalingStrategy".to_owned(), strategy.to_owned());
        metadata
    }
}
