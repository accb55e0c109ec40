//! The simulated cluster: ScaledJobs and the Kubernetes Jobs that KEDA has created for them, from pod to agent to end.
//!
//! Like the organisation it only changes state; the [`world`](super::world) says when.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    claims::Claim,
    faults::{Broken, Fate},
    keda::JobCount,
    organization::Registered,
    plan::ScaledJobPlan,
};

/// Tells the Kubernetes Jobs of a world apart, in the order in which they were created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobKey(u64);

/// A ScaledJob.
#[derive(Clone, Debug)]
pub struct SimulatedScaledJob {
    /// As planned.
    pub plan: ScaledJobPlan,
    /// What its agents register with.
    pub registers_with: Arc<Registered>,
    /// How often it was edited.
    pub edits: u32,
    /// Whether KEDA passes it over.
    pub paused: bool,
    /// Whether it is there no more.
    pub deleted: bool,
    /// How its image is broken, where it is.
    pub broken: Option<Broken>,
}

/// A Kubernetes Job with its one pod and its one agent.
#[derive(Clone, Debug)]
pub struct KubernetesJob {
    /// Place of its ScaledJob.
    pub scaled_job: usize,
    /// The pod's name, which is the agent's, too.
    pub pod: Arc<str>,
    /// How far it is.
    pub stage: Stage,
    /// Azure's number for the agent, once it has registered.
    pub agent: Option<i64>,
    /// What it was started for.
    pub claim: Claim,
    /// What becomes of it.
    pub fate: Fate,
    /// Whether its agent has been given a job.
    pub used: bool,
    /// What its agent registers with.
    pub registers_with: Arc<Registered>,
    /// When KEDA created it, from the world's beginning.
    pub created_at: Duration,
    /// When its pod began to run, where it has.
    pub running_at: Option<Duration>,
    /// Whether it ended before its time.
    pub has_failed: bool,
}

/// How many Kubernetes Jobs that have ended the cluster shows still.
const SHOWN_ENDED: usize = 100;

/// How far a Kubernetes Job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its pod does not run yet.
    Pending,
    /// Its pod runs, its agent has not registered.
    Registering,
    /// Its agent waits for a job.
    Idle,
    /// Its agent has a job.
    Busy,
    /// Its agent has run its one job.
    Leaving,
    /// The Job is finished; the agent may still be registered.
    Finished,
}

impl KubernetesJob {
    /// The Kubernetes Job's name: its pod's without the last part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.pod.rsplit_once('-').map_or(&*self.pod, |(name, _)| name)
    }

    /// Whether its agent has not been given a job yet, and can be.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        let hangs = self.fate == Fate::HangsBefore && self.stage == Stage::Idle;
        self.stage <= Stage::Idle && !hangs
    }

    /// Whether KEDA no longer counts it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }
}

/// All ScaledJobs and those of their Kubernetes Jobs that are of interest still.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The ScaledJobs, in the plan's order.
    pub scaled_jobs: Vec<SimulatedScaledJob>,
    /// Kubernetes Jobs that are unfinished, or whose agents are registered.
    pub jobs: BTreeMap<JobKey, KubernetesJob>,
    /// Kubernetes Jobs that have ended, the last ones: the cluster shows them still.
    pub ended: VecDeque<KubernetesJob>,
    /// Kubernetes Jobs created so far.
    pub created: u64,
}

impl Cluster {
    /// Creates a Kubernetes Job.
    pub fn create(
        &mut self,
        scaled_job: usize,
        claim: Claim,
        fate: Fate,
        created_at: Duration,
        random: &mut fastrand::Rng,
    ) -> JobKey {
        let name = &self.scaled_jobs[scaled_job].plan.id.name;
        let pod = format!("{name}-{}-{}", suffix(random), suffix(random)).into();
        let key = JobKey(self.created);
        self.created += 1;
        let registers_with = Arc::clone(&self.scaled_jobs[scaled_job].registers_with);
        let job = KubernetesJob {
            scaled_job,
            pod,
            stage: Stage::Pending,
            agent: None,
            claim,
            fate,
            used: false,
            registers_with,
            created_at,
            running_at: None,
            has_failed: false,
        };
        self.jobs.insert(key, job);
        key
    }

    /// Lets go of a Kubernetes Job that has ended.
    pub fn end(&mut self, key: JobKey) -> Option<KubernetesJob> {
        let job = self.jobs.remove(&key)?;
        self.ended.push_back(job.clone());
        self.ended.drain(..self.ended.len().saturating_sub(SHOWN_ENDED));
        Some(job)
    }

    /// A ScaledJob's Kubernetes Jobs as KEDA counts them.
    #[must_use]
    pub fn count(&self, scaled_job: usize) -> JobCount {
        let unfinished = self.jobs.values().filter(|job| job.scaled_job == scaled_job && !job.is_finished());
        unfinished.fold(JobCount::default(), |count, job| JobCount {
            running: count.running + 1,
            pending: count.pending + u32::from(job.stage == Stage::Pending),
        })
    }

    /// The Kubernetes Job whose agent has this number.
    #[must_use]
    pub fn job_of_agent(&self, agent: i64) -> Option<JobKey> {
        self.jobs.iter().find(|(_, job)| job.agent == Some(agent)).map(|(key, _)| *key)
    }
}

/// What Kubernetes makes generated names of.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The generated end of a name.
fn suffix(random: &mut fastrand::Rng) -> String {
    (0..5).map(|_| char::from(LETTERS[random.usize(..LETTERS.len())])).collect()
}
