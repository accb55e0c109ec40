//! What becomes of the Kubernetes Jobs that KEDA creates: whether the agent of each has come, is on its way, or has failed.
//!
//! An agent is seen at most once in a while, and its Kubernetes Job outlives it, so names are remembered while the cluster
//! shows the Job. Holds no more than the view.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::start_times::{StartUp, percentile_99};
use crate::{
    caseless::Caseless,
    cluster_view::{ClusterView, InCluster, JobState, KubernetesJob, ScaledJobView, StartFailure, Trouble},
    snapshot::Snapshot,
    trigger::{ScaledJobId, Strategy},
};

/// How many starts are learned from.
const LEARNED_FROM: usize = 100;
/// How many starts nobody has asked about are kept for the metrics.
const MOST_UNTOLD: usize = 1_000;

/// The Kubernetes Jobs of a pool's ScaledJobs.
#[derive(Debug, Default)]
pub(super) struct Watched {
    scaled_jobs: BTreeMap<ScaledJobId, Starts>,
    /// When the agents were listed that the last look was at.
    agents_at: Option<Timestamp>,
    /// Starts that the metrics have not been told of.
    untold: VecDeque<StartUp>,
}

/// The starts of one ScaledJob.
#[derive(Debug, Default)]
struct Starts {
    jobs: BTreeMap<Arc<str>, Start>,
    /// When the youngest that has come was created: what was created before it and fails is no sign of a broken image.
    came: Option<Timestamp>,
    /// How long the last ones took to register.
    took: VecDeque<SignedDuration>,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that, once true, stays so")]
struct Start {
    registered: bool,
    /// Whether it was counted, well or not.
    is_judged: bool,
    /// When it was first seen to have failed.
    failed_at: Option<Timestamp>,
    /// Whether no agent is expected of it any more.
    is_given_up: bool,
    /// Whether its agent has been given a job.
    has_job: bool,
}

/// What has become of a start.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Its agent has registered.
    Came,
    /// It has failed, and why.
    Failed {
        /// Why.
        trouble: Arc<Trouble>,
        /// Whether one that was created later has come.
        is_overtaken: bool,
    },
}

impl Watched {
    /// Takes in what is seen now. Gives what has become of starts since the last look, each once, in the order in which they
    /// were created; of Kubernetes Jobs that had ended before the first look nothing is said.
    pub(super) fn look(
        &mut self,
        view: &ClusterView,
        ids: &[ScaledJobId],
        snapshot: &Snapshot,
        timeout: SignedDuration,
        now: Timestamp,
    ) -> Vec<(ScaledJobId, Outcome)> {
        let seen = Seen::of(snapshot);
        // After an outage nobody knows when in it an agent has registered: that teaches nothing.
        let is_known_when = self.agents_at.is_none_or(|before| snapshot.agents_at.duration_since(before) <= timeout);
        self.agents_at = Some(snapshot.agents_at);
        self.scaled_jobs.retain(|id, _| view.scaled_jobs.contains_key(id));
        let mut outcomes = Vec::new();
        for id in ids {
            let Some(scaled_job) = view.scaled_jobs.get(id) else { continue };
            let is_new = !self.scaled_jobs.contains_key(id);
            let starts = self.scaled_jobs.entry(id.clone()).or_default();
            let timeout = timeout.max(percentile_99(&starts.took).map_or(SignedDuration::ZERO, |took| took * 3));
            let mut kept = std::mem::take(&mut starts.jobs);
            let mut judged: Vec<(Timestamp, Outcome)> = Vec::new();
            for job in &scaled_job.jobs {
                let mut start = kept
                    .remove(&job.name)
                    .unwrap_or_else(|| Start { is_judged: is_new && !job.is_unfinished(), ..Start::default() });
                if !start.registered && job.pods.iter().any(|pod| seen.registered.contains(&pod.agent)) {
                    start.registered = true;
                    let took = now.duration_since(job.created_at).max(SignedDuration::ZERO);
                    if job.is_unfinished() && !is_new && is_known_when {
                        starts.took.push_back(took);
                        starts.took.drain(..starts.took.len().saturating_sub(LEARNED_FROM));
                        self.untold.push_back(StartUp::registered(id, job, now));
                    }
                }
                if !start.has_job && job.pods.iter().any(|pod| seen.with_job.contains(&pod.agent)) {
                    start.has_job = true;
                    if !is_new && is_known_when {
                        self.untold.push_back(StartUp::has_job(id, job, now));
                    }
                }
                judged.extend(start.judge(job, snapshot, timeout, now).map(|outcome| (job.created_at, outcome)));
                starts.jobs.insert(Arc::clone(&job.name), start);
            }
            judged.sort_by_key(|(created_at, _)| *created_at);
            let youngest =
                judged.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Came)).map(|(at, _)| *at).max();
            starts.came = starts.came.max(youngest);
            outcomes.extend(judged.into_iter().map(|(created_at, mut outcome)| {
                if let Outcome::Failed { is_overtaken, .. } = &mut outcome {
                    *is_overtaken = starts.came.is_some_and(|came| created_at < came) && !planted!(OvertakenCounted);
                }
                (id.clone(), outcome)
            }));
        }
        self.untold.drain(..self.untold.len().saturating_sub(MOST_UNTOLD));
        outcomes
    }

    /// Expects no agent any more of what was created for a ScaledJob and has not come: its starts fail.
    pub(super) fn give_up(&mut self, id: &ScaledJobId) {
        for start in self.scaled_jobs.get_mut(id).into_iter().flat_map(|starts| starts.jobs.values_mut()) {
            start.is_given_up |= !start.registered;
        }
    }

    /// What a decision needs to know of each of some ScaledJobs.
    pub(super) fn in_cluster(&self, view: &ClusterView, ids: &[ScaledJobId]) -> Vec<Option<InCluster>> {
        let of = |id: &ScaledJobId| {
            let view = Arc::clone(view.scaled_jobs.get(id)?);
            let (starting, given_up) = self.starting(id, &view);
            Some(InCluster { view, starting, given_up })
        };
        ids.iter().map(of).collect()
    }

    /// How many agents are on their way, and the Kubernetes Jobs whose agents are not expected any more.
    fn starting(&self, id: &ScaledJobId, view: &ScaledJobView) -> (u32, Vec<Arc<str>>) {
        let (mut starting, mut given_up) = (0, Vec::new());
        if view.strategy == Strategy::ScaledObject {
            return (starting, given_up);
        }
        let known = self.scaled_jobs.get(id);
        for job in view.jobs.iter().filter(|job| job.is_unfinished()) {
            let start = known.and_then(|starts| starts.jobs.get(&job.name));
            let has_ended = !job.pods.is_empty() && job.pods.iter().all(|pod| pod.has_ended);
            if has_ended || start.is_some_and(|start| start.registered && !planted!(RegisteredStillStarting)) {
                continue;
            }
            let hopeless = start.is_some_and(|start| start.failed() || start.is_given_up);
            if hopeless && !planted!(HopelessAwaited) {
                given_up.push(Arc::clone(&job.name));
            } else {
                starting += 1;
            }
        }
        (starting, given_up)
    }

    /// The starts that were not told of yet.
    pub(super) fn take_untold(&mut self) -> Vec<StartUp> {
        self.untold.drain(..).collect()
    }
}

impl Start {
    fn failed(&self) -> bool {
        self.is_judged && !self.registered
    }

    fn judge(
        &mut self,
        job: &KubernetesJob,
        snapshot: &Snapshot,
        timeout: SignedDuration,
        now: Timestamp,
    ) -> Option<Outcome> {
        if self.is_judged {
            return None;
        }
        if self.registered {
            self.is_judged = true;
            return Some(Outcome::Came);
        }
        let without = |reason| Trouble { reason, message: Arc::default() };
        let trouble = match job.state {
            JobState::Failed => {
                let failed_at = *self.failed_at.get_or_insert(now);
                // Its agent may have registered since the agents were last listed.
                if snapshot.agents_at < failed_at && !planted!(FailureJudgedAtOnce) {
                    return None;
                }
                job.trouble().cloned().unwrap_or_else(|| without(StartFailure::Other))
            }
            // What is older than that is not known of a list of agents that is older.
            JobState::Unfinished { .. }
                if snapshot.agents_at.duration_since(job.created_at) >= timeout && !planted!(HangsForEver) =>
            {
                job.trouble().cloned().unwrap_or_else(|| without(StartFailure::NotRegistered))
            }
            // Its agent may have come and gone between two looks.
            JobState::Unfinished { .. } | JobState::Succeeded => return None,
        };
        self.is_judged = true;
        Some(Outcome::Failed { trouble: Arc::new(trouble), is_overtaken: false })
    }
}

/// The names of agents that a look shows.
struct Seen<'a> {
    /// Registered, now or when a job was reserved for them.
    registered: HashSet<&'a Caseless>,
    /// With a job, or with one behind them.
    with_job: HashSet<&'a Caseless>,
}

impl<'a> Seen<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let reserved = || snapshot.jobs.iter().filter_map(|job| Some(&job.agent.as_ref()?.name));
        let busy = snapshot.agents.iter().filter(|agent| agent.last_completed.or(agent.assigned).is_some());
        Self {
            registered: snapshot.agents.iter().map(|agent| &agent.name).chain(reserved()).collect(),
            with_job: busy.map(|agent| &agent.name).chain(reserved()).collect(),
        }
    }
}
