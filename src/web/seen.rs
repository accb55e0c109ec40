//! A pool as it stands when somebody looks: what its desk knows and what is decided, taken once, so that all that one
//! page says is of one moment.
//!
//! Touches [`pools`](crate::pools) and brings decisions up to date; never asks Azure, not even by a nudge.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    decision::Decision,
    job_request::JobRequest,
    pools::{Desk, Directory, Failure},
    snapshot::Snapshot,
};

/// One pool in use.
#[derive(Clone, Debug)]
pub(super) struct PoolSeen {
    /// The configured organisation's name.
    pub(super) organization: Arc<str>,
    /// Azure's number for the pool.
    pub(super) id: i64,
    /// The pool's name.
    pub(super) name: Arc<str>,
    /// When somebody looked.
    pub(super) now: Timestamp,
    /// The last good snapshot, however old.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// Why the last round failed, where it did.
    pub(super) failure: Option<Arc<Failure>>,
    /// Why placeholders are not kept as they should be.
    pub(super) placeholder_trouble: Option<Arc<str>>,
    /// How long a snapshot stays fresh, and whether that is longer than usual.
    pub(super) fresh_for: (Duration, bool),
    /// What is decided; nothing before a first answer of Azure.
    pub(super) decision: Option<Arc<Decision>>,
}

impl PoolSeen {
    /// All pools in use.
    pub(super) fn all(directory: &dyn Directory) -> Vec<Self> {
        directory.desks().iter().map(|desk| Self::at(desk)).collect()
    }

    fn at(desk: &Desk) -> Self {
        // The pool first: what it has seen already must not be newer than what it is shown now.
        let mut pool = desk.pool();
        let (snapshot, failure) = {
            let look = desk.look();
            let look = look.borrow();
            (look.snapshot.clone(), look.failure.clone())
        };
        let now = desk.now();
        if let Some(snapshot) = &snapshot {
            pool.refresh(snapshot, now);
        }
        Self {
            organization: Arc::clone(&desk.organization),
            id: desk.id,
            name: Arc::clone(&desk.name),
            now,
            snapshot,
            failure,
            placeholder_trouble: desk.placeholder_trouble(),
            fresh_for: desk.fresh_for(),
            decision: pool.current().cloned(),
        }
    }

    /// Age of the last good snapshot.
    pub(super) fn snapshot_age(&self) -> Option<Duration> {
        self.snapshot.as_ref().map(|snapshot| between(snapshot.taken_at, self.now))
    }

    /// Jobs without an agent, in the order in which they are served.
    pub(super) fn queued(&self) -> impl Iterator<Item = &JobRequest> {
        self.snapshot.iter().flat_map(|snapshot| snapshot.jobs.iter()).filter(|job| job.is_queued())
    }

    /// How long the queued job has waited that has waited longest.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.queued().filter_map(|job| job.queued_at).min().map(|since| between(since, self.now))
    }
}

/// From one moment to a later one; nothing where two clocks disagree about which is later.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
