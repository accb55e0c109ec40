//! What will happen in the world, by time: the world jumps from one entry to the next instead of ticking.
//!
//! Entries of one moment come in the order in which they were made, so the same story is told every time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::cluster::JobKey;
use crate::job_request::RequestId;

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// Jobs arrive in a pool.
    Arrival { pool: i64 },
    /// Azure gives a job of a pool to an agent, if it still can.
    Assignment { pool: i64 },
    /// The agent has received its job.
    Receipt { pool: i64, request: RequestId },
    /// A job has run.
    JobEnd { pool: i64, request: RequestId },
    /// A job's author cancels it, if it still waits.
    Cancellation { pool: i64, request: RequestId },
    /// A pod runs.
    PodStart { job: JobKey },
    /// A pod's agent registers.
    Registration { job: JobKey },
    /// The cluster kills a pod.
    Eviction { job: JobKey },
    /// A pod fails before its agent has registered.
    Failure { job: JobKey },
    /// An agent that has waited for its job for long enough leaves.
    GivingUp { job: JobKey },
    /// An agent loses its session, or finds it again.
    Session { job: JobKey, online: bool },
    /// Azure gives up a job whose agent is gone.
    LeaseEnd { pool: i64, request: RequestId },
    /// One of the plan's disturbances.
    Disturbance { place: usize },
    /// From now on nothing goes wrong.
    Calm,
    /// An agent that has run its job goes offline.
    Leaving { job: JobKey },
    /// A Kubernetes Job is finished.
    KubernetesJobEnd { job: JobKey },
    /// An agent's registration is removed.
    Unregistration { job: JobKey },
    /// An agent without a Kubernetes Job, which has run its one job, is no longer registered.
    GuestLeaves { pool: i64, agent: i64 },
    /// KEDA polls a ScaledJob.
    Poll { scaled_job: usize },
}

/// Events by time.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    made: u64,
}

impl Agenda {
    /// Enters an event.
    pub(super) fn enter(&mut self, at: Duration, event: Event) {
        self.entries.push(Reverse((at, self.made, event)));
        self.made += 1;
    }

    /// When the next event happens.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.entries.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next event that happens by then.
    pub(super) fn take_until(&mut self, until: Duration) -> Option<(Duration, Event)> {
        if self.next_at()? > until {
            return None;
        }
        self.entries.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
