//! Objects on their way into the index: what is kept of them, by key.

use std::sync::Arc;

use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::api::DynamicObject;

use super::super::{Kind, job, pod, scaled};
use crate::trigger::ScaledJobId;

/// The label that KEDA gives its Kubernetes Jobs and their pods.
pub(in super::super) const SCALED_JOB_LABEL: &str = "scaledjob.keda.sh/name";
/// The label by which KEDA finds a Kubernetes Job's pods, and its newer name.
const JOB_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

/// Which object of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of an object; none where it has no name.
    #[must_use]
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        Some(Self { namespace: namespace.into(), name: metadata.name.as_deref()?.into() })
    }

    fn sibling(&self, name: &str) -> Self {
        Self { namespace: Arc::clone(&self.namespace), name: name.into() }
    }
}

impl From<&ScaledJobId> for Key {
    fn from(id: &ScaledJobId) -> Self {
        Self { namespace: Arc::clone(&id.namespace), name: Arc::clone(&id.name) }
    }
}

impl From<&Key> for ScaledJobId {
    fn from(key: &Key) -> Self {
        Self { name: Arc::clone(&key.name), namespace: Arc::clone(&key.namespace) }
    }
}

/// What is kept of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A ScaledJob.
    ScaledJob(Key, scaled::Record),
    /// A ScaledObject.
    ScaledObject(Key, scaled::Record),
    /// A Kubernetes Job of KEDA's.
    Job {
        /// Which.
        key: Key,
        /// The ScaledJob that it belongs to.
        owner: Key,
        /// What is kept of it.
        record: job::Record,
    },
    /// A pod of one.
    Pod {
        /// Which.
        key: Key,
        /// The Kubernetes Job that it belongs to.
        job: Key,
        /// What is kept of it.
        record: pod::Record,
    },
}

impl Object {
    /// Of a ScaledJob.
    #[must_use]
    pub fn scaled_job(object: &DynamicObject) -> Option<Self> {
        let annotations = object.metadata.annotations.as_ref();
        let record = scaled::Record::of_scaled_job(annotations, &object.data["spec"]);
        Some(Self::ScaledJob(Key::of(&object.metadata)?, record))
    }

    /// Of a ScaledObject.
    #[must_use]
    pub fn scaled_object(object: &DynamicObject) -> Option<Self> {
        let annotations = object.metadata.annotations.as_ref();
        let record = scaled::Record::of_scaled_object(annotations, &object.data["spec"]);
        Some(Self::ScaledObject(Key::of(&object.metadata)?, record))
    }

    /// Of a Kubernetes Job; none where it is not KEDA's.
    #[must_use]
    pub fn job(job: &Job) -> Option<Self> {
        let key = Key::of(&job.metadata)?;
        let owner = key.sibling(job.metadata.labels.as_ref()?.get(SCALED_JOB_LABEL)?);
        Some(Self::Job { key, owner, record: job::Record::of(job) })
    }

    /// Of a pod; none where it is no Kubernetes Job's.
    #[must_use]
    pub fn pod(pod: &Pod) -> Option<Self> {
        let key = Key::of(&pod.metadata)?;
        let labels = pod.metadata.labels.as_ref()?;
        let job = key.sibling(JOB_LABELS.iter().find_map(|label| labels.get(*label))?);
        Some(Self::Pod { key, job, record: pod::Record::of(pod) })
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::ScaledJob(..) => Kind::ScaledJob,
            Self::ScaledObject(..) => Kind::ScaledObject,
            Self::Job { .. } => Kind::Job,
            Self::Pod { .. } => Kind::Pod,
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::ScaledJob(key, _) | Self::ScaledObject(key, _) | Self::Job { key, .. } | Self::Pod { key, .. } => key,
        }
    }
}
