//! What goes wrong in a world: what befalls single pods, drawn when they are created, and disturbances at their times.
//!
//! Plain data. The [`world`](super::world) lets it happen, up to the moment from which all is calm.

use std::{fmt, sync::Arc, time::Duration};

use super::plan::Millis;
use crate::{capability::CapabilitySet, job_request::Parallelism};

/// What becomes of a pod and its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing goes wrong.
    Well,
    /// The pod takes long to run.
    Slow,
    /// No node has room for the pod for a long time.
    Unschedulable,
    /// The pod ends before its agent has registered.
    FailsAtOnce,
    /// The cluster kills the pod; its agent seems online for a while.
    Evicted,
    /// The agent registers and is never given a job.
    HangsBefore,
    /// The agent runs its job and does not leave.
    HangsAfter,
    /// The agent loses its session and comes back.
    Flaps,
    /// The agent is given another job while it stops.
    TakesTwo,
}

impl Fate {
    /// All that can go wrong.
    pub const FAULTS: [Self; 8] = [
        Self::Slow,
        Self::Unschedulable,
        Self::FailsAtOnce,
        Self::Evicted,
        Self::HangsBefore,
        Self::HangsAfter,
        Self::Flaps,
        Self::TakesTwo,
    ];

    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Slow => "pod slow to run",
            Self::Unschedulable => "pod unschedulable",
            Self::FailsAtOnce => "pod failed at once",
            Self::Evicted => "pod evicted, its agent online for a while",
            Self::HangsBefore => "agent hung before its job",
            Self::HangsAfter => "agent hung after its job",
            Self::Flaps => "agent flapped offline",
            Self::TakesTwo => "agent took a second job",
        }
    }
}

/// How often pods meet each fate, and until when anything goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// From then on all is calm: whatever is wrong is mended, and nothing more goes wrong.
    pub until: Duration,
    /// Of a thousand pods, how many something befalls.
    pub per_mille: u32,
    /// What can befall them, equally often.
    pub fates: Vec<Fate>,
    /// Disturbances, each at its time.
    pub disturbances: Vec<(Duration, Disturbance)>,
}

/// How an image is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Pods fail at once.
    Fails,
    /// Pods never run: the image can't be pulled.
    CantBePulled,
}

/// Something that happens to a world from outside. ScaledJobs are named by their places.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// An administrator disables a static agent, or enables it again.
    Enable {
        /// Azure's number of its pool.
        pool: i64,
        /// Its name.
        agent: Arc<str>,
        /// Which of the two.
        enabled: bool,
    },
    /// A static agent loses its session, or finds it again.
    Connect {
        /// Azure's number of its pool.
        pool: i64,
        /// Its name.
        agent: Arc<str>,
        /// Which of the two.
        online: bool,
    },
    /// A static agent takes no more jobs though it is online, or takes them again.
    Hang {
        /// Azure's number of its pool.
        pool: i64,
        /// Its name.
        agent: Arc<str>,
        /// Which of the two.
        hung: bool,
    },
    /// Parallel jobs are bought or given up.
    Limit(Parallelism, Option<u32>),
    /// An image is broken, or mended.
    Image(usize, Option<Broken>),
    /// A ScaledJob is paused, or goes on.
    Pause(usize, bool),
    /// A ScaledJob is deleted with its Kubernetes Jobs, or made again.
    Delete(usize, bool),
    /// A ScaledJob is edited; its Kubernetes Jobs go on.
    Edit(usize, Edit),
    /// KEDA is down for so long.
    KedaDown(Duration),
}

/// An edit of a ScaledJob.
#[derive(Clone, Debug)]
pub enum Edit {
    /// `maxReplicaCount`.
    Maximum(u32),
    /// `priority`.
    Priority(i32),
    /// `capabilities`, and the image with them.
    Offers(CapabilitySet),
}

impl Disturbance {
    /// The place of the ScaledJob that it happens to, if it happens to one.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::Image(place, _) | Self::Pause(place, _) | Self::Delete(place, _) | Self::Edit(place, _) => {
                Some(*place)
            }
            _ => None,
        }
    }

    /// What kind it is, in words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Enable { enabled: false, .. } => "static agent disabled",
            Self::Enable { .. } => "static agent enabled",
            Self::Connect { online: false, .. } => "static agent offline",
            Self::Connect { .. } => "static agent online",
            Self::Hang { hung: true, .. } => "static agent hung",
            Self::Hang { .. } => "static agent recovered",
            Self::Limit(..) => "parallel jobs changed",
            Self::Image(_, Some(_)) => "image broken",
            Self::Image(..) => "image mended",
            Self::Pause(_, true) => "ScaledJob paused",
            Self::Pause(..) => "ScaledJob resumed",
            Self::Delete(_, true) => "ScaledJob deleted",
            Self::Delete(..) => "ScaledJob made again",
            Self::Edit(..) => "ScaledJob edited",
            Self::KedaDown(_) => "KEDA down",
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enable { agent, .. } | Self::Connect { agent, .. } | Self::Hang { agent, .. } => {
                write!(f, "{}: {agent}", self.kind())
            }
            Self::Limit(parallelism, limit) => match limit {
                Some(limit) => write!(f, "{limit} {} jobs may run at once from now on", parallelism.label()),
                None => write!(f, "any number of {} jobs may run at once from now on", parallelism.label()),
            },
            Self::Image(place, Some(Broken::Fails)) => write!(f, "the image of ScaledJob {place} fails from now on"),
            Self::Image(place, Some(Broken::CantBePulled)) => {
                write!(f, "the image of ScaledJob {place} can't be pulled from now on")
            }
            Self::Image(place, None) | Self::Pause(place, _) | Self::Delete(place, _) => {
                write!(f, "{}: ScaledJob {place}", self.kind())
            }
            Self::Edit(place, Edit::Maximum(max)) => write!(f, "the maximum of ScaledJob {place} is {max} now"),
            Self::Edit(place, Edit::Priority(priority)) => {
                write!(f, "the priority of ScaledJob {place} is {priority} now")
            }
            Self::Edit(place, Edit::Offers(offers)) => {
                let names: Vec<&str> = offers.sorted().into_iter().map(|(name, _)| name).collect();
                write!(f, "ScaledJob {place} offers {} now", names.join(", "))
            }
            Self::KedaDown(time) => write!(f, "KEDA is down for {} s", time.as_secs()),
        }
    }
}

/// How long faults last, in milliseconds.
pub(super) mod lasts {
    use super::Millis;

    pub(in super::super) const SLOW: Millis = 10_000..=60_000;
    pub(in super::super) const UNSCHEDULABLE: Millis = 30_000..=240_000;
    pub(in super::super) const UNTIL_EVICTED: Millis = 0..=60_000;
    pub(in super::super) const SEEMS_ONLINE: Millis = 0..=60_000;
    pub(in super::super) const LEASE: Millis = 60_000..=150_000;
    pub(in super::super) const UNTIL_FLAP: Millis = 0..=20_000;
    pub(in super::super) const FLAP: Millis = 2_000..=60_000;
    pub(in super::super) const HANGS: Millis = 30_000..=200_000;
    pub(in super::super) const FAILS: Millis = 0..=1_000;
}
