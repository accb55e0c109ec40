//! One ScaledJob's part of the view, put together from all that belongs to it.

use std::{collections::HashSet, sync::Arc};

use super::{
    super::{job::Outcome, pod, scaled},
    Index, Key,
};
use crate::cluster_view::{JobState, KubernetesJob, ScaledJobView};

/// How many finished Kubernetes Jobs of a ScaledJob are shown, the newest: KEDA keeps as many by default.
const MOST_FINISHED: usize = 100;

impl Index {
    /// The view of the ScaledJob or ScaledObject of this name; none where there is none, or it isn't ours. KEDA doesn't say
    /// which of the two it asks about: where both have the name, the ScaledJob is meant.
    pub(super) fn build(&self, key: &Key) -> Option<ScaledJobView> {
        let is_asked = self.asked.contains(key);
        let is_ours = |record: &&scaled::Record| is_asked || record.asks_at(&self.addresses);
        let view = |record: &scaled::Record, jobs| ScaledJobView {
            strategy: record.strategy,
            max_replicas: record.max_replicas,
            min_replicas: record.min_replicas,
            is_paused: record.is_paused,
            triggers: record.ours(&self.addresses, is_asked),
            hides_a_trigger: record.hides_a_trigger(&self.addresses, is_asked),
            environment: Arc::clone(&record.environment),
            jobs,
        };
        if let Some(record) = self.scaled_jobs.get(key).filter(is_ours) {
            return Some(view(record, self.jobs_of(key, record)));
        }
        self.scaled_objects.get(key).filter(is_ours).map(|record| view(record, Vec::new()))
    }

    fn jobs_of(&self, key: &Key, record: &scaled::Record) -> Vec<KubernetesJob> {
        let mut jobs: Vec<KubernetesJob> = self
            .jobs
            .of(key)
            .map(|(key, job)| {
                let mut pods: Vec<&pod::Record> = self.pods.of(key).map(|(_, pod)| pod).collect();
                pods.sort_by_key(|pod| pod.created_at);
                let (state, trouble) = match &job.outcome {
                    Outcome::Unfinished => {
                        (JobState::Unfinished { is_pending: is_pending(&pods, &record.pending_pod_conditions) }, None)
                    }
                    Outcome::Succeeded => (JobState::Succeeded, None),
                    Outcome::Failed(trouble) => (JobState::Failed, Some(trouble.clone())),
                };
                let pods = pods.into_iter().map(|pod| pod.seen.clone()).collect();
                KubernetesJob { name: Arc::clone(&key.name), created_at: job.created_at, state, pods, trouble }
            })
            .collect();
        keep_newest_finished(&mut jobs);
        jobs
    }
}

/// Whether KEDA counts a Kubernetes Job as pending. It compares how many of the conditions a pod meets with how many are
/// written, so with one that is written twice every Kubernetes Job is pending.
fn is_pending(pods: &[&pod::Record], conditions: &[String]) -> bool {
    if conditions.is_empty() {
        return !pods.iter().any(|pod| pod.has_run);
    }
    let wanted: HashSet<&String> = conditions.iter().collect();
    let met = |pod: &&pod::Record| pod.conditions.iter().filter(|condition| wanted.contains(condition)).count();
    !pods.iter().any(|pod| met(pod) == conditions.len())
}

fn keep_newest_finished(jobs: &mut Vec<KubernetesJob>) {
    let mut finished: Vec<_> = jobs.iter().filter(|job| !job.is_unfinished()).map(|job| job.created_at).collect();
    if finished.len() <= MOST_FINISHED {
        return;
    }
    finished.sort_unstable_by(|one, other| other.cmp(one));
    let oldest = finished[MOST_FINISHED - 1];
    // Of those that are as old as the oldest, only as many as there is room for.
    let mut room = MOST_FINISHED - finished.iter().filter(|created_at| **created_at > oldest).count();
    jobs.retain(|job| {
        if job.is_unfinished() || job.created_at > oldest {
            return true;
        }
        let is_kept = job.created_at == oldest && room > 0;
        room -= usize::from(is_kept);
        is_kept
    });
}
