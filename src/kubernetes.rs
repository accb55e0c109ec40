//! What KEDA and Kubernetes know of our ScaledJobs, watched and published as one [`ClusterView`](crate::cluster_view).
//!
//! ```text
//! API server ──watch──▶ follow (one task for each kind) ──[Object]──▶ watch (one task) ──[View]──▶ cluster_watch
//!            ◀──list───  heartbeat ───────────────────────────────▶  ├ index: objects by key, the view of those touched
//!                                                                    └ health: is what we see all there is?
//! ```
//!
//! An object of the API becomes an [`index::Object`] where it arrives, and of the rest nothing is kept: no Secret is ever
//! read, and a secret written into a manifest is dropped with the manifest. Knows the core and where edges meet.

mod environment;
mod failure;
mod follow;
mod grouped;
mod health;
mod heartbeat;
pub mod index;
mod job;
pub mod lease;
mod pod;
mod scaled;
mod text;
mod trouble;
pub mod watch;

/// The kinds of objects that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// KEDA's ScaledJobs.
    ScaledJob,
    /// KEDA's ScaledObjects.
    ScaledObject,
    /// Kubernetes Jobs that KEDA created.
    Job,
    /// Their pods.
    Pod,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ScaledJob, Self::ScaledObject, Self::Job, Self::Pod];

    /// What the API and the roles call it; also a metric's label.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Self::ScaledJob => "scaledjobs.keda.sh",
            Self::ScaledObject => "scaledobjects.keda.sh",
            Self::Job => "jobs.batch",
            Self::Pod => "pods",
        }
    }
}
