//! What becomes of started agents, counted: how long each stage took, and why some did not come. The log says when a
//! ScaledJob's agents begin to fail, and when they come again.
//!
//! A pool hands each start over once. Series of ScaledJobs and pools that are gone are removed, so there are no more than
//! exist.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    cluster_view::StartFailure,
    decision::{self, Decision},
    metrics::Starts,
    pools::Desk,
    trigger::ScaledJobId,
};

/// The series of one pool.
#[derive(Debug)]
pub(super) struct Told {
    organization: Arc<str>,
    pool: Arc<str>,
    /// By ScaledJob and stage.
    times: BTreeSet<(ScaledJobId, &'static str)>,
    /// Whether failures are counted: from the first look at the cluster on, each reason from 0.
    counts_failures: bool,
    /// ScaledJobs of which the log says that their agents don't come.
    failing: BTreeSet<ScaledJobId>,
}

impl Told {
    pub(super) fn of(desk: &Desk) -> Self {
        Self {
            organization: Arc::clone(&desk.organization),
            pool: Arc::clone(&desk.name),
            times: BTreeSet::new(),
            counts_failures: false,
            failing: BTreeSet::new(),
        }
    }

    /// Counts what the pool was not asked about yet.
    pub(super) fn take(&mut self, desk: &Desk, metrics: &Starts) {
        let (start_ups, failures, decision) = {
            let mut pool = desk.pool();
            (pool.take_start_ups(), pool.take_start_failures(), pool.current().cloned())
        };
        for start_up in start_ups {
            for (stage, took) in start_up.took {
                let labels = self.labels(&start_up.scaled_job, stage.label());
                metrics.agent_start_seconds.with_label_values(&labels).observe(took.as_secs_f64());
                self.times.insert((start_up.scaled_job.clone(), stage.label()));
            }
        }
        if !self.counts_failures && decision.as_deref().is_some_and(sees_the_cluster) {
            self.counts_failures = true;
            for reason in StartFailure::ALL {
                self.count(metrics, reason, 0);
            }
        }
        for (reason, count) in failures {
            self.count(metrics, reason, count);
        }
        // Without a decision nothing is known of who is gone.
        if let Some(decision) = decision {
            self.say(&decision);
            self.remove(metrics, |id| decision.scaled_jobs.iter().all(|scaled_job| scaled_job.id != *id));
        }
    }

    /// Writes to the log whose agents have ceased to come, and why, and whose come again.
    fn say(&mut self, decision: &Decision) {
        let failing = decision.scaled_jobs.iter().filter(|made| made.starts != decision::Starts::Working);
        let ids: BTreeSet<&ScaledJobId> = failing.clone().map(|scaled_job| &scaled_job.id).collect();
        for ScaledJobId { namespace, name } in self.failing.extract_if(.., |id| !ids.contains(id)) {
            tracing::info!(
                organization = &*self.organization,
                pool = &*self.pool,
                namespace = &*namespace,
                scaled_job = &*name,
                "one at a time is tried no more: its agents come again, or it is gone"
            );
        }
        for scaled_job in failing {
            let ScaledJobId { namespace, name } = &scaled_job.id;
            if !self.failing.insert(scaled_job.id.clone()) {
                continue;
            }
            let (reason, detail) = match scaled_job.trouble.as_deref() {
                Some(trouble) => (trouble.reason.label(), &*trouble.message),
                None => ("unknown", "without the cluster's view the reason can't be seen"),
            };
            tracing::warn!(
                organization = &*self.organization,
                pool = &*self.pool,
                namespace = &**namespace,
                scaled_job = &**name,
                reason,
                detail,
                "the agents that KEDA starts don't register, so one at a time is tried: see what becomes of its pods"
            );
        }
    }

    /// Removes all series of a pool that is gone.
    pub(super) fn forget(&mut self, metrics: &Starts) {
        self.remove(metrics, |_| true);
        for reason in StartFailure::ALL {
            // Where it was never counted, there is nothing to remove.
            let _ = metrics.failures_total.remove_label_values(&[&*self.organization, &*self.pool, reason.label()]);
        }
    }

    fn count(&self, metrics: &Starts, reason: StartFailure, count: u64) {
        let labels = [&*self.organization, &*self.pool, reason.label()];
        metrics.failures_total.with_label_values(&labels).inc_by(count);
    }

    fn remove(&mut self, metrics: &Starts, is_gone: impl Fn(&ScaledJobId) -> bool) {
        let (gone, left): (BTreeSet<_>, _) =
            std::mem::take(&mut self.times).into_iter().partition(|(id, _)| is_gone(id));
        self.times = left;
        for (id, stage) in &gone {
            // It was made when it was noted, and is removed once.
            let _ = metrics.agent_start_seconds.remove_label_values(&self.labels(id, stage));
        }
    }

    fn labels<'a>(&'a self, id: &'a ScaledJobId, stage: &'a str) -> [&'a str; 5] {
        [&self.organization, &self.pool, &id.namespace, &id.name, stage]
    }
}

fn sees_the_cluster(decision: &Decision) -> bool {
    decision.scaled_jobs.iter().any(|scaled_job| scaled_job.cluster.is_some())
}
