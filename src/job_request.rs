//! Job requests: what waits and runs in a pool.
//!
//! Pure. Knows nothing but time.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use crate::caseless::Caseless;

/// Azure's number for a job request; it grows with time within a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An unfinished job request: queued where no agent is reserved for it, else running.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// Azure's number.
    pub id: RequestId,
    /// When it was queued; Azure always says, but nothing promises it.
    pub queued_at: Option<Timestamp>,
    /// When an agent was reserved for it.
    pub assigned_at: Option<Timestamp>,
    /// Azure's own priority: a lower number goes first, 0 where none is given.
    pub priority: i32,
    /// Which of the snapshot's demand sets it asks for.
    pub demands: u32,
    /// The agent that is reserved for it, whether it has received the job or not.
    pub agent: Option<ReservedAgent>,
    /// Pipeline and job, for people.
    pub title: Title,
}

/// The agent that a job request is reserved for.
#[derive(Clone, Debug)]
pub struct ReservedAgent {
    /// Azure's number for the agent.
    pub id: i64,
    /// The agent's name.
    pub name: Caseless,
    /// Whether the request itself says that the agent is offline.
    pub offline: bool,
}

/// What people call a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// The pipeline's name, shared by its jobs.
    pub pipeline: Option<Arc<str>>,
    /// The job's name, shared by the pipeline's runs.
    pub job: Option<Arc<str>>,
    /// Where the run can be looked at.
    pub link: Option<Box<str>>,
}

impl JobRequest {
    /// Whether it waits for an agent.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.agent.is_none()
    }

    /// The order in which jobs are served: priority, then age, then number. The direction of Azure's priority is not
    /// documented; this is the only place that knows it.
    #[must_use]
    pub fn order(&self) -> (i32, Timestamp, RequestId) {
        (self.priority, self.queued_at.unwrap_or(Timestamp::MAX), self.id)
    }
}
