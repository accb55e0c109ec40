//! What is counted while the cluster is watched; nothing of it is there where nobody watches.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::{counter, gauge};

/// Metrics of the cluster's view.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Whether the cluster is seen whole.
    pub view_up: IntGaugeVec,
    /// What went wrong while the cluster was watched.
    pub watch_errors_total: IntCounterVec,
    /// Objects of the cluster that are watched, by kind.
    pub objects: IntGaugeVec,
}

impl Cluster {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            view_up: gauge(
                registry,
                "cluster_view_up",
                "1 while the cluster is seen whole, 0 while it is not; absent where nobody watches it.",
                &[],
            ),
            watch_errors_total: counter(
                registry,
                "cluster_watch_errors_total",
                "Failed lists, watches and heartbeats of the cluster's view, by resource and reason.",
                &["resource", "reason"],
            ),
            objects: gauge(
                registry,
                "cluster_objects",
                "Objects of the cluster that are watched: ScaledJobs, ScaledObjects, KEDA's Kubernetes Jobs and their pods.",
                &["kind"],
            ),
        }
    }
}
