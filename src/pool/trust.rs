//! Which idle agents are believed, and which jobs something in Azure holds.
//!
//! An idle agent that lets a job wait that it satisfies is no help. After a grace one such agent is put on probation: it
//! is no capacity any more, so another is started for the job. What becomes of the job is the verdict: a newcomer that
//! takes it quickly proves the agent bad, and the place on probation is free for the next; a newcomer that idles beside it,
//! too, shows that something else holds the job, and nothing more is started for it while that newcomer idles.
//!
//! ```text
//!            grace              quickly taken by a newcomer
//! believed ────────▶ probation ─────────────────────────────▶ proven bad ──takes a job, goes offline, leaves──▶ believed
//!     ▲                  │ a newcomer idles past the grace
//!     └──────────────────┴──▶ the job is held, while that newcomer idles
//! ```
//!
//! One at a time, so that a licence limit that nobody has told us of costs one agent and not all of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{patience::Patience, sightings::Sightings};
use crate::{
    agent::Agent,
    decision::{AgentState, Decision, ParallelJobs, Placement},
    job_request::{JobRequest, Parallelism, RequestId},
    parallel_jobs::Each,
    snapshot::Snapshot,
};

/// What is believed of a pool's idle agents.
#[derive(Debug)]
pub(super) struct Trust {
    grace: SignedDuration,
    patience: Each<Patience>,
    /// For jobs that need no licence.
    unlimited: Patience,
    probation: Option<Probation>,
    /// Agents that are not believed, the one on probation included. No more than are idle.
    distrusted: BTreeSet<i64>,
    /// Jobs that are held, each with the newcomer that does not take it.
    held: BTreeMap<RequestId, i64>,
}

/// An agent on probation.
#[derive(Clone, Copy, Debug)]
struct Probation {
    agent: i64,
    since: Timestamp,
    /// The job that it lets wait.
    job: RequestId,
}

impl Probation {
    /// When an agent has registered, if it did so since.
    fn newcomer(&self, agent: i64, sightings: &Sightings) -> Option<Timestamp> {
        sightings.registered(agent).filter(|registered| *registered > self.since)
    }

    /// Those that have come since, and are idle.
    fn idle_newcomers<'a>(&self, decision: &'a Decision, sightings: &Sightings) -> impl Iterator<Item = &'a Agent> {
        let agents = decision.snapshot.agents.iter().zip(&decision.agents);
        let idle = agents.filter(|(_, standing)| standing.state == AgentState::Idle).map(|(agent, _)| agent);
        idle.filter(|agent| self.newcomer(agent.id, sightings).is_some())
    }
}

impl Trust {
    pub(super) fn new(grace: SignedDuration) -> Self {
        Self {
            grace,
            patience: Each::default(),
            unlimited: Patience::default(),
            probation: None,
            distrusted: BTreeSet::new(),
            held: BTreeMap::new(),
        }
    }

    /// Numbers of idle agents that are not believed.
    pub(super) fn distrusted(&self) -> &BTreeSet<i64> {
        &self.distrusted
    }

    /// Jobs that are held, each with an idle agent that does not take it.
    pub(super) fn held(&self) -> &BTreeMap<RequestId, i64> {
        &self.held
    }

    /// Believes those again that have taken a job, gone offline or left, and lets jobs go that are queued no more or have
    /// lost their witness. Comes before a decision.
    pub(super) fn forgive(&mut self, snapshot: &Snapshot, sightings: &Sightings) {
        if self.distrusted.is_empty() && self.held.is_empty() {
            return;
        }
        let is_idle = |agent: &i64| sightings.has_stayed_idle(*agent);
        self.distrusted.retain(|agent| is_idle(agent) || planted!(NeverForgiven));
        if planted!(ForgivenAtOnce) {
            self.distrusted.clear();
        }
        self.probation = self.probation.filter(|probation| is_idle(&probation.agent));
        if self.held.is_empty() {
            return;
        }
        let queued: BTreeSet<RequestId> =
            snapshot.jobs.iter().filter(|job| job.is_queued()).map(|job| job.id).collect();
        let stands = |witness: &i64| is_idle(witness) || planted!(WitnessGoneStillHeld);
        self.held.retain(|job, witness| stands(witness) && queued.contains(job));
    }

    /// Judges by a decision that was made with what is believed. Says whether that changes.
    pub(super) fn judge(&mut self, decision: &Decision, sightings: &Sightings) -> bool {
        let at = decision.snapshot.agents_at;
        self.unlimited.set(false, at);
        for parallelism in Parallelism::ALL {
            let used_up = decision.parallel_jobs.of(parallelism).as_ref().is_some_and(ParallelJobs::are_used_up);
            let used_up = used_up && !planted!(ClockRunsAtLimit);
            self.patience.of_mut(parallelism).set(used_up, at);
        }
        let judged = self.probation.is_some_and(|probation| self.verdict(probation, decision, sightings));
        let is_tested = self.probation.is_some_and(|probation| self.is_tested(probation, decision, sightings));
        let suspected = (!is_tested || planted!(AllDistrusted)) && self.suspect(decision, sightings);
        judged || suspected
    }

    /// Looks what has become of the job that the agent on probation let wait.
    fn verdict(&mut self, probation: Probation, decision: &Decision, sightings: &Sightings) -> bool {
        let snapshot = &decision.snapshot;
        let is_newcomer = |agent: i64| probation.newcomer(agent, sightings);
        let waits = |id: RequestId| snapshot.jobs.iter().find(|job| job.id == id && job.is_queued());
        if let Some(job) = waits(probation.job) {
            let demands = snapshot.demands_of(job);
            let mut newcomers = probation.idle_newcomers(decision, sightings);
            let witness = newcomers.find(|agent| {
                agent.capabilities.satisfies(demands) && self.waited(agent.id, job, snapshot, sightings) >= self.grace
            });
            let Some(witness) = witness.filter(|_| !planted!(NeverHeld)) else { return false };
            // What the newcomer shows of this job it shows of all that it has let wait for as long.
            let lets_wait = |job: &&JobRequest| {
                job.is_queued()
                    && witness.capabilities.satisfies(snapshot.demands_of(job))
                    && self.waited(witness.id, job, snapshot, sightings) >= self.grace
            };
            let held: Vec<RequestId> = snapshot.jobs.iter().filter(lets_wait).map(|job| job.id).collect();
            self.held.extend(held.into_iter().map(|job| (job, witness.id)));
            self.distrusted.remove(&probation.agent);
            self.probation = None;
            return true;
        }
        let taker = taker(snapshot, probation.job);
        let quickly = |registered: Timestamp| snapshot.agents_at.duration_since(registered) <= self.grace / 2;
        let proves = |registered: Timestamp| quickly(registered) || planted!(AnyTakerIsProof);
        if taker.and_then(is_newcomer).is_some_and(proves) && !planted!(ProofFreesNoPlace) {
            self.probation = None;
            return false;
        }
        // Nobody knows. The next job that it has let wait for too long will tell; where there is none, the place is free.
        let standing = snapshot.agents.iter().zip(&decision.agents).find(|(agent, _)| agent.id == probation.agent);
        let next = standing.and_then(|(_, standing)| standing.lets_wait).map(|job| &snapshot.jobs[job as usize]);
        let next = next.filter(|job| self.waited(probation.agent, job, snapshot, sightings) >= self.grace);
        let next = next.filter(|_| !planted!(NextJobUnwatched));
        self.probation = next.map(|job| Probation { job: job.id, ..probation });
        false
    }

    /// Whether what comes next will tell: not where the job is left to another agent that has let it wait for as long, and
    /// nobody is started or has come for any job that the one on probation could take.
    fn is_tested(&self, probation: Probation, decision: &Decision, sightings: &Sightings) -> bool {
        let snapshot = &decision.snapshot;
        let placed = || snapshot.jobs.iter().zip(&decision.jobs);
        let left_to = placed().find(|(job, _)| probation.job == job.id);
        let Some((job, Placement::IdleAgent { agent })) = left_to else { return true };
        let other = &snapshot.agents[*agent as usize];
        if self.waited(other.id, job, snapshot, sightings) < self.grace || planted!(JobLeftToTheNextThatHangs) {
            return true;
        }
        let Some(on_probation) = snapshot.agents.iter().find(|agent| agent.id == probation.agent) else { return false };
        let mut could_take = placed().filter(|(job, _)| on_probation.capabilities.satisfies(snapshot.demands_of(job)));
        let is_coming = could_take.any(|(_, placement)| {
            matches!(
                placement,
                Placement::Assigned { .. } | Placement::Settling { .. } | Placement::StartingAgent { .. }
            )
        });
        let has_come = || {
            let mut newcomers = probation.idle_newcomers(decision, sightings);
            newcomers.any(|agent| agent.capabilities.satisfies(snapshot.demands_of(job)))
        };
        is_coming || has_come()
    }

    /// Puts the agent on probation that has let a job wait for the longest, if any has for too long.
    fn suspect(&mut self, decision: &Decision, sightings: &Sightings) -> bool {
        let snapshot = &decision.snapshot;
        let mut longest: Option<(SignedDuration, i64, RequestId)> = None;
        for (agent, standing) in snapshot.agents.iter().zip(&decision.agents) {
            let Some(job) = standing.lets_wait.filter(|_| standing.state == AgentState::Idle) else { continue };
            let job = &snapshot.jobs[job as usize];
            let waited = self.waited(agent.id, job, snapshot, sightings);
            if waited >= self.grace
                && longest.is_none_or(|(other, ..)| waited > other)
                && !self.held.contains_key(&job.id)
            {
                longest = Some((waited, agent.id, job.id));
            }
        }
        let Some((_, agent, job)) = longest.filter(|_| !planted!(NeverDistrusted)) else { return false };
        self.distrusted.insert(agent);
        self.probation = Some(Probation { agent, since: snapshot.agents_at, job });
        true
    }

    /// For how long an idle agent has let a job wait that could have begun.
    fn waited(&self, agent: i64, job: &JobRequest, snapshot: &Snapshot, sightings: &Sightings) -> SignedDuration {
        let patience = job.parallelism.map_or(&self.unlimited, |parallelism| self.patience.of(parallelism));
        let Some(idle_since) = sightings.idle_since(agent) else { return SignedDuration::ZERO };
        let both_since = job.queued_at.map_or(snapshot.agents_at, |queued| queued.max(idle_since));
        patience.between(both_since, snapshot.agents_at)
    }
}

/// The agent that has taken a job.
fn taker(snapshot: &Snapshot, job: RequestId) -> Option<i64> {
    let running = snapshot.jobs.iter().find(|other| other.id == job).and_then(|job| job.agent.as_ref());
    let finished = || snapshot.agents.iter().find(|agent| agent.last_completed == Some(job));
    running.map(|agent| agent.id).or_else(|| finished().map(|agent| agent.id))
}
