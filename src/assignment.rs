//! Each queued job to one agent that is there, or else to one trigger that starts an agent for it.
//!
//! ```text
//! [census]  what each agent is, what runs where
//!     │
//! [fits]    which demand sets each agent and each trigger satisfies
//!     │
//! [licences]  in order, while parallel jobs are left
//!     │
//! [placing]  queued jobs to idle agents, then the rest to triggers with room, by [matching]
//!     │
//! [scaling](crate::scaling)  counts to values
//! ```
//!
//! Pure: one function, [`decide`], from what is known to a [`Decision`]. It never asks what time it is, and the order of
//! its input does not change its answer.

mod bits;
mod census;
mod fits;
mod licences;
mod matching;
mod offers;
mod ownership;
mod placing;
mod pods;
mod queue;
mod search;
mod seating;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use self::{
    census::Census, licences::Licences, offers::offers, ownership::Owners, placing::Takers, pods::Pods,
    queue::WaitingJobs,
};
use crate::{
    cluster_view::{InCluster, Trouble, Written},
    decision::{Decision, Gained, Placement, ScaledJobDecision, Settling, Starts, TriggerDecision},
    job_request::RequestId,
    parallel_jobs::{Caps, Each, Report},
    scaling::{self, Counts, Own, OwnAgents, OwnJobs},
    snapshot::Snapshot,
    trigger::{ScaledJobId, Strategy, Trigger},
};

/// All that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The pool as last seen.
    pub snapshot: &'a Arc<Snapshot>,
    /// The triggers that exist, in the order of their ids.
    pub triggers: &'a [Arc<Trigger>],
    /// For each of the snapshot's jobs, the place among [`scaled_jobs`] of the one it was given to last; or nothing at all.
    pub homes: &'a [Option<u32>],
    /// Until when the pool settles, and why: no agents are asked for before.
    pub settling: Option<&'a Settling>,
    /// The organisation's limits, and what the other pools leave of them.
    pub caps: &'a Caps,
    /// Numbers of idle agents that are not believed any more.
    pub distrusted: &'a BTreeSet<i64>,
    /// Queued jobs that something in Azure holds, each with the number of an idle agent that does not take it.
    pub held: &'a BTreeMap<RequestId, i64>,
    /// For each of the [`scaled_jobs`], whether its agents come; or nothing at all.
    pub starts: &'a [StartsOf],
    /// For each of the [`scaled_jobs`], what the cluster knows of it; or nothing at all.
    pub cluster: &'a [Option<InCluster>],
    /// For each of the [`scaled_jobs`], what it says of itself, where the cluster has shown it; or nothing at all.
    pub written: &'a [Option<Written>],
    /// For each of the [`scaled_jobs`], what its own agents, or its placeholder, have been seen to offer; or nothing at all.
    pub learned: &'a [Option<Gained>],
    /// What time it is.
    pub now: Timestamp,
}

/// Whether a ScaledJob's agents come, and why not, where that is known.
pub type StartsOf = (Starts, Option<Arc<Trouble>>);

/// The ScaledJobs of triggers that are in the order of their ids, each once.
#[must_use]
pub fn scaled_jobs(triggers: &[Arc<Trigger>]) -> Vec<ScaledJobId> {
    let mut ids: Vec<ScaledJobId> = triggers.iter().map(|trigger| trigger.id.scaled_job.clone()).collect();
    ids.dedup();
    ids
}

/// Decides about every unfinished job, every agent and every trigger; says, too, what that takes of the parallel jobs.
#[must_use]
pub fn decide(world: &World<'_>) -> (Decision, Report) {
    let World { snapshot, now, .. } = *world;
    let settling = world.settling.filter(|settling| now < settling.until && !planted!(NoSettling));
    let ids = scaled_jobs(world.triggers);
    let mut triggers = offers(world, &ids);
    let takes_jobs_on: Vec<bool> = (0..ids.len())
        .map(|place| triggers.iter().find(|trigger| trigger.scaled_job as usize == place))
        .map(|first| first.is_some_and(|first| first.trigger.strategy == Strategy::ScaledObject))
        .map(|takes_jobs_on| takes_jobs_on && !planted!(ScaledObjectIsSpent))
        .collect();
    let pods = Pods::of(world.cluster, &takes_jobs_on);
    let owners = Owners::new(triggers.iter().map(|trigger| (&*trigger.trigger, trigger.scaled_job)), &pods);
    let mut census = Census::take(snapshot, &owners, &takes_jobs_on, world.distrusted, now);
    let mut scaled_jobs = counted(ids, &census, &triggers, world);

    let waiting = WaitingJobs::of(snapshot, world.homes, world.held);
    let takers = Takers::of(snapshot, &waiting, &census, &triggers, &scaled_jobs);
    let licences = Licences::of(snapshot, world.caps);
    let mut jobs: Vec<Placement> =
        census.running_jobs.iter().map(|running| running.unwrap_or(Placement::NotUnderstood)).collect();
    hold(world, &mut jobs);
    for (job, placement) in waiting.places.iter().zip(licences.place(&waiting, &takers)) {
        jobs[*job] = placement;
        match placement {
            Placement::IdleAgent { agent } => {
                if let Some(owner) = census.agents[agent as usize].owner {
                    scaled_jobs[owner as usize].matched += 1;
                    scaled_jobs[owner as usize].others -= 1;
                }
            }
            Placement::StartingAgent { trigger } => {
                scaled_jobs[triggers[trigger as usize].scaled_job as usize].matched_starting += 1;
            }
            Placement::Assigned { trigger }
                if settling.is_some() && !starts_while_settling(&triggers[trigger as usize]) =>
            {
                jobs[*job] = Placement::Settling { trigger };
            }
            Placement::Assigned { trigger } => triggers[trigger as usize].given += 1,
            _ => {}
        }
    }
    if planted!(EveryFitStarts) {
        give_to_all(snapshot, &jobs, &mut triggers);
    }
    for (agent, job) in
        takers.let_wait(snapshot, &waiting, |place| licences.could_begin(place) || planted!(BlamedWithoutLicence))
    {
        census.agents[agent as usize].lets_wait = Some(job);
    }

    answer_all(snapshot, &mut triggers, &mut scaled_jobs, settling.is_some());
    let report = licences.report(&jobs);
    let decision = Decision {
        snapshot: Arc::clone(snapshot),
        triggers,
        scaled_jobs,
        jobs,
        agents: census.agents,
        parallel_jobs: Each::new(|parallelism| licences.counted(parallelism, *report.taken.of(parallelism))),
        settling: settling.cloned(),
        valid_until: settling
            .map(|settling| settling.until)
            .into_iter()
            .chain(census.valid_until.filter(|_| !planted!(GraceEndUnnoticed)))
            .min(),
    };
    (decision, report)
}

/// The ScaledJobs with their agents counted, and how many more each may start.
fn counted(
    ids: Vec<ScaledJobId>,
    census: &Census,
    triggers: &[TriggerDecision],
    world: &World<'_>,
) -> Vec<ScaledJobDecision> {
    let counted = ids.into_iter().zip(&census.own).enumerate().map(|(place, (id, own))| {
        // The triggers of a ScaledJob share its maximum; while it is edited, the smaller of two holds.
        let own_triggers = || triggers.iter().filter(|trigger| trigger.scaled_job as usize == place);
        let max = own_triggers().map(|trigger| trigger.trigger.max_replicas).min().unwrap_or(0);
        let target = own_triggers().map(|trigger| trigger.trigger.target).next().unwrap_or(1);
        let (starts, trouble) = world.starts.get(place).cloned().unwrap_or_default();
        let cluster = world.cluster.get(place).cloned().flatten();
        let taken = match &cluster {
            _ if planted!(CapacityForgetsOnline) => 0,
            // A ScaledObject has no Kubernetes Jobs.
            Some(cluster) if cluster.view.strategy != Strategy::ScaledObject && !planted!(CapacityForgetsJobs) => {
                cluster.view.unfinished()
            }
            _ => own.online,
        };
        let most = max + u32::from(planted!(CapacityOffByOne));
        let is_paused = cluster.as_ref().is_some_and(|cluster| cluster.view.is_paused) && !planted!(PausedStarts);
        let may_start = match starts {
            _ if is_paused => 0,
            Starts::Working => most.saturating_sub(taken),
            Starts::Failing { .. } => 0,
            Starts::Probing { .. } => most.saturating_sub(taken).min(1),
        };
        let room = may_start.saturating_mul(if planted!(CapacityForgetsTarget) { 1 } else { target });
        let census::Own { running, others, unusable, idle, .. } = *own;
        ScaledJobDecision {
            id,
            matched: 0,
            running,
            others,
            unusable,
            idle,
            may_start,
            room,
            starts,
            trouble,
            cluster,
            to_keep: 0,
            matched_starting: 0,
        }
    });
    counted.collect()
}

/// Gives each job not to one trigger, but to all that fit: what the built-in scaler does.
fn give_to_all(snapshot: &Snapshot, jobs: &[Placement], triggers: &mut [TriggerDecision]) {
    let assigned = snapshot.jobs.iter().zip(jobs).filter(|(_, job)| matches!(job, Placement::Assigned { .. }));
    let demands: Vec<_> = assigned.map(|(job, _)| snapshot.demands_of(job)).collect();
    for TriggerDecision { trigger, capabilities, given, .. } in triggers {
        let fitting = demands.iter().filter(|demands| trigger.takes(capabilities, demands)).count();
        *given = u32::try_from(fitting).unwrap_or(u32::MAX);
    }
}

/// A ScaledObject's pods are there anyway; only Kubernetes Jobs would be started twice.
fn starts_while_settling(trigger: &TriggerDecision) -> bool {
    trigger.trigger.strategy == Strategy::ScaledObject && !planted!(ScaledObjectsSettle)
}

/// Marks the jobs that are held.
fn hold(world: &World<'_>, jobs: &mut [Placement]) {
    if world.held.is_empty() {
        return;
    }
    let places: HashMap<i64, u32> =
        (0..).zip(&**world.snapshot.agents).map(|(place, agent)| (agent.id, place)).collect();
    for (job, placement) in world.snapshot.jobs.iter().zip(jobs).filter(|(job, _)| job.is_queued()) {
        let witness = world.held.get(&job.id).and_then(|agent| places.get(agent));
        if let Some(agent) = witness {
            *placement = Placement::Held { agent: *agent };
        }
    }
}

/// What KEDA subtracts, where a ScaledJob may start so many agents beyond those that jobs need.
fn own_of(scaled_job: &mut ScaledJobDecision, trigger: &Trigger, left: u32) -> Own {
    let ScaledJobDecision { matched, running, others, unusable, idle, matched_starting, starts, .. } = *scaled_job;
    let cluster = scaled_job.cluster.as_ref().filter(|_| trigger.strategy != Strategy::ScaledObject);
    let Some(cluster) = cluster.filter(|_| !planted!(ViewNotCounted)) else {
        return Own::Agents(OwnAgents { matched, running, others, unusable });
    };
    // The minimum is a number of idle agents on top of those that jobs need.
    let waiting = (idle - matched) + (cluster.starting - matched_starting);
    let missing = trigger.min_replicas.saturating_sub(if planted!(MinimumCountsNobody) { 0 } else { waiting });
    scaled_job.to_keep = if starts == Starts::Working || planted!(BrokenKeptWarm) { missing.min(left) } else { 0 };
    Own::Jobs(OwnJobs {
        unfinished: cluster.view.unfinished(),
        pending: cluster.view.pending(),
        to_keep: scaled_job.to_keep,
    })
}

/// Turns the counts into what KEDA is told.
fn answer_all(
    snapshot: &Snapshot,
    triggers: &mut [TriggerDecision],
    scaled_jobs: &mut [ScaledJobDecision],
    settling: bool,
) {
    // KEDA adds the values up, so one of a ScaledJob's triggers speaks for its agents: the first that has an answer.
    let mut spoken_for = vec![false; scaled_jobs.len()];
    let firsts: Vec<bool> = triggers
        .iter()
        .map(|trigger| {
            let speaks = trigger.answer.is_ok() && trigger.trigger.builtin.is_none();
            speaks && !std::mem::replace(&mut spoken_for[trigger.scaled_job as usize], true)
        })
        .collect();
    // Each trigger rounds its jobs up to whole agents, and together they start no more than the ScaledJob may.
    let mut left: Vec<u32> = scaled_jobs.iter().map(|scaled_job| scaled_job.may_start).collect();
    let to_start: Vec<u32> = triggers
        .iter()
        .zip(&firsts)
        .map(|(trigger, first)| {
            let scaled_job = &scaled_jobs[trigger.scaled_job as usize];
            let matched = if *first { scaled_job.matched + scaled_job.matched_starting } else { 0 };
            let left = &mut left[trigger.scaled_job as usize];
            let to_start = scaling::agents_to_start(trigger.given, matched, trigger.trigger.target);
            let to_start = if planted!(EachTriggerRoundsUp) { to_start } else { to_start.min(*left) };
            *left = left.saturating_sub(to_start);
            to_start
        })
        .collect();
    let mut any_to_start = vec![false; scaled_jobs.len()];
    for (trigger, to_start) in triggers.iter().zip(&to_start) {
        any_to_start[trigger.scaled_job as usize] |= *to_start > 0;
    }
    for ((trigger, to_start), first) in triggers.iter_mut().zip(to_start).zip(firsts) {
        if trigger.answer.is_err() {
            continue;
        }
        if let Some(builtin) = &trigger.trigger.builtin {
            trigger.answer = Ok(scaling::builtin_answer(&trigger.trigger, builtin.count(snapshot)));
            continue;
        }
        if settling && !starts_while_settling(trigger) {
            continue;
        }
        let place = trigger.scaled_job as usize;
        let own = (first || planted!(EachTriggerCountsAgents))
            .then(|| own_of(&mut scaled_jobs[place], &trigger.trigger, left[place]));
        trigger.to_start = to_start;
        let any_to_start = any_to_start[place];
        trigger.answer = Ok(scaling::answer(&trigger.trigger, Counts { to_start, any_to_start, own }));
    }
}
