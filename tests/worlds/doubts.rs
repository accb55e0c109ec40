//! What must hold of agents that are not believed: each has let a job wait for long enough, and stays so until it does
//! something. That one is tried at a time is held by the cases of the core.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use azp_scaler::{
    agent::Agent,
    decision::{AgentState, Decision, ParallelJobs, Placement},
    job_request::{JobRequest, Parallelism, RequestId},
    parallel_jobs::Each,
};
use jiff::{SignedDuration, Timestamp};

use super::{fits::satisfies, safety::Broken};

/// What is known of the agents of one pool.
#[derive(Default)]
pub(crate) struct Doubts {
    looked: Option<Timestamp>,
    idle: BTreeMap<i64, Idle>,
    clocks: Each<Clock>,
    /// What its clock showed before each queued job was seen.
    jobs: BTreeMap<RequestId, SignedDuration>,
    doubted: BTreeSet<i64>,
    /// Agents that were doubted and have been idle at each look since: a job between two looks shows in none.
    once_doubted: BTreeSet<i64>,
    /// Since when a job is to run on an agent that is there, and nobody is doubted.
    awaited: BTreeMap<(RequestId, i64), SignedDuration>,
}

#[derive(Clone, Copy)]
struct Idle {
    since: Timestamp,
    last_completed: Option<RequestId>,
    /// What the clocks showed then.
    clocks: Each<SignedDuration>,
}

/// For how long jobs could have begun.
#[derive(Clone, Copy, Default)]
struct Clock {
    last: Option<(Timestamp, bool)>,
    shows: SignedDuration,
}

impl Doubts {
    /// Looks at a decision that is new.
    pub(crate) fn decided(&mut self, decision: &Arc<Decision>, grace: SignedDuration) -> Result<(), Broken> {
        let snapshot = &decision.snapshot;
        let at = snapshot.agents_at;
        self.look(decision);
        let doubted: BTreeSet<i64> = snapshot
            .agents
            .iter()
            .zip(&decision.agents)
            .filter(|(_, standing)| standing.state == AgentState::NotTakingJobs)
            .map(|(agent, _)| agent.id)
            .collect();
        let before = std::mem::replace(&mut self.doubted, doubted);
        self.once_doubted.extend(&before);
        self.once_doubted.retain(|agent| self.idle.contains_key(agent));
        let held = decision.jobs.iter().any(|placement| matches!(placement, Placement::Held { .. }));
        for (agent, standing) in snapshot.agents.iter().zip(&decision.agents) {
            if standing.state != AgentState::NotTakingJobs {
                let idle =
                    standing.state == AgentState::Idle && self.idle.get(&agent.id).is_some_and(|idle| idle.since < at);
                if before.contains(&agent.id) && idle && !held {
                    return Err(format!("{} was not believed, has done nothing, and is believed again", agent.name));
                }
                continue;
            }
            let idle = self.idle.get(&agent.id).map(|idle| at.duration_since(idle.since));
            // One that runs a job between two looks is idle in both.
            if idle.is_none_or(|idle| idle < grace && !self.once_doubted.contains(&agent.id)) {
                let idle = idle.unwrap_or_default();
                return Err(format!("{} is not believed, and has been idle for {idle:#}", agent.name));
            }
            if self.once_doubted.contains(&agent.id) {
                continue;
            }
            let waits: Vec<&JobRequest> = waiting(decision, agent).collect();
            let longest = waits.iter().map(|job| self.waited(agent, job, at)).max().unwrap_or_default();
            if longest < grace {
                return Err(format!("{} is no longer believed, and let a job wait for {longest:#}", agent.name));
            }
        }
        let in_doubt = held || !self.doubted.is_empty() || !before.is_empty();
        self.nobody_idles_for_ever(decision, grace, in_doubt)
    }

    /// Takes a look in: since when agents idle, and how time has passed.
    fn look(&mut self, decision: &Decision) {
        let snapshot = &decision.snapshot;
        let at = snapshot.agents_at;
        let before = self.clocks;
        for parallelism in Parallelism::ALL {
            let used_up = decision.parallel_jobs.of(parallelism).as_ref().is_some_and(ParallelJobs::are_used_up);
            self.clocks.of_mut(parallelism).set(used_up, at);
        }
        // A list can leave a job out that waits on; of one that was left out nobody knows what the clock showed.
        for (job, parallelism) in snapshot.jobs.iter().filter_map(|job| Some((job, job.parallelism?))) {
            let was_left_out = job.queued_at.zip(self.looked).is_some_and(|(queued_at, looked)| queued_at < looked);
            let shows = if was_left_out { SignedDuration::ZERO } else { before.of(parallelism).shows };
            self.jobs.entry(job.id).or_insert(shows);
        }
        if self.looked.is_some_and(|looked| at <= looked) {
            return;
        }
        self.looked = Some(at);
        let reserved: BTreeSet<i64> =
            snapshot.jobs.iter().filter_map(|job| job.agent.as_ref()).map(|agent| agent.id).collect();
        let known = std::mem::take(&mut self.idle);
        let idle =
            |agent: &&Agent| agent.online && agent.enabled && agent.assigned.is_none() && !reserved.contains(&agent.id);
        for agent in snapshot.agents.iter().filter(idle) {
            let stayed = known.get(&agent.id).filter(|before| before.last_completed == agent.last_completed);
            let clocks = Each::new(|parallelism| self.clocks.of(parallelism).shows);
            let this = Idle { since: at, last_completed: agent.last_completed, clocks };
            self.idle.insert(agent.id, stayed.copied().unwrap_or(this));
        }
    }

    /// For how long at most an idle agent has let a job wait that could have begun.
    fn waited(&self, agent: &Agent, job: &JobRequest, at: Timestamp) -> SignedDuration {
        let Some(idle) = self.idle.get(&agent.id) else { return SignedDuration::ZERO };
        let both = at.duration_since(idle.since.max(job.queued_at.unwrap_or(at)));
        let Some(parallelism) = job.parallelism else { return both };
        let shown = self.jobs.get(&job.id).copied().unwrap_or_default().max(*idle.clocks.of(parallelism));
        both.min(self.clocks.of(parallelism).shows - shown)
    }

    /// No job is to run on the same idle agent for longer than the grace, unless another is tried.
    fn nobody_idles_for_ever(
        &mut self,
        decision: &Decision,
        grace: SignedDuration,
        in_doubt: bool,
    ) -> Result<(), Broken> {
        let snapshot = &decision.snapshot;
        let before = std::mem::take(&mut self.awaited);
        if in_doubt {
            return Ok(());
        }
        for (job, placement) in snapshot.jobs.iter().zip(&decision.jobs) {
            let (Placement::IdleAgent { agent }, Some(parallelism)) = (placement, job.parallelism) else { continue };
            let agent = &snapshot.agents[*agent as usize];
            let shows = self.clocks.of(parallelism).shows;
            // It may have run another job between two looks.
            let idle = self.idle.get(&agent.id).map_or(shows, |idle| *idle.clocks.of(parallelism));
            let since = before.get(&(job.id, agent.id)).copied().unwrap_or(shows).max(idle);
            let used_up = decision.parallel_jobs.of(parallelism).as_ref().is_some_and(ParallelJobs::are_used_up);
            if shows - since > grace + SignedDuration::from_secs(1) && !used_up {
                return Err(format!(
                    "job {} is to run on {} for {:#}, which does not take it",
                    job.id,
                    agent.name,
                    shows - since
                ));
            }
            self.awaited.insert((job.id, agent.id), since);
        }
        Ok(())
    }
}

impl Clock {
    /// Lets time pass, and notes whether it stands from here on.
    fn set(&mut self, stands: bool, at: Timestamp) {
        match self.last {
            Some((last, _)) if at < last => return,
            Some((last, false)) => self.shows += at.duration_since(last),
            _ => {}
        }
        self.last = Some((at, stands));
    }
}

/// The queued jobs that an agent satisfies.
fn waiting<'a>(decision: &'a Decision, agent: &'a Agent) -> impl Iterator<Item = &'a JobRequest> {
    let snapshot = &decision.snapshot;
    let queued = snapshot.jobs.iter().filter(|job| job.is_queued());
    queued.filter(|job| satisfies(&agent.capabilities, snapshot.demands_of(job)))
}
