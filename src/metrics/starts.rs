//! What becomes of the agents that KEDA starts, as the cluster shows it; nothing of it is there where nobody watches.

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::{counter, histogram};

/// Metrics of starts.
#[derive(Clone, Debug)]
pub struct Starts {
    /// Agents that did not come, by reason.
    pub failures_total: IntCounterVec,
    /// How long agents took, stage by stage.
    pub agent_start_seconds: HistogramVec,
}

impl Starts {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            failures_total: counter(
                registry,
                "start_failures_total",
                "Agents that KEDA started and that did not come, by reason; absent where the cluster is not watched.",
                &["organization", "pool", "reason"],
            ),
            agent_start_seconds: histogram(
                registry,
                "agent_start_seconds",
                "Time that a started agent took for each stage, from its Kubernetes Job's creation on: until its pod was \
                 scheduled, its image pulled, all containers running, the agent registered, a job assigned.",
                &["organization", "pool", "namespace", "scaled_job", "stage"],
                &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0],
            ),
        }
    }
}
