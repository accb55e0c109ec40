//! Each queued job to one agent that is there, or else to one trigger that starts an agent for it.
//!
//! ```text
//! [census]  what each agent is, what runs where
//!     │
//! [fits]    which demand sets each agent and each trigger satisfies
//!     │
//! [matching]  queued jobs to idle agents, then the rest to triggers with room
//!     │
//! [scaling](crate::scaling)  counts to values
//! ```
//!
//! Pure: one function, [`decide`], from what is known to a [`Decision`]. It never asks what time it is, and the order of
//! its input does not change its answer.

mod bits;
mod census;
mod fits;
mod matching;
mod ownership;
mod queue;
mod search;
mod seating;

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use self::{
    census::Census,
    fits::{Column, fits},
    matching::{Problem, matching},
    ownership::{Owners, clashes},
    queue::WaitingJobs,
};
use crate::{
    agent::Agent,
    capability::CapabilitySet,
    caseless::Caseless,
    decision::{AgentState, Decision, Placement, Refusal, ScaledJobDecision, TriggerDecision},
    scaling::{self, Counts, OwnAgents},
    snapshot::Snapshot,
    trigger::{JobsWithoutDemands, ScaledJobId, Strategy, Trigger},
};

/// What is true of one agent and would be of no other: a trigger's `parent` does not lend it.
const OF_ONE_AGENT_ONLY: [&str; 2] = ["Agent.Name", "Agent.ComputerName"];

/// All that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The pool as last seen.
    pub snapshot: &'a Arc<Snapshot>,
    /// The triggers that exist, in the order of their ids.
    pub triggers: &'a [Arc<Trigger>],
    /// For each of the snapshot's jobs, the place among [`scaled_jobs`] of the one it was given to last; or nothing at all.
    pub homes: &'a [Option<u32>],
    /// Until when the pool settles: no agents are asked for before.
    pub settling_until: Option<Timestamp>,
    /// What time it is.
    pub now: Timestamp,
}

/// The ScaledJobs of triggers that are in the order of their ids, each once.
#[must_use]
pub fn scaled_jobs(triggers: &[Arc<Trigger>]) -> Vec<ScaledJobId> {
    let mut ids: Vec<ScaledJobId> = triggers.iter().map(|trigger| trigger.id.scaled_job.clone()).collect();
    ids.dedup();
    ids
}

/// Decides about every unfinished job, every agent and every trigger.
#[must_use]
pub fn decide(world: &World<'_>) -> Decision {
    let World { snapshot, now, .. } = *world;
    let settling_until = world.settling_until.filter(|until| now < *until);
    let ids = scaled_jobs(world.triggers);
    let mut triggers = offers(world, &ids);
    let takes_jobs_on: Vec<bool> = (0..ids.len())
        .map(|place| triggers.iter().find(|trigger| trigger.scaled_job as usize == place))
        .map(|first| first.is_some_and(|first| first.trigger.strategy == Strategy::ScaledObject))
        .collect();
    let owners = Owners::new(triggers.iter().map(|trigger| (&*trigger.trigger, trigger.scaled_job)));
    let census = Census::take(snapshot, &owners, &takes_jobs_on, now);
    let mut scaled_jobs: Vec<ScaledJobDecision> = ids
        .into_iter()
        .zip(&census.own)
        .map(|(id, own)| ScaledJobDecision {
            id,
            matched: 0,
            running: own.running,
            others: own.others,
            unusable: own.unusable,
            room: 0,
        })
        .collect();

    let mut waiting = WaitingJobs::of(snapshot, world.homes);
    let mut jobs: Vec<Placement> =
        census.running_jobs.iter().map(|running| running.unwrap_or(Placement::NotUnderstood)).collect();

    // Agents that are there.
    let idle = idle_agents(&census);
    for (job, agent) in match_to_agents(snapshot, &waiting, &idle) {
        jobs[job] = Placement::IdleAgent { agent };
        if let Some(owner) = census.agents[agent as usize].owner {
            scaled_jobs[owner as usize].matched += 1;
            scaled_jobs[owner as usize].others -= 1;
        }
    }
    waiting.retain(|job| !matches!(jobs[job], Placement::IdleAgent { .. }));

    // Agents to start.
    for trigger in triggers.iter().rev() {
        let decided = &mut scaled_jobs[trigger.scaled_job as usize];
        let online = census.own[trigger.scaled_job as usize].online;
        decided.room = trigger.trigger.max_replicas.saturating_sub(online).saturating_mul(trigger.trigger.target);
    }
    for (job, placement) in match_to_triggers(&waiting, &triggers, &scaled_jobs) {
        jobs[job] = match placement {
            Placement::Assigned { trigger }
                if settling_until.is_some() && !starts_while_settling(&triggers[trigger as usize]) =>
            {
                Placement::Settling { trigger }
            }
            decided => decided,
        };
        if let Placement::Assigned { trigger } = jobs[job] {
            triggers[trigger as usize].given += 1;
        }
    }

    answer_all(&mut triggers, &scaled_jobs, settling_until.is_some());
    let valid_until = settling_until.into_iter().chain(census.valid_until).min();
    let agents = census.agents;
    Decision { snapshot: Arc::clone(snapshot), triggers, scaled_jobs, jobs, agents, settling_until, valid_until }
}

/// A ScaledObject's pods are there anyway; only Kubernetes Jobs would be started twice.
fn starts_while_settling(trigger: &TriggerDecision) -> bool {
    trigger.trigger.strategy == Strategy::ScaledObject
}

/// What each trigger offers, or why it is refused.
fn offers(world: &World<'_>, ids: &[ScaledJobId]) -> Vec<TriggerDecision> {
    let mut place = 0;
    let placed: Vec<(&Trigger, u32)> = world
        .triggers
        .iter()
        .enumerate()
        .map(|(at, trigger)| {
            place += u32::from(at > 0 && world.triggers[at - 1].id.scaled_job != trigger.id.scaled_job);
            (&**trigger, place)
        })
        .collect();
    let clashes = clashes(&placed, ids);
    let wants_parent = placed.iter().any(|(trigger, _)| trigger.parent.is_some());
    let registered: HashMap<&Caseless, &Agent> = if wants_parent {
        world.snapshot.agents.iter().map(|agent| (&agent.name, agent)).collect()
    } else {
        HashMap::new()
    };
    let nothing = Arc::new(CapabilitySet::default());
    let offered = |trigger: &Trigger, scaled_job: u32| {
        if let Some(clash) = clashes.get(&scaled_job) {
            return Err(clash.clone());
        }
        let Some(parent) = &trigger.parent else { return Ok(Arc::clone(&trigger.capabilities)) };
        let agent = registered.get(parent).ok_or_else(|| Refusal::NoParent(parent.to_string()))?;
        Ok(Arc::new(trigger.capabilities.over(&agent.capabilities.without(&OF_ONE_AGENT_ONLY))))
    };
    let decided = world.triggers.iter().zip(&placed).map(|(trigger, (_, scaled_job))| {
        let offered = offered(trigger, *scaled_job);
        let capabilities = offered.as_ref().map_or_else(|_| Arc::clone(&nothing), Arc::clone);
        let answer = offered.map(|_| scaling::NOTHING);
        TriggerDecision { trigger: Arc::clone(trigger), scaled_job: *scaled_job, capabilities, given: 0, answer }
    });
    decided.collect()
}

/// Places of the agents that can take a job now.
fn idle_agents(census: &Census) -> Vec<u32> {
    let places = (0..).zip(&census.agents);
    places.filter(|(_, agent)| agent.state == AgentState::Idle).map(|(place, _)| place).collect()
}

/// Queued jobs and the idle agents that they are matched to, both by their places in the snapshot.
fn match_to_agents(snapshot: &Snapshot, waiting: &WaitingJobs<'_>, idle: &[u32]) -> Vec<(usize, u32)> {
    if idle.is_empty() {
        return Vec::new();
    }
    let columns: Vec<_> = idle
        .iter()
        .map(|place| &snapshot.agents[*place as usize].capabilities)
        .map(|capabilities| Column { capabilities, version_may_be_unknown: false })
        .collect();
    let fits = fits(&waiting.demand_sets, &columns);
    // An agent that few jobs can use goes first; agents come by name, and the sort is stable.
    let mut wanted = vec![0_u32; idle.len()];
    for (class, jobs) in waiting.count_by_class().into_iter().enumerate() {
        for column in bits::ones(fits.row(class).iter().copied()) {
            wanted[column] += jobs;
        }
    }
    let mut preference: Vec<u32> = (0..).take(idle.len()).collect();
    preference.sort_by_key(|column| wanted[*column as usize]);
    let takers = matching(&Problem {
        jobs: &waiting.classes,
        homes: &[],
        fits: &fits,
        preferences: &[preference],
        kinds: &vec![0; waiting.demand_sets.len()],
        rooms: &(0..).take(idle.len()).collect::<Vec<_>>(),
        capacity: vec![1; idle.len()],
    });
    let matched = waiting.places.iter().zip(takers);
    matched.filter_map(|(job, taker)| Some((*job, idle[taker? as usize]))).collect()
}

/// The rest of the queued jobs, and where they go.
fn match_to_triggers(
    waiting: &WaitingJobs<'_>,
    triggers: &[TriggerDecision],
    scaled_jobs: &[ScaledJobDecision],
) -> Vec<(usize, Placement)> {
    let columns: Vec<_> = triggers
        .iter()
        .map(|trigger| Column { capabilities: &trigger.capabilities, version_may_be_unknown: true })
        .collect();
    let mut fits = fits(&waiting.demand_sets, &columns);
    for (column, trigger) in triggers.iter().enumerate() {
        let leaves = trigger.trigger.jobs_without_demands == JobsWithoutDemands::Leave;
        for (class, demands) in waiting.demand_sets.iter().enumerate() {
            if trigger.answer.is_err() || leaves && demands.is_without_demands() {
                fits.clear(class, column);
            }
        }
    }
    let preferences: Vec<Vec<u32>> = queue::KINDS.iter().map(|kind| kind.preference(triggers)).collect();
    let takers = matching(&Problem {
        jobs: &waiting.classes,
        homes: &waiting.homes,
        fits: &fits,
        preferences: &preferences,
        kinds: &waiting.demand_sets.iter().map(|demands| queue::kind_of(demands)).collect::<Vec<_>>(),
        rooms: &triggers.iter().map(|trigger| trigger.scaled_job).collect::<Vec<_>>(),
        capacity: scaled_jobs.iter().map(|scaled_job| scaled_job.room).collect(),
    });
    let unplaced: Vec<Placement> = waiting
        .demand_sets
        .iter()
        .enumerate()
        .map(|(class, demands)| match () {
            () if !demands.not_understood().is_empty() => Placement::NotUnderstood,
            () if fits.row(class).iter().all(|word| *word == 0) => Placement::Unmatched,
            () => Placement::WaitingForCapacity,
        })
        .collect();
    let placed = waiting.places.iter().zip(&waiting.classes).zip(takers);
    placed
        .map(|((job, class), taker)| {
            (*job, taker.map_or(unplaced[*class as usize], |trigger| Placement::Assigned { trigger }))
        })
        .collect()
}

/// Turns the counts into what KEDA is told.
fn answer_all(triggers: &mut [TriggerDecision], scaled_jobs: &[ScaledJobDecision], settling: bool) {
    // The triggers of a ScaledJob stand together.
    let first = |place: usize| place == 0 || triggers[place - 1].scaled_job != triggers[place].scaled_job;
    let firsts: Vec<bool> = (0..triggers.len()).map(first).collect();
    let to_start: Vec<u32> = triggers
        .iter()
        .zip(&firsts)
        .map(|(trigger, first)| {
            let matched = if *first { scaled_jobs[trigger.scaled_job as usize].matched } else { 0 };
            scaling::agents_to_start(trigger.given, matched, trigger.trigger.target)
        })
        .collect();
    let mut any_to_start = vec![false; scaled_jobs.len()];
    for (trigger, to_start) in triggers.iter().zip(&to_start) {
        any_to_start[trigger.scaled_job as usize] |= *to_start > 0;
    }
    for ((trigger, to_start), first) in triggers.iter_mut().zip(to_start).zip(firsts) {
        if trigger.answer.is_err() || settling && !starts_while_settling(trigger) {
            continue;
        }
        let ScaledJobDecision { matched, running, others, unusable, .. } = scaled_jobs[trigger.scaled_job as usize];
        let own = first.then_some(OwnAgents { matched, running, others, unusable });
        let any_to_start = any_to_start[trigger.scaled_job as usize];
        trigger.answer = Ok(scaling::answer(&trigger.trigger, Counts { to_start, any_to_start, own }));
    }
}
