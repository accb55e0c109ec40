//! What must hold of the places of one decision: nobody is given what it can't take, and nobody is left out who need not be.

use std::collections::{BTreeMap, BTreeSet};

use azp_scaler::{
    agent::Agent,
    decision::{AgentState, Decision, Placement, Starts, TriggerDecision},
    job_request::JobRequest,
};

use super::{
    fits::{satisfies, takes},
    numbers::{online_agents, waited_for},
    safety::Broken,
};

pub(crate) fn check(decision: &Decision) -> Result<(), Broken> {
    mended(decision)?;
    can_take(decision)?;
    sums(decision)?;
    maxima(decision)?;
    in_order(decision)?;
    nobody_left_out(decision)
}

/// Where the list of agents is as new as that of jobs, what agents hold runs, and what they have finished is gone.
fn mended(decision: &Decision) -> Result<(), Broken> {
    let snapshot = &decision.snapshot;
    if snapshot.agents_at < snapshot.taken_at {
        return Ok(());
    }
    for agent in snapshot.agents.iter() {
        let queued = snapshot.jobs.iter().find(|job| job.is_queued() && agent.assigned == Some(job.id));
        let finished = snapshot.jobs.iter().find(|job| agent.last_completed == Some(job.id));
        if let Some(job) = queued.or(finished) {
            return Err(format!("job {} waits or runs though {} holds it or has finished it", job.id, agent.name));
        }
    }
    Ok(())
}

/// Each job has one place; an agent is given one job, and one that it can take.
fn can_take(decision: &Decision) -> Result<(), Broken> {
    let snapshot = &decision.snapshot;
    let mut taken = BTreeSet::new();
    for (job, placement) in snapshot.jobs.iter().zip(&decision.jobs) {
        match placement {
            Placement::IdleAgent { agent } if !taken.insert(agent) || !can_run(decision, *agent, job) => {
                let name = &snapshot.agents[*agent as usize].name;
                return Err(format!("job {} is to run on {name}, which can't take it", job.id));
            }
            Placement::StartingAgent { trigger } | Placement::Assigned { trigger }
                if !takes(&decision.triggers[*trigger as usize], decision, job) =>
            {
                let id = &decision.triggers[*trigger as usize].trigger.id.scaled_job;
                return Err(format!("job {} is given to {id}, which does not fit", job.id));
            }
            Placement::Unmatched
                if decision
                    .triggers
                    .iter()
                    .any(|decided| shares(decided, decision) && takes(decided, decision, job)) =>
            {
                return Err(format!("job {} finds no ScaledJob though one fits", job.id));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an agent is there that could run the job if Azure gave it to it.
fn can_run(decision: &Decision, place: u32, job: &JobRequest) -> bool {
    let Agent { online, enabled, assigned, capabilities, last_completed, id, .. } =
        &decision.snapshot.agents[place as usize];
    let standing = &decision.agents[place as usize];
    let spent = standing.owner.is_some() && last_completed.is_some();
    let reserved = || decision.snapshot.jobs.iter().any(|job| job.agent.as_ref().is_some_and(|agent| agent.id == *id));
    let believed = standing.state != AgentState::NotTakingJobs;
    let pods = standing.owner.and_then(|owner| decision.scaled_jobs[owner as usize].cluster.as_ref());
    let has_pod =
        pods.is_none_or(|pods| pods.agents().any(|agent| *agent == decision.snapshot.agents[place as usize].name));
    let free = has_pod && *online && *enabled && assigned.is_none() && !spent && believed && !reserved();
    free && satisfies(capabilities, decision.snapshot.demands_of(job))
}

/// A trigger is given the jobs that have their places there, and starts an agent for `target` of them, never for none.
fn sums(decision: &Decision) -> Result<(), Broken> {
    for (place, decided) in (0_u32..).zip(&decision.triggers) {
        let here = |placement: &&Placement| **placement == Placement::Assigned { trigger: place };
        let given = u32::try_from(decision.jobs.iter().filter(here).count()).unwrap_or(u32::MAX);
        // While a ScaledJob is edited, two variants of its trigger share what it may start.
        let alone = decision.triggers.iter().filter(|other| other.scaled_job == decided.scaled_job).count() == 1;
        let starting = |placement: &&Placement| match placement {
            Placement::StartingAgent { trigger } => {
                decision.triggers[*trigger as usize].scaled_job == decided.scaled_job
            }
            _ => false,
        };
        let awaited = u32::try_from(decision.jobs.iter().filter(starting).count()).unwrap_or(u32::MAX);
        let cluster = decision.scaled_jobs[decided.scaled_job as usize].cluster.as_ref();
        if awaited > cluster.map_or(0, |cluster| cluster.starting) {
            return Err(format!(
                "{awaited} jobs wait for agents of {}, which starts fewer",
                decided.trigger.id.scaled_job
            ));
        }
        let matched = waited_for(decision, decided.scaled_job) + awaited;
        let wanted = (given + matched).div_ceil(decided.trigger.target).saturating_sub(matched);
        let wanted = wanted.min(may_start(decision, decided.scaled_job));
        if decided.given != given || alone && decided.to_start != wanted {
            return Err(format!(
                "{} has {given} jobs for which {wanted} agents are missing, is said to have {} and starts {}",
                decided.trigger.id.scaled_job, decided.given, decided.to_start
            ));
        }
    }
    Ok(())
}

/// No ScaledJob is to have more agents than it may, and one whose agents don't come starts at most one.
fn maxima(decision: &Decision) -> Result<(), Broken> {
    for (place, scaled_job) in (0..).zip(&decision.scaled_jobs) {
        let to_start = decision.to_start(place);
        let most = may_start(decision, place);
        if to_start > most {
            let online = online_agents(decision, place);
            return Err(format!(
                "{}: {online} agents and {to_start} to start, where {most} may be started, its agents {:?}",
                scaled_job.id, scaled_job.starts
            ));
        }
    }
    Ok(())
}

/// How many agents a ScaledJob may start.
pub(crate) fn may_start(decision: &Decision, place: u32) -> u32 {
    let own = decision.triggers.iter().filter(|trigger| trigger.scaled_job == place);
    let max = own.map(|trigger| trigger.trigger.max_replicas).min().unwrap_or(0);
    let cluster = decision.scaled_jobs[place as usize].cluster.as_ref();
    if cluster.is_some_and(|cluster| cluster.view.is_paused) {
        return 0;
    }
    let taken = cluster.map_or_else(|| online_agents(decision, place), |cluster| cluster.view.unfinished());
    let free = max.saturating_sub(taken);
    match decision.scaled_jobs[place as usize].starts {
        Starts::Working => free,
        Starts::Failing { .. } => 0,
        Starts::Probing { .. } => free.min(1),
    }
}

/// Among the jobs that need licences of one kind, nobody has a place who comes after one that waits for a licence.
fn in_order(decision: &Decision) -> Result<(), Broken> {
    let mut refused = BTreeMap::new();
    for (job, placement) in decision.snapshot.jobs.iter().zip(&decision.jobs) {
        let Some(parallelism) = job.parallelism else { continue };
        match placement {
            Placement::WaitingForParallelJob => {
                refused.entry(parallelism).or_insert(job.id);
            }
            Placement::IdleAgent { .. } | Placement::StartingAgent { .. } | Placement::Assigned { .. } => {
                if let Some(earlier) = refused.get(&parallelism) {
                    return Err(format!("job {} has a place, and job {earlier}, before it, no licence", job.id));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a trigger takes jobs at all: not while its ScaledJob is paused.
fn shares(decided: &TriggerDecision, decision: &Decision) -> bool {
    let cluster = decision.scaled_jobs[decided.scaled_job as usize].cluster.as_ref();
    !cluster.is_some_and(|cluster| cluster.view.is_paused)
}

/// Somebody who can take jobs: an agent that is idle, or the ScaledJob at that place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Taker {
    Agent(u32),
    ScaledJob(u32),
}

/// No job without a place could have one if others moved, and none is left out for a later one.
fn nobody_left_out(decision: &Decision) -> Result<(), Broken> {
    let snapshot = &decision.snapshot;
    let mut at: BTreeMap<Taker, Vec<usize>> = BTreeMap::new();
    for (place, placement) in decision.jobs.iter().enumerate() {
        let taker = match placement {
            Placement::IdleAgent { agent } => Taker::Agent(*agent),
            Placement::Assigned { trigger } | Placement::Settling { trigger } => {
                Taker::ScaledJob(decision.triggers[*trigger as usize].scaled_job)
            }
            _ => continue,
        };
        at.entry(taker).or_default().push(place);
    }
    let mut seen = BTreeSet::new();
    for (place, placement) in decision.jobs.iter().enumerate() {
        let demands = snapshot.jobs[place].demands;
        let (agents, scaled_jobs) = match placement {
            Placement::Assigned { .. } | Placement::Settling { .. } => (seen.insert((demands, true)), false),
            Placement::WaitingForCapacity | Placement::StartFailing { .. } => {
                (seen.insert((demands, true)), seen.insert((demands, false)))
            }
            _ => continue,
        };
        for search in [agents.then_some(true), scaled_jobs.then_some(false)].into_iter().flatten() {
            if let Some(found) = way(decision, &at, place, search) {
                return Err(format!("job {} has no place at {}, {found}", snapshot.jobs[place].id, kind(search)));
            }
        }
    }
    Ok(())
}

fn kind(agents: bool) -> &'static str {
    if agents { "an agent that is there" } else { "a ScaledJob" }
}

/// A way from a job to a place, over others that would move.
fn way(decision: &Decision, at: &BTreeMap<Taker, Vec<usize>>, from: usize, agents: bool) -> Option<String> {
    let jobs = &decision.snapshot.jobs;
    let takers = |job: &JobRequest| -> Vec<Taker> {
        if agents {
            let places = 0..u32::try_from(decision.snapshot.agents.len()).unwrap_or(0);
            return places.filter(|agent| can_run(decision, *agent, job)).map(Taker::Agent).collect();
        }
        let fitting = decision.triggers.iter().filter(|decided| shares(decided, decision));
        let fitting = fitting.filter(|decided| takes(decided, decision, job));
        fitting.map(|decided| Taker::ScaledJob(decided.scaled_job)).collect()
    };
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(job) = next.pop() {
        for taker in takers(&jobs[job]) {
            if !reached.insert(taker) {
                continue;
            }
            let here = at.get(&taker).map(Vec::as_slice).unwrap_or_default();
            let room = match taker {
                Taker::Agent(_) => 1,
                Taker::ScaledJob(place) => {
                    let own = decision.triggers.iter().find(|decided| decided.scaled_job == place);
                    (may_start(decision, place) * own.map_or(1, |own| own.trigger.target)) as usize
                }
            };
            if here.len() < room {
                return Some("and there is one".to_owned());
            }
            if let Some(later) = here.iter().find(|place| jobs[**place].order() > jobs[from].order()) {
                return Some(format!("and job {}, after it, has one", jobs[*later].id));
            }
            next.extend(here);
        }
    }
    None
}
