//! Jobs that no ScaledJob takes here, and that are served all the same: by an agent that is up and no ScaledJob's, or by a
//! ScaledJob that counts as KEDA's built-in scaler does and takes no part in sharing out jobs.

use std::collections::BTreeMap;

use crate::{
    builtin::Builtin,
    caseless::Caseless,
    decision::{AgentStanding, AgentState, Decision, Placement},
    demand::DemandSet,
    job_request::JobRequest,
    trigger::ScaledJobId,
};

/// Who serves such a job.
pub(super) enum Server<'a> {
    /// An agent once it is free, and what it is now.
    Agent(&'a Caseless, &'static str),
    /// A ScaledJob with `matching: builtin`.
    Builtin(&'a ScaledJobId),
}

/// Who serves a job that no ScaledJob takes.
pub(super) fn server<'a>(decision: &'a Decision, job: &JobRequest) -> Option<Server<'a>> {
    let demands = decision.snapshot.demands_of(job);
    if let Some((name, state)) = static_agent(decision, demands) {
        return Some(Server::Agent(name, state));
    }
    let mut counting = builtins(decision);
    let found = counting.find(|(_, builtin)| builtin.vouches_for(demands) && builtin.counts(&decision.snapshot, job));
    found.map(|(id, _)| Server::Builtin(id))
}

/// How many jobs that no ScaledJob takes are served all the same.
#[must_use]
pub fn served_elsewhere(decision: &Decision) -> usize {
    let snapshot = &decision.snapshot;
    // Thousands of jobs have a few hundred demand sets between them.
    let mut has_agent: BTreeMap<u32, bool> = BTreeMap::new();
    let counting: Vec<_> = builtins(decision).map(|(_, builtin)| (builtin, builtin.counting(snapshot))).collect();
    let unmatched = snapshot.jobs.iter().zip(&decision.jobs).filter(|(_, place)| **place == Placement::Unmatched);
    let served = unmatched.filter(|(job, _)| {
        let demands = snapshot.demands_of(job);
        *has_agent.entry(job.demands).or_insert_with(|| static_agent(decision, demands).is_some())
            || counting.iter().any(|(builtin, counts)| builtin.vouches_for(demands) && counts(job))
    });
    served.count()
}

/// An agent that is no ScaledJob's, is up, and can take such a job once it is free; and what it is now.
fn static_agent<'a>(decision: &'a Decision, demands: &DemandSet) -> Option<(&'a Caseless, &'static str)> {
    let mut agents = decision.snapshot.agents.iter().zip(&decision.agents);
    let up = |standing: &AgentStanding| matches!(standing.state, AgentState::Idle | AgentState::Busy);
    let (agent, standing) = agents.find(|(agent, standing)| {
        standing.owner.is_none() && up(standing) && agent.enabled && agent.capabilities.satisfies(demands)
    })?;
    Some((&agent.name, standing.state.label()))
}

/// ScaledJobs that start agents by the built-in scaler's number, and what is in that.
fn builtins(decision: &Decision) -> impl Iterator<Item = (&ScaledJobId, &Builtin)> {
    decision.triggers.iter().filter_map(|asking| {
        let own = &decision.scaled_jobs[asking.scaled_job as usize];
        let builtin = asking.trigger.builtin.as_ref()?;
        (asking.answer.is_ok() && !own.is_paused()).then_some((&own.id, builtin))
    })
}
