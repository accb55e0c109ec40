//! Whether the agents that KEDA starts come: a breaker for each ScaledJob.
//!
//! KEDA has no back-off: a Kubernetes Job that fails leaves its count, the job stays queued, and the next poll starts
//! another, for ever. Without the cluster's view all that can be seen is that KEDA has been told for long to start agents
//! and none has registered. From then on one agent is tried at a time, at growing intervals, until one registers.
//!
//! An agent can register, run its job and leave between two looks. So a job that is gone counts for an agent that came, too,
//! where one was just to be started for it and the looks are far enough apart; of a breaker that is open, only the
//! probe's own: it may have been cancelled, but a ScaledJob that works must not be held back.
//!
//! ```text
//! working ──told to start for too long, nobody came──▶ failing ──interval──▶ probing: one agent
//!    ▲                                                    ▲                      │ KEDA was told
//!    └────────────────────an own agent came───────────────┴──interval doubled────┘
//! ```

use std::{
    cell::LazyCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::memory::gone;
use crate::{
    assignment::StartsOf,
    cluster_view::Trouble,
    decision::{Decision, Starts},
    job_request::RequestId,
    trigger::ScaledJobId,
};

/// The pause before the first probe; each further one doubles it.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// No pause is longer.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// A pause between two questions that is longer than this, and than three intervals, is an absence.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_secs(30);
/// How many ScaledJobs that fail are remembered after KEDA has ceased to ask about them.
const MOST_REMEMBERED: usize = 1_000;

/// The breakers of a pool.
#[derive(Debug)]
pub(super) struct Breakers {
    timeout: SignedDuration,
    failed_starts: u32,
    states: BTreeMap<ScaledJobId, Breaker>,
    /// What the cluster's view has shown: starts that failed in a row, and why the last one did.
    failures: BTreeMap<ScaledJobId, (u32, Arc<Trouble>)>,
}

#[derive(Clone, Debug)]
enum Breaker {
    /// KEDA has been told to start agents, from the one time to the other.
    Told { first: Timestamp, last: Timestamp },
    /// They don't come.
    Open { since: Timestamp, probes: u32, next: Timestamp, probe: Option<Probe> },
}

impl Breaker {
    fn opened(now: Timestamp) -> Self {
        let next = now.checked_add(FIRST_PAUSE).unwrap_or(Timestamp::MAX);
        Self::Open { since: now, probes: 0, next, probe: None }
    }
}

/// One agent that was tried.
#[derive(Clone, Debug)]
struct Probe {
    told: Timestamp,
    /// The jobs that it was to run, of which the oldest is the one.
    jobs: Vec<RequestId>,
}

impl Breakers {
    pub(super) fn new(timeout: SignedDuration, failed_starts: u32) -> Self {
        Self { timeout, failed_starts, states: BTreeMap::new(), failures: BTreeMap::new() }
    }

    /// The cluster shows that a start has failed. Says whether that opens the breaker: nothing is expected any more of what
    /// was created before.
    pub(super) fn failed(&mut self, id: &ScaledJobId, trouble: &Arc<Trouble>, now: Timestamp) -> bool {
        let (failures, last) = self.failures.entry(id.clone()).or_insert_with(|| (0, Arc::clone(trouble)));
        *failures += 1;
        *last = Arc::clone(trouble);
        let opens = *failures >= self.failed_starts && !matches!(self.states.get(id), Some(Breaker::Open { .. }));
        if opens && !planted!(FailuresNotCounted) {
            self.states.insert(id.clone(), Breaker::opened(now));
        }
        opens
    }

    /// The cluster shows that an agent has come.
    pub(super) fn came(&mut self, id: &ScaledJobId) {
        self.failures.remove(id);
        if matches!(self.states.get(id), Some(Breaker::Open { .. })) && !planted!(BreakerStaysOpen) {
            self.states.remove(id);
        }
    }

    /// Forgets what the cluster has shown of ScaledJobs that exist no more.
    pub(super) fn retain(&mut self, exists: impl Fn(&ScaledJobId) -> bool) {
        self.failures.retain(|id, _| exists(id));
    }

    /// Whether nobody was told to start anything.
    pub(super) fn are_idle(&self) -> bool {
        self.states.is_empty()
    }

    /// How each of some ScaledJobs stands; nothing where all work. Where an agent is still on its way, no other is tried.
    pub(super) fn starts(
        &self,
        ids: &[ScaledJobId],
        on_its_way: impl Fn(usize) -> bool,
        now: Timestamp,
    ) -> Vec<StartsOf> {
        let starts = |(place, id): (usize, &ScaledJobId)| {
            let starts = match self.states.get(id) {
                Some(Breaker::Open { since, next, .. })
                    if now < *next || on_its_way(place) && !planted!(TwoProbesAtOnce) =>
                {
                    Starts::Failing { since: *since, next_probe: *next }
                }
                Some(Breaker::Open { since, .. }) => Starts::Probing { since: *since },
                _ => return StartsOf::default(),
            };
            (starts, self.failures.get(id).map(|(_, trouble)| Arc::clone(trouble)))
        };
        if self.states.is_empty() { Vec::new() } else { ids.iter().enumerate().map(starts).collect() }
    }

    /// When the next probe is due.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.states.values().filter_map(|breaker| match breaker {
            Breaker::Open { next, .. } => Some(*next),
            Breaker::Told { .. } => None,
        });
        next.filter(|next| *next > now && !planted!(ProbeUnnoticed)).min()
    }

    /// KEDA was told to start agents, for these jobs. Says whether that was a probe, which it must not be told again.
    pub(super) fn told(
        &mut self,
        id: &ScaledJobId,
        interval: SignedDuration,
        now: Timestamp,
        jobs: impl FnOnce() -> Vec<RequestId>,
    ) -> bool {
        match self.states.get_mut(id) {
            None => {
                self.states.insert(id.clone(), Breaker::Told { first: now, last: now });
                false
            }
            Some(Breaker::Told { first, last }) => {
                // Nobody has started anything while nobody asked.
                let absent = now.duration_since(*last) > LONGEST_SILENCE.max(interval * 3) && !planted!(AbsenceCounts);
                (*first, *last) = (if absent { now } else { *first }, now);
                false
            }
            Some(Breaker::Open { next, .. }) if now < *next || planted!(ProbeRepeated) => false,
            Some(Breaker::Open { probes, next, probe, .. }) => {
                *probes += 1;
                *probe = Some(Probe { told: now, jobs: jobs() });
                *next = now.checked_add(pause(*probes)).unwrap_or(Timestamp::MAX);
                true
            }
        }
    }

    /// Judges by a decision, the agents that have just come, by their numbers, and the ScaledJobs that jobs have
    /// [left](super::memory::Memory::left). Says whether anything changes.
    pub(super) fn judge(
        &mut self,
        decision: &Decision,
        came: &[i64],
        left: &BTreeSet<&ScaledJobId>,
        interval: impl Fn(&ScaledJobId) -> SignedDuration,
        now: Timestamp,
    ) -> bool {
        if self.are_idle() {
            return false;
        }
        let mut changed = false;
        // Worked out only where a probe is waited for.
        let gone = LazyCell::new(|| gone(&decision.snapshot));
        let agents = decision.snapshot.agents.iter().zip(&decision.agents);
        let owners = agents.filter(|(agent, _)| came.contains(&agent.id)).filter_map(|(_, standing)| standing.owner);
        let working: Vec<&ScaledJobId> = owners.map(|owner| &decision.scaled_jobs[owner as usize].id).collect();
        let place = |id: &ScaledJobId| decision.scaled_jobs.binary_search_by(|decided| decided.id.cmp(id)).ok();
        self.states.retain(|id, breaker| {
            let wants = place(id).is_some_and(|place| decision.to_start(u32::try_from(place).unwrap_or(u32::MAX)) > 0);
            match breaker {
                _ if working.contains(&id) && !planted!(BreakerStaysOpen) => {
                    changed |= matches!(breaker, Breaker::Open { .. });
                    false
                }
                Breaker::Told { .. } if !wants && !planted!(TimeNotBegunAnew) => false,
                Breaker::Told { first, last } if left.contains(id) && !planted!(UnseenAgentsIgnored) => {
                    *first = *last;
                    true
                }
                Breaker::Open { probe: Some(probe), .. }
                    if now.duration_since(probe.told) <= self.timeout
                        && probe.jobs.iter().any(|job| gone(*job))
                        && !planted!(UnseenAgentsIgnored) =>
                {
                    changed = true;
                    false
                }
                Breaker::Told { first, last } => {
                    let polls = if planted!(SlowPollsCutOff) { 0 } else { 3 };
                    let patience = self.timeout.max(interval(id) * polls);
                    if last.duration_since(*first) >= patience && !planted!(BreakerNeverOpens) {
                        *breaker = Breaker::opened(now);
                        changed = true;
                    }
                    true
                }
                Breaker::Open { .. } => true,
            }
        });
        self.drop_those_too_many(|id| place(id).is_some());
        changed
    }

    fn drop_those_too_many(&mut self, is_asked_about: impl Fn(&ScaledJobId) -> bool) {
        let absent = self.states.keys().filter(|id| !is_asked_about(id));
        let surplus: Vec<ScaledJobId> = absent.skip(MOST_REMEMBERED).cloned().collect();
        self.states.retain(|id, _| !surplus.contains(id));
    }
}

/// How long to wait after so many probes.
fn pause(probes: u32) -> SignedDuration {
    // Seven doublings are past the longest.
    let doublings = if planted!(ProbesDoNotBackOff) { 0 } else { probes.min(7) };
    (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let seconds: Vec<i64> = [0, 1, 2, 5, 6, 30, 31, 32, 99].map(|probes| pause(probes).as_secs()).to_vec();
        assert_eq!(seconds, [10, 20, 40, 320, 600, 600, 600, 600, 600]);
    }
}
