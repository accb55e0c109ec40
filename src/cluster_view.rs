//! What the cluster knows of the ScaledJobs and ScaledObjects that ask this scaler: what Azure does not show.
//!
//! ```text
//! kubernetes (watches) ──[ClusterView]──▶ assignment, pool: agents that start, that are gone, that can't come
//! ```
//!
//! An agent bears its pod's host name: that is how an agent in Azure and a pod in Kubernetes are known to be the same.
//!
//! Pure data. What is here was seen at one moment; times are the cluster's own.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::{
    capability::CapabilitySet,
    caseless::Caseless,
    trigger::{ScaledJobId, Strategy},
};

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterView {
    /// By id. One that is not here does not exist.
    pub scaled_jobs: BTreeMap<ScaledJobId, Arc<ScaledJobView>>,
    /// Why it may not be all there is, where that is so.
    pub doubt: Option<Doubt>,
}

/// A watch has failed, or the API server is silent: it may be nothing, but what has happened since is not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// By then the view is whole again, or lost.
    pub until: Timestamp,
    /// What has failed; no secret is in it.
    pub reason: Arc<str>,
}

/// A ScaledJob, or a ScaledObject, as its author wrote it and as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScaledJobView {
    /// Its own strategy; [`Strategy::ScaledObject`] for a ScaledObject.
    pub strategy: Strategy,
    /// Its own `maxReplicaCount`, or KEDA's default.
    pub max_replicas: u32,
    /// Its own `minReplicaCount`.
    pub min_replicas: u32,
    /// Whether KEDA is told to leave it alone.
    pub is_paused: bool,
    /// The metadata of each of its triggers that ask this scaler, as KEDA sends it.
    pub triggers: Vec<Arc<BTreeMap<String, String>>>,
    /// Whether there is one more, of which only a Secret or a ConfigMap tells what it says, and so only KEDA.
    pub hides_a_trigger: bool,
    /// What an agent takes from its container's environment for capabilities.
    pub environment: Arc<CapabilitySet>,
    /// Its Kubernetes Jobs, by name; a ScaledObject has none.
    pub jobs: Vec<KubernetesJob>,
}

/// What a ScaledJob says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    /// As in [`ScaledJobView`].
    pub strategy: Strategy,
    /// As in [`ScaledJobView`].
    pub max_replicas: u32,
    /// As in [`ScaledJobView`].
    pub min_replicas: u32,
}

impl ScaledJobView {
    /// What it says of itself.
    #[must_use]
    pub fn written(&self) -> Written {
        let Self { strategy, max_replicas, min_replicas, .. } = *self;
        Written { strategy, max_replicas, min_replicas }
    }
}

/// A Kubernetes Job that KEDA created.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesJob {
    /// Its name.
    pub name: Arc<str>,
    /// When it was created.
    pub created_at: Timestamp,
    /// What became of it.
    pub state: JobState,
    /// Its pods: one, or none yet; more where one was evicted and replaced. The newest is the last.
    pub pods: Vec<Pod>,
    /// Why it has failed, as it says itself: its pods may be gone.
    pub trouble: Option<Trouble>,
}

/// What became of a Kubernetes Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// KEDA counts it as running.
    Unfinished {
        /// Whether KEDA counts it as pending, too.
        is_pending: bool,
    },
    /// It has completed.
    Succeeded,
    /// It has failed.
    Failed,
}

/// A pod of a Kubernetes Job.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its host name, which its agent registers under.
    pub agent: Caseless,
    /// How far it has come.
    pub stages: Stages,
    /// Whether its containers have ended or are being stopped: it registers no agent any more.
    pub has_ended: bool,
    /// What keeps it from running, or has ended it.
    pub trouble: Option<Trouble>,
}

/// When a pod reached each stage on its way, as far as it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// A node was found.
    pub scheduled: Option<Timestamp>,
    /// Its first container has started, so its image is there.
    pub pulled: Option<Timestamp>,
    /// All its containers have started.
    pub running: Option<Timestamp>,
}

/// Why a start fails, with what the cluster says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind it is.
    pub reason: StartFailure,
    /// What the cluster says, in its words; may be empty.
    pub message: Arc<str>,
}

/// The ways in which an agent fails to come: few, since they are a metric's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartFailure {
    /// The image can't be pulled.
    ImagePull,
    /// No node takes the pod.
    Unschedulable,
    /// The container can't be made: a Secret, a ConfigMap or a setting is wrong.
    CreateContainer,
    /// The node has put the pod out.
    Evicted,
    /// It needed more memory than it may have.
    OutOfMemory,
    /// Its container has ended with an error.
    ContainerFailed,
    /// The Kubernetes Job ran into its own deadline.
    DeadlineExceeded,
    /// It runs, but no agent has registered in time.
    NotRegistered,
    /// Something else.
    Other,
}

impl StartFailure {
    /// All of them, for metrics.
    pub const ALL: [Self; 9] = [
        Self::ImagePull,
        Self::Unschedulable,
        Self::CreateContainer,
        Self::Evicted,
        Self::OutOfMemory,
        Self::ContainerFailed,
        Self::DeadlineExceeded,
        Self::NotRegistered,
        Self::Other,
    ];

    /// Its name in the API, on the page and as a metric's label: Kubernetes' own word where there is one.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ImagePull => "ImagePullBackOff",
            Self::Unschedulable => "Unschedulable",
            Self::CreateContainer => "CreateContainerConfigError",
            Self::Evicted => "Evicted",
            Self::OutOfMemory => "OOMKilled",
            Self::ContainerFailed => "Error",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::NotRegistered => "NotRegistered",
            Self::Other => "Other",
        }
    }
}

/// What a decision needs to know of a ScaledJob that the cluster knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InCluster {
    /// As it stands.
    pub view: Arc<ScaledJobView>,
    /// Unfinished Kubernetes Jobs whose agents have not been seen yet and may still come.
    pub starting: u32,
    /// The names of unfinished ones whose agents have not come, and are expected no more.
    pub given_up: Vec<Arc<str>>,
}

impl InCluster {
    /// The names of the agents that are there or may come: those of the pods of unfinished Kubernetes Jobs.
    pub fn agents(&self) -> impl Iterator<Item = &Caseless> {
        let unfinished = self.view.jobs.iter().filter(|job| job.is_unfinished());
        unfinished.flat_map(|job| &job.pods).map(|pod| &pod.agent)
    }
}

impl KubernetesJob {
    /// Whether KEDA counts it as running.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, JobState::Unfinished { .. })
    }

    /// What keeps it from bringing an agent: as its newest pod tells, or else itself.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.pods.iter().rev().find_map(|pod| pod.trouble.as_ref()).or(self.trouble.as_ref())
    }
}

impl ScaledJobView {
    /// Kubernetes Jobs that KEDA counts as running (K).
    #[must_use]
    pub fn unfinished(&self) -> u32 {
        count(&self.jobs, KubernetesJob::is_unfinished)
    }

    /// Those of them that KEDA counts as pending (P).
    #[must_use]
    pub fn pending(&self) -> u32 {
        count(&self.jobs, |job| job.state == JobState::Unfinished { is_pending: true })
    }
}

fn count(jobs: &[KubernetesJob], which: impl Fn(&KubernetesJob) -> bool) -> u32 {
    u32::try_from(jobs.iter().filter(|job| which(job)).count()).unwrap_or(u32::MAX)
}
