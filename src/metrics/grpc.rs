//! KEDA's calls, and the certificates that they are served with.

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::{counter, histogram};

/// Metrics of the gRPC server.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// Calls answered, by gRPC status.
    pub requests_total: IntCounterVec,
    /// How long answers took.
    pub request_duration_seconds: HistogramVec,
    /// Certificates read again because their files have changed, by whether they could be used.
    pub tls_reloads_total: IntCounterVec,
}

impl Grpc {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            requests_total: counter(
                registry,
                "grpc_requests_total",
                "Calls of KEDA by method and status.",
                &["method", "code"],
            ),
            request_duration_seconds: histogram(
                registry,
                "grpc_request_duration_seconds",
                "Time from a call of KEDA to its answer.",
                &["method"],
                &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0],
            ),
            tls_reloads_total: counter(
                registry,
                "tls_reloads_total",
                "Certificates of the gRPC server read again because their files have changed: ok, or failed and the old \
                 ones kept.",
                &["outcome"],
            ),
        }
    }
}
