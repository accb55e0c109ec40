//! What is told of the cluster's view: whether there is one, and what it shows of each ScaledJob.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cluster_view::Trouble,
    cluster_watch::View,
    decision::{Decision, ScaledJobDecision},
};

/// How the cluster is seen.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ClusterViewSaid<'a> {
    /// `off`, `starting`, `current`, `in-doubt` or `lost`.
    pub(in crate::web) state: &'static str,
    /// Since when it is lost.
    pub(in crate::web) since: Option<Timestamp>,
    /// Why it is in doubt, or lost.
    pub(in crate::web) reason: Option<&'a str>,
}

impl<'a> From<&'a View> for ClusterViewSaid<'a> {
    fn from(view: &'a View) -> Self {
        let is = |state| Self { state, since: None, reason: None };
        match view {
            View::Off => is("off"),
            View::Starting => is("starting"),
            View::Current(view) => match &view.doubt {
                None => is("current"),
                Some(doubt) => Self { state: "in-doubt", since: None, reason: Some(&doubt.reason) },
            },
            View::Lost { since, reason } => Self { state: "lost", since: Some(*since), reason: Some(reason) },
        }
    }
}

/// What the cluster shows of a ScaledJob.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::web) struct InClusterSaid {
    /// Unfinished Kubernetes Jobs (K).
    pub(in crate::web) kubernetes_jobs: u32,
    /// Those of them that KEDA counts as pending (P).
    pub(in crate::web) pending: u32,
    /// Those of them whose agents have not been seen yet and may still come.
    pub(in crate::web) starting: u32,
    /// Idle agents that are to be started beyond those that jobs need, to keep the minimum.
    pub(in crate::web) kept_idle: u32,
    /// Whether KEDA is told to leave it alone.
    pub(in crate::web) paused: bool,
}

impl InClusterSaid {
    /// Nothing where it is not seen.
    pub(in crate::web) fn of(scaled_job: &ScaledJobDecision) -> Option<Self> {
        let cluster = scaled_job.cluster.as_ref()?;
        Some(Self {
            kubernetes_jobs: cluster.view.unfinished(),
            pending: cluster.view.pending(),
            starting: cluster.starting,
            kept_idle: scaled_job.to_keep,
            paused: cluster.view.is_paused,
        })
    }
}

/// Why starts fail.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::web) struct StartFailureSaid<'a> {
    /// Kubernetes' own word where there is one.
    pub(in crate::web) reason: &'static str,
    /// What the cluster says; may be empty.
    pub(in crate::web) message: &'a str,
}

impl<'a> From<&'a Trouble> for StartFailureSaid<'a> {
    fn from(trouble: &'a Trouble) -> Self {
        Self { reason: trouble.reason.label(), message: &trouble.message }
    }
}

/// How many agents are starting, as far as the cluster shows.
pub(super) fn starting(decision: &Decision) -> usize {
    let shown = decision.scaled_jobs.iter().filter_map(|scaled_job| scaled_job.cluster.as_ref());
    shown.map(|cluster| cluster.starting as usize).sum()
}
