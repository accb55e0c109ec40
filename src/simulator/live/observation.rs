//! What there is to see of a live world: enough to draw it, cheap to make.

use std::{sync::Arc, time::Duration};

use crate::{
    job_request::RequestId,
    simulator::{
        accounts::Summary,
        cluster::Stage,
        organization::{SimulatedAgent, SimulatedPool},
        world::World,
    },
    trigger::ScaledJobId,
};

/// How many events are shown.
const LAST_EVENTS: usize = 30;

/// A world at one moment.
#[derive(Clone, Debug)]
pub struct Observation {
    /// How long it has gone on.
    pub elapsed: Duration,
    /// Jobs that wait for an agent, oldest first.
    pub queued: Vec<QueuedJob>,
    /// How many jobs run.
    pub running: usize,
    /// The ScaledJobs, in the plan's order.
    pub scaled_jobs: Vec<ScaledJobStages>,
    /// Agents that are nobody's.
    pub static_agents: Vec<StaticAgent>,
    /// The last events in words, latest last.
    pub last_events: Vec<String>,
    /// The world summed up so far.
    pub summary: Summary,
}

/// A job that waits.
#[derive(Clone, Debug)]
pub struct QueuedJob {
    /// Its number.
    pub id: RequestId,
    /// Its pipeline's name.
    pub pipeline: Arc<str>,
    /// Its name.
    pub job: Arc<str>,
    /// What it asks for.
    pub demands: Arc<[Box<str>]>,
    /// For how long it has waited.
    pub waited: Duration,
}

/// A ScaledJob's agents by stage.
#[derive(Clone, Debug)]
pub struct ScaledJobStages {
    /// Which ScaledJob.
    pub id: ScaledJobId,
    /// Its `maxReplicaCount`.
    pub max_replicas: u32,
    /// Pods that do not run yet.
    pub pending: u32,
    /// Pods that run, without a registered agent.
    pub registering: u32,
    /// Agents that wait for a job.
    pub idle: u32,
    /// Agents that have a job.
    pub busy: u32,
    /// Agents that have run their job.
    pub leaving: u32,
}

/// An agent that is nobody's.
#[derive(Clone, Debug)]
pub struct StaticAgent {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it has a session.
    pub online: bool,
    /// Whether it may take jobs.
    pub enabled: bool,
    /// The job it runs.
    pub job: Option<RequestId>,
}

impl Observation {
    /// What there is to see of a world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let queued = world.pools().flat_map(SimulatedPool::queued).map(|request| QueuedJob {
            id: request.id,
            pipeline: Arc::clone(&request.kind.pipeline),
            job: Arc::clone(&request.kind.job),
            demands: Arc::clone(&request.kind.demands),
            waited: world.now().saturating_sub(request.queued_at),
        });
        let queued: Vec<QueuedJob> = queued.collect();
        let unfinished: usize = world.pools().map(|pool| pool.requests.len()).sum();
        let static_agents = world.pools().flat_map(|pool| pool.agents.values()).filter(|agent| !agent.ephemeral);
        Self {
            elapsed: world.now(),
            running: unfinished - queued.len(),
            queued,
            scaled_jobs: scaled_jobs(world),
            static_agents: static_agents.map(StaticAgent::of).collect(),
            last_events: world.last_events(LAST_EVENTS),
            summary: world.summary(),
        }
    }
}

impl StaticAgent {
    fn of(agent: &SimulatedAgent) -> Self {
        Self { name: Arc::clone(&agent.name), online: agent.online, enabled: agent.enabled, job: agent.assigned }
    }
}

fn scaled_jobs(world: &World) -> Vec<ScaledJobStages> {
    let cluster = world.cluster();
    let stages = |(place, plan): (usize, &crate::simulator::plan::ScaledJobPlan)| {
        let mut stages = ScaledJobStages {
            id: plan.id.clone(),
            max_replicas: plan.scaling.max_replicas,
            pending: 0,
            registering: 0,
            idle: 0,
            busy: 0,
            leaving: 0,
        };
        for job in cluster.jobs.values().filter(|job| job.scaled_job == place) {
            match job.stage {
                Stage::Pending => stages.pending += 1,
                Stage::Registering => stages.registering += 1,
                Stage::Idle => stages.idle += 1,
                Stage::Busy => stages.busy += 1,
                Stage::Leaving => stages.leaving += 1,
                Stage::Finished => {}
            }
        }
        stages
    };
    world.plan().scaled_jobs.iter().enumerate().map(stages).collect()
}
