//! What was decided about a pool: for every unfinished job where it goes, for every agent what it is, for every trigger
//! what KEDA is told.
//!
//! ```text
//! [Snapshot] + [Trigger]s + memory + now ──assignment──▶ [Decision] ──▶ value and activity (KEDA)
//!                                                             └──explain──▶ reasons (people)
//! ```
//!
//! Pure data. Places and numbers only; what a person reads is made by [`explain`](crate::explain) when somebody reads it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    capability::CapabilitySet,
    caseless::Caseless,
    cluster_view::{InCluster, Trouble},
    parallel_jobs::Each,
    snapshot::Snapshot,
    trigger::{ScaledJobId, Trigger},
};

/// A pool's decision; as long as nothing changes and `valid_until` has not come, it would be made again just so.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What was seen.
    pub snapshot: Arc<Snapshot>,
    /// Who asks, in the order of their ids, and what each is told.
    pub triggers: Vec<TriggerDecision>,
    /// The ScaledJobs that the triggers belong to, in the order of their ids.
    pub scaled_jobs: Vec<ScaledJobDecision>,
    /// Where each job goes, in the order of the snapshot's jobs.
    pub jobs: Vec<Placement>,
    /// What each agent is, in the order of the snapshot's agents.
    pub agents: Vec<AgentStanding>,
    /// The organisation's parallel jobs, where they are limited and the limit is known.
    pub parallel_jobs: Each<Option<ParallelJobs>>,
    /// Why no agents are asked for, where that is so.
    pub settling: Option<Settling>,
    /// From when on the same world would give another decision, by the passing of time alone.
    pub valid_until: Option<Timestamp>,
}

impl Decision {
    /// How many agents are to be started for one ScaledJob.
    #[must_use]
    pub fn to_start(&self, scaled_job: u32) -> u32 {
        self.triggers.iter().filter(|trigger| trigger.scaled_job == scaled_job).map(|trigger| trigger.to_start).sum()
    }

    /// How many jobs the triggers of one ScaledJob were given.
    #[must_use]
    pub fn given_to(&self, scaled_job: u32) -> u32 {
        self.triggers.iter().filter(|trigger| trigger.scaled_job == scaled_job).map(|trigger| trigger.given).sum()
    }
}

/// A pool waits until it knows enough: a job that is given out now may be given out twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settling {
    /// How long at most.
    pub until: Timestamp,
    /// What keeps the cluster's view from being whole; nothing where all triggers have yet to ask.
    pub doubt: Option<Arc<str>>,
}

/// Parallel jobs as one decision counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParallelJobs {
    /// Jobs that may run at once.
    pub limit: u32,
    /// Agents kept ready beyond that.
    pub headroom: u32,
    /// Jobs that run, in the whole organisation.
    pub running: u32,
    /// Queued jobs, in the whole organisation, that agents are there or started for.
    pub taken: u32,
}

impl ParallelJobs {
    /// Whether no further job can begin: what waits now, waits for Azure.
    #[must_use]
    pub fn are_used_up(&self) -> bool {
        self.running >= self.limit
    }
}

/// One trigger's part.
#[derive(Clone, Debug)]
pub struct TriggerDecision {
    /// As its metadata says.
    pub trigger: Arc<Trigger>,
    /// Place of its ScaledJob among the decision's.
    pub scaled_job: u32,
    /// What its agents offer, `parent` included; nothing while it is refused.
    pub capabilities: Arc<CapabilitySet>,
    /// Those of them that somebody else says, where the trigger leaves that to others.
    pub gained: Option<Gained>,
    /// Jobs given to it (A).
    pub given: u32,
    /// Agents that are to be started for them.
    pub to_start: u32,
    /// What KEDA is told.
    pub answer: Result<Answer, Refusal>,
}

impl TriggerDecision {
    /// Where one of its capabilities comes from that its metadata does not declare.
    #[must_use]
    pub fn origin(&self, capability: &Caseless) -> Option<Origin> {
        let is_among = |offered: &CapabilitySet| offered.get(capability).is_some();
        if is_among(&self.trigger.capabilities) || !is_among(&self.capabilities) {
            return None;
        }
        let gained = self.gained.as_ref().filter(|gained| is_among(&gained.capabilities));
        Some(gained.map_or(Origin::Parent, |gained| gained.origin))
    }
}

/// Capabilities that a trigger does not declare, and who says them.
#[derive(Clone, Debug)]
pub struct Gained {
    /// What is said.
    pub capabilities: Arc<CapabilitySet>,
    /// By whom.
    pub origin: Origin,
}

/// Where a capability comes from that is not declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The registered agent that is named as `parent`.
    Parent,
    /// The environment of the ScaledJob's container, as the cluster shows it.
    Environment,
    /// What own agents have registered with.
    Learned,
    /// The placeholder that stands for its agents, while none of them has been seen.
    Placeholder,
}

impl Origin {
    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Environment => "environment",
            Self::Learned => "learned",
            Self::Placeholder => "placeholder",
        }
    }

    /// In words, to follow a value.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Parent => "from its `parent`",
            Self::Environment => "from its container's environment",
            Self::Learned => "learned from its agents",
            Self::Placeholder => "from its placeholder",
        }
    }
}

/// What KEDA is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The metric's value.
    pub value: u64,
    /// Whether the trigger is active.
    pub active: bool,
}

/// Why a trigger gets no answer; it takes no jobs while that lasts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The agent that `parent` names is not in the pool.
    #[error(
        "`parent`: the pool has no agent named `{0}`; register it (it may be offline), or write `capabilities` instead"
    )]
    NoParent(String),
    /// Another ScaledJob claims the same agents.
    #[error(
        "the agents of this ScaledJob and of `{other}` can't be told apart: both claim names like `{pattern}`; give each an \
         `agentNamePattern` of its own and name the agents by it"
    )]
    SameAgents {
        /// The other ScaledJob.
        other: ScaledJobId,
        /// The pattern that both have.
        pattern: String,
    },
    /// The trigger was edited or given up while its question waited.
    #[error("this trigger was edited or is no longer asked about; the next poll asks again")]
    Forgotten,
    /// More triggers ask about the pool than are kept.
    #[error(
        "more than {0} triggers ask about this pool, which is more than are kept; remove some, or use a second scaler and pool"
    )]
    TooMany(usize),
}

/// A ScaledJob's own agents, counted.
#[derive(Clone, Debug)]
pub struct ScaledJobDecision {
    /// Which one it is.
    pub id: ScaledJobId,
    /// Registered own agents that are idle and that a queued job is matched to (I).
    pub matched: u32,
    /// Distinct own agents with a running job (R).
    pub running: u32,
    /// Every other online own agent (X): a Kubernetes Job that KEDA subtracts.
    pub others: u32,
    /// Those of `others` that could never serve a job (U).
    pub unusable: u32,
    /// Own agents that are idle, those included that a queued job is matched to.
    pub idle: u32,
    /// Agents that it may start now.
    pub may_start: u32,
    /// The same, in jobs.
    pub room: u32,
    /// Whether the agents that KEDA starts for it come.
    pub starts: Starts,
    /// Why they don't, where the cluster tells.
    pub trouble: Option<Arc<Trouble>>,
    /// What the cluster knows of it, where it tells.
    pub cluster: Option<InCluster>,
    /// Idle agents that are to be started beyond those that jobs need, so that the minimum is idle; only with the cluster's
    /// view, since KEDA sees to it otherwise.
    pub to_keep: u32,
    /// Its agents that are starting, and that a queued job is matched to.
    pub matched_starting: u32,
}

impl ScaledJobDecision {
    /// Whether the cluster shows that KEDA is told to leave it alone.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.view.is_paused)
    }
}

/// Whether the agents that KEDA starts for a ScaledJob come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Starts {
    /// As far as is known.
    #[default]
    Working,
    /// They don't: it is given no jobs before the next probe.
    Failing {
        /// Since when it has been so.
        since: Timestamp,
        /// When the next agent is tried.
        next_probe: Timestamp,
    },
    /// They don't: one agent is tried now.
    Probing {
        /// Since when it has been so.
        since: Timestamp,
    },
}

/// Where a job goes. Numbers are places in the decision's and the snapshot's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// An agent is reserved for it and is up.
    Running {
        /// The ScaledJob that owns the agent.
        owner: Option<u32>,
    },
    /// Reserved for an agent that is offline.
    LostAgent {
        /// The ScaledJob that owns the agent.
        owner: Option<u32>,
    },
    /// An agent that is up can take it.
    IdleAgent {
        /// Which agent.
        agent: u32,
    },
    /// An agent that can take it is starting; only the cluster tells.
    StartingAgent {
        /// The trigger whose agent it is.
        trigger: u32,
    },
    /// A trigger starts an agent for it.
    Assigned {
        /// Which trigger.
        trigger: u32,
    },
    /// Every trigger that fits is at its maximum.
    WaitingForCapacity,
    /// As many jobs run and have agents as the organisation may run at once, and a little more.
    WaitingForParallelJob,
    /// The trigger that fits can't start agents.
    StartFailing {
        /// The trigger that fits best of those that can't.
        trigger: u32,
    },
    /// Idle agents that fit don't take it: something in Azure holds it.
    Held {
        /// One of them.
        agent: u32,
    },
    /// The pool waits for all its triggers to have asked, or for the cluster to be seen whole again.
    Settling {
        /// The trigger that would take it as things stand.
        trigger: u32,
    },
    /// No trigger fits.
    Unmatched,
    /// It carries a demand that does not parse.
    NotUnderstood,
}

impl Placement {
    /// The decision's name in the API, on the page and as a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::LostAgent { .. } => "lost-agent",
            Self::IdleAgent { .. } => "idle-agent",
            Self::StartingAgent { .. } | Self::Assigned { .. } => "assigned",
            Self::WaitingForCapacity => "waiting-for-capacity",
            Self::WaitingForParallelJob => "waiting-for-parallel-job",
            Self::StartFailing { .. } => "start-failing",
            Self::Held { .. } => "held",
            Self::Settling { .. } => "settling",
            Self::Unmatched => "unmatched",
            Self::NotUnderstood => "not-understood",
        }
    }

    /// The labels of jobs that have an agent, or that one is there or on its way for.
    pub const PLACED: [&'static str; 4] = ["running", "lost-agent", "idle-agent", "assigned"];

    /// The labels of those queued jobs that no agent is there or on its way for.
    pub const UNPLACED: [&'static str; 7] = [
        "waiting-for-capacity",
        "waiting-for-parallel-job",
        "start-failing",
        "settling",
        "held",
        "unmatched",
        "not-understood",
    ];

    /// All labels.
    pub fn labels() -> impl Iterator<Item = &'static str> {
        Self::PLACED.into_iter().chain(Self::UNPLACED)
    }
}

/// What an agent is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentStanding {
    /// What it is.
    pub state: AgentState,
    /// The ScaledJob that owns it; nobody's are foreign.
    pub owner: Option<u32>,
    /// Where it is idle: the oldest queued job that it satisfies and that Azure could give it.
    pub lets_wait: Option<u32>,
}

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Can take a job.
    Idle,
    /// Has a job.
    Busy,
    /// An own agent that has finished its one job.
    Spent,
    /// Idle, but for too long beside a job that it satisfies: it is not believed any more.
    NotTakingJobs,
    /// An administrator keeps it from taking jobs.
    Disabled,
    /// Has no session with Azure.
    Offline,
    /// Stands for agents that do not run.
    Placeholder,
}

impl AgentState {
    /// All states, for metrics.
    pub const ALL: [Self; 7] =
        [Self::Idle, Self::Busy, Self::Spent, Self::NotTakingJobs, Self::Disabled, Self::Offline, Self::Placeholder];

    /// The state's name in the API, on the page and as a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Spent => "spent",
            Self::NotTakingJobs => "not-taking-jobs",
            Self::Disabled => "disabled",
            Self::Offline => "offline",
            Self::Placeholder => "placeholder",
        }
    }
}
