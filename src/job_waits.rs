//! What is counted whether anybody scrapes or not: how long jobs waited, from queued to an agent reserved, once for each
//! job; and what became of the agents that were started (`starts`).
//!
//! ```text
//! [Desk] ──snapshots──────────▶ follow ──▶ azp_scaler_job_wait_seconds
//!        ──starts, failures──▶         ──▶ azp_scaler_agent_start_seconds, azp_scaler_start_failures_total
//! ```
//!
//! One task looks at all desks in use, so desks come and go without telling it. It remembers which running jobs it has
//! counted, for as long as they run. Touches [`pools`](crate::pools) and [`metrics`](crate::metrics); asks nobody anything.

mod starts;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{job_request::RequestId, metrics::Metrics, pools::Directory, snapshot::Snapshot};

/// How often desks are looked at: a job that starts and ends between two looks is not counted.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Counts waits and starts until it is stopped.
pub async fn follow(directory: Arc<dyn Directory>, metrics: Metrics, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pools: HashMap<(Arc<str>, i64), Followed> = HashMap::new();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let desks = directory.desks();
        pools.retain(|(organization, id), followed| {
            let is_in_use = desks.iter().any(|desk| desk.organization == *organization && desk.id == *id);
            if !is_in_use {
                followed.starts.forget(&metrics.starts);
            }
            is_in_use
        });
        for desk in desks {
            let followed = pools
                .entry((Arc::clone(&desk.organization), desk.id))
                .or_insert_with(|| Followed { waits: Counted::default(), starts: starts::Told::of(&desk) });
            followed.starts.take(&desk, &metrics.starts);
            let Some(snapshot) = desk.look().borrow().snapshot.clone() else { continue };
            let histogram = metrics.job_wait_seconds.with_label_values(&[&*desk.organization, &*desk.name]);
            for waited in followed.waits.take(&snapshot) {
                histogram.observe(waited.as_secs_f64());
            }
        }
    }
}

/// What is remembered of a pool.
#[derive(Debug)]
struct Followed {
    waits: Counted,
    starts: starts::Told,
}

/// Which running jobs of a pool are counted already: never more than its last snapshot held.
#[derive(Debug, Default)]
struct Counted {
    seen_at: Option<Timestamp>,
    jobs: HashSet<RequestId>,
}

impl Counted {
    /// The waits that ended since the last look. Jobs that run when a pool is first seen are remembered, not counted:
    /// whoever looked before has counted them.
    fn take(&mut self, snapshot: &Snapshot) -> Vec<Duration> {
        if self.seen_at.is_some_and(|seen_at| seen_at >= snapshot.taken_at) {
            return Vec::new();
        }
        let first = self.seen_at.replace(snapshot.taken_at).is_none();
        let before = std::mem::take(&mut self.jobs);
        let mut waits = Vec::new();
        for job in snapshot.jobs.iter().filter(|job| !job.is_queued()) {
            // Azure says the moment a little later than it reserves the agent; the job is counted then.
            let (Some(queued_at), Some(assigned_at)) = (job.queued_at, job.assigned_at) else { continue };
            if !before.contains(&job.id) && !first {
                waits.push(Duration::try_from(assigned_at.duration_since(queued_at)).unwrap_or_default());
            }
            self.jobs.insert(job.id);
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job_request::{JobRequest, ReservedAgent, Title},
        snapshot::Queue,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A job that was queued at 100 and, where a second is given, has had an agent since then.
    fn job(id: i64, assigned: Option<i64>) -> JobRequest {
        let agent = assigned.map(|_| ReservedAgent { id: 1, name: "build-1".into(), offline: false });
        JobRequest {
            id: RequestId(id),
            queued_at: Some(at(100)),
            assigned_at: assigned.map(at),
            priority: 0,
            demands: 0,
            agent,
            received: false,
            lists_matched_agents: true,
            parallelism: None,
            title: Title::default(),
        }
    }

    fn seen(taken_at: i64, jobs: &[JobRequest]) -> Snapshot {
        let mut queue = Queue::default();
        queue.intern::<&str>(&[]);
        queue.jobs = jobs.to_vec();
        Snapshot::new(at(taken_at), queue, at(taken_at), Arc::default())
    }

    #[test]
    fn a_job_counts_once_when_it_gets_its_agent() {
        let mut counted = Counted::default();
        assert!(counted.take(&seen(101, &[job(1, None)])).is_empty());
        assert_eq!(counted.take(&seen(110, &[job(1, Some(107))])), [Duration::from_secs(7)]);
        assert!(counted.take(&seen(111, &[job(1, Some(107))])).is_empty());
    }

    #[test]
    fn a_job_that_was_never_seen_to_wait_counts_too() {
        let mut counted = Counted::default();
        counted.take(&seen(101, &[]));
        assert_eq!(counted.take(&seen(110, &[job(1, Some(102))])), [Duration::from_secs(2)]);
    }

    #[test]
    fn what_runs_at_the_start_was_counted_before() {
        let mut counted = Counted::default();
        assert!(counted.take(&seen(110, &[job(1, Some(102)), job(2, None)])).is_empty());
        assert_eq!(counted.take(&seen(120, &[job(1, Some(102)), job(2, Some(115))])), [Duration::from_secs(15)]);
    }

    #[test]
    fn an_agent_reserved_without_a_moment_is_counted_when_azure_says_it() {
        let mut counted = Counted::default();
        counted.take(&seen(101, &[]));
        let mut silent = job(1, Some(105));
        silent.assigned_at = None;
        assert!(counted.take(&seen(106, &[silent])).is_empty());
        assert_eq!(counted.take(&seen(107, &[job(1, Some(105))])), [Duration::from_secs(5)]);
    }

    #[test]
    fn the_same_snapshot_and_clocks_that_disagree_do_no_harm() {
        let mut counted = Counted::default();
        let first = seen(101, &[]);
        counted.take(&first);
        assert!(counted.take(&first).is_empty());
        assert_eq!(counted.take(&seen(102, &[job(1, Some(99))])), [Duration::ZERO]);
        assert_eq!(counted.jobs.len(), 1);
        counted.take(&seen(103, &[]));
        assert!(counted.jobs.is_empty(), "a job that ended is forgotten");
    }
}
