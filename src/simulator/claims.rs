//! Which job each agent was started for, and what became of that job when the agent runs none: every surplus agent has
//! a cause, and one loss never excuses two agents.
//!
//! ```text
//! Decision ──▶ [Basis] ──▶ new agents claim jobs ──▶ Azure gives the jobs out ──▶ claims are used, swapped or lost
//! ```
//!
//! An unused agent claims one job, and no two unused agents of a ScaledJob claim the same. When Azure gives an agent a
//! job that a sister of the same ScaledJob claims, the two swap claims: agents of one ScaledJob are alike. A claim is lost
//! when its job goes to anybody else, is cancelled, or was gone before the agent was created.
//!
//! Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::{repeat, repeat_n},
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, Serializer};

use super::{
    cluster::{Cluster, JobKey, KubernetesJob},
    faults::Fate,
    keda::Strategy,
};
use crate::{
    decision::{AgentState, Decision, Placement},
    job_request::RequestId,
    trigger::ScaledJobId,
};

/// Why an agent was started that never ran a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Staleness: when KEDA acted, the job already had an agent or was gone.
    StaleJob,
    /// Staleness: when KEDA acted, an agent that the decision had counted was gone, and KEDA no longer subtracted it.
    StaleAgent,
    /// An agent that is nobody's came free after the decision and took the job.
    ForeignCameFree,
    /// An agent of others that was idle at the decision took the job, though the decision had kept it for another job or
    /// had not counted on it.
    WasIdle,
    /// Azure gave the job to an agent that another ScaledJob had started for another job.
    OtherScaledJob,
    /// Another ScaledJob's agent, started for the same job, ran it. It comes about when agents that have left are still
    /// listed as online: their ScaledJob seems to be at its maximum, and a job that was given to it moves on.
    StartedTwice,
    /// The job was cancelled while it waited.
    Cancelled,
    /// The strategy does not subtract agents that are on their way.
    StartUpRace,
    /// Kept idle on purpose: `minReplicaCount`.
    MinimumReplicas,
    /// Another ScaledJob's agent, started for the same job, ran it, and in between the scaler had been restarted, a ScaledJob
    /// edited, an agent disbelieved or a look at the pool gone wrong: what it knew of the job was lost.
    Upheaval,
    /// An idle agent had let the job wait past the grace, so another was started.
    Distrusted,
    /// The agent waited for a licence for longer than agents wait.
    GaveUp,
    /// Its ScaledJob was deleted, or its image broken.
    ScaledJobGone,
    /// A fault of its own.
    Fault(Fate),
    /// No cause was found, which is a fault of the scaler or of the simulator.
    Unexplained,
}

impl Cause {
    /// What comes of the scaler's not knowing, or of its having forgotten: not the cluster's faults, nor what users or Azure do.
    pub const OF_THE_SCALER: [Self; 6] =
        [Self::StaleJob, Self::StaleAgent, Self::StartedTwice, Self::StartUpRace, Self::Upheaval, Self::Distrusted];

    /// The cause in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::StaleJob => "the job had an agent before KEDA acted",
            Self::StaleAgent => "an agent that was counted had left before KEDA acted",
            Self::ForeignCameFree => "a static agent came free and took the job",
            Self::WasIdle => "an agent that was idle at the decision took the job",
            Self::OtherScaledJob => "Azure gave the job to another ScaledJob's agent",
            Self::StartedTwice => "its ScaledJob seemed full, and another started an agent, too",
            Self::Cancelled => "the job was cancelled while it waited",
            Self::StartUpRace => "the strategy does not see agents on their way",
            Self::MinimumReplicas => "kept idle by minReplicaCount",
            Self::Upheaval => "started twice, around a restart, an edit, a doubt or a wrong look",
            Self::Distrusted => "an idle agent let the job wait past the grace",
            Self::GaveUp => "waited for a licence for longer than agents wait",
            Self::ScaledJobGone => "its ScaledJob was deleted or its image broken",
            Self::Fault(fate) => fate.text(),
            Self::Unexplained => "UNEXPLAINED",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.text())
    }
}

/// What an agent was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A job, by a decision that was made of what was seen at that moment.
    On(RequestId, Duration),
    /// Nothing any more. The time is the age of what the decision had seen when KEDA acted, where that is the cause.
    Lost(Cause, Duration),
}

/// What a decision wanted of one ScaledJob.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    /// When what it was made of was seen.
    pub seen_at: Duration,
    /// The jobs that the ScaledJob's agents are to run, in order: those that agents are to be started for, and those that
    /// its idle agents can take.
    pub wanted: Vec<RequestId>,
    /// The names of the ScaledJob's agents that the value stands for: those online, and those that have gone offline
    /// with a job so lately that they may be back.
    pub counted: BTreeSet<Arc<str>>,
    /// Azure's numbers of agents that were offline, where that does not keep the decision from having others started.
    pub offline: BTreeSet<i64>,
    /// The Kubernetes Jobs whose agents were not expected any more.
    pub given_up: BTreeSet<Arc<str>>,
    /// Agents to be kept idle, where the decision says how many.
    pub to_keep: Option<u32>,
    /// Azure's numbers of agents that the decision did not believe.
    pub distrusted: BTreeSet<i64>,
}

impl Basis {
    /// Reads it from a decision; `seen_at` is when its snapshot was taken, counted from the world's beginning.
    #[must_use]
    pub fn of(decision: &Decision, scaled_job: &ScaledJobId, seen_at: Duration) -> Self {
        let owned =
            |owner: Option<u32>| owner.is_some_and(|place| decision.scaled_jobs[place as usize].id == *scaled_job);
        let wanted = |placement: &Placement| match *placement {
            Placement::Assigned { trigger } | Placement::StartingAgent { trigger } => {
                owned(Some(decision.triggers[trigger as usize].scaled_job))
            }
            Placement::IdleAgent { agent } => owned(decision.agents[agent as usize].owner),
            _ => false,
        };
        let jobs = decision.snapshot.jobs.iter().zip(&decision.jobs);
        let agents = decision.snapshot.agents.iter().zip(&decision.agents);
        let made = decision.scaled_jobs.iter().find(|made| made.id == *scaled_job);
        let in_cluster = made.and_then(|made| Some((made.to_keep, made.cluster.as_ref()?)));
        Self {
            seen_at,
            to_keep: in_cluster.map(|(to_keep, _)| to_keep),
            wanted: jobs.clone().filter(|(_, placement)| wanted(placement)).map(|(job, _)| job.id).collect(),
            counted: match in_cluster {
                Some((_, cluster)) => cluster.agents().map(|agent| agent.as_str().into()).collect(),
                _ => agents
                    .clone()
                    .filter(|(agent, standing)| agent.online && owned(standing.owner))
                    .map(|(agent, _)| agent.name.as_str().into())
                    .chain(jobs.clone().filter_map(|(job, placement)| match placement {
                        Placement::Running { owner } if owned(*owner) => Some(job.agent.as_ref()?.name.as_str().into()),
                        _ => None,
                    }))
                    .collect(),
            },
            given_up: in_cluster.iter().flat_map(|(_, cluster)| cluster.given_up.iter().cloned()).collect(),
            offline: agents
                .clone()
                .filter(|(agent, standing)| in_cluster.is_some() && !agent.online && owned(standing.owner))
                .map(|(agent, _)| agent.id)
                .collect(),
            distrusted: agents
                .filter(|(_, standing)| standing.state == AgentState::NotTakingJobs)
                .map(|(agent, _)| agent.id)
                .collect(),
        }
    }
}

/// Who was given a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    /// The agent's Kubernetes Job; none where the agent is nobody's.
    pub(super) job: Option<JobKey>,
    /// Since when it was free.
    pub(super) free_since: Duration,
}

/// What each of `created` new agents of a ScaledJob is started for. Agents that are unused still and have lost their
/// jobs, or have jobs that the decision no longer wants of them, take the first of the wanted ones: KEDA has
/// subtracted them.
pub(super) fn claim(
    cluster: &mut Cluster,
    scaled_job: usize,
    created: u32,
    basis: &Basis,
    age: Duration,
    upheaval: Option<Duration>,
    is_queued: impl Fn(RequestId) -> bool,
) -> Vec<Claim> {
    let scaling = cluster.scaled_jobs[scaled_job].plan.scaling.clone();
    disbelieve(cluster, basis);
    let sisters = cluster.jobs.values().filter(|job| job.scaled_job == scaled_job);
    let claimed: BTreeSet<RequestId> =
        sisters.clone().filter(|job| job.is_unused()).filter_map(|job| job.claim.request()).collect();
    let unfinished: BTreeSet<Arc<str>> =
        sisters.filter(|job| !job.is_finished()).map(|job| Arc::clone(&job.pod)).collect();
    let gone = basis.counted.difference(&unfinished).count();

    let (waiting, passed): (Vec<_>, Vec<_>) =
        basis.wanted.iter().copied().filter(|id| !claimed.contains(id)).partition(|id| is_queued(*id));
    let mut waiting = waiting.into_iter();
    let wanted: BTreeSet<RequestId> = basis.wanted.iter().copied().collect();
    let mut without_job = 0;
    let lost_first = |job: &&mut KubernetesJob| job.claim.request().is_some();
    // An agent of before an edit may not be able to run what its ScaledJob is given now.
    let made_now = Arc::clone(&cluster.scaled_jobs[scaled_job].registers_with);
    let mut adopters: Vec<&mut KubernetesJob> = cluster
        .jobs
        .values_mut()
        .filter(|job| job.scaled_job == scaled_job && job.is_unused())
        .filter(|job| job.claim.request().is_none_or(|id| !wanted.contains(&id)))
        .filter(|job| {
            job.agent.is_none_or(|agent| !basis.distrusted.contains(&agent) && !basis.offline.contains(&agent))
        })
        .filter(|job| !basis.given_up.contains(job.name()))
        .filter(|job| Arc::ptr_eq(&job.registers_with, &made_now))
        .collect();
    adopters.sort_by_key(lost_first);
    for job in adopters {
        match waiting.next() {
            Some(id) => job.claim = Claim::On(id, basis.seen_at),
            None => without_job += usize::from(job.claim.request().is_none()),
        }
    }
    let on_jobs = waiting.map(|id| Claim::On(id, basis.seen_at));
    let stale_jobs = repeat_n(Claim::Lost(Cause::StaleJob, age), passed.len());
    let stale_agents = repeat_n(Claim::Lost(Cause::StaleAgent, age), gone);
    let idle_on_purpose = (scaling.min_replicas as usize).saturating_sub(without_job);
    // Below its minimum KEDA fills up by itself.
    let idle_on_purpose = basis.to_keep.map_or(idle_on_purpose, |to_keep| idle_on_purpose.max(to_keep as usize));
    let kept = repeat_n(Claim::lost(Cause::MinimumReplicas), idle_on_purpose);
    let rest = match scaling.strategy {
        // A list that leaves an agent out makes it look as if it had left.
        Strategy::Default if basis.to_keep.is_some() && upheaval.is_some_and(|at| at >= basis.seen_at) => {
            Cause::Upheaval
        }
        Strategy::Default => Cause::Unexplained,
        _ => Cause::StartUpRace,
    };
    let claims = on_jobs.chain(stale_jobs).chain(stale_agents).chain(kept).chain(repeat(Claim::lost(rest)));
    claims.take(created as usize).collect()
}

/// Agents that the decision did not believe, or that were offline, have lost their jobs: others are started for them.
fn disbelieve(cluster: &mut Cluster, basis: &Basis) {
    let is_distrusted = |job: &KubernetesJob| job.agent.is_some_and(|agent| basis.distrusted.contains(&agent));
    for job in cluster.jobs.values_mut().filter(|job| job.is_unused() && job.claim.request().is_some()) {
        if is_distrusted(job) {
            job.claim = Claim::lost(Cause::Distrusted);
        } else if job.agent.is_some_and(|agent| basis.offline.contains(&agent)) || basis.given_up.contains(job.name()) {
            job.claim = Claim::lost(Cause::Fault(job.fate));
        }
    }
}

/// Azure has given a job to an agent.
/// `upheaval` is when something last happened that makes the scaler lose what it knew.
pub(super) fn taken(
    jobs: &mut BTreeMap<JobKey, KubernetesJob>,
    request: RequestId,
    taker: Taker,
    upheaval: Option<Duration>,
) {
    let own = taker.job.and_then(|key| jobs.get(&key));
    let is_second = own.is_some_and(|job| job.used);
    let own = own.map(|job| (job.scaled_job, job.claim));
    let losers = jobs.iter_mut().filter(|(key, job)| Some(**key) != taker.job && job.is_unused());
    for (_, loser) in losers {
        let Claim::On(claimed, seen_at) = loser.claim else { continue };
        if claimed != request {
            continue;
        }
        loser.claim = match own {
            // It has run what it was started for.
            _ if is_second => Claim::lost(Cause::Fault(Fate::TakesTwo)),
            Some((scaled_job, claim)) if scaled_job == loser.scaled_job => claim,
            Some((_, Claim::On(theirs, they_saw)))
                if theirs == request && upheaval.is_some_and(|at| at >= seen_at.min(they_saw)) =>
            {
                Claim::lost(Cause::Upheaval)
            }
            Some((_, claim)) if claim.request() == Some(request) => Claim::lost(Cause::StartedTwice),
            _ if taker.free_since <= seen_at => Claim::lost(Cause::WasIdle),
            Some(_) => Claim::lost(Cause::OtherScaledJob),
            None => Claim::lost(Cause::ForeignCameFree),
        };
    }
}

/// A job is gone without having had an agent.
pub(super) fn cancelled(jobs: &mut BTreeMap<JobKey, KubernetesJob>, request: RequestId) {
    for job in jobs.values_mut().filter(|job| job.is_unused() && job.claim.request() == Some(request)) {
        job.claim = Claim::lost(Cause::Cancelled);
    }
}

impl Claim {
    /// The job claimed.
    #[must_use]
    pub fn request(self) -> Option<RequestId> {
        match self {
            Self::On(request, _) => Some(request),
            Self::Lost(..) => None,
        }
    }

    /// Why an unused agent with this claim is surplus, and by how much the decision was late where that is the cause.
    /// None while its job waits: it is on its way to it. A job that waits no more is no excuse.
    #[must_use]
    pub fn cause_of_surplus(self, is_queued: impl Fn(RequestId) -> bool) -> Option<(Cause, Duration)> {
        match self {
            Self::On(request, _) if is_queued(request) => None,
            Self::On(..) => Some((Cause::Unexplained, Duration::ZERO)),
            Self::Lost(cause, age) => Some((cause, age)),
        }
    }

    /// A claim on nothing.
    #[must_use]
    pub fn lost(cause: Cause) -> Self {
        Self::Lost(cause, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_excuses_its_agent_only_while_it_waits() {
        let claim = Claim::On(RequestId(1), Duration::ZERO);
        assert_eq!(claim.cause_of_surplus(|_| true), None);
        assert_eq!(claim.cause_of_surplus(|_| false), Some((Cause::Unexplained, Duration::ZERO)));
        let lost = Claim::lost(Cause::Cancelled);
        assert_eq!(lost.cause_of_surplus(|_| true), Some((Cause::Cancelled, Duration::ZERO)));
    }
}
