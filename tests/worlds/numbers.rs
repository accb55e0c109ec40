//! What a value must be: the agents that KEDA subtracts, counted anew from what was seen, and those to start.

use std::collections::BTreeSet;

use azp_scaler::{
    agent::Agent,
    decision::{AgentState, Decision, Placement, Starts},
    job_request::ReservedAgent,
    simulator::{
        World,
        keda::{self, JobCount},
        virtual_run::Told,
    },
    trigger::{Strategy, Trigger},
};
use jiff::{SignedDuration, Timestamp};

use super::safety::Broken;

/// For so long an agent that has gone offline with its job may be back.
const MAY_BE_BACK: SignedDuration = SignedDuration::from_secs(120);

/// The value of a ScaledJob is its agents that KEDA subtracts and those to start, or nothing.
pub(crate) fn check(
    world: &World,
    view: Seen,
    decision: &Decision,
    told: &Told<'_>,
    now: Timestamp,
) -> Result<(), Broken> {
    if decision.valid_until.is_some_and(|until| until <= now) {
        return Err("it is told by a decision that holds no longer".to_owned());
    }
    let Some(answer) = told.answer else { return Ok(()) };
    let Trigger { strategy, min_replicas, target, activation, id, .. } = &**told.trigger;
    if answer.active != (answer.value > u64::from(*activation)) {
        return Err(format!("{answer:?} is told where it is active above {activation}"));
    }
    let Some(place) = decision.scaled_jobs.iter().position(|scaled_job| scaled_job.id == id.scaled_job) else {
        return Ok(());
    };
    let scaled_job = &decision.scaled_jobs[place];
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    // An edited ScaledJob's old trigger is known for a poll more.
    if decision.triggers.iter().filter(|trigger| trigger.scaled_job == place).count() > 1 {
        return Ok(());
    }
    let to_start = decision.to_start(place);
    if scaled_job.cluster.is_some() {
        return match view {
            Seen::Nothing => Err("the cluster is not seen, and counted".to_owned()),
            Seen::Old => Ok(()),
            Seen::All => by_the_cluster(world, decision, place, told),
        };
    }
    let online = online_agents(decision, place);
    let running = running(decision, place, now);
    let away = running.iter().filter(|id| !is_online(decision, **id)).count();
    let unfinished = online + u32::try_from(away).unwrap_or(u32::MAX);
    let agents = match strategy {
        _ if decision.settling.is_some() => 0,
        Strategy::Accurate | Strategy::Eager => to_start,
        Strategy::Default if *min_replicas > 0 => {
            let running = u32::try_from(running.len()).unwrap_or(u32::MAX);
            to_start + waited_for(decision, place) + running + useless(decision, place, &running_of(decision))
        }
        _ if to_start == 0 => 0,
        Strategy::Default => to_start + unfinished,
        Strategy::Custom { deduction, percentage } => {
            let subtracted = f64::from(unfinished.saturating_sub(*min_replicas)) * percentage + f64::from(*deduction);
            let whole = (0..=unfinished).rev().find(|agents| f64::from(*agents) <= subtracted);
            to_start + whole.unwrap_or(0)
        }
        Strategy::ScaledObject => return Ok(()),
    };
    let value = u64::from(agents) * u64::from(*target);
    if answer.value == value {
        return Ok(());
    }
    Err(format!(
        "{} is told where {value} should be: {to_start} agents are to be started, {online} are online, {away} away with a job",
        answer.value
    ))
}

/// What the scaler sees of the cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    /// What was.
    Old,
    All,
}

/// The value is what KEDA subtracts now, by its own count, and the agents to start.
fn by_the_cluster(world: &World, decision: &Decision, place: u32, told: &Told<'_>) -> Result<(), Broken> {
    let Some(answer) = told.answer else { return Ok(()) };
    let scaled_job = &decision.scaled_jobs[place as usize];
    let JobCount { running, pending } = world.cluster().count(told.scaled_job);
    let scaling = &world.cluster().scaled_jobs[told.scaled_job].plan.scaling;
    let to_start = decision.to_start(place);
    let idle = own(decision, place).filter(|(_, state)| *state == AgentState::Idle).count();
    let matched = decision.jobs.iter().filter(|placement| match placement {
        Placement::IdleAgent { agent } => decision.agents[*agent as usize].owner == Some(place),
        Placement::StartingAgent { trigger } => decision.triggers[*trigger as usize].scaled_job == place,
        _ => false,
    });
    let starting = scaled_job.cluster.as_ref().map_or(0, |cluster| cluster.starting);
    let ready = (u32::try_from(idle).unwrap_or(u32::MAX) + starting)
        .checked_sub(u32::try_from(matched.count()).unwrap_or(u32::MAX))
        .ok_or("more jobs are matched to own agents than there are")?;
    let most = scaling.max_replicas.min(told.trigger.max_replicas);
    let room = most.saturating_sub(running).saturating_sub(to_start);
    let missing = if scaled_job.starts == Starts::Working { scaling.min_replicas.saturating_sub(ready) } else { 0 };
    let is_paused = world.cluster().scaled_jobs[told.scaled_job].paused;
    let more = if is_paused { 0 } else { missing.min(room) };
    let agents = match scaling.strategy {
        keda::Strategy::Default if to_start + more == 0 => 0,
        keda::Strategy::Default => (to_start + more + running).saturating_sub(scaling.min_replicas),
        _ if to_start == 0 => 0,
        keda::Strategy::Accurate => to_start + pending,
        keda::Strategy::Eager => to_start,
        keda::Strategy::Custom { deduction, percentage } => {
            let beyond = running.saturating_sub(scaling.min_replicas);
            let subtracted = f64::from(beyond) * percentage + f64::from(deduction);
            to_start + (0..=beyond).rev().find(|agents| f64::from(*agents) <= subtracted).unwrap_or(0)
        }
    };
    let value = u64::from(agents) * u64::from(told.trigger.target);
    if answer.value == value {
        return Ok(());
    }
    Err(format!(
        "{} is told where {value} should be: {to_start} agents are to be started, {more} to be kept, and KEDA counts {running}, \
         {pending} of them pending",
        answer.value
    ))
}

/// The ScaledJob's agents that are online.
pub(crate) fn online_agents(decision: &Decision, owner: u32) -> u32 {
    let agents = own(decision, owner).filter(|(agent, _)| agent.online);
    u32::try_from(agents.count()).unwrap_or(u32::MAX)
}

/// The ScaledJob's idle agents that queued jobs are to run on.
pub(crate) fn waited_for(decision: &Decision, owner: u32) -> u32 {
    let awaited = |placement: &&Placement| match placement {
        Placement::IdleAgent { agent } => decision.agents[*agent as usize].owner == Some(owner),
        _ => false,
    };
    u32::try_from(decision.jobs.iter().filter(awaited).count()).unwrap_or(u32::MAX)
}

fn own(decision: &Decision, owner: u32) -> impl Iterator<Item = (&Agent, AgentState)> {
    let agents = decision.snapshot.agents.iter().zip(&decision.agents);
    agents.filter(move |(_, standing)| standing.owner == Some(owner)).map(|(agent, standing)| (agent, standing.state))
}

fn is_online(decision: &Decision, agent: i64) -> bool {
    decision.snapshot.agents.iter().any(|listed| listed.id == agent && listed.online)
}

/// Numbers of all agents that jobs say they are on.
fn running_of(decision: &Decision) -> BTreeSet<i64> {
    decision.snapshot.jobs.iter().filter_map(|job| job.agent.as_ref()).map(|agent| agent.id).collect()
}

/// Numbers of the ScaledJob's agents that have a job and are up, or may be back.
fn running(decision: &Decision, owner: u32, now: Timestamp) -> BTreeSet<i64> {
    let prefix = format!("{}-", decision.scaled_jobs[owner as usize].id.name);
    let reserved = decision.snapshot.jobs.iter().filter_map(|job| job.agent.as_ref());
    let up = reserved.filter(|agent| agent.name.as_str().starts_with(&prefix) && is_up(decision, agent, now));
    // What an older list says of agents' jobs is over.
    let is_new = !is_older(decision);
    let holds = own(decision, owner).filter(|(agent, _)| is_new && agent.online && agent.assigned.is_some());
    up.map(|agent| agent.id).chain(holds.map(|(agent, _)| agent.id)).collect()
}

fn is_up(decision: &Decision, reserved: &ReservedAgent, now: Timestamp) -> bool {
    let snapshot = &decision.snapshot;
    let older = is_older(decision);
    match snapshot.agents.iter().find(|agent| agent.id == reserved.id) {
        Some(agent) if agent.online => true,
        Some(_) if older && !reserved.offline => true,
        Some(agent) => agent.status_changed_at.is_some_and(|since| now.duration_since(since) < MAY_BE_BACK),
        None => older && !reserved.offline,
    }
}

/// Whether the agents were asked for before the jobs: some may have left.
fn is_older(decision: &Decision) -> bool {
    decision.snapshot.agents_at < decision.snapshot.taken_at
}

/// The ScaledJob's agents that are online and will run no job, as far as that is known.
fn useless(decision: &Decision, owner: u32, reserved: &BTreeSet<i64>) -> u32 {
    let useless = own(decision, owner).filter(|(agent, state)| {
        let busy = agent.assigned.is_some() || reserved.contains(&agent.id);
        let never = agent.last_completed.is_some() || !agent.enabled || *state == AgentState::NotTakingJobs;
        !is_older(decision) && agent.online && !busy && never
    });
    u32::try_from(useless.count()).unwrap_or(u32::MAX)
}
