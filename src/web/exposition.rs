//! `/metrics`: what is counted as it happens, and what can be read off the pools when somebody scrapes.
//!
//! The gauges of pools, triggers and agents are written anew for each scrape, so those of pools and ScaledJobs that are
//! gone vanish. Only pools with a snapshot have them: not knowing is not zero.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prometheus::TextEncoder;
use tokio::runtime::Handle;

use super::{
    report::{agents_by_state, jobs_by_decision},
    seen::PoolSeen,
};
use crate::{
    decision::{Decision, Placement},
    explain::served_elsewhere,
    metrics::Metrics,
};

/// The media type of what [`Exposition::text`] makes.
pub(super) const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// Writes the gauges and reads the registry, one scrape at a time.
#[derive(Debug)]
pub(super) struct Exposition {
    metrics: Mutex<Metrics>,
}

impl Exposition {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics: Mutex::new(metrics) }
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// When the registry holds something that the format can't say.
    pub(super) fn text(&self, pools: &[PoolSeen]) -> Result<String, prometheus::Error> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        reset(&metrics);
        for seen in pools {
            write_pool(&metrics, seen);
        }
        if let Ok(runtime) = Handle::try_current() {
            metrics.tasks.with_label_values(&[] as &[&str]).set(whole(runtime.metrics().num_alive_tasks()));
        }
        TextEncoder::new().encode_to_string(&metrics.registry().gather())
    }
}

fn reset(metrics: &Metrics) {
    metrics.queued_jobs.reset();
    metrics.unplaced_jobs.reset();
    metrics.unmatched_jobs_served_elsewhere.reset();
    metrics.oldest_queued_job_age_seconds.reset();
    metrics.placed_jobs.reset();
    metrics.running_jobs.reset();
    metrics.trigger_value.reset();
    metrics.agents.reset();
    metrics.snapshot_age_seconds.reset();
}

fn write_pool(metrics: &Metrics, seen: &PoolSeen) {
    let labels: [&str; 2] = [&seen.organization, &seen.name];
    let Some(age) = seen.snapshot_age() else { return };
    metrics.snapshot_age_seconds.with_label_values(&labels).set(age.as_secs_f64());
    metrics.queued_jobs.with_label_values(&labels).set(whole(seen.queued().count()));
    let oldest = seen.longest_wait().unwrap_or_default();
    metrics.oldest_queued_job_age_seconds.with_label_values(&labels).set(oldest.as_secs_f64());
    if let Some(decision) = seen.decision.as_deref() {
        write_decision(metrics, labels, decision);
    }
}

fn write_decision(metrics: &Metrics, [organization, pool]: [&str; 2], decision: &Decision) {
    let jobs = jobs_by_decision(decision);
    for reason in Placement::UNPLACED {
        metrics.unplaced_jobs.with_label_values(&[organization, pool, reason]).set(whole(jobs[reason]));
    }
    let elsewhere = whole(served_elsewhere(decision));
    metrics.unmatched_jobs_served_elsewhere.with_label_values(&[organization, pool]).set(elsewhere);
    for (state, count) in agents_by_state(decision) {
        metrics.agents.with_label_values(&[organization, pool, state]).set(whole(count));
    }
    let mut placed: BTreeMap<u32, i64> = BTreeMap::new();
    let mut told: BTreeMap<u32, u64> = BTreeMap::new();
    for trigger in &decision.triggers {
        *placed.entry(trigger.scaled_job).or_default() += i64::from(trigger.given);
        if let Ok(answer) = trigger.answer {
            *told.entry(trigger.scaled_job).or_default() += answer.value;
        }
    }
    for (place, scaled_job) in (0..).zip(&decision.scaled_jobs) {
        let labels = [organization, pool, &scaled_job.id.namespace, &scaled_job.id.name];
        metrics.placed_jobs.with_label_values(&labels).set(placed.get(&place).copied().unwrap_or_default());
        metrics.running_jobs.with_label_values(&labels).set(scaled_job.running.into());
        if let Some(value) = told.get(&place) {
            // Values are counts of agents, far below where a float leaves whole numbers out.
            #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
            metrics.trigger_value.with_label_values(&labels).set(*value as f64);
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
