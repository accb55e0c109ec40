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

/// What jobs are served by: the lesser goes first.
pub type Order = (i32, Timestamp, RequestId);

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
    /// Whether that agent has received it.
    pub received: bool,
    /// Whether Azure lists the agents that satisfy it; of a running job it may not.
    pub lists_matched_agents: bool,
    /// Whose licences it needs; none where Azure names none, as on premises.
    pub parallelism: Option<Parallelism>,
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

/// Whose licences a job needs: Azure's `ParallelismTag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parallelism {
    /// Jobs of private projects.
    Private,
    /// Jobs of public projects.
    Public,
}

impl Parallelism {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Private, Self::Public];

    /// As Azure writes it; none for any other text.
    #[must_use]
    pub fn read(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parallelism| parallelism.tag().eq_ignore_ascii_case(tag))
    }

    /// As Azure writes it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Private => "Private",
            Self::Public => "Public",
        }
    }

    /// As metrics, page and API write it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
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
    pub fn order(&self) -> Order {
        let priority = if planted!(JobPriorityReversed) { -self.priority } else { self.priority };
        let queued_at = self.queued_at.filter(|_| !planted!(JobAgeIgnored)).unwrap_or(Timestamp::MAX);
        (priority, queued_at, if planted!(JobTiesByInput) { RequestId(0) } else { self.id })
    }
}
