//! How long agents take to start, stage by stage.

use std::{collections::VecDeque, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    cluster_view::{KubernetesJob, Stages},
    trigger::ScaledJobId,
};

/// A stage on an agent's way, each counted from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the Kubernetes Job's creation until a node was found.
    Scheduled,
    /// Until the first container started, so its image was there.
    Pulled,
    /// Until all containers had started.
    Running,
    /// Until the agent was seen registered.
    Registered,
    /// Until it was seen with a job.
    Job,
}

impl Stage {
    /// The stage's name as a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Pulled => "pulled",
            Self::Running => "running",
            Self::Registered => "registered",
            Self::Job => "job",
        }
    }
}

/// A start that has come to a stage that Azure shows, with all the stages that it took until then.
#[derive(Clone, Debug, PartialEq)]
pub struct StartUp {
    /// Whose it is.
    pub scaled_job: ScaledJobId,
    /// How long each stage took.
    pub took: Vec<(Stage, Duration)>,
}

impl StartUp {
    /// An agent was seen registered.
    pub(super) fn registered(scaled_job: &ScaledJobId, job: &KubernetesJob, now: Timestamp) -> Self {
        let Stages { scheduled, pulled, running } = stages(job);
        let mut before = job.created_at;
        let times = [
            (Stage::Scheduled, scheduled),
            (Stage::Pulled, pulled),
            (Stage::Running, running),
            (Stage::Registered, Some(now)),
        ];
        let took = times.into_iter().filter_map(|(stage, at)| {
            let at = at?;
            let took = Duration::try_from(at.duration_since(before)).unwrap_or_default();
            before = at;
            Some((stage, took))
        });
        Self { took: took.collect(), scaled_job: scaled_job.clone() }
    }

    /// An agent was seen with its job.
    pub(super) fn has_job(scaled_job: &ScaledJobId, job: &KubernetesJob, now: Timestamp) -> Self {
        let since = stages(job).running.unwrap_or(job.created_at);
        let took = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        Self { took: vec![(Stage::Job, took)], scaled_job: scaled_job.clone() }
    }
}

fn stages(job: &KubernetesJob) -> Stages {
    job.pods.last().map(|pod| pod.stages).unwrap_or_default()
}

/// What 99 of 100 starts were quicker than; the longest of fewer.
pub(super) fn percentile_99(took: &VecDeque<SignedDuration>) -> Option<SignedDuration> {
    let mut sorted: Vec<SignedDuration> = took.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get((sorted.len() * 99).div_ceil(100).max(1) - 1).copied()
}
